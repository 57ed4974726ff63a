#include "server/predict.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIVE_MAX   8 /* models in training that are offered, newest first */
#define RECENT_MAX 8 /* versions outside production that were asked for, latest first */

/* Predictors that a worker keeps: for the model in production and one more. */
#define READY_MAX 2

struct ready_model {
    struct served_model *served; /* a reference; NULL: free */
    struct predictor *predictor;
    uint64_t last_batch; /* number of the batch that used it last */
};

struct worker {
    struct predict_service *service;
    pthread_t thread;
    struct ready_model ready[READY_MAX]; /* the worker's own */
    uint64_t batches;
    float *images;        /* [batch_max][28][28] */
    float *probabilities; /* [batch_max][10] */
};

struct predict_service {
    struct predict_config config;
    pthread_mutex_t mutex;  /* guards all below but the workers, and served_model's counters */
    pthread_cond_t waiting; /* a prediction was queued, or `stop` became true */
    struct prediction *first, **last;
    size_t queued; /* images that wait */
    bool stop;
    struct served_model **production; /* one a name */
    size_t production_count;
    struct served_model *live[LIVE_MAX];
    struct served_model *recent[RECENT_MAX];
    int worker_count;
    struct worker workers[];
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- Models as they are served -------------------------------------------------------------------------- */

static enum status served_create(struct predict_service *service, const char *name, int version,
                                 const char *job, int epoch, struct model *model,
                                 struct served_model **ret_served, struct error *err)
{
    struct served_model *served = calloc(1, sizeof *served);
    if (!served)
        return error_set(err, ERR_MEMORY, "no memory to serve a model");
    served->model = model_ref(model);
    snprintf(served->name, sizeof served->name, "%s", name);
    served->version = version;
    snprintf(served->job, sizeof served->job, "%s", job);
    served->epoch = epoch;
    served->references = 1;
    served->service = service;
    *ret_served = served;
    return OK;
}

static struct served_model *ref_locked(struct served_model *served)
{
    if (served)
        served->references++;
    return served;
}

void served_model_unref(struct served_model *served)
{
    if (!served)
        return;
    pthread_mutex_lock(&served->service->mutex);
    bool last = --served->references == 0;
    pthread_mutex_unlock(&served->service->mutex);
    if (!last)
        return;
    model_unref(served->model);
    free(served);
}

/* Puts `served` (a reference, or NULL) into a slot and gives back what was there, for the caller to release
 * when the mutex is free again. */
static struct served_model *offer_locked(struct served_model **slot, struct served_model *served)
{
    struct served_model *before = *slot;
    if (before)
        before->offers--;
    if (served)
        served->offers++;
    *slot = served;
    return before;
}

/* Moves slots 0..index-1 one down and puts `served` first; gives back what was at `index`. */
static struct served_model *offer_first_locked(struct served_model **slots, size_t index,
                                               struct served_model *served)
{
    struct served_model *dropped = offer_locked(&slots[index], NULL);
    memmove(slots + 1, slots, index * sizeof *slots);
    slots[0] = NULL;
    offer_locked(&slots[0], served);
    return dropped;
}

/* ---- Tables ----------------------------------------------------------------------------------------------- */

static size_t find_production_locked(const struct predict_service *service, const char *name)
{
    size_t i = 0;
    while (i < service->production_count && strcmp(service->production[i]->name, name) != 0)
        i++;
    return i;
}

static size_t find_live_locked(const struct predict_service *service, const char *job)
{
    size_t i = 0;
    while (i < LIVE_MAX && !(service->live[i] && strcmp(service->live[i]->job, job) == 0))
        i++;
    return i;
}

static size_t find_recent_locked(const struct predict_service *service, const char *name, int version)
{
    size_t i = 0;
    while (i < RECENT_MAX && !(service->recent[i] && service->recent[i]->version == version &&
                               strcmp(service->recent[i]->name, name) == 0))
        i++;
    return i;
}

static bool grow_production_locked(struct predict_service *service)
{
    size_t size = (service->production_count + 1) * sizeof *service->production;
    struct served_model **grown = realloc(service->production, size);
    if (!grown)
        return false;
    service->production = grown;
    service->production[service->production_count++] = NULL;
    return true;
}

static struct served_model *withdraw_production_locked(struct predict_service *service, size_t index)
{
    struct served_model *before = offer_locked(&service->production[index], NULL);
    service->production[index] = service->production[--service->production_count];
    return before;
}

enum status predict_publish_production(struct predict_service *service, const char *name, int version,
                                       struct model *model, struct error *err)
{
    struct served_model *served = NULL, *before = NULL;
    if (model) {
        enum status status = served_create(service, name, version, "", 0, model, &served, err);
        if (status != OK)
            return status;
    }
    pthread_mutex_lock(&service->mutex);
    size_t index = find_production_locked(service, name);
    bool found = index < service->production_count;
    bool room = found || !served || grow_production_locked(service);
    if (found && !served)
        before = withdraw_production_locked(service, index);
    else if (served && room)
        before = offer_locked(&service->production[index], served);
    pthread_mutex_unlock(&service->mutex);
    served_model_unref(before);
    if (room)
        return OK;
    served_model_unref(served);
    return error_set(err, ERR_MEMORY, "no memory to serve another model");
}

enum status predict_publish_live(struct predict_service *service, const char *name, const char *job_id,
                                 int epoch, struct model *model, struct error *err)
{
    struct served_model *served;
    enum status status = served_create(service, name, 0, job_id, epoch, model, &served, err);
    if (status != OK)
        return status;
    pthread_mutex_lock(&service->mutex);
    size_t index = find_live_locked(service, job_id);
    struct served_model *dropped =
        offer_first_locked(service->live, index < LIVE_MAX ? index : LIVE_MAX - 1, served);
    pthread_mutex_unlock(&service->mutex);
    served_model_unref(dropped);
    return OK;
}

void predict_withdraw_live(struct predict_service *service, const char *job_id)
{
    struct served_model *dropped = NULL;
    pthread_mutex_lock(&service->mutex);
    size_t index = find_live_locked(service, job_id);
    if (index < LIVE_MAX) {
        dropped = offer_locked(&service->live[index], NULL);
        memmove(service->live + index, service->live + index + 1,
                (LIVE_MAX - 1 - index) * sizeof *service->live);
        service->live[LIVE_MAX - 1] = NULL;
    }
    pthread_mutex_unlock(&service->mutex);
    served_model_unref(dropped);
}

struct served_model *predict_model_default(struct predict_service *service, const char *name)
{
    struct served_model *served = NULL;
    pthread_mutex_lock(&service->mutex);
    size_t index = find_production_locked(service, name);
    if (index < service->production_count)
        served = service->production[index];
    for (size_t i = 0; i < LIVE_MAX && !served; i++)
        if (service->live[i] && strcmp(service->live[i]->name, name) == 0)
            served = service->live[i];
    ref_locked(served);
    pthread_mutex_unlock(&service->mutex);
    return served;
}

struct served_model *predict_model_live(struct predict_service *service, const char *job_id)
{
    pthread_mutex_lock(&service->mutex);
    size_t index = find_live_locked(service, job_id);
    struct served_model *served = index < LIVE_MAX ? ref_locked(service->live[index]) : NULL;
    pthread_mutex_unlock(&service->mutex);
    return served;
}

struct served_model *predict_model_cached(struct predict_service *service, const char *name, int version)
{
    struct served_model *served = NULL;
    pthread_mutex_lock(&service->mutex);
    size_t production = find_production_locked(service, name);
    size_t recent = find_recent_locked(service, name, version);
    if (production < service->production_count && service->production[production]->version == version) {
        served = ref_locked(service->production[production]);
    } else if (recent < RECENT_MAX) {
        served = ref_locked(service->recent[recent]);
        offer_first_locked(service->recent, recent, served);
    }
    pthread_mutex_unlock(&service->mutex);
    return served;
}

enum status predict_model_keep(struct predict_service *service, const char *name, int version,
                               struct model *model, struct served_model **ret_served, struct error *err)
{
    struct served_model *served;
    enum status status = served_create(service, name, version, "", 0, model, &served, err);
    if (status != OK)
        return status;
    pthread_mutex_lock(&service->mutex);
    ref_locked(served); /* the caller's; the table gets the first */
    size_t index = find_recent_locked(service, name, version);
    struct served_model *dropped =
        offer_first_locked(service->recent, index < RECENT_MAX ? index : RECENT_MAX - 1, served);
    pthread_mutex_unlock(&service->mutex);
    served_model_unref(dropped);
    *ret_served = served;
    return OK;
}

/* ---- Queue -------------------------------------------------------------------------------------------------- */

bool predict_submit(struct predict_service *service, struct prediction *prediction)
{
    prediction->queued_ns = now_ns();
    prediction->next = NULL;
    pthread_mutex_lock(&service->mutex);
    bool room = !service->stop && prediction->count <= service->config.queue_max - service->queued;
    if (room) {
        *service->last = prediction;
        service->last = &prediction->next;
        service->queued += prediction->count;
        pthread_cond_signal(&service->waiting);
    }
    pthread_mutex_unlock(&service->mutex);
    return room;
}

/* Takes the first that waits and those behind it for the same model, as long as they fit into one batch. NULL
 * when the service stops and nothing waits. */
static struct prediction *take_batch(struct predict_service *service, size_t *ret_images)
{
    pthread_mutex_lock(&service->mutex);
    while (!service->first && !service->stop)
        pthread_cond_wait(&service->waiting, &service->mutex);
    struct prediction *batch = service->first, *end = NULL;
    size_t images = 0;
    for (struct prediction *p = batch; p && p->served == batch->served; p = p->next) {
        if (end && images + p->count > service->config.batch_max)
            break;
        images += p->count;
        end = p;
    }
    if (end) {
        service->first = end->next;
        end->next = NULL;
        service->queued -= images;
        if (!service->first)
            service->last = &service->first;
    }
    pthread_mutex_unlock(&service->mutex);
    *ret_images = images;
    return batch;
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
    *oldest = (struct ready_model){ref_locked(served), predictor, worker->batches};
    pthread_mutex_unlock(&worker->service->mutex);
    *ret_predictor = predictor;
    return OK;
}

/* One prediction, as many passes as it needs; the images are used where they are. */
static void run_single(struct worker *worker, struct predictor *predictor, struct prediction *prediction)
{
    size_t batch_max = worker->service->config.batch_max;
    for (size_t done = 0; done < prediction->count; done += batch_max) {
        size_t count = prediction->count - done < batch_max ? prediction->count - done : batch_max;
        predictor_run(predictor, prediction->images + done * IMAGE_PIXELS, count,
                      prediction->probabilities + done * CLASSES);
    }
}

/* Several predictions in one pass. */
static void run_together(struct worker *worker, struct predictor *predictor, struct prediction *batch,
                         size_t images)
{
    float *target = worker->images;
    for (struct prediction *p = batch; p; p = p->next) {
        memcpy(target, p->images, p->count * IMAGE_PIXELS * sizeof *target);
        target += p->count * IMAGE_PIXELS;
    }
    predictor_run(predictor, worker->images, images, worker->probabilities);
    const float *source = worker->probabilities;
    for (struct prediction *p = batch; p; p = p->next) {
        memcpy(p->probabilities, source, p->count * CLASSES * sizeof *source);
        source += p->count * CLASSES;
    }
}

static void run_batch(struct worker *worker, struct prediction *batch, size_t images)
{
    size_t batch_max = worker->service->config.batch_max;
    struct predictor *predictor;
    uint64_t start = now_ns();
    drop_retired(worker, batch->served);
    enum status status = make_ready(worker, batch->served, &predictor);
    if (status == OK && batch->next)
        run_together(worker, predictor, batch, images);
    else if (status == OK)
        run_single(worker, predictor, batch);
    uint64_t end = now_ns();
    for (struct prediction *p = batch, *next; p; p = next) {
        next = p->next; /* `done` may free it */
        p->status = status;
        p->queue_ns = start - p->queued_ns;
        p->compute_ns = end - start;
        p->batch_size = images < batch_max ? images : batch_max;
        p->done(p);
    }
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct prediction *batch;
    size_t images;
    while ((batch = take_batch(worker->service, &images)))
        run_batch(worker, batch, images);
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
    for (int i = 0; i < config->workers; i++)
        if (!worker_start(service)) {
            predict_service_free(service);
            return error_set(err, ERR_MEMORY, "cannot start %d prediction workers", config->workers);
        }
    *ret_service = service;
    return OK;
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
    for (size_t i = 0; i < service->production_count; i++)
        served_model_unref(service->production[i]);
    for (size_t i = 0; i < LIVE_MAX; i++)
        served_model_unref(service->live[i]);
    for (size_t i = 0; i < RECENT_MAX; i++)
        served_model_unref(service->recent[i]);
    free(service->production);
    pthread_cond_destroy(&service->waiting);
    pthread_mutex_destroy(&service->mutex);
    free(service);
}
