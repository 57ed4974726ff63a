/* Training jobs: the queue, what clients may do with a job, and what the runner reports about the one it has in hand.
 *
 * The store holds every job and its state; this service adds what need not survive: the progress of the running jobs
 * and the losses since their last epochs. A client's pause or cancel is in the store when the call returns; the runner
 * sees it with its next report, some milliseconds later.
 *
 * Any thread may call; calls wait for the disk. */
#ifndef DIGITD_JOBS_H
#define DIGITD_JOBS_H

#include "engine/engine.h"
#include "server/job_request.h"
#include "server/loss_series.h"
#include "server/store_jobs.h"

struct jobs;

#define JOBS_CONCURRENT_MAX 8

struct jobs_config {
    size_t queue_limit; /* jobs that may wait, at least 1 */
    int concurrent;     /* jobs that run at once, 1..JOBS_CONCURRENT_MAX */
    struct job_limits limits;
};

/* Puts jobs that a dead process left running back into the queue, and removes checkpoints that no job needs. Borrows
 * `store` and what `sources` points to. */
MUST_CHECK enum status jobs_create(struct store *store, const struct job_sources *sources,
                                   const struct jobs_config *config, struct jobs **ret_jobs,
                                   struct error *err);

/* The runner must be gone. */
void jobs_free(struct jobs *jobs);

/* ---- For clients ----------------------------------------------------------------------------------- */

/* As job_request_from_json, with the sources and limits at hand. */
MUST_CHECK enum status jobs_check(struct jobs *jobs, const struct json_t *json,
                                  struct job_request *ret_request, struct problems *problems);

/* The same for one of several jobs that shall train on the same images: job_sources says what `revisions` is. They can be read
 * as long as own data is held (store_own_hold). */
MUST_CHECK enum status jobs_check_alike(struct jobs *jobs, const struct json_t *json,
                                        struct json_t *revisions, struct job_request *ret_request,
                                        struct problems *problems);

/* As store_job_find_key. A request that came before is good, whatever has changed since that it builds on. */
MUST_CHECK enum job_insert_result jobs_find_key(struct jobs *jobs, const char *key, const char *digest,
                                                char ret_id[JOB_ID_LENGTH + 1], struct error *err);

/* Queues a job. `key` (or NULL) makes repeating the call harmless: with the same `digest` it gives the job of the
 * first call. */
MUST_CHECK enum job_insert_result jobs_submit(struct jobs *jobs, const struct job_request *request,
                                              const char *key, const char *digest,
                                              char ret_id[JOB_ID_LENGTH + 1], struct error *err);

/* On a store without jobs and models: queues the reference job. Does nothing, and says why in the log, when that
 * cannot be done (no dataset mnist). */
MUST_CHECK enum status jobs_bootstrap(struct jobs *jobs, struct error *err);

/* Queues a job. ERR_NOT_FOUND: there is none to queue, until jobs_wake. Other errors: it is tried again some seconds
 * later. */
typedef enum status jobs_feeder(void *context, struct error *err);

/* Where jobs come from when none waits. The feeder is called by threads of the runner, by several at once and without a
 * lock: when it returns, what it queued may have been taken by any of them. Set it before there is a runner. */
void jobs_set_feeder(struct jobs *jobs, jobs_feeder *feed, void *context);

/* How many jobs run at once, at most. */
int jobs_at_once(const struct jobs *jobs);

/* Something may wait now that did not before: the runner looks again. */
void jobs_wake(struct jobs *jobs);

/* What a client may bring a job to: JOB_CANCELLED, JOB_PAUSED, or JOB_QUEUED to resume a paused one; JOB_UNCHANGED if a
 * job to resume is running. */
MUST_CHECK enum job_change jobs_change(struct jobs *jobs, const char *id, enum job_state to,
                                       enum job_state *ret_from, struct error *err);

/* Forgets a job that has ended, with its metrics; versions that came of it stay. Waits until the runner has let go of it.
 * JOB_REFUSED: it has not ended. */
MUST_CHECK enum job_change jobs_delete(struct jobs *jobs, const char *id, enum job_state *ret_from,
                                       struct error *err);

/* The same with several, but those that the runner still has in hand stay. `ret_gone`: how many are gone; the ids are put
 * into another order. */
MUST_CHECK enum status jobs_forget(struct jobs *jobs, char (*ids)[JOB_ID_LENGTH + 1], size_t count,
                                   size_t *ret_gone, struct error *err);

/* Waits until something has happened to a job that is not in `seen` yet (0 at first), or, `briefly`, for a few ms at most: as
 * long as others need to get at the store. False: the service stops. */
MUST_CHECK bool jobs_await_change(struct jobs *jobs, uint64_t *seen, bool briefly);

/* Waits until the runner does not have the job in hand, or the service stops. */
void jobs_await_release(struct jobs *jobs, const char *id);

