/* Sweeps and their trials in the store. See store.h for the rules.
 *
 * A trial is one combination of settings with one seed; what trains it is a job like any other. The row of a trial
 * says which job that is; what state the trial is in follows from the job's. */
#ifndef DIGITD_STORE_SWEEPS_H
#define DIGITD_STORE_SWEEPS_H

#include "engine/engine.h"
#include "server/names.h"
#include "server/store.h"
#include "server/store_jobs.h"
#include "server/sweep_state.h"

#define SWEEP_TRIALS_MAX 1000
#define TRIAL_PRIORITY   (-1) /* of its job: after those that people have started */

/* ---- Sweeps ---------------------------------------------------------------------------------------- */

/* Texts are JSON on the heap; sweep_record_clear frees them. Times are ms since 1970, 0 for none. */
struct sweep_record {
    char id[SWEEP_ID_LENGTH + 1];
    char name[NAME_MAX_LENGTH + 1];
    enum sweep_state state;
    int64_t created_at, started_at, finished_at;
    char *request, *estimate;
};

void sweep_record_clear(struct sweep_record *record);

/* A trial as planned. Texts are JSON; `config` is NULL for one that is impossible, and `error` says why. */
struct trial_plan {
    int combination; /* from 1 */
    uint64_t seed;
    char *settings, *config, *error;
    double seconds; /* that it should take; NaN when nobody knows */
};

/* Adds a running sweep with its trials, numbered from 1, under a fresh id. Of `record` name, request and estimate count.
 * ERR_CHANGED: own data that a trial trains on is gone. */
MUST_CHECK enum status store_sweep_insert(struct store *store, const struct sweep_record *record,
                                          const struct trial_plan *trials, size_t count,
                                          char ret_id[SWEEP_ID_LENGTH + 1], struct error *err);

/* ERR_NOT_FOUND: no such sweep. */
MUST_CHECK enum status store_sweep_read(struct store *store, const char *id, struct sweep_record *ret_record,
                                        struct error *err);

struct sweep_filter {
    const enum sweep_state *state; /* NULL: any */
    const char *after;             /* only those older than this one; NULL: from the newest */
    size_t limit;                  /* 1..STORE_LIST_MAX */
};

/* Newest first. The caller clears each record and frees the array. ERR_NOT_FOUND: no such sweep as `after`. */
MUST_CHECK enum status store_sweep_list(struct store *store, const struct sweep_filter *filter,
                                        struct sweep_record **ret_records, size_t *ret_count,
                                        bool *ret_has_more, struct error *err);

/* Brings a sweep into state `to`; every change of state goes through here. As store_job_change. */
MUST_CHECK enum job_change store_sweep_change(struct store *store, const char *id, enum sweep_state to,
                                              enum sweep_state *ret_from, struct error *err);

/* Sweeps in a state that have jobs which are not over, at most STORE_LIST_MAX of them. The caller frees the array. */
MUST_CHECK enum status store_sweeps_with_jobs_left(struct store *store, enum sweep_state state,
                                                   char (**ret_ids)[SWEEP_ID_LENGTH + 1], size_t *ret_count,
                                                   struct error *err);

/* Forgets a sweep, its trials and their jobs; their events stay, and one more says that it is gone. */
MUST_CHECK enum status store_sweep_delete(struct store *store, const char *id, struct error *err);

/* ---- Trials ---------------------------------------------------------------------------------------- */

struct trial_record {
    int trial, combination; /* from 1 */
    uint64_t seed;
    char *settings;                  /* {pointer: value} */
    char *error;                     /* of an impossible trial, or of a job that failed; else NULL */
    char *outcome;                   /* trial_outcome_to_json's; NULL until a job of it succeeded */
    double seconds;                  /* that it should take; NaN when nobody knows */
    int rung;                        /* of successive halving, from 0 */
    bool is_possible;                /* has a config */
    bool pending;                    /* waits for a job to be made */
    bool stopped;                    /* successive halving goes on without it */
    char job[JOB_ID_LENGTH + 1];     /* the newest; "" for none */
    bool has_job;                    /* and it is still in the store */
    enum job_state job_state;        /* if so */
    int64_t started_at, finished_at; /* of the job */
    double best_accuracy; /* of the job's epochs, on the validation images if there are any; NaN before */
    int epochs_at_chance; /* first ones, up to the first that was above SWEEP_CHANCE */
};

/* Twice what guessing one of ten classes gets. */
#define SWEEP_CHANCE 0.2

void trial_record_clear(struct trial_record *record);

/* By number. The caller clears each record and frees the array. */
MUST_CHECK enum status store_trial_list(struct store *store, const char *sweep,
                                        struct trial_record **ret_records, size_t *ret_count,
                                        struct error *err);

/* The request of a trial's job, JSON on the heap. ERR_NOT_FOUND: no such trial, or it is impossible. */
MUST_CHECK enum status store_trial_config(struct store *store, const char *sweep, int trial,
                                          char **ret_config, struct error *err);

/* In one transaction: queues the job of a pending trial of a running sweep. ERR_NOT_FOUND: it is not pending, or the sweep
 * does not run, any more. */
MUST_CHECK enum status store_trial_start(struct store *store, const char *sweep, int trial,
                                         const char *config, char ret_job[JOB_ID_LENGTH + 1],
                                         struct error *err);

/* The trial that a job was made for. ERR_NOT_FOUND: none. */
MUST_CHECK enum status store_trial_of_job(struct store *store, const char *sweep, const char *job,
                                          int *ret_trial, struct error *err);

/* In one transaction: the job of a trial succeeds, and the trial has its outcome. As store_job_change. */
MUST_CHECK enum job_change store_trial_succeed(struct store *store, const char *sweep, int trial,
                                               const char *job, const char *result, const char *outcome,
                                               struct error *err);

/* The end of a rung of successive halving. In one transaction: trials whose entry in goes_on is true are pending again, on
 * the next rung; the others of this rung are stopped. `goes_on[i]` is trial i + 1. */
MUST_CHECK enum status store_trials_advance(struct store *store, const char *sweep, int rung,
                                            const bool *goes_on, size_t count, struct error *err);

#endif
