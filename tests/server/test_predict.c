/* The prediction service: answers, batches, limits, statistics, and swaps under load. */
#include "tests/server/predict_setup.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
