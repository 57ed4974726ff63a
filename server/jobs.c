#include "server/jobs_private.h"

#include "server/datasets.h"
#include "server/files.h"
#include "server/log.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MS 5000
#define BREAK_MS 10

/* ---- Start and end --------------------------------------------------------------------------------- */

enum status jobs_checkpoint_path(const struct jobs *jobs, const char *id, char ret_path[FILES_PATH_SIZE],
                                 struct error *err)
{
    return files_path(ret_path, err, "%s/checkpoints/%s.safetensors", store_folder(jobs->store), id);
}

static enum status requeue_running(struct jobs *jobs, struct error *err)
{
    struct job_record job;
    enum job_state from;
    enum status status;
    while ((status = store_job_oldest(jobs->store, JOB_RUNNING, &job, err)) == OK) {
        if (store_job_change(jobs->store, job.id, JOB_QUEUED, NULL, &from, err) == JOB_CHANGE_FAILED)
            status = ERR_IO;
        else
            log_info("job %s was cut short; it is queued to continue", job.id);
        job_record_clear(&job);
        if (status)
            return status;
    }
    return status == ERR_NOT_FOUND ? OK : status;
}

static bool is_needed_checkpoint(void *context, const char *name)
{
    struct jobs *jobs = context;
    struct job_record job;
    char id[JOB_ID_LENGTH + 1] = "";
    if (strlen(name) != JOB_ID_LENGTH + strlen(".safetensors") ||
        strcmp(name + JOB_ID_LENGTH, ".safetensors") != 0)
        return false;
    memcpy(id, name, JOB_ID_LENGTH);
    enum status status = store_job_read(jobs->store, id, &job, NULL);
    if (status)
        return status != ERR_NOT_FOUND; /* when in doubt, keep */
    bool needed = !job_state_is_final(job.state);
    job_record_clear(&job);
    return needed;
}

enum status jobs_create(struct store *store, const struct job_sources *sources,
                        const struct jobs_config *config, struct jobs **ret_jobs, struct error *err)
{
    struct jobs *jobs = calloc(1, sizeof *jobs + (size_t)config->concurrent * sizeof *jobs->live);
    if (!jobs)
        return error_set(err, ERR_MEMORY, "no memory for the jobs");
    jobs->store = store;
    jobs->sources = *sources;
    jobs->config = *config;
    pthread_mutex_init(&jobs->mutex, NULL);
    pthread_cond_init(&jobs->wake, NULL);
    pthread_cond_init(&jobs->released, NULL);

    char folder[FILES_PATH_SIZE];
    enum status status = files_path(folder, err, "%s/checkpoints", store_folder(store));
    if (status == OK)
        status = files_make_folder(folder, err);
    if (status == OK)
        status = files_sweep(folder, is_needed_checkpoint, jobs, err);
    if (status == OK)
        status = requeue_running(jobs, err);
    if (status) {
        jobs_free(jobs);
        return status;
    }
    *ret_jobs = jobs;
    return OK;
}

void jobs_free(struct jobs *jobs)
{
    if (!jobs)
        return;
    pthread_cond_destroy(&jobs->released);
    pthread_cond_destroy(&jobs->wake);
    pthread_mutex_destroy(&jobs->mutex);
    free(jobs);
}

void jobs_stop(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    jobs->stopping = true;
    pthread_cond_broadcast(&jobs->wake);
    pthread_cond_broadcast(&jobs->released);
    pthread_mutex_unlock(&jobs->mutex);
}

/* With the mutex held. */
static void note_change(struct jobs *jobs)
{
    jobs->changes++;
    pthread_cond_broadcast(&jobs->wake);
}

void jobs_wake(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    note_change(jobs);
    pthread_mutex_unlock(&jobs->mutex);
}

int jobs_at_once(const struct jobs *jobs)
{
    return jobs->config.concurrent;
}

void jobs_set_feeder(struct jobs *jobs, jobs_feeder *feed, void *context)
{
    jobs->feed = feed;
    jobs->feed_context = context;
}

/* ---- New jobs -------------------------------------------------------------------------------------- */

enum status jobs_check(struct jobs *jobs, const json_t *json, struct job_request *ret_request,
                       struct problems *problems)
{
    return job_request_from_json(json, &jobs->sources, &jobs->config.limits, ret_request, problems);
}

enum status jobs_check_alike(struct jobs *jobs, const json_t *json, json_t *revisions,
                             struct job_request *ret_request, struct problems *problems)
{
    struct job_sources sources = jobs->sources;
    sources.revisions = revisions;
    return job_request_from_json(json, &sources, &jobs->config.limits, ret_request, problems);
}

enum status jobs_check_kept(struct jobs *jobs, const json_t *config, struct job_request *ret_request,
                            struct problems *problems)
{
    const struct job_sources sources = {.datasets = jobs->sources.datasets};
    return job_request_from_json(config, &sources, &jobs->config.limits, ret_request, problems);
}

