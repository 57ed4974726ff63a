#include "server/predict_stats.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/predict.h"

/* Versions that are counted apart; one that was not asked for since gives way to another. */
#define MODELS_MAX 256

struct predict_stats {
    size_t batch_max;
    pthread_mutex_t mutex; /* guards the rest */
    struct predict_totals totals;
    uint64_t uses;
    size_t model_count;
    struct model_stats models[MODELS_MAX];
};

enum status predict_stats_create(size_t batch_max, struct predict_stats **ret_stats, struct error *err)
{
    struct predict_stats *stats = calloc(1, sizeof *stats);
    if (!stats)
        return error_set(err, ERR_MEMORY, "no memory for statistics");
    stats->batch_max = batch_max;
    pthread_mutex_init(&stats->mutex, NULL);
    *ret_stats = stats;
    return OK;
}

void predict_stats_free(struct predict_stats *stats)
{
    if (!stats)
        return;
    for (size_t i = 0; i < stats->model_count; i++)
        free(stats->models[i].batches);
    pthread_mutex_destroy(&stats->mutex);
    free(stats);
}

/* ---- Counting --------------------------------------------------------------------------------------- */

static void add(struct duration_count *counter, uint64_t ns)
{
    counter->count++;
    counter->ns += ns;
}

/* A new place, or that of the model which was unused for longest. NULL without memory. */
static struct model_stats *place_locked(struct predict_stats *stats)
{
    struct model_stats *place = &stats->models[0];
    if (stats->model_count < MODELS_MAX) {
        place = &stats->models[stats->model_count];
        place->batches = calloc(stats->batch_max, sizeof *place->batches);
        stats->model_count += place->batches != NULL;
        return place->batches ? place : NULL;
    }
    for (size_t i = 1; i < MODELS_MAX; i++)
        if (stats->models[i].used < place->used)
            place = &stats->models[i];
    struct batch_count *batches = place->batches;
    memset(batches, 0, stats->batch_max * sizeof *batches);
    *place = (struct model_stats){.batches = batches};
    return place;
}

static struct model_stats *model_locked(struct predict_stats *stats, const struct served_model *served)
{
    struct model_stats *model = NULL;
    for (size_t i = 0; i < stats->model_count && !model; i++)
        if (stats->models[i].version == served->version && strcmp(stats->models[i].name, served->name) == 0)
            model = &stats->models[i];
    if (!model) {
        model = place_locked(stats);
        if (!model)
            return NULL;
        memcpy(model->name, served->name, sizeof model->name);
        model->version = served->version;
        model->batch_max = stats->batch_max;
    }
    model->used = ++stats->uses;
    return model;
}

void predict_stats_pass(struct predict_stats *stats, const struct predict_pass *pass)
{
    pthread_mutex_lock(&stats->mutex);
    stats->totals.images += pass->images;
    histogram_add(&stats->totals.batch_sizes, &histogram_sizes, (double)pass->images);
    struct model_stats *model = model_locked(stats, pass->served);
    if (model) {
        struct batch_count *batch = &model->batches[pass->images - 1];
        model->images += pass->images;
        model->passes++;
        add(&batch->input, pass->input_ns);
        add(&batch->infer, pass->infer_ns);
        add(&batch->output, pass->output_ns);
        add(&model->input, pass->input_ns);
        add(&model->infer, pass->infer_ns);
        add(&model->output, pass->output_ns);
    }
    pthread_mutex_unlock(&stats->mutex);
}

void predict_stats_request(struct predict_stats *stats, const struct served_model *served, bool success,
                           uint64_t queue_ns, uint64_t compute_ns)
{
    int64_t now = clock_wall_ms();
    pthread_mutex_lock(&stats->mutex);
    histogram_add(&stats->totals.queue_seconds, &histogram_seconds, (double)queue_ns / 1e9);
    struct model_stats *model = model_locked(stats, served);
    if (model) {
        add(success ? &model->success : &model->fail, queue_ns + compute_ns);
        add(&model->queue, queue_ns);
        model->last_at = now;
    }
    pthread_mutex_unlock(&stats->mutex);
}

void predict_stats_refused(struct predict_stats *stats)
{
    pthread_mutex_lock(&stats->mutex);
    stats->totals.refused++;
    pthread_mutex_unlock(&stats->mutex);
}

void predict_stats_abandoned(struct predict_stats *stats)
{
    pthread_mutex_lock(&stats->mutex);
    stats->totals.abandoned++;
    pthread_mutex_unlock(&stats->mutex);
}

/* ---- Reading ---------------------------------------------------------------------------------------- */

struct predict_totals predict_stats_totals(struct predict_stats *stats)
{
    pthread_mutex_lock(&stats->mutex);
    struct predict_totals totals = stats->totals;
    pthread_mutex_unlock(&stats->mutex);
    return totals;
}

void model_stats_free(struct model_stats *models, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(models[i].batches);
    free(models);
}

static bool is_asked_for(const struct model_stats *model, const char *name, int version)
{
    return !name || (strcmp(model->name, name) == 0 && (!version || model->version == version));
}

static bool copy(const struct model_stats *model, struct model_stats *ret_copy)
{
    size_t size = model->batch_max * sizeof *model->batches;
    *ret_copy = *model;
    ret_copy->batches = malloc(size);
    if (!ret_copy->batches)
        return false;
    memcpy(ret_copy->batches, model->batches, size);
    return true;
}

enum status predict_stats_read(struct predict_stats *stats, const char *name, int version,
                               struct model_stats **ret_models, size_t *ret_count, struct error *err)
{
    struct model_stats *models = calloc(MODELS_MAX, sizeof *models);
    size_t count = 0;
    bool memory = models != NULL;
    pthread_mutex_lock(&stats->mutex);
    for (size_t i = 0; i < stats->model_count && memory; i++)
        if (is_asked_for(&stats->models[i], name, version)) {
            memory = copy(&stats->models[i], &models[count]);
            count += memory;
        }
    pthread_mutex_unlock(&stats->mutex);
    if (!memory) {
        model_stats_free(models, count);
        return error_set(err, ERR_MEMORY, "no memory to read statistics");
    }
    *ret_models = models;
    *ret_count = count;
    return OK;
}
