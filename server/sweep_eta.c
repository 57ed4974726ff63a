#include "server/sweep_eta.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *one, const void *other)
{
    const double *a = one, *b = other;
    return (*a > *b) - (*a < *b);
}

/* How many times as long as expected trials take. Before any is known: jobs that run at once share the threads on which the
 * expectation was measured. */
static double find_ratio(const struct trial_time *trials, size_t count, int at_once)
{
    size_t known = 0;
    double *ratios = calloc(count ? count : 1, sizeof *ratios), ratio = at_once;
    for (size_t i = 0; i < count && ratios; i++) {
        const struct trial_time *trial = &trials[i];
        double whole = trial->progress == TRIAL_IS_DONE ? trial->taken
                       : trial->progress == TRIAL_RUNS  ? trial->taken + trial->left
                                                        : NAN;
        if (whole > 0 && trial->expected > 0)
            ratios[known++] = whole / trial->expected;
    }
    if (known) {
        qsort(ratios, known, sizeof *ratios, compare);
        ratio = ratios[known / 2];
    }
    free(ratios);
    return ratio;
}

static double seconds_left(const struct trial_time *trial, double ratio)
{
    if (trial->progress == TRIAL_IS_DONE)
        return 0;
    if (trial->progress == TRIAL_WAITS)
        return trial->expected * ratio;
    return isnan(trial->left) ? fmax(trial->expected * ratio - trial->taken, 0) : trial->left;
}

double sweep_eta(const struct trial_time *trials, size_t count, double later, int at_once)
{
    double ratio = find_ratio(trials, count, at_once), total = later * ratio, longest = 0;
    for (size_t i = 0; i < count; i++) {
        double left = seconds_left(&trials[i], ratio);
        total += left;
        longest = fmax(longest, left);
    }
    return total / at_once < longest ? longest : total / at_once; /* a trial is not trained by two */
}
