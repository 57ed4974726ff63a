/* Which network answers: in production, in training, by version; and which are kept in memory. */
#include "tests/server/predict_setup.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(there_is_no_model_at_first),
        TEST(production_answers_by_name),
        TEST(model_in_training_answers_until_one_is_in_production),
        TEST(only_so_many_models_in_training_are_kept),
        TEST(versions_lately_used_are_kept),
        TEST(version_in_production_needs_no_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
