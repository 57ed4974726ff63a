#include "server/sweeps_private.h"

#include "server/clock.h"
#include "server/files.h"
#include "server/log.h"
#include "server/sweep_eta.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Reading --------------------------------------------------------------------------------------- */

void sweep_view_clear(struct sweep_view *view)
{
    sweep_results_clear(&view->results);
    for (size_t i = 0; i < view->count; i++)
        trial_record_clear(&view->trials[i]);
    free(view->trials);
    sweep_record_clear(&view->record);
}

static enum status read_request(const struct sweep_record *record, struct sweep_request *ret_request,
                                struct error *err)
{
    struct problems problems = {0};
    json_t *json = json_loads(record->request, 0, NULL);
    enum status status = sweep_request_from_json(json, ret_request, &problems);
    json_decref(json);
    if (status == ERR_ARGUMENT)
        sweep_request_clear(ret_request);
    return status ? problems_first(&problems, err) : OK;
}

/* Epochs that a trial's whole request asks for. */
static enum status read_epochs(struct sweeps *sweeps, const char *sweep, int trial, json_t **ret_config,
                               int *ret_epochs, struct error *err)
{
    char *text;
    enum status status = store_trial_config(sweeps->store, sweep, trial, &text, err);
    if (status)
        return status;
    *ret_config = json_loads(text, 0, NULL);
    free(text);
    json_t *epochs = json_object_get(json_object_get(*ret_config, "training"), "epochs");
    *ret_epochs = (int)json_integer_value(epochs);
    return *ret_config ? OK : error_set(err, ERR_MEMORY, "no memory for a trial's configuration");
}

/* What the trials take on their rungs. `share`: of a whole training, by rung. */
static struct trial_time time_of(struct sweeps *sweeps, const struct sweep_row *row, const double *share)
{
    const struct trial_record *trial = row->trial;
    int64_t until = row->state == TRIAL_RUNNING ? clock_wall_ms() : trial->finished_at;
    struct trial_time time = {
        .progress = TRIAL_WAITS, .expected = trial->seconds * share[trial->rung], .left = NAN};
    struct job_view job;
    if (row->state == TRIAL_QUEUED || row->state == TRIAL_PAUSED)
        return time;
    time.progress = row->state == TRIAL_RUNNING ? TRIAL_RUNS : TRIAL_IS_DONE;
    time.taken =
        trial->started_at && until > trial->started_at ? (double)(until - trial->started_at) / 1000 : 0;
    if (row->state == TRIAL_RUNNING && jobs_read(sweeps->jobs, trial->job, &job, NULL) == OK) {
        time.left = job.is_live ? job.progress.eta_seconds : NAN;
        job_view_clear(&job);
    }
    return time;
}

/* Of halving, the rungs that no trial is on yet: expected seconds. */
static double reckon_later(const struct sweep_view *view, const struct sweep_request *request,
                           const double *share, int last)
{
    double seconds = 0, later = 0;
    size_t runs = request->seed_count ? request->seed_count : 1, trials = 0;
    int rung = 0;
    for (size_t i = 0; i < view->count; i++) {
        const struct sweep_row *row = &view->results.rows[i];
        if (row->state == TRIAL_INVALID || row->state == TRIAL_STOPPED)
            continue;
        rung = row->trial->rung > rung ? row->trial->rung : rung;
        seconds += row->trial->seconds;
        trials++;
    }
    size_t left = trials / runs;
    for (rung++; rung <= last && trials > 0; rung++) {
        left = sweep_rung_survivors(request, left);
        later += (double)(left * runs) * seconds / (double)trials * share[rung];
    }
    return later;
}

