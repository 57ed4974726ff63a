#include "server/predict.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/predict_private.h"

/* A caller of predict_now, which other connections wait for, may be held up for so long. */
#define QUICK_NS 1000000

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- Queue -------------------------------------------------------------------------------------------------- */

bool predict_submit(struct predict_service *service, struct prediction *prediction)
{
    prediction->queued_ns = now_ns();
    prediction->next = NULL;
    prediction->taken = prediction->finished = 0;
    pthread_mutex_lock(&service->mutex);
    bool room = !service->stop && prediction->count <= service->config.queue_max - service->queued;
    if (room) {
        *service->last = prediction;
        service->last = &prediction->next;
        service->queued += prediction->count;
        if (prediction->count > service->config.batch_max)
            pthread_cond_broadcast(&service->waiting);
        else
            pthread_cond_signal(&service->waiting);
    }
    pthread_mutex_unlock(&service->mutex);
    if (!room)
        predict_stats_refused(service->stats);
    return room;
}

size_t predict_queue_length(struct predict_service *service)
{
    pthread_mutex_lock(&service->mutex);
    size_t queued = service->queued;
    pthread_mutex_unlock(&service->mutex);
    return queued;
}

struct predict_stats *predict_service_stats(struct predict_service *service)
{
    return service->stats;
}

/* What a worker does at a time: whole predictions for one model, or a piece of one that is larger than a batch. */
struct batch {
    struct prediction *first; /* whole ones are a list */
    size_t images;
    bool is_piece;
    size_t offset; /* images of the prediction before the piece */
};

static void unlink_locked(struct predict_service *service, struct prediction *end)
{
    service->first = end->next;
    end->next = NULL;
    if (!service->first)
        service->last = &service->first;
}

static struct batch take_piece_locked(struct predict_service *service)
{
    struct prediction *whole = service->first;
    size_t left = whole->count - whole->taken, batch_max = service->config.batch_max;
    struct batch batch = {whole, left < batch_max ? left : batch_max, true, whole->taken};
    if (whole->taken == 0)
        whole->queue_ns = now_ns() - whole->queued_ns;
    whole->taken += batch.images;
    if (whole->taken == whole->count)
        unlink_locked(service, whole);
    return batch;
}

/* The first that waits and those behind it for the same model, as long as they fit into one batch. */
static struct batch take_whole_locked(struct predict_service *service)
{
    struct batch batch = {.first = service->first};
    struct prediction *end = batch.first;
    for (struct prediction *p = end; p && p->served == batch.first->served; p = p->next) {
        if (batch.images + p->count > service->config.batch_max)
            break;
        batch.images += p->count;
        end = p;
    }
    unlink_locked(service, end);
    return batch;
}

static struct workspace *take_workspace_locked(struct predict_service *service)
{
    struct workspace *space = service->free;
    service->free = space->next_free;
    service->in_use++;
    return space;
}

static void give_back_locked(struct predict_service *service, struct workspace *space)
{
    space->next_free = service->free;
    service->free = space;
    service->in_use--;
}

/* Waits for something to do, and for a workspace to do it in; NULL when the service stops and nothing waits. */
static struct workspace *take_batch(struct predict_service *service, struct workspace *done,
                                    struct batch *ret_batch)
{
    struct workspace *space = NULL;
    pthread_mutex_lock(&service->mutex);
    if (done)
        give_back_locked(service, done);
    while (service->first ? !service->free : !service->stop)
        pthread_cond_wait(&service->waiting, &service->mutex);
    if (service->first) {
        bool large = service->first->count > service->config.batch_max;
        *ret_batch = large ? take_piece_locked(service) : take_whole_locked(service);
        service->queued -= ret_batch->images;
        space = take_workspace_locked(service);
    }
    /* A worker may wait for what this one took, or for a workspace that came back while something waited. */
    if (service->first ? service->free != NULL : service->stop)
        pthread_cond_signal(&service->waiting);
    pthread_mutex_unlock(&service->mutex);
    return space;
}

/* A piece of `prediction` is done; whether that was all of it. */
static bool finish_piece(struct predict_service *service, struct prediction *prediction, size_t images,
                         enum status status, bool abandoned)
{
    pthread_mutex_lock(&service->mutex);
    if (status != OK)
        prediction->status = status;
    prediction->abandoned |= abandoned;
    if (prediction->batch_size < images)
        prediction->batch_size = images;
    prediction->finished += images;
    bool last = prediction->finished == prediction->count;
    pthread_mutex_unlock(&service->mutex);
    return last;
}

/* ---- Workers ------------------------------------------------------------------------------------------------ */

static void ready_clear(struct ready_model *ready)
{
    predictor_free(ready->predictor);
    served_model_unref(ready->served);
    *ready = (struct ready_model){0};
}

/* Lets go of models that nobody can ask for any more. */
static void drop_retired(struct workspace *space, const struct served_model *wanted)
{
    bool retired[READY_MAX];
    pthread_mutex_lock(&space->service->mutex);
    for (size_t i = 0; i < READY_MAX; i++) {
        const struct served_model *served = space->ready[i].served;
        retired[i] = served && served != wanted && served->offers == 0;
    }
    pthread_mutex_unlock(&space->service->mutex);
    for (size_t i = 0; i < READY_MAX; i++)
        if (retired[i])
            ready_clear(&space->ready[i]);
}

