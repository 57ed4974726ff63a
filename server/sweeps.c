#include "server/sweeps_private.h"

#include "server/log.h"
#include "server/rival.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Changes of state ------------------------------------------------------------------------------ */

/* What the jobs of a sweep become when it changes. */
static const enum job_state jobs_follow[SWEEP_STATES] = {
    [SWEEP_RUNNING] = JOB_QUEUED, [SWEEP_PAUSED] = JOB_PAUSED, [SWEEP_CANCELLED] = JOB_CANCELLED};

/* Those that are done stay as they are, and those that run do not go back into the queue. */
static enum status change_jobs(struct sweeps *sweeps, const char *id, enum job_state to, struct error *err)
{
    struct trial_record *trials;
    size_t count;
    enum job_state from;
    enum status status = store_trial_list(sweeps->store, id, &trials, &count, err);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++) {
        bool follows = trials[i].has_job && !job_state_is_final(trials[i].job_state) &&
                       (to != JOB_QUEUED || trials[i].job_state == JOB_PAUSED);
        if (status == OK && follows &&
            jobs_change(sweeps->jobs, trials[i].job, to, &from, err) == JOB_CHANGE_FAILED)
            status = ERR_IO;
        trial_record_clear(&trials[i]);
    }
    free(trials);
    return status;
}

enum job_change sweeps_change(struct sweeps *sweeps, const char *id, enum sweep_state to,
                              enum sweep_state *ret_from, struct error *err)
{
    enum job_change change = store_sweep_change(sweeps->store, id, to, ret_from, err);
    /* Also when it was so already: a call before this one may have been cut short. */
    if ((change == JOB_CHANGED || change == JOB_UNCHANGED) && change_jobs(sweeps, id, jobs_follow[to], err))
        return JOB_CHANGE_FAILED;
    jobs_wake(sweeps->jobs);
    return change;
}

/* The jobs of a sweep that is over end, and the runner lets go of them: it must not find them gone, nor write the weights of
 * one. Without the mutex, which the runner may need to do so. */
static enum status await_end(struct sweeps *sweeps, const char *id, struct error *err)
{
    struct trial_record *trials;
    size_t count;
    enum status status = change_jobs(sweeps, id, JOB_CANCELLED, err);
    if (status == OK)
        status = store_trial_list(sweeps->store, id, &trials, &count, err);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++) {
        if (trials[i].has_job)
            jobs_await_release(sweeps->jobs, trials[i].job);
        trial_record_clear(&trials[i]);
    }
    free(trials);
    return OK;
}

enum job_change sweeps_delete(struct sweeps *sweeps, const char *id, enum sweep_state *ret_from,
                              struct error *err)
{
    struct sweep_record record;
    enum status status = store_sweep_read(sweeps->store, id, &record, err);
    if (status)
        return status == ERR_NOT_FOUND ? JOB_UNKNOWN : JOB_CHANGE_FAILED;
    *ret_from = record.state; /* for good, if it is over */
    sweep_record_clear(&record);
    if (!sweep_state_is_final(*ret_from))
        return JOB_REFUSED;
    status = await_end(sweeps, id, err);
    if (status)
        return JOB_CHANGE_FAILED;
    pthread_mutex_lock(&sweeps->mutex);
    status = store_sweep_delete(sweeps->store, id, err);
    if (status == OK)
        sweeps_remove_files(sweeps, id);
    pthread_mutex_unlock(&sweeps->mutex);
    return status ? JOB_CHANGE_FAILED : JOB_CHANGED;
}

/* What a look at all running sweeps has done, or has to do. */
struct round {
    bool fed;         /* a job is queued; true from the start: none is to be */
    bool may_compare; /* this thread has the time to measure what is in production */
    bool compares;    /* and has to, for the best trial of `sweep`, which is `version` */
    char sweep[SWEEP_ID_LENGTH + 1];
    struct version_record version;
    int rival; /* the version in production: of the last comparison, too */
};

