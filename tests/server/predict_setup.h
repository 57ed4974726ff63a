/* A service that predicts with tiny networks of random weights: what matters is that each answers differently. */
#ifndef DIGITD_TESTS_PREDICT_SETUP_H
#define DIGITD_TESTS_PREDICT_SETUP_H

#include "server/predict.h"
#include "server/predict_stats.h"
#include "tests/server/tiny_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#define JOB_A "job_000000000000000a"
#define JOB_B "job_000000000000000b"

static struct predict_service *service;
static struct model *models[3];

/* ---- Fixtures ----------------------------------------------------------------------------------------- */

static inline void start_service(int workers, size_t batch_max, size_t queue_max)
{
    const struct predict_config config = {.workers = workers, .batch_max = batch_max, .queue_max = queue_max};
    assert_int_equal(predict_service_create(&config, &service, NULL), OK);
}

static inline int set_up(void **state)
{
    (void)state;
    struct error err;
    if (engine_init(&err) != OK)
        return -1;
    for (size_t i = 0; i < 3; i++)
        models[i] = make_model(i + 1);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++)
        model_unref(models[i]);
    return 0;
}

static inline int stop_service(void **state)
{
    (void)state;
    predict_service_free(service);
    service = NULL;
    return 0;
}

static inline void publish(const char *name, int version, size_t model)
{
    assert_int_equal(predict_publish(service, name, PREDICT_DEFAULT_ALIAS, version, models[model], NULL), OK);
}

static inline void publish_live(const char *name, const char *job, int epoch, size_t model)
{
    assert_int_equal(predict_publish_live(service, name, job, epoch, models[model], NULL), OK);
}

/* Counts predictions that are done; one for each test that waits. */
struct gate {
    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t changed;
    size_t done;
};

struct job {
    struct prediction prediction;
    struct gate *gate;
    float probabilities[64][CLASSES];
};

static struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
static float images[64][IMAGE_PIXELS];

static inline void count_done(struct prediction *prediction)
{
    struct gate *at = ((struct job *)prediction)->gate;
    pthread_mutex_lock(&at->mutex);
    at->done++;
    pthread_cond_broadcast(&at->changed);
    pthread_mutex_unlock(&at->mutex);
}

static inline void wait_for(struct gate *at, size_t done)
{
    pthread_mutex_lock(&at->mutex);
    while (at->done < done)
        pthread_cond_wait(&at->changed, &at->mutex);
    at->done = 0;
    pthread_mutex_unlock(&at->mutex);
}

static inline void prepare(struct job *job, struct served_model *served, size_t count)
{
    *job = (struct job){.gate = &gate};
    job->prediction = (struct prediction){.served = served,
                                          .count = count,
                                          .images = images[0],
                                          .probabilities = job->probabilities[0],
                                          .done = count_done};
}

/* What the model says of images 0..count-1, by itself. */
static inline void predict_alone(size_t model, size_t count, float probabilities[][CLASSES])
{
    struct predictor *predictor;
    assert_int_equal(predictor_create(models[model], 64, &predictor, NULL), OK);
    predictor_run(predictor, images[0], count, probabilities[0]);
    predictor_free(predictor);
}

static inline void fill_images(void)
{
    for (size_t i = 0; i < 64; i++)
        for (size_t p = 0; p < IMAGE_PIXELS; p++)
            images[i][p] = (float)((i * 131 + p * 17) % 97) / 96;
}

static inline bool close_to(const float *a, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (a[i] < b[i] - 1e-5f || a[i] > b[i] + 1e-5f)
            return false;
    return true;
}

#define TEST(function) cmocka_unit_test_teardown(function, stop_service)

#endif