enum job_insert_result jobs_find_key(struct jobs *jobs, const char *key, const char *digest,
                                     char ret_id[JOB_ID_LENGTH + 1], struct error *err)
{
    return store_job_find_key(jobs->store, key, digest, ret_id, err);
}

enum job_insert_result jobs_submit(struct jobs *jobs, const struct job_request *request, const char *key,
                                   const char *digest, char ret_id[JOB_ID_LENGTH + 1], struct error *err)
{
    json_t *json = job_request_to_json(request);
    char *config = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!config) {
        error_set(err, ERR_MEMORY, "no memory for a job's configuration");
        return JOB_INSERT_FAILED;
    }
    struct job_insert insert = {.config = config,
                                .idempotency_key = key,
                                .request_digest = digest,
                                .queue_limit = jobs->config.queue_limit,
                                .priority = request->priority};
    enum job_insert_result result = store_job_insert(jobs->store, &insert, ret_id, err);
    free(config);
    if (result == JOB_INSERTED)
        jobs_wake(jobs);
    return result;
}

static enum status is_store_empty(struct store *store, bool *ret_empty, struct error *err)
{
    struct model_record *models;
    size_t count;
    bool has_more;
    int64_t jobs;
    enum status status = store_job_count(store, &jobs, err);
    if (status == OK)
        status = store_model_list(store, NULL, 1, &models, &count, &has_more, err);
    if (status)
        return status;
    free(models);
    *ret_empty = jobs == 0 && count == 0;
    return OK;
}

enum status jobs_bootstrap(struct jobs *jobs, struct error *err)
{
    bool empty;
    enum status status = is_store_empty(jobs->store, &empty, err);
    if (status || !empty)
        return status;
    json_t *defaults = json_object();
    if (!defaults)
        return error_set(err, ERR_MEMORY, "no memory for the first job");
    struct job_request request;
    struct problems problems = {0};
    struct error reason;
    char id[JOB_ID_LENGTH + 1];
    if (jobs_check(jobs, defaults, &request, &problems)) {
        problems_first(&problems, &reason);
        log_warning("no first training by itself: %s", reason.message);
    } else if (jobs_submit(jobs, &request, NULL, NULL, id, err) == JOB_INSERTED) {
        log_info("the store is empty: training the reference network as %s", id);
    } else {
        status = err->code;
    }
    json_decref(defaults);
    return status;
}

/* ---- Changes of state ------------------------------------------------------------------------------ */

static void remove_checkpoint(const struct jobs *jobs, const char *id)
{
    char path[FILES_PATH_SIZE];
    if (jobs_checkpoint_path(jobs, id, path, NULL) == OK && unlink(path) && errno != ENOENT)
        log_warning("%s could not be removed", path);
}

struct live_job *jobs_find_live(struct jobs *jobs, const char *id)
{
    for (int i = 0; i < jobs->config.concurrent; i++) {
        if (strcmp(jobs->live[i].id, id) == 0)
            return &jobs->live[i];
    }
    return NULL;
}

/* With the mutex held. A running job goes back into the queue when the service ends, but not at a client's wish. */
static bool runs_already(struct jobs *jobs, const char *id, enum job_state *ret_from)
{
    struct job_record job;
    if (!jobs_find_live(jobs, id) || store_job_read(jobs->store, id, &job, NULL))
        return false;
    *ret_from = job.state;
    job_record_clear(&job);
    return *ret_from == JOB_RUNNING;
}

enum job_change jobs_change(struct jobs *jobs, const char *id, enum job_state to, enum job_state *ret_from,
                            struct error *err)
{
    pthread_mutex_lock(&jobs->mutex);
    enum job_change change = to == JOB_QUEUED && runs_already(jobs, id, ret_from)
                                 ? JOB_UNCHANGED
                                 : store_job_change(jobs->store, id, to, NULL, ret_from, err);
    if (change == JOB_CHANGED) {
        struct live_job *live = jobs_find_live(jobs, id);
        if (live && to != JOB_QUEUED)
            live->order = to == JOB_PAUSED ? JOB_PAUSE : JOB_CANCEL;
        if (!live && job_state_is_final(to))
            remove_checkpoint(jobs, id); /* that of a live job is the runner's */
        if (to == JOB_QUEUED || !live)
            note_change(jobs); /* the end of a trial that waited may be the end of its sweep */
    }
    pthread_mutex_unlock(&jobs->mutex);
    return change;
}

/* With the mutex held, which it gives up for a while. */
static void await_release(struct jobs *jobs, const char *id)
{
    while (jobs_find_live(jobs, id) && !jobs->stopping)
        pthread_cond_wait(&jobs->released, &jobs->mutex);
}