/* ---- Going on: with the mutex held ----------------------------------------------------------------- */

/* The rung that all trials are on that were not stopped; false while one of them is not done. */
static bool is_rung_done(const struct sweep_view *view, int *ret_rung)
{
    for (size_t i = 0; i < view->count; i++) {
        const struct sweep_row *row = &view->results.rows[i];
        if (!trial_state_is_final(row->state))
            return false;
        if (row->state == TRIAL_SUCCEEDED)
            *ret_rung = row->trial->rung;
    }
    return true;
}

/* Marks the trials of the better combinations of a rung; returns how many combinations were on it. Trials of one
 * combination lie side by side, since they rank by their mean. */
static size_t choose_survivors(const struct sweep_view *view, const struct sweep_request *request,
                               bool *goes_on)
{
    size_t combinations[2] = {0}, survivors = 0;
    for (int round = 0; round < 2; round++) { /* to count them, then to mark the first */
        int last = 0;
        for (size_t i = 0; i < view->count; i++) {
            const struct sweep_row *row = &view->results.rows[i];
            if (row->state != TRIAL_SUCCEEDED)
                continue;
            combinations[round] += row->trial->combination != last;
            last = row->trial->combination;
            goes_on[row->trial->trial - 1] = combinations[round] <= survivors;
        }
        survivors = sweep_rung_survivors(request, combinations[0]);
    }
    return combinations[0];
}

/* Sends the better combinations of a rung to the next one; does nothing when this was the last. */
static enum status advance(struct sweeps *sweeps, const struct sweep_view *view,
                           const struct sweep_request *request, int rung, bool *ret_advanced,
                           struct error *err)
{
    json_t *config;
    int epochs;
    if (request->method != SWEEP_HALVING || !view->results.best)
        return OK;
    enum status status =
        sweeps_read_epochs(sweeps, view->record.id, view->results.best->trial->trial, &config, &epochs, err);
    if (status)
        return status;
    json_decref(config);
    if (sweep_rung_epochs(request, epochs, rung) >= epochs)
        return OK;
    bool *goes_on = calloc(view->count, sizeof *goes_on);
    if (!goes_on)
        return error_set(err, ERR_MEMORY, "no memory for the next rung");
    size_t combinations = choose_survivors(view, request, goes_on);
    if (combinations) {
        status = store_trials_advance(sweeps->store, view->record.id, rung, goes_on, view->count, err);
        *ret_advanced = status == OK;
    }
    free(goes_on);
    if (*ret_advanced) {
        log_info("sweep %s: %zu of %zu combinations go on to rung %d", view->record.id,
                 sweep_rung_survivors(request, combinations), combinations, rung + 1);
        jobs_wake(sweeps->jobs); /* threads of the runner that found no trial on this rung */
    }
    return status;
}

/* Whether the accuracy of what is in production has to be measured before the best trial's version can be held against it.
 * Then the round has that to do, and the version, unless it did so already and it cannot be done. */
static enum status must_compare(struct sweeps *sweeps, const struct sweep_view *view,
                                struct version_record *version, struct round *round, bool *ret_must,
                                struct error *err)
{
    int rival;
    enum status status = rival_find(sweeps->store, version->model, version->test_digest, &rival, err);
    if (status)
        return status;
    bool tried = strcmp(round->sweep, view->record.id) == 0 && round->rival == rival;
    *ret_must = rival && !tried;
    if (!*ret_must || !round->may_compare || round->compares || *sweeps->comparing)
        return OK;
    round->compares = true;
    round->rival = rival;
    memcpy(round->sweep, view->record.id, sizeof round->sweep);
    memcpy(sweeps->comparing, round->sweep, sizeof sweeps->comparing);
    round->version = *version;
    *version = (struct version_record){0};
    return OK;
}

