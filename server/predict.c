#include "server/predict.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/predict_private.h"

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

/* Waits for something to do; false when the service stops and nothing waits. */
static bool take_batch(struct predict_service *service, struct batch *ret_batch)
{
    pthread_mutex_lock(&service->mutex);
    while (!service->first && !service->stop)
        pthread_cond_wait(&service->waiting, &service->mutex);
    bool found = service->first;
    if (found) {
        bool large = service->first->count > service->config.batch_max;
        *ret_batch = large ? take_piece_locked(service) : take_whole_locked(service);
        service->queued -= ret_batch->images;
    }
    pthread_mutex_unlock(&service->mutex);
    return found;
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
static void drop_retired(struct worker *worker, const struct served_model *wanted)
{
    bool retired[READY_MAX];
    pthread_mutex_lock(&worker->service->mutex);
    for (size_t i = 0; i < READY_MAX; i++) {
        const struct served_model *served = worker->ready[i].served;
        retired[i] = served && served != wanted && served->offers == 0;
    }
    pthread_mutex_unlock(&worker->service->mutex);
    for (size_t i = 0; i < READY_MAX; i++)
        if (retired[i])
            ready_clear(&worker->ready[i]);
}

/* The predictor for a model, made in the place of the one that was unused for longest. */
static enum status make_ready(struct worker *worker, struct served_model *served,
                              struct predictor **ret_predictor)
{
    struct ready_model *oldest = &worker->ready[0];
    worker->batches++;
    for (size_t i = 0; i < READY_MAX; i++) {
        struct ready_model *ready = &worker->ready[i];
        if (ready->served == served) {
            ready->last_batch = worker->batches;
            *ret_predictor = ready->predictor;
            return OK;
        }
        if (ready->last_batch < oldest->last_batch)
            oldest = ready;
    }
    struct predictor *predictor;
    enum status status = predictor_create(served->model, worker->service->config.batch_max, &predictor, NULL);
    if (status != OK)
        return status;
    ready_clear(oldest);
    pthread_mutex_lock(&worker->service->mutex);
    *oldest = (struct ready_model){served_model_ref_locked(served), predictor, worker->batches};
    pthread_mutex_unlock(&worker->service->mutex);
    *ret_predictor = predictor;
    return OK;
}

/* Runs images where they are. */
static void run_in_place(struct worker *worker, struct predictor *predictor, const struct batch *batch)
{
    const struct prediction *p = batch->first;
    uint64_t start = now_ns();
    predictor_run(predictor, p->images + batch->offset * IMAGE_PIXELS, batch->images,
                  p->probabilities + batch->offset * CLASSES);
    predict_stats_pass(
        worker->service->stats,
        &(struct predict_pass){.served = p->served, .images = batch->images, .infer_ns = now_ns() - start});
}

/* Several predictions in one pass. */
static void run_together(struct worker *worker, struct predictor *predictor, const struct batch *batch)
{
    uint64_t start = now_ns();
    float *target = worker->images;
    for (struct prediction *p = batch->first; p; p = p->next) {
        memcpy(target, p->images, p->count * IMAGE_PIXELS * sizeof *target);
        target += p->count * IMAGE_PIXELS;
    }
    uint64_t gathered = now_ns();
    predictor_run(predictor, worker->images, batch->images, worker->probabilities);
    uint64_t computed = now_ns();
    const float *source = worker->probabilities;
    for (struct prediction *p = batch->first; p; p = p->next) {
        memcpy(p->probabilities, source, p->count * CLASSES * sizeof *source);
        source += p->count * CLASSES;
    }
    predict_stats_pass(worker->service->stats, &(struct predict_pass){.served = batch->first->served,
                                                                      .images = batch->images,
                                                                      .input_ns = gathered - start,
                                                                      .infer_ns = computed - gathered,
                                                                      .output_ns = now_ns() - computed});
}

/* The batch's model is made ready, and the batch run. */
static enum status run_batch(struct worker *worker, const struct batch *batch)
{
    struct predictor *predictor;
    drop_retired(worker, batch->first->served);
    enum status status = make_ready(worker, batch->first->served, &predictor);
    if (status != OK)
        return status;
    if (!batch->is_piece && batch->first->next)
        run_together(worker, predictor, batch);
    else
        run_in_place(worker, predictor, batch);
    return OK;
}

static bool is_abandoned(const struct prediction *prediction)
{
    return prediction->is_abandoned && prediction->is_abandoned(prediction);
}

static void count_and_tell(struct worker *worker, struct prediction *prediction, uint64_t end)
{
    struct predict_stats *stats = worker->service->stats;
    prediction->compute_ns = end - prediction->queued_ns - prediction->queue_ns;
    if (prediction->abandoned)
        predict_stats_abandoned(stats);
    else
        predict_stats_request(stats, prediction->served, prediction->status == OK, prediction->queue_ns,
                              prediction->compute_ns);
    prediction->done(prediction);
}

static void do_piece(struct worker *worker, const struct batch *batch)
{
    struct prediction *prediction = batch->first;
    bool abandoned = is_abandoned(prediction);
    enum status status = abandoned ? OK : run_batch(worker, batch);
    if (finish_piece(worker->service, prediction, batch->images, status, abandoned))
        count_and_tell(worker, prediction, now_ns());
}

/* Takes out those for which nobody waits. */
static void drop_abandoned(struct worker *worker, struct batch *batch, uint64_t now)
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
        count_and_tell(worker, p, now);
    }
}

