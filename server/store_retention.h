/* What of the jobs and sweeps that are over is to be forgotten when there are too many. See store.h for the rules. */
#ifndef DIGITD_STORE_RETENTION_H
#define DIGITD_STORE_RETENTION_H

#include "engine/engine.h"
#include "server/store.h"
#include "server/store_events.h"

struct finished {
    bool is_sweep; /* with its trials; else a job of its own */
    char id[EVENT_SUBJECT_SIZE];
    int64_t jobs; /* that go with it */
};

/* What has to go so that no more than `keep` finished jobs are left, those of trials counted: the first to have ended come
 * first, `limit` at most. Trials go with their sweep alone, and only once that is over. What stays is that which ended last,
 * however large, and what a version came of that an alias stands for. The caller frees the array. */
MUST_CHECK enum status store_finished_beyond(struct store *store, int64_t keep, size_t limit,
                                             struct finished **ret_items, size_t *ret_count,
                                             struct error *err);

#endif
