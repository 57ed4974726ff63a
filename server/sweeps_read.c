/* Sweeps as they stand in the store: their requests, their trials with what those have reached, and the time that is left. */
#include "server/sweeps_private.h"

#include "server/clock.h"
#include "server/sweep_eta.h"

#include <math.h>
#include <stdlib.h>

void sweep_view_clear(struct sweep_view *view)
{
    sweep_results_clear(&view->results);
    for (size_t i = 0; i < view->count; i++)
        trial_record_clear(&view->trials[i]);
    free(view->trials);
    sweep_record_clear(&view->record);
}

enum status sweeps_read_request(const struct sweep_record *record, struct sweep_request *ret_request,
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

enum status sweeps_read_epochs(struct sweeps *sweeps, const char *sweep, int trial, json_t **ret_config,
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
            sweeps_read_epochs(sweeps, view->record.id, view->trials[i].trial, &config, &epochs, NULL) == OK)
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
    if (times && sweeps_read_request(&view->record, &request, NULL) == OK) {
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

enum status sweeps_make_view(struct sweeps *sweeps, struct sweep_record record, struct sweep_view *ret_view,
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
    return status ? status : sweeps_make_view(sweeps, record, ret_view, err);
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
        status = sweeps_make_view(sweeps, records[made], &views[made], err);
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