/* Fills the share of a whole training that each rung is; returns the number of the last rung. */
static int share_of_rungs(struct sweeps *sweeps, const struct sweep_view *view,
                          const struct sweep_request *request, double share[SWEEP_RUNGS_MAX])
{
    int epochs = 0, rung = 0;
    json_t *config;
    for (size_t i = 0; i < view->count && epochs == 0; i++) {
        if (view->trials[i].is_possible &&
            read_epochs(sweeps, view->record.id, view->trials[i].trial, &config, &epochs, NULL) == OK)
            json_decref(config);
    }
    for (int i = 0; i < SWEEP_RUNGS_MAX; i++)
        share[i] = 1;
    for (; rung < SWEEP_RUNGS_MAX - 1 && sweep_rung_epochs(request, epochs, rung) < epochs; rung++)
        share[rung] = (double)sweep_rung_epochs(request, epochs, rung) / epochs;
    return rung;
}

static double reckon_eta(struct sweeps *sweeps, const struct sweep_view *view)
{
    struct sweep_request request;
    double share[SWEEP_RUNGS_MAX], eta = NAN;
    size_t count = 0;
    struct trial_time *times = calloc(view->count ? view->count : 1, sizeof *times);
    if (times && read_request(&view->record, &request, NULL) == OK) {
        int last = share_of_rungs(sweeps, view, &request, share);
        for (size_t i = 0; i < view->count; i++) {
            const struct sweep_row *row = &view->results.rows[i];
            if (row->state != TRIAL_INVALID && row->state != TRIAL_FAILED && row->state != TRIAL_CANCELLED)
                times[count++] = time_of(sweeps, row, share);
        }
        eta = sweep_eta(times, count, reckon_later(view, &request, share, last), jobs_at_once(sweeps->jobs));
        sweep_request_clear(&request);
    }
    free(times);
    return eta;
}

/* Takes the record over, also on failure. */
static enum status make_view(struct sweeps *sweeps, struct sweep_record record, struct sweep_view *ret_view,
                             struct error *err)
{
    struct sweep_view view = {.record = record};
    bool cancelled = record.state == SWEEP_CANCELLED;
    enum status status = store_trial_list(sweeps->store, record.id, &view.trials, &view.count, err);
    if (status == OK)
        status = sweep_results_create(view.trials, view.count, cancelled, &view.results, err);
    if (status) {
        sweep_view_clear(&view);
        return status;
    }
    view.eta_seconds = sweep_state_is_final(record.state) ? 0 : reckon_eta(sweeps, &view);
    *ret_view = view;
    return OK;
}

enum status sweeps_read(struct sweeps *sweeps, const char *id, struct sweep_view *ret_view, struct error *err)
{
    struct sweep_record record;
    enum status status = store_sweep_read(sweeps->store, id, &record, err);
    return status ? status : make_view(sweeps, record, ret_view, err);
}

enum status sweeps_list(struct sweeps *sweeps, const struct sweep_filter *filter,
                        struct sweep_view **ret_views, size_t *ret_count, bool *ret_has_more,
                        struct error *err)
{
    struct sweep_record *records;
    size_t count, made = 0;
    enum status status = store_sweep_list(sweeps->store, filter, &records, &count, ret_has_more, err);
    if (status)
        return status;
    struct sweep_view *views = calloc(count ? count : 1, sizeof *views);
    if (!views)
        status = error_set(err, ERR_MEMORY, "no memory for a list of %zu sweeps", count);
    for (; made < count && status == OK; made += status == OK) {
        status = make_view(sweeps, records[made], &views[made], err);
        records[made] = (struct sweep_record){0};
    }
    for (size_t i = made; i < count; i++)
        sweep_record_clear(&records[i]);
    free(records);
    if (status == OK) {
        *ret_views = views;
        *ret_count = count;
        return OK;
    }
    for (size_t i = 0; i < made; i++)
        sweep_view_clear(&views[i]);
    free(views);
    return status;
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
    sweeps_trial_ended(sweeps); /* one without a possible trial is over */
    jobs_wake(sweeps->jobs);
    return OK;
}

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
        read_epochs(sweeps, view->record.id, view->results.best->trial->trial, &config, &epochs, err);
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

