/* A training job as asked for, checked: what POST /api/v1/jobs takes and what the store keeps of it.
 *
 *   {"name": "digits", "dataset": "mnist", "model": {"preset": "reference"}, "training": {"epochs": 10, …},
 *    "promotion": "if_better"}
 *
 * Every field may be absent; these are the defaults. Any thread. */
#ifndef DIGITD_JOB_REQUEST_H
#define DIGITD_JOB_REQUEST_H

#include "engine/engine.h"
#include "server/names.h"
#include "server/registry.h"

struct datasets;

struct job_request {
    char name[NAME_MAX_LENGTH + 1]; /* of the model to register */
    char dataset[NAME_MAX_LENGTH + 1];
    struct model_plan plan;
    struct train_config training;
    enum promotion promotion;
};

/* What a job may use. */
struct job_limits {
    int threads;         /* that it will run on: each has its own buffers */
    size_t memory_limit; /* bytes for weights, moments, activations and dataset; 0: no limit */
};

/* Checks all of `json` against the engine, the datasets at hand and the limits. Everything that is wrong is added
 * to `problems`, each with the JSON pointer of its field; then ERR_ARGUMENT is returned. */
MUST_CHECK enum status job_request_from_json(const struct json_t *json, struct datasets *datasets,
                                             const struct job_limits *limits, struct job_request *ret_request,
                                             struct problems *problems);

/* Every field with its value, the model as layers; a new reference, NULL without memory. Reading it again gives an
 * equal request. */
struct json_t *job_request_to_json(const struct job_request *request);

#endif
