/* How long a sweep will still take, from what its trials were expected to take and what they took. Plain values, any thread. */
#ifndef DIGITD_SWEEP_ETA_H
#define DIGITD_SWEEP_ETA_H

#include <stddef.h>

enum trial_progress { TRIAL_WAITS, TRIAL_RUNS, TRIAL_IS_DONE };

struct trial_time {
    enum trial_progress progress;
    double expected; /* seconds of all that it is to train on this rung */
    double taken;    /* seconds since it was started, or until it was done */
    double left;     /* of one that runs: what it says itself; NaN when it is too early */
};

/* Seconds until all trials are done of which `at_once` run at once. `later`: expected seconds of all that comes after them, on
 * the next rungs. Trials that took longer than expected say that the others will, too: by the median of them, since one that
 * was paused says nothing. NaN when an expectation is. */
double sweep_eta(const struct trial_time *trials, size_t count, double later, int at_once);

#endif
