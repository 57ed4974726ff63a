/* The trials of a sweep before it begins: each combination with each seed as a job's request, checked, or why it is
 * impossible; and what all of them will take. Any thread; sweep_plan_measure keeps the processor busy for seconds. */
#ifndef DIGITD_SWEEP_PLAN_H
#define DIGITD_SWEEP_PLAN_H

#include "engine/engine.h"
#include "server/meter.h"
#include "server/store_sweeps.h"
#include "server/sweep_request.h"

#include <pthread.h>

struct jobs;

struct sweep_trial {
    struct trial_plan plan;
    struct meter_plan work; /* of all its epochs */
    double multiply_adds;   /* of an image */
    size_t memory;          /* bytes to train it */
};

struct sweep_plan {
    struct sweep_trial *trials;
    size_t count, possible;
    double seconds; /* for all of them; NaN before it is measured, and when nothing is possible */
    size_t memory;  /* of the largest */
};

void sweep_plan_clear(struct sweep_plan *plan);

/* A combination whose layers do not fit together, or that needs more memory than allowed, is an impossible trial. Anything
 * else that is wrong is wrong with the request: it is added to `problems`, and ERR_ARGUMENT returned. All trials train on the
 * same images of own data, also when it changes meanwhile: hold it (store_own_hold). */
MUST_CHECK enum status sweep_plan_create(const struct sweep_request *request, struct jobs *jobs, int threads,
                                         struct sweep_plan *ret_plan, struct problems *problems);

/* Rates measured so far, so that the same network is not measured twice. */
#define SWEEP_RATES 64
struct sweep_rates {
    pthread_mutex_t mutex; /* guards the rest; held while one is measured */
    size_t count;
    struct {
        char *key;   /* network, batch size, augmentation */
        double rate; /* images a second */
    } items[SWEEP_RATES];
};

void sweep_rates_clear(struct sweep_rates *rates);

/* Fills in the seconds. Trains up to three networks for a second each on made-up images: those with the fewest
 * multiply-adds, with the most, and in the middle; the others are taken to lie on the lines between them. */
MUST_CHECK enum status sweep_plan_measure(struct sweep_plan *plan, const struct sweep_request *request,
                                          struct jobs *jobs, int threads, struct sweep_rates *rates,
                                          struct error *err);

/* {"trials", "valid", "invalid", "seconds", "memory_bytes"}: a new reference, NULL without memory. */
json_t *sweep_plan_to_json(const struct sweep_plan *plan);

/* ---- Successive halving ------------------------------------------------------------------------------ */

#define SWEEP_RUNGS_MAX 32 /* each trains at least twice as long as the one before */

/* Epochs of rung `rung` (from 0) of trials that train for `epochs` in the end; all of them for other methods. */
int sweep_rung_epochs(const struct sweep_request *request, int epochs, int rung);

/* How many of `count` combinations go on to the next rung. */
size_t sweep_rung_survivors(const struct sweep_request *request, size_t count);

#endif
