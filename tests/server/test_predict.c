/* The prediction service: which model answers, batches, limits, and swaps under load.
 *
 * The models are tiny and of random weights: what matters is that each answers differently. */
#include "server/predict.h"
#include "server/predict_stats.h"

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

static struct model *make_model(uint64_t seed)
{
    const struct model_spec spec = {
        .count = 2,
        .layers = {{.kind = LAYER_FLATTEN},
                   {.kind = LAYER_DENSE, .units = CLASSES, .activation = ACTIVATION_SOFTMAX}}};
    struct model_plan plan;
    struct problems problems = {0};
    struct model *model;
    assert_int_equal(model_plan_create(&spec, "", &plan, &problems), OK);
    assert_int_equal(model_create(&plan, seed, &model, NULL), OK);
    return model;
}

static void start_service(int workers, size_t batch_max, size_t queue_max)
{
    const struct predict_config config = {.workers = workers, .batch_max = batch_max, .queue_max = queue_max};
    assert_int_equal(predict_service_create(&config, &service, NULL), OK);
}

static int set_up(void **state)
{
    (void)state;
    struct error err;
    if (engine_init(&err) != OK)
        return -1;
    for (size_t i = 0; i < 3; i++)
        models[i] = make_model(i + 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++)
        model_unref(models[i]);
    return 0;
}

static int stop_service(void **state)
{
    (void)state;
    predict_service_free(service);
    service = NULL;
    return 0;
}

static void publish(const char *name, int version, size_t model)
{
    assert_int_equal(predict_publish(service, name, PREDICT_DEFAULT_ALIAS, version, models[model], NULL), OK);
}

static void publish_live(const char *name, const char *job, int epoch, size_t model)
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

static void count_done(struct prediction *prediction)
{
    struct gate *at = ((struct job *)prediction)->gate;
    pthread_mutex_lock(&at->mutex);
    at->done++;
    pthread_cond_broadcast(&at->changed);
    pthread_mutex_unlock(&at->mutex);
}

static void wait_for(struct gate *at, size_t done)
{
    pthread_mutex_lock(&at->mutex);
    while (at->done < done)
        pthread_cond_wait(&at->changed, &at->mutex);
    at->done = 0;
    pthread_mutex_unlock(&at->mutex);
}

static void prepare(struct job *job, struct served_model *served, size_t count)
{
    *job = (struct job){.gate = &gate};
    job->prediction = (struct prediction){.served = served,
                                          .count = count,
                                          .images = images[0],
                                          .probabilities = job->probabilities[0],
                                          .done = count_done};
}

/* What the model says of images 0..count-1, by itself. */
static void predict_alone(size_t model, size_t count, float probabilities[][CLASSES])
{
    struct predictor *predictor;
    assert_int_equal(predictor_create(models[model], 64, &predictor, NULL), OK);
    predictor_run(predictor, images[0], count, probabilities[0]);
    predictor_free(predictor);
}

static void fill_images(void)
{
    for (size_t i = 0; i < 64; i++)
        for (size_t p = 0; p < IMAGE_PIXELS; p++)
            images[i][p] = (float)((i * 131 + p * 17) % 97) / 96;
}

static bool close_to(const float *a, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (a[i] < b[i] - 1e-5f || a[i] > b[i] + 1e-5f)
            return false;
    return true;
}

/* ---- Models ------------------------------------------------------------------------------------------- */

static void expect_default(const char *name, int version, const char *job, int epoch)
{
    struct served_model *served = predict_model_default(service, name);
    assert_non_null(served);
    assert_string_equal(served->name, name);
    assert_int_equal(served->version, version);
    assert_string_equal(served->job, job);
    assert_int_equal(served->epoch, epoch);
    served_model_unref(served);
}

static void there_is_no_model_at_first(void **state)
{
    (void)state;
    start_service(1, 8, 64);
    assert_null(predict_model_default(service, "digits"));
    assert_null(predict_model_live(service, JOB_A));
    assert_null(predict_model_cached(service, "digits", 1));
}