/* The predictor for a model, made in the place of the one that was unused for longest. */
static enum status make_ready(struct workspace *space, struct served_model *served,
                              struct ready_model **ret_ready)
{
    struct ready_model *oldest = &space->ready[0];
    space->batches++;
    for (size_t i = 0; i < READY_MAX; i++) {
        struct ready_model *ready = &space->ready[i];
        if (ready->served == served) {
            ready->last_batch = space->batches;
            *ret_ready = ready;
            return OK;
        }
        if (ready->last_batch < oldest->last_batch)
            oldest = ready;
    }
    struct predictor *predictor;
    enum status status = predictor_create(served->model, space->service->config.batch_max, &predictor, NULL);
    if (status != OK)
        return status;
    ready_clear(oldest);
    pthread_mutex_lock(&space->service->mutex);
    *oldest = (struct ready_model){served_model_ref_locked(served), predictor, space->batches, 0};
    pthread_mutex_unlock(&space->service->mutex);
    *ret_ready = oldest;
    return OK;
}

/* Runs images where they are. */
static void run_in_place(struct workspace *space, struct ready_model *ready, const struct batch *batch)
{
    const struct prediction *p = batch->first;
    uint64_t start = now_ns();
    predictor_run(ready->predictor, p->images + batch->offset * IMAGE_PIXELS, batch->images,
                  p->probabilities + batch->offset * CLASSES);
    uint64_t infer_ns = now_ns() - start;
    ready->image_ns = infer_ns / batch->images;
    predict_stats_pass(
        space->service->stats,
        &(struct predict_pass){.served = p->served, .images = batch->images, .infer_ns = infer_ns});
}

/* Several predictions in one pass. */
static void run_together(struct workspace *space, struct ready_model *ready, const struct batch *batch)
{
    uint64_t start = now_ns();
    float *target = space->images;
    for (struct prediction *p = batch->first; p; p = p->next) {
        memcpy(target, p->images, p->count * IMAGE_PIXELS * sizeof *target);
        target += p->count * IMAGE_PIXELS;
    }
    uint64_t gathered = now_ns();
    predictor_run(ready->predictor, space->images, batch->images, space->probabilities);
    uint64_t computed = now_ns();
    ready->image_ns = (computed - gathered) / batch->images;
    const float *source = space->probabilities;
    for (struct prediction *p = batch->first; p; p = p->next) {
        memcpy(p->probabilities, source, p->count * CLASSES * sizeof *source);
        source += p->count * CLASSES;
    }
    predict_stats_pass(space->service->stats, &(struct predict_pass){.served = batch->first->served,
                                                                     .images = batch->images,
                                                                     .input_ns = gathered - start,
                                                                     .infer_ns = computed - gathered,
                                                                     .output_ns = now_ns() - computed});
}

/* The batch's model is made ready, and the batch run. */
static enum status run_batch(struct workspace *space, const struct batch *batch)
{
    struct ready_model *ready;
    drop_retired(space, batch->first->served);
    enum status status = make_ready(space, batch->first->served, &ready);
    if (status != OK)
        return status;
    if (!batch->is_piece && batch->first->next)
        run_together(space, ready, batch);
    else
        run_in_place(space, ready, batch);
    return OK;
}

static bool is_abandoned(const struct prediction *prediction)
{
    return prediction->is_abandoned && prediction->is_abandoned(prediction);
}

static void count(struct workspace *space, struct prediction *prediction, uint64_t end)
{
    struct predict_stats *stats = space->service->stats;
    prediction->compute_ns = end - prediction->queued_ns - prediction->queue_ns;
    if (prediction->abandoned)
        predict_stats_abandoned(stats);
    else
        predict_stats_request(stats, prediction->served, prediction->status == OK, prediction->queue_ns,
                              prediction->compute_ns);
}

static void count_and_tell(struct workspace *space, struct prediction *prediction, uint64_t end)
{
    count(space, prediction, end);
    prediction->done(prediction);
}

static void do_piece(struct workspace *space, const struct batch *batch)
{
    struct prediction *prediction = batch->first;
    bool abandoned = is_abandoned(prediction);
    enum status status = abandoned ? OK : run_batch(space, batch);
    if (finish_piece(space->service, prediction, batch->images, status, abandoned))
        count_and_tell(space, prediction, now_ns());
}

/* Takes out those for which nobody waits. */
static void drop_abandoned(struct workspace *space, struct batch *batch, uint64_t now)
{
    for (struct prediction **link = &batch->first, *p; (p = *link);) {
        p->queue_ns = now - p->queued_ns;
        if (!is_abandoned(p)) {
            link = &p->next;
            continue;
        }
        *link = p->next;
        batch->images -= p->count;
        p->abandoned = true;
        count_and_tell(space, p, now);
    }
}