/* False in `ret_done`: a comparison comes first, and then this again; the version is the same then. */
static enum status promote_best(struct sweeps *sweeps, const struct sweep_view *view,
                                const struct sweep_request *request, struct round *round, bool *ret_done,
                                struct error *err)
{
    struct sweep_promotion promotion = {.trial = view->results.best->trial->trial};
    struct version_record version;
    bool promote, compare = false;
    if (request->promote == PROMOTION_NEVER)
        return OK;
    enum status status = sweeps_promote_locked(sweeps, view, &promotion, &version, err);
    if (status)
        return status;
    if (request->promote == PROMOTION_IF_BETTER)
        status = must_compare(sweeps, view, &version, round, &compare, err);
    *ret_done = !compare;
    if (status == OK && !compare)
        status = registry_decide_promotion(sweeps->registry, &version, request->promote, &promote, err);
    if (status == OK && !compare && promote)
        status = sweeps_move_alias(sweeps, &version, ALIAS_PRODUCTION, err);
    version_record_clear(&version);
    return status;
}

static enum status finish(struct sweeps *sweeps, const struct sweep_view *view,
                          const struct sweep_request *request, struct round *round, struct error *err)
{
    enum sweep_state from, to = view->results.best ? SWEEP_SUCCEEDED : SWEEP_FAILED;
    char verdict[SWEEP_VERDICT_SIZE];
    bool done = true;
    enum status status = view->results.best ? promote_best(sweeps, view, request, round, &done, err) : OK;
    if (status == OK && !done)
        return OK;
    if (status == OK &&
        store_sweep_change(sweeps->store, view->record.id, to, &from, err) == JOB_CHANGE_FAILED)
        status = ERR_IO;
    if (status)
        return status;
    sweep_results_verdict(&view->results, verdict);
    log_info("sweep %s %s: %s", view->record.id, sweep_state_name(to), verdict);
    return OK;
}

/* Everything that is due in a running sweep, but for its next trial. */
static enum status settle(struct sweeps *sweeps, const struct sweep_view *view, struct round *round,
                          struct error *err)
{
    struct sweep_request request;
    int rung = 0;
    bool advanced = false;
    enum status status = sweeps_read_request(&view->record, &request, err);
    if (status)
        return status;
    sweeps_keep_best(sweeps, view, request.keep);
    if (is_rung_done(view, &rung)) {
        status = advance(sweeps, view, &request, rung, &advanced, err);
        if (status == OK && !advanced)
            status = finish(sweeps, view, &request, round, err);
    }
    sweep_request_clear(&request);
    return status;
}

static enum status start_trial(struct sweeps *sweeps, const struct sweep_view *view,
                               const struct trial_record *trial, struct error *err)
{
    struct sweep_request request;
    json_t *config;
    int epochs;
    char job[JOB_ID_LENGTH + 1];
    enum status status = sweeps_read_request(&view->record, &request, err);
    if (status)
        return status;
    status = sweeps_read_epochs(sweeps, view->record.id, trial->trial, &config, &epochs, err);
    if (status == OK) {
        epochs = sweep_rung_epochs(&request, epochs, trial->rung);
        json_object_set_new(json_object_get(config, "training"), "epochs", json_integer(epochs));
        char *text = json_dumps(config, JSON_COMPACT);
        status = text ? store_trial_start(sweeps->store, view->record.id, trial->trial, text, job, err)
                      : error_set(err, ERR_MEMORY, "no memory for a trial's configuration");
        free(text);
        json_decref(config);
    }
    sweep_request_clear(&request);
    if (status == OK)
        log_info("sweep %s: trial %d of %zu is %s", view->record.id, trial->trial, view->count, job);
    return status;
}

static const struct trial_record *find_pending(const struct sweep_view *view)
{
    for (size_t i = 0; i < view->count; i++) {
        if (view->trials[i].pending)
            return &view->trials[i];
    }
    return NULL;
}