void jobs_await_release(struct jobs *jobs, const char *id)
{
    pthread_mutex_lock(&jobs->mutex);
    await_release(jobs, id);
    pthread_mutex_unlock(&jobs->mutex);
}

enum job_change jobs_delete(struct jobs *jobs, const char *id, enum job_state *ret_from, struct error *err)
{
    struct job_record job;
    pthread_mutex_lock(&jobs->mutex);
    enum status status = store_job_read(jobs->store, id, &job, err);
    if (status == OK) {
        *ret_from = job.state;
        job_record_clear(&job);
        if (job_state_is_final(*ret_from))
            await_release(jobs, id);
    }
    enum job_change change = status == OK              ? store_job_delete(jobs->store, id, ret_from, err)
                             : status == ERR_NOT_FOUND ? JOB_UNKNOWN
                                                       : JOB_CHANGE_FAILED;
    pthread_mutex_unlock(&jobs->mutex);
    return change;
}

enum job_change jobs_prioritise(struct jobs *jobs, const char *id, int priority, enum job_state *ret_from,
                                struct error *err)
{
    return store_job_prioritise(jobs->store, id, priority, ret_from, err);
}

enum status jobs_forget(struct jobs *jobs, char (*ids)[JOB_ID_LENGTH + 1], size_t count, size_t *ret_gone,
                        struct error *err)
{
    size_t free_ones = 0;
    pthread_mutex_lock(&jobs->mutex);
    for (size_t i = 0; i < count; i++) {
        if (!jobs_find_live(jobs, ids[i]))
            memmove(ids[free_ones++], ids[i], sizeof *ids);
    }
    enum status status =
        free_ones ? store_jobs_delete(jobs->store, (const char(*)[JOB_ID_LENGTH + 1]) ids, free_ones, err)
                  : OK;
    pthread_mutex_unlock(&jobs->mutex);
    if (status == OK)
        *ret_gone = free_ones;
    return status;
}

/* With the mutex held. */
static void wait_at_most(struct jobs *jobs, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    int64_t nanoseconds = until.tv_nsec + ms % 1000 * 1000000;
    until.tv_sec += ms / 1000 + nanoseconds / 1000000000;
    until.tv_nsec = nanoseconds % 1000000000;
    pthread_cond_timedwait(&jobs->wake, &jobs->mutex, &until);
}

bool jobs_await_change(struct jobs *jobs, uint64_t *seen, bool briefly)
{
    pthread_mutex_lock(&jobs->mutex);
    if (briefly && !jobs->stopping)
        wait_at_most(jobs, BREAK_MS);
    while (!briefly && !jobs->stopping && jobs->changes == *seen)
        pthread_cond_wait(&jobs->wake, &jobs->mutex);
    *seen = jobs->changes;
    bool goes_on = !jobs->stopping;
    pthread_mutex_unlock(&jobs->mutex);
    return goes_on;
}

/* With the mutex held: the queued job whose turn it is. One that was paused and resumed may still be in the hands of
 * another thread, which leaves it: it has to wait until then. */
static enum status find_next(struct jobs *jobs, struct job_record *ret_record, struct error *err)
{
    for (size_t skip = 0;; skip++) {
        enum status status = store_job_next(jobs->store, skip, ret_record, err);
        if (status || !jobs_find_live(jobs, ret_record->id))
            return status;
        job_record_clear(ret_record);
    }
}

/* With the mutex held: the next job takes this place. ERR_NOT_FOUND: none is queued. */
static enum status start_next(struct jobs *jobs, struct live_job *live, struct job_record *ret_record,
                              struct error *err)
{
    struct job_record job;
    enum job_state from;
    enum status status = find_next(jobs, &job, err);
    if (status)
        return status;
    if (store_job_change(jobs->store, job.id, JOB_RUNNING, NULL, &from, err) != JOB_CHANGED) {
        job_record_clear(&job);
        return ERR_IO;
    }
    memcpy(live->id, job.id, sizeof job.id);
    live->order = JOB_GO_ON;
    live->progress =
        (struct job_progress){.phase = PHASE_LOADING, .images_per_second = NAN, .eta_seconds = NAN};
    loss_series_start(&live->series);
    *ret_record = job;
    return OK;
}

/* With the mutex held, which it gives up for a while: waits until a job may be there. What happens while the feeder looks
 * counts as a change, so nothing is missed; what it queued may be taken by another thread, then it is asked again. */
