/* Sweeps: many training jobs from one request, compared. See sweep_request.h for what they are made of, sweep_results.h for
 * how trials are compared.
 *
 * A trial is queued only when no other job waits (sweeps feed the jobs), so that a sweep holds nobody up. What a trial
 * trained is no version of a model: the weights of the best ones are files sweeps/ID/TRIAL.safetensors of the store, and
 * become a version by sweeps_promote. All there is to know is in the store: a kill at any moment loses no finished trial,
 * and the one under way goes on from its checkpoint.
 *
 * Any thread may call; calls wait for the disk. */
#ifndef DIGITD_SWEEPS_H
#define DIGITD_SWEEPS_H

#include "engine/engine.h"
#include "server/jobs.h"
#include "server/registry.h"
#include "server/sweep_plan.h"
#include "server/sweep_results.h"

struct sweeps;

/* Brings what a kill left half-done in order: jobs of paused and cancelled sweeps, files. Feeds `jobs` from then on; there
 * must be no runner yet. Borrows everything. `threads`: that a job trains on. */
MUST_CHECK enum status sweeps_create(struct store *store, struct jobs *jobs, struct registry *registry,
                                     struct datasets *datasets, int threads, struct sweeps **ret_sweeps,
                                     struct error *err);

/* The runner must be gone. */
void sweeps_free(struct sweeps *sweeps);

/* ---- For clients ----------------------------------------------------------------------------------- */

/* What it would take: all trials, checked and measured, which takes some seconds for networks not measured before. Faults
 * of the request are in `problems`; else an error is in `err`. The caller clears the plan. */
MUST_CHECK enum status sweeps_plan(struct sweeps *sweeps, const struct sweep_request *request,
                                   struct sweep_plan *ret_plan, struct problems *problems, struct error *err);

/* Starts what was planned. */
MUST_CHECK enum status sweeps_start(struct sweeps *sweeps, const struct sweep_request *request,
                                    const struct sweep_plan *plan, char ret_id[SWEEP_ID_LENGTH + 1],
                                    struct error *err);

struct sweep_view {
    struct sweep_record record;
    struct trial_record *trials;
    size_t count;
    struct sweep_results results; /* of `trials` */
    double eta_seconds;           /* of trains that are left; NaN when nobody knows, 0 when there are none */
};

void sweep_view_clear(struct sweep_view *view);

/* ERR_NOT_FOUND: no such sweep. */
MUST_CHECK enum status sweeps_read(struct sweeps *sweeps, const char *id, struct sweep_view *ret_view,
                                   struct error *err);

/* As store_sweep_list. The caller clears each view and frees the array. */
MUST_CHECK enum status sweeps_list(struct sweeps *sweeps, const struct sweep_filter *filter,
                                   struct sweep_view **ret_views, size_t *ret_count, bool *ret_has_more,
                                   struct error *err);

/* SWEEP_PAUSED, SWEEP_RUNNING (to resume it) or SWEEP_CANCELLED, and its jobs with it. */
MUST_CHECK enum job_change sweeps_change(struct sweeps *sweeps, const char *id, enum sweep_state to,
                                         enum sweep_state *ret_from, struct error *err);

/* Forgets a sweep that is over, with its jobs and files; what was promoted stays. As store_sweep_change. */
MUST_CHECK enum job_change sweeps_delete(struct sweeps *sweeps, const char *id, enum sweep_state *ret_from,
                                         struct error *err);

struct sweep_promotion {
    int trial;         /* 0: the best; filled in */
    const char *model; /* NULL: the name in the trial's request */
    const char *alias; /* that moves to the version; NULL: none */
};

/* Makes a trial's network a version of a model; the second time it is the same version. The caller clears the record.
 * ERR_NOT_FOUND: no such sweep or trial. ERR_ARGUMENT: the trial has no weights (any more); the message says why. */
MUST_CHECK enum status sweeps_promote(struct sweeps *sweeps, const char *id,
                                      struct sweep_promotion *promotion, struct version_record *ret_version,
                                      struct error *err);

/* ---- For the runner ---------------------------------------------------------------------------------- */

/* Keeps what a trial's job trained and ends the job, as registry_publish does for others. */
MUST_CHECK enum job_change sweeps_publish(struct sweeps *sweeps, const struct job_record *job,
                                          struct model *model, struct version_record *version,
                                          int64_t validation_images, struct error *err);

/* A trial's job is out of the runner's hands: the sweep may be done, or have a next rung. */
void sweeps_trial_ended(struct sweeps *sweeps);

#endif