static void do_whole(struct worker *worker, struct batch *batch)
{
    drop_abandoned(worker, batch, now_ns());
    if (!batch->first)
        return;
    enum status status = run_batch(worker, batch);
    uint64_t end = now_ns();
    for (struct prediction *p = batch->first, *next; p; p = next) {
        next = p->next; /* `done` may free it */
        p->status = status;
        p->batch_size = batch->images;
        count_and_tell(worker, p, end);
    }
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct batch batch;
    while (take_batch(worker->service, &batch)) {
        if (batch.is_piece)
            do_piece(worker, &batch);
        else
            do_whole(worker, &batch);
    }
    return NULL;
}

static bool worker_start(struct predict_service *service)
{
    struct worker *worker = &service->workers[service->worker_count];
    size_t batch_max = service->config.batch_max;
    worker->service = service;
    worker->images = malloc(batch_max * IMAGE_PIXELS * sizeof *worker->images);
    worker->probabilities = malloc(batch_max * CLASSES * sizeof *worker->probabilities);
    if (worker->images && worker->probabilities &&
        pthread_create(&worker->thread, NULL, worker_main, worker) == 0) {
        service->worker_count++;
        return true;
    }
    free(worker->images);
    free(worker->probabilities);
    return false;
}

enum status predict_service_create(const struct predict_config *config, struct predict_service **ret_service,
                                   struct error *err)
{
    struct predict_service *service =
        calloc(1, sizeof *service + (size_t)config->workers * sizeof *service->workers);
    if (!service)
        return error_set(err, ERR_MEMORY, "no memory for the prediction service");
    service->config = *config;
    service->last = &service->first;
    pthread_mutex_init(&service->mutex, NULL);
    pthread_cond_init(&service->waiting, NULL);
    enum status status = predict_stats_create(config->batch_max, &service->stats, err);
    for (int i = 0; i < config->workers && status == OK; i++)
        if (!worker_start(service))
            status = error_set(err, ERR_MEMORY, "cannot start %d prediction workers", config->workers);
    if (status == OK)
        *ret_service = service;
    else
        predict_service_free(service);
    return status;
}

static void worker_end(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
    for (size_t i = 0; i < READY_MAX; i++)
        ready_clear(&worker->ready[i]);
    free(worker->images);
    free(worker->probabilities);
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
        worker_end(&service->workers[i]);
    predict_models_free(service);
    predict_stats_free(service->stats);
    pthread_cond_destroy(&service->waiting);
    pthread_mutex_destroy(&service->mutex);
    free(service);
}
