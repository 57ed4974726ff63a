/* What the trials of a sweep have come to: their states and figures, which is best, and what to make of it.
 *
 * The best is picked by accuracy on the validation images: picking by the test images would make their accuracy, which
 * stands for images never seen, the luckiest of many. A combination with several seeds counts by their mean. Any thread. */
#ifndef DIGITD_SWEEP_RESULTS_H
#define DIGITD_SWEEP_RESULTS_H

#include "engine/engine.h"
#include "server/store_sweeps.h"

#include <jansson.h>

enum trial_state {
    TRIAL_INVALID, /* impossible, never run */
    TRIAL_QUEUED,
    TRIAL_RUNNING,
    TRIAL_PAUSED,
    TRIAL_SUCCEEDED,
    TRIAL_STOPPED, /* successive halving went on without it */
    TRIAL_FAILED,
    TRIAL_CANCELLED,
    TRIAL_STATES
};

const char *trial_state_name(enum trial_state state);

/* A trial that will not change any more by itself, on this rung. */
bool trial_state_is_final(enum trial_state state);

struct sweep_row {
    const struct trial_record *trial; /* borrowed */
    enum trial_state state;
    bool has_figures;              /* version is filled */
    struct version_record version; /* of what it trained: figures and digests; config and model are empty */
    int64_t validation_images;
    double mean,
        spread; /* of validation accuracy over the combination's seeds; standard deviation, NaN for one seed */
    bool never_learned;
};

struct sweep_results {
    struct sweep_row *rows; /* best first; those without figures last */
    size_t count;
    size_t counts[TRIAL_STATES];
    const struct sweep_row *best; /* NULL before the first success */
};

/* Borrows `trials`. `cancelled`: the sweep is, so that what waits never comes. ERR_MEMORY. */
MUST_CHECK enum status sweep_results_create(const struct trial_record *trials, size_t count, bool cancelled,
                                            struct sweep_results *ret_results, struct error *err);
void sweep_results_clear(struct sweep_results *results);

/* One sentence: what is best, by how much, whether that is more than chance, and what never learned. */
#define SWEEP_VERDICT_SIZE 600
void sweep_results_verdict(const struct sweep_results *results, char ret_text[SWEEP_VERDICT_SIZE]);

/* What the store keeps of a trial that succeeded: JSON text on the heap, NULL without memory. */
char *trial_outcome_to_text(const struct version_record *version, int64_t validation_images);

#endif