/* Does what is due in a running sweep, and queues its next trial unless one is queued. Takes the record over. */
static enum status go_on_with(struct sweeps *sweeps, struct sweep_record record, struct round *round,
                              struct error *err)
{
    struct sweep_view view;
    enum status status = sweeps_make_view(sweeps, record, &view, err);
    if (status)
        return status;
    status = settle(sweeps, &view, round, err);
    const struct trial_record *pending = find_pending(&view);
    if (status == OK && !round->fed && pending) {
        status = start_trial(sweeps, &view, pending, err);
        round->fed = status == OK;
        status = status == ERR_NOT_FOUND ? OK : status; /* a client has paused or cancelled it meanwhile */
    }
    if (status)
        log_error("sweep %s cannot go on: %s", view.record.id, err->message);
    sweep_view_clear(&view);
    return status;
}

/* Does what is due in all running sweeps, and queues the next trial of the oldest that has one unless one is queued. What
 * fails in one sweep does not hold up the others; the last failure is returned. */
static enum status go_on(struct sweeps *sweeps, struct round *round, struct error *err)
{
    const enum sweep_state running = SWEEP_RUNNING;
    const struct sweep_filter filter = {.state = &running, .limit = STORE_LIST_MAX};
    struct sweep_record *records;
    size_t count;
    bool has_more;
    enum status status = store_sweep_list(sweeps->store, &filter, &records, &count, &has_more, err);
    if (status)
        return status;
    for (size_t i = count; i-- > 0;) { /* the oldest is last */
        enum status outcome = go_on_with(sweeps, records[i], round, err);
        status = outcome ? outcome : status;
    }
    free(records);
    return status;
}

/* The same, and the comparisons that it finds to be made: these without the mutex, so that they hold nobody up. After each,
 * all is decided anew from the store: a client may have changed the sweep or what is in production meanwhile. A kill before
 * that leaves the sweep running, and its best trial's version known by its job: the next start comes here again. */
static enum status go_on_comparing(struct sweeps *sweeps, struct round *round, struct error *err)
{
    enum status status = go_on(sweeps, round, err);
    while (round->compares) {
        pthread_mutex_unlock(&sweeps->mutex);
        sweeps_measure_rival(sweeps, &round->version);
        pthread_mutex_lock(&sweeps->mutex);
        version_record_clear(&round->version);
        round->compares = false;
        *sweeps->comparing = '\0';
        status = go_on(sweeps, round, err);
    }
    return status;
}

static void tend(struct sweeps *sweeps, bool may_compare)
{
    struct error err;
    /* What is queued is the feeder's decision. */
    struct round round = {.fed = true, .may_compare = may_compare};
    pthread_mutex_lock(&sweeps->mutex);
    if (go_on_comparing(sweeps, &round, &err))
        log_error("sweeps: %s", err.message);
    pthread_mutex_unlock(&sweeps->mutex);
}

void sweeps_trial_ended(struct sweeps *sweeps)
{
    tend(sweeps, true);
}

/* One at a time, so that each trial is started once. Twice, since the first round may have found that a rung is done. */
static enum status feed_jobs(void *context, struct error *err)
{
    struct sweeps *sweeps = context;
    struct round round = {.may_compare = true};
    enum status status = OK;
    pthread_mutex_lock(&sweeps->mutex);
    for (int i = 0; i < 2 && !round.fed && status == OK; i++)
        status = go_on_comparing(sweeps, &round, err);
    pthread_mutex_unlock(&sweeps->mutex);
    if (round.fed)
        return OK;
    return status == OK ? ERR_NOT_FOUND : status == ERR_NOT_FOUND ? ERR_IO : status;
}

/* ---- Starting -------------------------------------------------------------------------------------- */

enum status sweeps_plan(struct sweeps *sweeps, const struct sweep_request *request,
                        struct sweep_plan *ret_plan, struct problems *problems, struct error *err)
{
    struct sweep_plan plan;
    enum status status = sweep_plan_create(request, sweeps->jobs, sweeps->threads, &plan, problems);
    if (status)
        return status;
    status = sweep_plan_measure(&plan, request, sweeps->jobs, sweeps->threads, &sweeps->rates, err);
    if (status) {
        sweep_plan_clear(&plan);
        return status;
    }
    *ret_plan = plan;
    return OK;
}