static void production_answers_by_name(void **state)
{
    (void)state;
    start_service(1, 8, 64);
    publish("digits", 3, 0);
    publish("other", 1, 1);
    expect_default("digits", 3, "", 0);
    expect_default("other", 1, "", 0);
    publish("digits", 4, 2);
    expect_default("digits", 4, "", 0);
    assert_int_equal(predict_publish(service, "digits", PREDICT_DEFAULT_ALIAS, 0, NULL, NULL), OK);
    assert_null(predict_model_default(service, "digits"));
    expect_default("other", 1, "", 0);
}

static void model_in_training_answers_until_one_is_in_production(void **state)
{
    (void)state;
    start_service(1, 8, 64);
    publish_live("digits", JOB_A, 1, 0);
    publish_live("digits", JOB_A, 2, 1);
    expect_default("digits", 0, JOB_A, 2);
    publish_live("digits", JOB_B, 1, 2);
    expect_default("digits", 0, JOB_B, 1);
    publish("digits", 1, 0);
    expect_default("digits", 1, "", 0);

    struct served_model *live = predict_model_live(service, JOB_A);
    assert_int_equal(live->epoch, 2);
    served_model_unref(live);
    predict_withdraw_live(service, JOB_A);
    assert_null(predict_model_live(service, JOB_A));
    live = predict_model_live(service, JOB_B);
    assert_non_null(live);
    served_model_unref(live);
}

static void only_so_many_models_in_training_are_kept(void **state)
{
    (void)state;
    start_service(1, 8, 64);
    char job[JOB_ID_LENGTH + 1];
    for (int i = 0; i < 20; i++) {
        snprintf(job, sizeof job, "job_%016d", i);
        publish_live("digits", job, 1, 0);
    }
    assert_null(predict_model_live(service, "job_0000000000000000"));
    struct served_model *newest = predict_model_live(service, "job_0000000000000019");
    assert_non_null(newest);
    served_model_unref(newest);
}

static void versions_lately_used_are_kept(void **state)
{
    (void)state;
    start_service(1, 8, 64);
    struct served_model *served;
    for (int version = 1; version <= 8; version++) {
        assert_int_equal(predict_model_keep(service, "digits", version, models[0], &served, NULL), OK);
        served_model_unref(served);
    }
    served = predict_model_cached(service, "digits", 1); /* used again: version 2 is now the oldest */
    assert_int_equal(served->version, 1);
    served_model_unref(served);
    assert_int_equal(predict_model_keep(service, "digits", 9, models[0], &served, NULL), OK);
    served_model_unref(served);
    assert_null(predict_model_cached(service, "digits", 2));
    for (int version = 1; version <= 9; version += 8) {
        served = predict_model_cached(service, "digits", version);
        assert_int_equal(served->version, version);
        served_model_unref(served);
    }
    assert_null(predict_model_cached(service, "other", 1));
}

static void version_in_production_needs_no_file(void **state)
{
    (void)state;
    start_service(1, 8, 64);
    publish("digits", 5, 0);
    struct served_model *served = predict_model_cached(service, "digits", 5);
    assert_non_null(served);
    served_model_unref(served);
    assert_null(predict_model_cached(service, "digits", 4));
}

/* ---- Predictions -------------------------------------------------------------------------------------- */

static void answers_are_those_of_the_model(void **state)
{
    (void)state;
    start_service(2, 8, 1024);
    publish("digits", 1, 0);
    struct served_model *served = predict_model_default(service, "digits");
    struct job job;
    float expected[64][CLASSES];
    fill_images();
    predict_alone(0, 64, expected);
    const size_t counts[] = {1, 7, 8, 9, 64}; /* around the largest batch */
    for (size_t i = 0; i < 5; i++) {
        prepare(&job, served, counts[i]);
        assert_true(predict_submit(service, &job.prediction));
        wait_for(&gate, 1);
        assert_int_equal(job.prediction.status, OK);
        assert_int_equal(job.prediction.batch_size, counts[i] < 8 ? counts[i] : 8);
        assert_true(close_to(job.probabilities[0], expected[0], counts[i] * CLASSES));
    }
    served_model_unref(served);
}

/* Keeps the service's only worker inside `done` until it is opened. */
struct blocker {
    struct job job;
    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t changed;
    bool entered, open;
};

static void block(struct prediction *prediction)
{
    struct blocker *blocker = (struct blocker *)prediction;
    pthread_mutex_lock(&blocker->mutex);
    blocker->entered = true;
    pthread_cond_broadcast(&blocker->changed);
    while (!blocker->open)
        pthread_cond_wait(&blocker->changed, &blocker->mutex);
    pthread_mutex_unlock(&blocker->mutex);
    count_done(prediction);
}

