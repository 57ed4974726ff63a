/* A sweep as asked for: what POST /api/v1/sweeps takes.
 *
 *   {"preset": "architecture"} or
 *   {"method": "grid", "base": {a job's request}, "parameters": {"/training/learning_rate": [0.001, 0.003]}, "seeds": 3}
 *
 * Every parameter is a JSON pointer into a job's request and the values to try there: a list, or for random draws
 * {"min", "max", "scale"}. Any thread. */
#ifndef DIGITD_SWEEP_REQUEST_H
#define DIGITD_SWEEP_REQUEST_H

#include "engine/engine.h"
#include "server/names.h"
#include "server/registry.h"

#include <jansson.h>

enum sweep_method {
    SWEEP_GRID,   /* every combination */
    SWEEP_RANDOM, /* so many combinations, drawn from a seed */
    SWEEP_HALVING, /* those of either; all train for few epochs, the better ones for more (Jamieson and Talwalkar, 2016) */
};

#define SWEEP_SEEDS_MAX      20
#define SWEEP_PARAMETERS_MAX 16

struct sweep_request {
    char name[NAME_MAX_LENGTH + 1];
    char preset[NAME_MAX_LENGTH + 1]; /* "" for none */
    enum sweep_method method;
    json_t *base;       /* a job's request, without what the parameters put there */
    json_t *parameters; /* {pointer: values} */
    int draws;          /* of random combinations; 0: every combination */
    uint64_t draw_seed;
    uint64_t seeds[SWEEP_SEEDS_MAX]; /* that every combination is trained with */
    size_t seed_count;               /* 0: the one of the combination's training.seed */
    int min_epochs, factor; /* of halving: the first rung, and how many times longer the next ones are */
    enum promotion promote; /* the best, in the end */
    int keep;               /* of how many of the best trials the weights are kept */
};

void sweep_request_clear(struct sweep_request *request);

/* Everything wrong is added to `problems`; then ERR_ARGUMENT, and `ret_request` is what is sound, to look for further faults:
 * what the fields of jobs mean is not looked at here. The caller clears it but after ERR_MEMORY. */
MUST_CHECK enum status sweep_request_from_json(const json_t *json, struct sweep_request *ret_request,
                                               struct problems *problems);

/* With every default filled in. A new reference, NULL without memory. Reading it again gives an equal request. */
json_t *sweep_request_to_json(const struct sweep_request *request);

const char *sweep_preset_name(size_t index); /* NULL past the end */

/* How many combinations there are at most; SIZE_MAX if that overflows. */
size_t sweep_request_combinations(const struct sweep_request *request);

/* Combination number `index` as {pointer: value}. With draws it is drawn from (draw_seed, index), so that it is the same on
 * every machine. A new reference, NULL without memory. */
json_t *sweep_request_settings(const struct sweep_request *request, uint64_t index);

#endif