static void do_whole(struct workspace *space, struct batch *batch)
{
    drop_abandoned(space, batch, now_ns());
    if (!batch->first)
        return;
    enum status status = run_batch(space, batch);
    uint64_t end = now_ns();
    for (struct prediction *p = batch->first, *next; p; p = next) {
        next = p->next; /* `done` may free it */
        p->status = status;
        p->batch_size = batch->images;
        count_and_tell(space, p, end);
    }
}

static void *worker_main(void *argument)
{
    struct predict_service *service = argument;
    struct workspace *space = NULL;
    struct batch batch;
    while ((space = take_batch(service, space, &batch))) {
        if (batch.is_piece)
            do_piece(space, &batch);
        else
            do_whole(space, &batch);
    }
    return NULL;
}

/* ---- On the thread that asks -------------------------------------------------------------------------------- */

static bool is_quick(const struct workspace *space, const struct prediction *prediction)
{
    for (size_t i = 0; i < READY_MAX; i++) {
        const struct ready_model *ready = &space->ready[i];
        if (ready->served == prediction->served)
            return ready->image_ns && prediction->count <= QUICK_NS / ready->image_ns;
    }
    return false;
}

bool predict_now(struct predict_service *service, struct prediction *prediction)
{
    pthread_mutex_lock(&service->mutex);
    struct workspace *space = service->first || service->in_use ? NULL : service->free;
    bool quick = space && prediction->count <= service->config.batch_max && is_quick(space, prediction);
    if (quick)
        take_workspace_locked(service);
    pthread_mutex_unlock(&service->mutex);
    if (!quick)
        return false;
    prediction->queued_ns = now_ns();
    prediction->queue_ns = 0;
    prediction->batch_size = prediction->count;
    prediction->abandoned = is_abandoned(prediction);
    const struct batch batch = {.first = prediction, .images = prediction->count};
    prediction->next = NULL;
    prediction->status = prediction->abandoned ? OK : run_batch(space, &batch);
    count(space, prediction, now_ns());
    pthread_mutex_lock(&service->mutex);
    give_back_locked(service, space);
    if (service->first)
        pthread_cond_signal(&service->waiting);
    pthread_mutex_unlock(&service->mutex);
    return true;
}

/* ---- Start and end ------------------------------------------------------------------------------------------ */

static bool worker_start(struct predict_service *service)
{
    struct workspace *space = &service->workspaces[service->worker_count];
    size_t batch_max = service->config.batch_max;
    *space = (struct workspace){.service = service,
                                .images = malloc(batch_max * IMAGE_PIXELS * sizeof *space->images),
                                .probabilities = malloc(batch_max * CLASSES * sizeof *space->probabilities)};
    pthread_mutex_lock(&service->mutex);
    bool started = space->images && space->probabilities &&
                   pthread_create(&service->workers[service->worker_count], NULL, worker_main, service) == 0;
    if (started) {
        service->in_use++; /* given back at once */
        give_back_locked(service, space);
        service->worker_count++;
    }
    pthread_mutex_unlock(&service->mutex);
    if (started)
        return true;
    free(space->images);
    free(space->probabilities);
    return false;
}

static enum status workers_start(struct predict_service *service, struct error *err)
{
    size_t count = (size_t)service->config.workers;
    service->workers = calloc(count, sizeof *service->workers);
    service->workspaces = calloc(count, sizeof *service->workspaces);
    bool started = service->workers && service->workspaces;
    for (size_t i = 0; i < count && started; i++)
        started = worker_start(service);
    return started ? OK : error_set(err, ERR_MEMORY, "cannot start %zu prediction workers", count);
}

enum status predict_service_create(const struct predict_config *config, struct predict_service **ret_service,
                                   struct error *err)
{
    struct predict_service *service = calloc(1, sizeof *service);
    if (!service)
        return error_set(err, ERR_MEMORY, "no memory for the prediction service");
    service->config = *config;
    service->last = &service->first;
    pthread_mutex_init(&service->mutex, NULL);
    pthread_cond_init(&service->waiting, NULL);
    enum status status = predict_stats_create(config->batch_max, &service->stats, err);
    if (status == OK)
        status = workers_start(service, err);
    if (status == OK)
        *ret_service = service;
    else
        predict_service_free(service);
    return status;
}

static void workspace_clear(struct workspace *space)
{
    for (size_t i = 0; i < READY_MAX; i++)
        ready_clear(&space->ready[i]);
    free(space->images);
    free(space->probabilities);
}

void predict_service_free(struct predict_service *service)
{
    if (!service)
        return;
    pthread_mutex_lock(&service->mutex);
    service->stop = true;
    pthread_cond_broadcast(&service->waiting);
    pthread_mutex_unlock(&service->mutex);
    for (int i = 0; i < service->worker_count; i++)
        pthread_join(service->workers[i], NULL);
    for (int i = 0; i < service->worker_count; i++)
        workspace_clear(&service->workspaces[i]);
    free(service->workers);
    free(service->workspaces);
    predict_models_free(service);
    predict_stats_free(service->stats);
    pthread_cond_destroy(&service->waiting);
    pthread_mutex_destroy(&service->mutex);
    free(service);
}
