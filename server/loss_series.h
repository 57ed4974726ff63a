/* The loss after each training step of a run, in bounded memory: after every stride-th step, and when that gets too
 * many, every second of those is forgotten and the stride doubles. A plain value: one thread at a time. */
#ifndef DIGITD_LOSS_SERIES_H
#define DIGITD_LOSS_SERIES_H

#include "server/store_jobs.h"

#define LOSS_SERIES_MAX 8192

struct loss_series {
    int64_t stride;
    size_t count;
    float losses[LOSS_SERIES_MAX]; /* losses[i] is that of step (i + 1) * stride */
};

void loss_series_start(struct loss_series *series);

/* The loss of step `step`, which counts from 1 over all epochs and comes in order. */
void loss_series_add(struct loss_series *series, int64_t step, double loss);

/* Brings a kept series to a run that continues after `step` steps: what came later is trained again, and what was
 * not kept is NaN. */
void loss_series_resume(struct loss_series *series, const struct step_losses *kept, int64_t step);

/* The series as the store takes it; it points into `series`. */
struct step_losses loss_series_view(struct loss_series *series);

#endif
