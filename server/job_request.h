/* A training job as asked for, checked: what POST /api/v1/jobs takes and what the store keeps of it.
 *
 *   {"name": "digits", "dataset": "mnist", "recipe": "reference", "model": {"preset": "reference"},
 *    "training": {"epochs": 10, …}, "promotion": "if_better", "priority": 0}
 *
 * Every field may be absent; these are the defaults. A recipe is what `model` and the fields of `training` default to.
 * "datasets": [{"name": "mnist"}, {"name": "mine", "repeat": 10, "revision": 4}] trains on a mix. "test_dataset" defaults to the
 * first of them that has a test set, or mnist. A request is checked against own data as it is, and says its revision from then on.
 * "init_from": {"model": "digits", "version": 3} begins with the weights of that version, and so with its layers.
 * Any thread. */
#ifndef DIGITD_JOB_REQUEST_H
#define DIGITD_JOB_REQUEST_H

#include "engine/engine.h"
#include "server/names.h"
#include "server/registry.h"

struct datasets;

/* The version of a model whose weights a job begins with. */
struct job_origin {
    char model[NAME_MAX_LENGTH + 1];
    int version; /* 0: none, the weights are drawn */
};

/* A dataset that is trained on. */
struct job_part {
    char name[NAME_MAX_LENGTH + 1];
    int repeat;
    int64_t revision; /* of own data; 0: files */
};

#define JOB_PRIORITY_MAX 100

struct job_request {
    char name[NAME_MAX_LENGTH + 1]; /* of the model to register */
    struct job_part parts[MIX_PARTS_MAX];
    size_t part_count; /* at least 1 */
    char test_dataset[NAME_MAX_LENGTH + 1];
    struct train_split split; /* of all parts */
    size_t test_images;
    char recipe[NAME_MAX_LENGTH + 1]; /* "" when none was asked for */
    struct job_origin init_from;
    struct model_plan plan;
    struct train_config training;
    enum promotion promotion;
    int priority; /* -JOB_PRIORITY_MAX..JOB_PRIORITY_MAX, the higher runs first; it is the job's, not its configuration's */
};

/* What a job may use. */
struct job_limits {
    int threads;         /* that it will run on: each has its own buffers */
    size_t memory_limit; /* bytes for weights, moments, activations and dataset; 0: no limit */
};

/* What a job is made from. */
struct job_sources {
    struct datasets *datasets;
    struct registry
        *registry; /* NULL: do not look at init_from's version, which was there when the job was queued */
    struct json_t
        *revisions; /* {name: revision} that own data without one gets, and is added to; NULL: the newest */
};

/* Checks all of `json` against the engine, the sources and the limits. Everything that is wrong is added to `problems`,
 * each with the JSON pointer of its field; then ERR_ARGUMENT is returned. */
MUST_CHECK enum status job_request_from_json(const struct json_t *json, const struct job_sources *sources,
                                             const struct job_limits *limits, struct job_request *ret_request,
                                             struct problems *problems);

/* Whether the training set has to be put together: more than a dataset as it is. */
bool job_request_is_mix(const struct job_request *request);

/* Opens the training set and the test set of a job in the store, before the rest of its configuration is looked at: each part
 * with a reference in `ret_parts`, for the caller to give back also after a failure. Errors as datasets_open_revision. */
MUST_CHECK enum status job_request_open(const struct json_t *config, struct datasets *datasets,
                                        struct mix_part ret_parts[MIX_PARTS_MAX], struct dataset **ret_test,
                                        struct error *err);

/* Every field but the priority with its value, the model as layers; recipe and init_from only if they were given. A new reference, NULL
 * without memory. Reading it again gives an equal request. */
struct json_t *job_request_to_json(const struct job_request *request);

#endif