static enum status promote_best(struct sweeps *sweeps, const struct sweep_view *view,
                                const struct sweep_request *request, struct error *err)
{
    struct sweep_promotion promotion = {.trial = view->results.best->trial->trial};
    struct version_record version;
    bool promote;
    if (request->promote == PROMOTION_NEVER)
        return OK;
    enum status status = sweeps_promote_locked(sweeps, view, &promotion, &version, err);
    if (status)
        return status;
    if (request->promote == PROMOTION_IF_BETTER)
        sweeps_measure_rival(sweeps, &version);
    status = registry_decide_promotion(sweeps->registry, &version, request->promote, &promote, err);
    if (status == OK && promote)
        status = sweeps_move_alias(sweeps, &version, ALIAS_PRODUCTION, err);
    version_record_clear(&version);
    return status;
}

static enum status finish(struct sweeps *sweeps, const struct sweep_view *view,
                          const struct sweep_request *request, struct error *err)
{
    enum sweep_state from, to = view->results.best ? SWEEP_SUCCEEDED : SWEEP_FAILED;
    char verdict[SWEEP_VERDICT_SIZE];
    enum status status = view->results.best ? promote_best(sweeps, view, request, err) : OK;
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
static enum status settle(struct sweeps *sweeps, const struct sweep_view *view, struct error *err)
{
    struct sweep_request request;
    int rung = 0;
    bool advanced = false;
    enum status status = read_request(&view->record, &request, err);
    if (status)
        return status;
    sweeps_keep_best(sweeps, view, request.keep);
    if (is_rung_done(view, &rung)) {
        status = advance(sweeps, view, &request, rung, &advanced, err);
        if (status == OK && !advanced)
            status = finish(sweeps, view, &request, err);
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
    enum status status = read_request(&view->record, &request, err);
    if (status)
        return status;
    status = read_epochs(sweeps, view->record.id, trial->trial, &config, &epochs, err);
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

/* Does what is due in a running sweep, and queues its next trial unless `ret_fed` says that one is queued. Takes the record
 * over. */
static enum status go_on_with(struct sweeps *sweeps, struct sweep_record record, bool *ret_fed,
                              struct error *err)
{
    struct sweep_view view;
    enum status status = make_view(sweeps, record, &view, err);
    if (status)
        return status;
    status = settle(sweeps, &view, err);
    const struct trial_record *pending = find_pending(&view);
    if (status == OK && !*ret_fed && pending) {
        status = start_trial(sweeps, &view, pending, err);
        *ret_fed = status == OK;
        status = status == ERR_NOT_FOUND ? OK : status; /* a client has paused or cancelled it meanwhile */
    }
    if (status)
        log_error("sweep %s cannot go on: %s", view.record.id, err->message);
    sweep_view_clear(&view);
    return status;
}

/* Does what is due in all running sweeps, and queues the next trial of the oldest that has one unless `ret_fed` says that one
 * is queued. What fails in one sweep does not hold up the others; the last failure is returned. */
static enum status go_on(struct sweeps *sweeps, bool *ret_fed, struct error *err)
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
        enum status outcome = go_on_with(sweeps, records[i], ret_fed, err);
        status = outcome ? outcome : status;
    }
    free(records);
    return status;
}

void sweeps_trial_ended(struct sweeps *sweeps)
{
    struct error err;
    bool fed = true; /* what is queued is the feeder's decision */
    pthread_mutex_lock(&sweeps->mutex);
    if (go_on(sweeps, &fed, &err))
        log_error("sweeps: %s", err.message);
    pthread_mutex_unlock(&sweeps->mutex);
}

/* One at a time, so that each trial is started once. Twice, since the first round may have found that a rung is done. */
static enum status feed_jobs(void *context, struct error *err)
{
    struct sweeps *sweeps = context;
    bool fed = false;
    enum status status = OK;
    pthread_mutex_lock(&sweeps->mutex);
    for (int round = 0; round < 2 && !fed && status == OK; round++)
        status = go_on(sweeps, &fed, err);
    pthread_mutex_unlock(&sweeps->mutex);
    if (fed)
        return OK;
    return status == OK ? ERR_NOT_FOUND : status == ERR_NOT_FOUND ? ERR_IO : status;
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