static enum status wait_for_jobs(struct jobs *jobs, struct error *err)
{
    uint64_t seen = jobs->changes;
    pthread_mutex_unlock(&jobs->mutex);
    enum status status = jobs->feed ? jobs->feed(jobs->feed_context, err) : ERR_NOT_FOUND;
    pthread_mutex_lock(&jobs->mutex);
    if (status != ERR_NOT_FOUND || jobs->stopping || jobs->changes != seen)
        return status == ERR_NOT_FOUND ? OK : status;
    datasets_trim(jobs->sources.datasets);
    while (!jobs->stopping && jobs->changes == seen)
        pthread_cond_wait(&jobs->wake, &jobs->mutex);
    return OK;
}

/* With the mutex held: each thread of the runner that has no job in hand has a place for one. */
static struct live_job *find_place(struct jobs *jobs)
{
    struct live_job *place = jobs->live;
    while (*place->id)
        place++;
    return place;
}

bool jobs_take(struct jobs *jobs, struct live_job **ret_live, struct job_record *ret_record)
{
    struct error err;
    bool taken = false;
    pthread_mutex_lock(&jobs->mutex);
    struct live_job *live = find_place(jobs);
    while (!jobs->stopping && !taken) {
        enum status status = start_next(jobs, live, ret_record, &err);
        taken = status == OK;
        if (status == ERR_NOT_FOUND)
            status = wait_for_jobs(jobs, &err);
        if (status) {
            log_error("no job can be started: %s", err.message);
            wait_at_most(jobs, RETRY_MS);
        }
        if (!taken)
            live = find_place(jobs);
    }
    pthread_mutex_unlock(&jobs->mutex);
    *ret_live = live;
    return taken;
}

void jobs_fail(struct jobs *jobs, struct live_job *live, const char *error)
{
    struct error err;
    enum job_state from;
    pthread_mutex_lock(&jobs->mutex);
    while (store_job_change(jobs->store, live->id, JOB_FAILED, error, &from, &err) == JOB_CHANGE_FAILED &&
           !jobs->stopping) {
        log_error("the failure of job %s cannot be kept yet: %s", live->id, err.message);
        remove_checkpoint(jobs, live->id);
        wait_at_most(jobs, RETRY_MS);
    }
    pthread_mutex_unlock(&jobs->mutex);
}

void jobs_release(struct jobs *jobs, struct live_job *live)
{
    struct job_record job;
    struct error err;
    enum job_state from;
    pthread_mutex_lock(&jobs->mutex);
    if (store_job_read(jobs->store, live->id, &job, &err)) {
        log_error("job %s: %s", live->id, err.message);
    } else {
        if (job_state_is_final(job.state))
            remove_checkpoint(jobs, job.id);
        if (job.state == JOB_RUNNING &&
            store_job_change(jobs->store, job.id, JOB_QUEUED, NULL, &from, &err) == JOB_CHANGE_FAILED)
            log_warning("job %s is queued again only at the next start: %s", job.id, err.message);
        job_record_clear(&job);
    }
    live->id[0] = '\0';
    pthread_cond_broadcast(&jobs->released);
    note_change(jobs); /* it may have been resumed meanwhile */
    pthread_mutex_unlock(&jobs->mutex);
}

/* ---- The running jobs ------------------------------------------------------------------------------ */

enum job_order jobs_report(struct jobs *jobs, struct live_job *live, const struct job_progress *progress)
{
    pthread_mutex_lock(&jobs->mutex);
    live->progress = *progress;
    enum job_order order = live->order;
    if (order == JOB_GO_ON && jobs->stopping)
        order = JOB_STOP;
    pthread_mutex_unlock(&jobs->mutex);
    return order;
}

void jobs_step(struct jobs *jobs, struct live_job *live, int64_t step, double loss)
{
    pthread_mutex_lock(&jobs->mutex);
    loss_series_add(&live->series, step, loss);
    pthread_mutex_unlock(&jobs->mutex);
}

enum status jobs_continue(struct jobs *jobs, struct live_job *live, int64_t step, int64_t steps_per_epoch,
                          struct error *err)
{
    struct step_losses kept;
    enum status status = store_job_steps_put(jobs->store, live->id, steps_per_epoch, err);
    if (status == OK)
        status = store_steps_read(jobs->store, live->id, &kept, err);
    if (status)
        return status;
    pthread_mutex_lock(&jobs->mutex);
    loss_series_resume(&live->series, &kept, step);
    pthread_mutex_unlock(&jobs->mutex);
    free(kept.losses);
    return OK;
}

/* Its own thread alone writes a job's series, so these two may read it without the mutex. */
enum status jobs_epoch(struct jobs *jobs, struct live_job *live, const struct epoch_metrics *metrics,
                       struct error *err)
{
    struct step_losses steps = loss_series_view(&live->series);
    return store_epoch_put(jobs->store, live->id, metrics, &steps, err);
}

enum status jobs_keep_losses(struct jobs *jobs, struct live_job *live, struct error *err)
{
    struct step_losses steps = loss_series_view(&live->series);
    return store_steps_put(jobs->store, live->id, &steps, err);
}