static void block_worker(struct blocker *blocker, struct served_model *served)
{
    *blocker = (struct blocker){.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    prepare(&blocker->job, served, 1);
    blocker->job.prediction.done = block;
    assert_true(predict_submit(service, &blocker->job.prediction));
    pthread_mutex_lock(&blocker->mutex);
    while (!blocker->entered)
        pthread_cond_wait(&blocker->changed, &blocker->mutex);
    pthread_mutex_unlock(&blocker->mutex);
}

static void open_gate(struct blocker *blocker)
{
    pthread_mutex_lock(&blocker->mutex);
    blocker->open = true;
    pthread_cond_broadcast(&blocker->changed);
    pthread_mutex_unlock(&blocker->mutex);
}

static void lone_prediction_runs_where_it_is_asked_for(void **state)
{
    (void)state;
    start_service(1, 8, 1024);
    publish("digits", 1, 0);
    struct served_model *served = predict_model_default(service, "digits");
    struct blocker blocker;
    struct job job;
    float expected[3][CLASSES];
    fill_images();
    predict_alone(0, 3, expected);
    prepare(&job, served, 3);
    assert_false(predict_now(service, &job.prediction)); /* no workspace has the model ready */
    block_worker(&blocker, served);
    assert_false(predict_now(service, &job.prediction)); /* something is in work */
    open_gate(&blocker);
    wait_for(&gate, 1);
    while (!predict_now(service, &job.prediction))
        sched_yield(); /* the worker is about to give its workspace back */
    assert_int_equal(job.prediction.status, OK);
    assert_int_equal(job.prediction.batch_size, 3);
    assert_true(close_to(job.probabilities[0], expected[0], (size_t)3 * CLASSES));
    assert_int_equal(gate.done, 0);
    prepare(&job, served, 9); /* more than a batch is shared out */
    assert_false(predict_now(service, &job.prediction));
    served_model_unref(served);
}

static void all_that_wait_for_a_model_go_into_one_batch(void **state)
{
    (void)state;
    start_service(1, 8, 1024);
    publish("digits", 1, 0);
    publish("other", 1, 1);
    struct served_model *digits = predict_model_default(service, "digits"),
                        *other = predict_model_default(service, "other");
    struct blocker blocker;
    struct job jobs[6];
    fill_images();
    block_worker(&blocker, digits);
    /* 3 + 2 + 3 images fill a batch; the next is for another model; then one of 2. */
    const size_t counts[] = {3, 2, 3, 1, 1, 2}, batches[] = {8, 8, 8, 2, 2, 2};
    for (size_t i = 0; i < 6; i++) {
        prepare(&jobs[i], i == 3 || i == 4 ? other : digits, counts[i]);
        assert_true(predict_submit(service, &jobs[i].prediction));
    }
    open_gate(&blocker);
    wait_for(&gate, 7);
    float of_digits[4][CLASSES], of_other[4][CLASSES];
    predict_alone(0, 3, of_digits);
    predict_alone(1, 3, of_other);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(jobs[i].prediction.batch_size, batches[i]);
        const float *expected = i == 3 || i == 4 ? of_other[0] : of_digits[0];
        assert_true(close_to(jobs[i].probabilities[0], expected, counts[i] * CLASSES));
    }
    served_model_unref(digits);
    served_model_unref(other);
}

static void full_queue_refuses_at_once(void **state)
{
    (void)state;
    start_service(1, 4, 4);
    publish("digits", 1, 0);
    struct served_model *served = predict_model_default(service, "digits");
    struct blocker blocker;
    struct job jobs[4];
    block_worker(&blocker, served);
    for (size_t i = 0; i < 4; i++)
        prepare(&jobs[i], served, i == 0 ? 3 : 1);
    assert_true(predict_submit(service, &jobs[0].prediction));
    assert_true(predict_submit(service, &jobs[1].prediction));
    assert_false(predict_submit(service, &jobs[2].prediction));
    open_gate(&blocker);
    wait_for(&gate, 3);
    assert_true(predict_submit(service, &jobs[3].prediction));
    wait_for(&gate, 1);
    served_model_unref(served);
}