/* Of a job that waits or is paused: the higher runs first. JOB_REFUSED: it does neither. */
MUST_CHECK enum job_change jobs_prioritise(struct jobs *jobs, const char *id, int priority,
                                           enum job_state *ret_from, struct error *err);

enum job_phase {
    PHASE_LOADING, /* the dataset or a checkpoint is being read */
    PHASE_TRAINING,
    PHASE_VALIDATING,
    PHASE_EVALUATING, /* on the test set, after the last epoch */
};

const char *job_phase_name(enum job_phase phase);

struct job_progress {
    enum job_phase phase;
    int epoch;                             /* the one under way, from 1; 0 while loading */
    int64_t step, steps;                   /* finished ones of this epoch; 0 of 0 while loading */
    double images_per_second, eta_seconds; /* NaN when it is too early to say */
    bool stopped_early;                    /* patience ended the training */
    int best_epoch;                        /* with patience: the one that validated best so far; else 0 */
};

struct job_view {
    struct job_record record;
    bool is_live; /* the runner has it in hand, so there is progress */
    struct job_progress progress;
};

void job_view_clear(struct job_view *view);

/* ERR_NOT_FOUND: no such job. */
MUST_CHECK enum status jobs_read(struct jobs *jobs, const char *id, struct job_view *ret_view,
                                 struct error *err);

/* As store_job_list. The caller clears each view and frees the array. */
MUST_CHECK enum status jobs_list(struct jobs *jobs, const struct job_filter *filter,
                                 struct job_view **ret_views, size_t *ret_count, bool *ret_has_more,
                                 struct error *err);

/* The job in the `index`-th place of those that run; ERR_NOT_FOUND when that is empty. */
MUST_CHECK enum status jobs_running(struct jobs *jobs, size_t index, struct job_view *ret_view,
                                    struct error *err);

struct job_series {
    int64_t steps_per_epoch; /* 0 before it has started */
    struct epoch_metrics *epochs;
    size_t epoch_count;
    struct step_losses steps;
};

void job_series_clear(struct job_series *series);

/* Up to the last step trained. ERR_NOT_FOUND: no such job. */
MUST_CHECK enum status jobs_series(struct jobs *jobs, const char *id, struct job_series *ret_series,
                                   struct error *err);

/* ---- For the runner: threads that each have one job in hand at a time -------------------------------- */

/* A job that is running. */
struct live_job;

/* What the runner has to do with its job. */
enum job_order { JOB_GO_ON, JOB_PAUSE, JOB_CANCEL, JOB_STOP };

/* Waits for a queued job and makes it a running one, in the caller's hands until jobs_release. False: the service stops.
 * The caller clears the record. */
MUST_CHECK bool jobs_take(struct jobs *jobs, struct live_job **ret_live, struct job_record *ret_record);

/* The request of a job in the store. The version that it begins with was there when it was queued; once there is a
 * checkpoint, the job does not need it any more. */
MUST_CHECK enum status jobs_check_kept(struct jobs *jobs, const struct json_t *config,
                                       struct job_request *ret_request, struct problems *problems);

/* The job continues after `step` steps of a run that has `steps_per_epoch`, with the losses kept. */
MUST_CHECK enum status jobs_continue(struct jobs *jobs, struct live_job *live, int64_t step,
                                     int64_t steps_per_epoch, struct error *err);

/* A step was trained: its number over all epochs, its loss. */
void jobs_step(struct jobs *jobs, struct live_job *live, int64_t step, double loss);

/* How far the job is; returns what clients or the end of the service have ordered since. */
MUST_CHECK enum job_order jobs_report(struct jobs *jobs, struct live_job *live,
                                      const struct job_progress *progress);

/* An epoch is complete: its metrics are durable when this returns. */
MUST_CHECK enum status jobs_epoch(struct jobs *jobs, struct live_job *live,
                                  const struct epoch_metrics *metrics, struct error *err);

/* Keeps the losses since the last epoch, before a checkpoint in the middle of one. */
MUST_CHECK enum status jobs_keep_losses(struct jobs *jobs, struct live_job *live, struct error *err);

/* The job failed. Tries until the store has it (the disk may be full, and the job's checkpoint is given up to make space) or
 * the service stops: then the job runs again at the next start. */
void jobs_fail(struct jobs *jobs, struct live_job *live, const char *error);

/* The job is out of the runner's hands. One that is still running goes back into the queue; the checkpoint of one
 * that has ended is removed. */
void jobs_release(struct jobs *jobs, struct live_job *live);

/* Where the checkpoint of a job is. */
MUST_CHECK enum status jobs_checkpoint_path(const struct jobs *jobs, const char *id,
                                            char ret_path[FILES_PATH_SIZE], struct error *err);

/* Ends jobs_take and orders JOB_STOP. */
void jobs_stop(struct jobs *jobs);

#endif