enum status sweeps_start(struct sweeps *sweeps, const struct sweep_request *request,
                         const struct sweep_plan *plan, char ret_id[SWEEP_ID_LENGTH + 1], struct error *err)
{
    struct sweep_record record = {0};
    json_t *whole = sweep_request_to_json(request), *estimate = sweep_plan_to_json(plan);
    struct trial_plan *trials = calloc(plan->count, sizeof *trials);
    enum status status = OK;
    snprintf(record.name, sizeof record.name, "%s", request->name);
    record.request = whole ? json_dumps(whole, JSON_COMPACT) : NULL;
    record.estimate = estimate ? json_dumps(estimate, JSON_COMPACT) : NULL;
    if (!trials || !record.request || !record.estimate)
        status = error_set(err, ERR_MEMORY, "no memory for a sweep of %zu trials", plan->count);
    for (size_t i = 0; i < plan->count && status == OK; i++)
        trials[i] = plan->trials[i].plan;
    if (status == OK)
        status = store_sweep_insert(sweeps->store, &record, trials, plan->count, ret_id, err);
    free(trials);
    json_decref(whole);
    json_decref(estimate);
    sweep_record_clear(&record);
    if (status)
        return status;
    log_info("sweep %s: %zu trials, %zu of them possible", ret_id, plan->count, plan->possible);
    /* One without a possible trial is over; to compare is for the runner, not for a client. */
    tend(sweeps, false);
    jobs_wake(sweeps->jobs);
    return OK;
}

/* ---- Start and end --------------------------------------------------------------------------------- */

/* A client's pause or cancel was cut short after the sweep had changed and before its jobs had. */
static enum status bring_in_order(struct sweeps *sweeps, struct error *err)
{
    static const enum sweep_state stopped[] = {SWEEP_PAUSED, SWEEP_CANCELLED};
    enum status status = OK;
    for (size_t i = 0; i < sizeof stopped / sizeof *stopped && status == OK; i++) {
        char(*ids)[SWEEP_ID_LENGTH + 1];
        size_t count;
        status = store_sweeps_with_jobs_left(sweeps->store, stopped[i], &ids, &count, err);
        if (status)
            return status;
        for (size_t j = 0; j < count && status == OK; j++)
            status = change_jobs(sweeps, ids[j], jobs_follow[stopped[i]], err);
        free(ids);
    }
    return status;
}

enum status sweeps_create(struct store *store, struct jobs *jobs, struct registry *registry,
                          struct datasets *datasets, int threads, struct sweeps **ret_sweeps,
                          struct error *err)
{
    struct sweeps *sweeps = calloc(1, sizeof *sweeps);
    if (!sweeps)
        return error_set(err, ERR_MEMORY, "no memory for the sweeps");
    sweeps->store = store;
    sweeps->jobs = jobs;
    sweeps->registry = registry;
    sweeps->datasets = datasets;
    sweeps->threads = threads;
    pthread_mutex_init(&sweeps->mutex, NULL);
    pthread_mutex_init(&sweeps->rates.mutex, NULL);
    enum status status = sweeps_sweep_files(sweeps, err);
    if (status == OK)
        status = bring_in_order(sweeps, err);
    if (status) {
        sweeps_free(sweeps);
        return status;
    }
    jobs_set_feeder(jobs, feed_jobs, sweeps);
    *ret_sweeps = sweeps;
    return OK;
}

void sweeps_free(struct sweeps *sweeps)
{
    if (!sweeps)
        return;
    sweep_rates_clear(&sweeps->rates);
    pthread_mutex_destroy(&sweeps->rates.mutex);
    pthread_mutex_destroy(&sweeps->mutex);
    free(sweeps);
}