static void what_is_queued_is_answered_before_the_end(void **state)
{
    (void)state;
    start_service(1, 2, 64);
    publish("digits", 1, 0);
    struct served_model *served = predict_model_default(service, "digits");
    struct blocker blocker;
    struct job jobs[10];
    block_worker(&blocker, served);
    for (size_t i = 0; i < 10; i++) {
        prepare(&jobs[i], served, 1);
        assert_true(predict_submit(service, &jobs[i].prediction));
    }
    open_gate(&blocker);
    served_model_unref(served);
    stop_service(NULL);
    assert_int_equal(gate.done, 11);
    gate.done = 0;
}

/* ---- Large predictions, and those for which nobody waits ------------------------------------------------- */

static pthread_barrier_t both_workers;

/* A worker asks this before each piece: goes on when another asks at the same time. */
static bool wait_for_the_other_worker(const struct prediction *prediction)
{
    (void)prediction;
    pthread_barrier_wait(&both_workers);
    return false;
}

static void large_prediction_is_shared_out_among_workers(void **state)
{
    (void)state;
    start_service(2, 8, 1024);
    publish("digits", 1, 0);
    struct served_model *served = predict_model_default(service, "digits");
    struct job job;
    float expected[64][CLASSES];
    fill_images();
    predict_alone(0, 64, expected);
    pthread_barrier_init(&both_workers, NULL, 2);
    prepare(&job, served, 64);
    job.prediction.is_abandoned = wait_for_the_other_worker;
    assert_true(predict_submit(service, &job.prediction));
    wait_for(&gate, 1);
    pthread_barrier_destroy(&both_workers);
    assert_true(close_to(job.probabilities[0], expected[0], 64 * CLASSES));
    assert_int_equal(predict_queue_length(service), 0);
    served_model_unref(served);
}

static void large_prediction_takes_nothing_of_what_waits_behind_it(void **state)
{
    (void)state;
    start_service(1, 8, 1024);
    publish("digits", 1, 0);
    struct served_model *served = predict_model_default(service, "digits");
    struct blocker blocker;
    struct job large, small;
    float expected[64][CLASSES];
    fill_images();
    predict_alone(0, 64, expected);
    block_worker(&blocker, served);
    prepare(&large, served, 20);
    prepare(&small, served, 3);
    assert_true(predict_submit(service, &large.prediction));
    assert_true(predict_submit(service, &small.prediction));
    open_gate(&blocker);
    wait_for(&gate, 3);
    assert_true(close_to(large.probabilities[0], expected[0], 20 * CLASSES));
    assert_true(close_to(small.probabilities[0], expected[0], 3 * CLASSES));
    assert_int_equal(large.prediction.batch_size, 8);
    assert_int_equal(small.prediction.batch_size, 3);
    served_model_unref(served);
}

static bool is_gone(const struct prediction *prediction)
{
    (void)prediction;
    return true;
}

static void prediction_that_nobody_waits_for_costs_no_pass(void **state)
{
    (void)state;
    start_service(1, 8, 1024);
    publish("digits", 1, 0);
    struct served_model *served = predict_model_default(service, "digits");
    struct blocker blocker;
    struct job jobs[4];
    block_worker(&blocker, served);
    /* Two small ones and a large one are given up; one small one among them is not. */
    const size_t counts[] = {3, 2, 3, 20};
    for (size_t i = 0; i < 4; i++) {
        prepare(&jobs[i], served, counts[i]);
        jobs[i].prediction.is_abandoned = i == 1 ? NULL : is_gone;
        assert_true(predict_submit(service, &jobs[i].prediction));
    }
    assert_int_equal(predict_queue_length(service), 28);
    open_gate(&blocker);
    wait_for(&gate, 5);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(jobs[i].prediction.abandoned, i != 1);
    float expected[2][CLASSES];
    predict_alone(0, 2, expected);
    assert_true(close_to(jobs[1].probabilities[0], expected[0], 2 * CLASSES));
    struct predict_totals totals = predict_stats_totals(predict_service_stats(service));
    assert_int_equal(totals.images, 1 + 2); /* the blocker's and that one's */
    assert_int_equal(totals.abandoned, 3);
    served_model_unref(served);
}

/* ---- Statistics ------------------------------------------------------------------------------------------ */

