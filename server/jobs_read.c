/* Jobs as clients read them: what the store has, with what the runner has reported since. */
#include "server/jobs_private.h"

#include <stdlib.h>
#include <string.h>

const char *job_phase_name(enum job_phase phase)
{
    static const char *const names[] = {[PHASE_LOADING] = "loading",
                                        [PHASE_TRAINING] = "training",
                                        [PHASE_VALIDATING] = "validating",
                                        [PHASE_EVALUATING] = "evaluating"};
    return names[phase];
}

void job_view_clear(struct job_view *view)
{
    job_record_clear(&view->record);
}

/* Takes the record over. */
static struct job_view make_view(struct jobs *jobs, struct job_record record)
{
    struct job_view view = {.record = record};
    pthread_mutex_lock(&jobs->mutex);
    const struct live_job *live = record.state == JOB_RUNNING ? jobs_find_live(jobs, record.id) : NULL;
    if (live) {
        view.is_live = true;
        view.progress = live->progress;
    }
    pthread_mutex_unlock(&jobs->mutex);
    return view;
}

enum status jobs_read(struct jobs *jobs, const char *id, struct job_view *ret_view, struct error *err)
{
    struct job_record record;
    enum status status = store_job_read(jobs->store, id, &record, err);
    if (status == OK)
        *ret_view = make_view(jobs, record);
    return status;
}

enum status jobs_running(struct jobs *jobs, size_t index, struct job_view *ret_view, struct error *err)
{
    char id[JOB_ID_LENGTH + 1] = "";
    pthread_mutex_lock(&jobs->mutex);
    if (index < (size_t)jobs->config.concurrent)
        memcpy(id, jobs->live[index].id, sizeof id);
    pthread_mutex_unlock(&jobs->mutex);
    return *id ? jobs_read(jobs, id, ret_view, err) : error_set(err, ERR_NOT_FOUND, "no job is running");
}

enum status jobs_list(struct jobs *jobs, const struct job_filter *filter, struct job_view **ret_views,
                      size_t *ret_count, bool *ret_has_more, struct error *err)
{
    struct job_record *records;
    size_t count;
    enum status status = store_job_list(jobs->store, filter, &records, &count, ret_has_more, err);
    if (status)
        return status;
    struct job_view *views = calloc(count ? count : 1, sizeof *views);
    for (size_t i = 0; i < count; i++) {
        if (views)
            views[i] = make_view(jobs, records[i]);
        else
            job_record_clear(&records[i]);
    }
    free(records);
    if (!views)
        return error_set(err, ERR_MEMORY, "no memory for a list of %zu jobs", count);
    *ret_views = views;
    *ret_count = count;
    return OK;
}

void job_series_clear(struct job_series *series)
{
    free(series->epochs);
    free(series->steps.losses);
    *series = (struct job_series){0};
}

/* A copy of the live job's losses; false when `id` is not the live job, or without memory. */
static bool copy_live_losses(struct jobs *jobs, const char *id, struct step_losses *ret_steps)
{
    pthread_mutex_lock(&jobs->mutex);
    const struct live_job *live = jobs_find_live(jobs, id);
    float *losses = live ? malloc(sizeof live->series.losses) : NULL;
    if (losses) {
        const struct loss_series *series = &live->series;
        memcpy(losses, series->losses, series->count * sizeof *losses);
        *ret_steps = (struct step_losses){series->stride, series->count, losses};
    }
    pthread_mutex_unlock(&jobs->mutex);
    return losses != NULL;
}

enum status jobs_series(struct jobs *jobs, const char *id, struct job_series *ret_series, struct error *err)
{
    struct job_record record;
    struct job_series series = {0};
    enum status status = store_job_read(jobs->store, id, &record, err);
    if (status)
        return status;
    series.steps_per_epoch = record.steps_per_epoch;
    job_record_clear(&record);
    status = store_epochs_read(jobs->store, id, &series.epochs, &series.epoch_count, err);
    if (status == OK && !copy_live_losses(jobs, id, &series.steps))
        status = store_steps_read(jobs->store, id, &series.steps, err);
    if (status) {
        job_series_clear(&series);
        return status;
    }
    *ret_series = series;
    return OK;
}
