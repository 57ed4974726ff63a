/* Training jobs in the store: their states, and what was measured while they ran. See store.h for the rules. */
#ifndef DIGITD_STORE_JOBS_H
#define DIGITD_STORE_JOBS_H

#include "engine/engine.h"
#include "server/job_state.h"
#include "server/names.h"
#include "server/store.h"
#include "server/store_events.h"
#include "server/store_models.h"

/* ---- Jobs ------------------------------------------------------------------------------------------ */

/* A job's row. Texts are JSON on the heap; job_record_clear frees them. Times are ms since 1970, 0 for none. */
struct job_record {
    char id[JOB_ID_LENGTH + 1];
    char sweep[EVENT_SUBJECT_SIZE]; /* that it is a trial of; "" for none */
    enum job_state state;
    int priority;            /* the higher runs first */
    int64_t position;        /* in the queue, from 1; 0 unless it waits there */
    int64_t steps_per_epoch; /* 0 before it has started */
    int64_t created_at, started_at, finished_at;
    char *config;
    char *result; /* NULL until it succeeded */
    char *error;  /* NULL unless it failed */
};

void job_record_clear(struct job_record *record);

struct job_insert {
    const char *config;
    const char *idempotency_key; /* NULL without one */
    const char *request_digest;  /* of what came with the key, to tell a repetition from a mistake */
    size_t queue_limit;          /* jobs that may wait in state queued */
    const char *sweep;           /* NULL unless it is a trial */
    int priority;                /* the higher go first */
};

enum job_insert_result {
    JOB_INSERTED,
    JOB_REPEATED,   /* the key was seen with the same digest: `ret_id` is that job */
    JOB_KEY_REUSED, /* the key was seen with another digest */
    JOB_QUEUE_FULL,
    JOB_INSERT_FAILED, /* `err` says why */
};

/* What an earlier request with this key means for one with this digest: JOB_REPEATED, JOB_KEY_REUSED, or JOB_INSERTED when
 * there was none, and it may be inserted. */
MUST_CHECK enum job_insert_result store_job_find_key(struct store *store, const char *key, const char *digest,
                                                     char ret_id[JOB_ID_LENGTH + 1], struct error *err);

/* Adds a job in state queued under a fresh id. JOB_INSERT_FAILED with ERR_CHANGED: own data that it trains on is gone. */
MUST_CHECK enum job_insert_result store_job_insert(struct store *store, const struct job_insert *insert,
                                                   char ret_id[JOB_ID_LENGTH + 1], struct error *err);

/* ERR_NOT_FOUND: no such job. */
MUST_CHECK enum status store_job_read(struct store *store, const char *id, struct job_record *ret_record,
                                      struct error *err);

#define STORE_LIST_MAX 1000

struct job_filter {
    const enum job_state *state; /* NULL: any */
    const char *sweep;           /* only trials of this one; "": no trial; NULL: all jobs */
    const char *after;           /* only jobs older than this one; NULL: from the newest */
    size_t limit;                /* 1..STORE_LIST_MAX */
};

/* Newest first. The caller clears each record and frees the array. ERR_NOT_FOUND: no such job as `after`. */
MUST_CHECK enum status store_job_list(struct store *store, const struct job_filter *filter,
                                      struct job_record **ret_records, size_t *ret_count, bool *ret_has_more,
                                      struct error *err);

/* The first that came of the jobs in a state. ERR_NOT_FOUND: there is none. */
MUST_CHECK enum status store_job_oldest(struct store *store, enum job_state state,
                                        struct job_record *ret_record, struct error *err);

/* The queued job whose turn comes after `skip` others: higher priorities first, then in the order of arrival.
 * ERR_NOT_FOUND: there is none. */
MUST_CHECK enum status store_job_next(struct store *store, size_t skip, struct job_record *ret_record,
                                      struct error *err);

/* How many jobs are in each state. */
MUST_CHECK enum status store_job_count_states(struct store *store, int64_t ret_counts[JOB_STATES],
                                              struct error *err);

MUST_CHECK enum status store_job_count(struct store *store, int64_t *ret_count, struct error *err);

/* ---- Changes of state ------------------------------------------------------------------------------ */

enum job_change {
    JOB_CHANGED,
    JOB_UNCHANGED,     /* it was in that state already */
    JOB_REFUSED,       /* job_state_may_become says no; `ret_from` is the state that it is in */
    JOB_UNKNOWN,       /* no such job */
    JOB_CHANGE_FAILED, /* `err` says why */
};

/* Brings a job into state `to`, with the times that go with it; every change of state goes through here.
 * `error` (JSON text or NULL) is kept with a failed job. */
MUST_CHECK enum job_change store_job_change(struct store *store, const char *id, enum job_state to,
                                            const char *error, enum job_state *ret_from, struct error *err);

/* In one transaction: the job succeeds, `version` is registered and, with `promote`, put into production. Right
 * before all of it becomes visible `before_commit` is called, unless the job may not succeed any more. */
MUST_CHECK enum job_change store_job_succeed(struct store *store, const char *id, const char *result,
                                             const struct version_record *version, bool promote,
                                             void (*before_commit)(void *context), void *context,
                                             struct error *err);

/* Forgets a job that has ended, with its metrics; its events stay, and one more says that it is gone. JOB_REFUSED: it
 * has not ended. */
MUST_CHECK enum job_change store_job_delete(struct store *store, const char *id, enum job_state *ret_from,
                                            struct error *err);

/* The same with several in one transaction; those that have not ended are left alone. */
MUST_CHECK enum status store_jobs_delete(struct store *store, const char (*ids)[JOB_ID_LENGTH + 1],
                                         size_t count, struct error *err);

/* JOB_REFUSED: it neither waits nor is paused. */
MUST_CHECK enum job_change store_job_prioritise(struct store *store, const char *id, int priority,
                                                enum job_state *ret_from, struct error *err);

MUST_CHECK enum status store_job_steps_put(struct store *store, const char *id, int64_t steps_per_epoch,
                                           struct error *err);

/* ---- Series ---------------------------------------------------------------------------------------- */

/* Losses after every stride-th step of a run: losses[i] is that of step (i + 1) * stride. */
struct step_losses {
    int64_t stride;
    size_t count;
    float *losses;
};

/* Keeps the step losses of a run so far, in place of those kept before. */
MUST_CHECK enum status store_steps_put(struct store *store, const char *id, const struct step_losses *steps,
                                       struct error *err);

/* Keeps an epoch's metrics, in place of those of the same epoch, and the step losses with them. */
MUST_CHECK enum status store_epoch_put(struct store *store, const char *id,
                                       const struct epoch_metrics *metrics, const struct step_losses *steps,
                                       struct error *err);

/* Epochs in order; none is no error. The caller frees the array. */
MUST_CHECK enum status store_epochs_read(struct store *store, const char *id,
                                         struct epoch_metrics **ret_epochs, size_t *ret_count,
                                         struct error *err);

/* The step losses last kept; none (count 0, stride 1) is no error. The caller frees `losses`. */
MUST_CHECK enum status store_steps_read(struct store *store, const char *id, struct step_losses *ret_steps,
                                        struct error *err);

#endif