static void each_version_is_counted_apart(void **state)
{
    (void)state;
    start_service(1, 8, 64);
    publish("digits", 1, 0);
    publish("other", 7, 1);
    static const struct {
        const char *name;
        size_t count;
    } requests[] = {{"digits", 3}, {"other", 1}, {"digits", 20}};
    for (size_t i = 0; i < 3; i++) {
        struct served_model *served = predict_model_default(service, requests[i].name);
        struct job job;
        prepare(&job, served, requests[i].count);
        assert_true(predict_submit(service, &job.prediction));
        wait_for(&gate, 1);
        served_model_unref(served);
    }
    struct model_stats *counted;
    size_t count;
    struct predict_stats *stats = predict_service_stats(service);
    assert_int_equal(predict_stats_read(stats, "digits", 0, &counted, &count, NULL), OK);
    assert_int_equal(count, 1);
    assert_int_equal(counted[0].version, 1);
    assert_int_equal(counted[0].images, 23);
    assert_int_equal(counted[0].passes, 4); /* 3; 8 + 8 + 4 */
    assert_int_equal(counted[0].success.count, 2);
    assert_int_equal(counted[0].fail.count, 0);
    assert_int_equal(counted[0].batches[8 - 1].infer.count, 2);
    assert_int_equal(counted[0].batches[4 - 1].infer.count, 1);
    assert_true(counted[0].infer.ns > 0 && counted[0].last_at > 0);
    model_stats_free(counted, count);
    assert_int_equal(predict_stats_read(stats, NULL, 0, &counted, &count, NULL), OK);
    assert_int_equal(count, 2);
    model_stats_free(counted, count);
    assert_int_equal(predict_stats_read(stats, "digits", 2, &counted, &count, NULL), OK);
    assert_int_equal(count, 0);
    model_stats_free(counted, count);
}

/* ---- Swaps -------------------------------------------------------------------------------------------- */

struct client {
    pthread_t thread;
    struct gate gate;
    size_t mixed;
};

/* Version v is model v % 2. */
static float swap_expected[2][4][CLASSES];

static void *ask_many_times(void *argument)
{
    struct client *client = argument;
    static const size_t rounds = 500;
    for (size_t i = 0; i < rounds; i++) {
        struct served_model *served = predict_model_default(service, "digits");
        struct job job;
        prepare(&job, served, 4);
        job.gate = &client->gate;
        if (predict_submit(service, &job.prediction)) {
            wait_for(&client->gate, 1);
            client->mixed +=
                !close_to(job.probabilities[0], swap_expected[served->version % 2][0], 4 * CLASSES);
        }
        served_model_unref(served);
    }
    return NULL;
}

static void swaps_under_load_never_mix_models(void **state)
{
    (void)state;
    start_service(2, 16, 1024);
    fill_images();
    predict_alone(0, 4, swap_expected[0]);
    predict_alone(1, 4, swap_expected[1]);
    publish("digits", 1, 1);
    struct client clients[4];
    for (size_t i = 0; i < 4; i++) {
        clients[i] = (struct client){.gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, ask_many_times, &clients[i]), 0);
    }
    for (int version = 2; version < 300; version++)
        publish("digits", version, (size_t)version % 2);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(clients[i].thread, NULL);
        assert_int_equal(clients[i].mixed, 0);
    }
}

#define TEST(function) cmocka_unit_test_teardown(function, stop_service)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(there_is_no_model_at_first),
        TEST(production_answers_by_name),
        TEST(model_in_training_answers_until_one_is_in_production),
        TEST(only_so_many_models_in_training_are_kept),
        TEST(versions_lately_used_are_kept),
        TEST(version_in_production_needs_no_file),
        TEST(answers_are_those_of_the_model),
        TEST(lone_prediction_runs_where_it_is_asked_for),
        TEST(all_that_wait_for_a_model_go_into_one_batch),
        TEST(full_queue_refuses_at_once),
        TEST(what_is_queued_is_answered_before_the_end),
        TEST(large_prediction_is_shared_out_among_workers),
        TEST(large_prediction_takes_nothing_of_what_waits_behind_it),
        TEST(prediction_that_nobody_waits_for_costs_no_pass),
        TEST(each_version_is_counted_apart),
        TEST(swaps_under_load_never_mix_models),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
