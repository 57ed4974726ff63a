/* Evaluations of versions: kept with what a job made, computed for all else, and what promotion compares. */
#include "server/evaluations.h"

#include "server/datasets.h"
#include "server/registry.h"
#include "tests/server/job_services.h"
#include "tests/server/scratch.h"
#include "tests/server/tiny_dataset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int setup(void **state)
{
    services_setup(state);
    start_runner();
    return 0;
}

static void train(const char *job)
{
    char id[JOB_ID_LENGTH + 1];
    submit(job, id);
    wait_until(is_over, id);
    assert_int_equal(state_of(id), JOB_SUCCEEDED);
}

static struct evaluation_subject subject_of(int version, const char *dataset, enum split split)
{
    struct evaluation_subject subject = {.model = "digits", .version = version, .split = split};
    snprintf(subject.dataset, sizeof subject.dataset, "%s", dataset);
    return subject;
}

static bool is_stored(int version, const char *dataset, enum split split,
                      struct evaluation_record *ret_record)
{
    const struct evaluation_subject subject = subject_of(version, dataset, split);
    struct error err;
    bool there;
    if (evaluations_read(services()->evaluations, &subject, ret_record, &there, &err))
        fail_msg("%s", err.message);
    return there;
}

/* ---- Asking ---------------------------------------------------------------------------------------- */

/* A call whose end a test waits for. */
struct asked {
    struct evaluation_call call;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool is_done;
};

static void tell_end(struct evaluation_call *call)
{
    struct asked *asked = (struct asked *)call;
    pthread_mutex_lock(&asked->mutex);
    asked->is_done = true;
    pthread_cond_signal(&asked->ended);
    pthread_mutex_unlock(&asked->mutex);
}

static void wait_for_end(struct asked *asked)
{
    pthread_mutex_lock(&asked->mutex);
    while (!asked->is_done)
        pthread_cond_wait(&asked->ended, &asked->mutex);
    pthread_mutex_unlock(&asked->mutex);
}

#define ASKED(version, dataset, split)                                                                       \
    {                                                                                                        \
        .call = {.subject = subject_of(version, dataset, split), .done = tell_end},                          \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER                                \
    }

/* The caller clears the record. */
static struct evaluation_record compute(int version, const char *dataset, enum split split)
{
    struct asked asked = ASKED(version, dataset, split);
    assert_true(evaluations_submit(services()->evaluations, &asked.call));
    wait_for_end(&asked);
    if (asked.call.status)
        fail_msg("%s", asked.call.err.message);
    assert_false(asked.call.stopped);
    return asked.call.record;
}

/* The same network as `version`, as if it came from elsewhere; returns its version. */
static int import_copy(int version)
{
    struct error err;
    struct model *model;
    int number;
    assert_int_equal(registry_load(services()->registry, "digits", version, &model, NULL), OK);
    char path[FILES_PATH_SIZE];
    snprintf(path, sizeof path, "%s", scratch_path("copy.safetensors"));
    assert_int_equal(model_save(model, NULL, path, NULL), OK);
    model_unref(model);
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(1 << 20);
    size_t size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    if (registry_import(services()->registry, "digits", bytes, size, NULL, &number, &err))
        fail_msg("%s", err.message);
    free(bytes);
    return number;
}

/* ---- What is kept ---------------------------------------------------------------------------------- */

static void what_a_job_measured_is_kept_with_its_version(void **state)
{
    (void)state;
    struct evaluation_record record;
    train(SHORT_JOB);
    struct version_record version = version_of("digits", 1);
    for (int i = 0; i < 2; i++) {
        assert_true(is_stored(1, "tiny", SPLIT_TEST, &record));
        assert_int_equal(record.images, 40);
        assert_true(record.accuracy == version.test_accuracy && record.loss == version.test_loss);
        assert_string_equal(record.digest, version.test_digest);
        assert_true(record.evaluated_at > 0);
        evaluation_record_clear(&record);
        stop_services();
        start_services(100);
    }
    version_record_clear(&version);
    assert_false(is_stored(1, "tiny", SPLIT_TRAIN, &record));
}

static void another_evaluation_is_computed_and_kept(void **state)
{
    (void)state;
    struct evaluation_record kept, own;
    train(SHORT_JOB);
    int copy = import_copy(1);
    assert_false(is_stored(copy, "tiny", SPLIT_TEST, &kept));
    struct evaluation_record computed = compute(copy, "tiny", SPLIT_TEST);
    assert_true(is_stored(copy, "tiny", SPLIT_TEST, &kept));
    assert_true(is_stored(1, "tiny", SPLIT_TEST, &own));
    assert_string_equal(computed.details, own.details); /* the same network on the same images */
    assert_string_equal(kept.details, own.details);
    assert_true(kept.accuracy == own.accuracy && kept.loss == own.loss);
    evaluation_record_clear(&computed);
    evaluation_record_clear(&kept);
    evaluation_record_clear(&own);

    computed = compute(1, "tiny", SPLIT_TRAIN);
    assert_int_equal(computed.images, 100);
    evaluation_record_clear(&computed);
    assert_true(is_stored(1, "tiny", SPLIT_TRAIN, &kept));
    evaluation_record_clear(&kept);
}

static void images_that_changed_are_evaluated_again(void **state)
{
    (void)state;
    struct evaluation_record record;
    train(SHORT_JOB);
    tiny_dataset_write("data/tiny", 100, 50);
    assert_false(is_stored(1, "tiny", SPLIT_TEST, &record));
    record = compute(1, "tiny", SPLIT_TEST);
    assert_int_equal(record.images, 50);
    evaluation_record_clear(&record);
    assert_true(is_stored(1, "tiny", SPLIT_TEST, &record));
    evaluation_record_clear(&record);
}

static void an_evaluation_outlasts_its_dataset(void **state)
{
    (void)state;
    struct evaluation_record record;
    bool there;
    train(SHORT_JOB);
    tiny_dataset_remove("data/tiny");
    assert_true(is_stored(1, "tiny", SPLIT_TEST, &record));
    evaluation_record_clear(&record);
    const struct evaluation_subject subject = subject_of(1, "tiny", SPLIT_TRAIN);
    struct error err;
    assert_int_equal(evaluations_read(services()->evaluations, &subject, &record, &there, &err),
                     ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "tiny"));
}

static void evaluations_go_with_their_version(void **state)
{
    (void)state;
    struct evaluation_record record;
    train(SHORT_JOB);
    int copy = import_copy(1);
    record = compute(copy, "tiny", SPLIT_TEST);
    assert_int_equal(registry_delete(services()->registry, "digits", copy, NULL), OK);
    assert_false(is_stored(copy, "tiny", SPLIT_TEST, &(struct evaluation_record){0}));
    assert_int_equal(store_evaluation_put(services()->store, "digits", copy, &record, NULL), ERR_NOT_FOUND);
    evaluation_record_clear(&record);

    struct asked asked = ASKED(copy, "tiny", SPLIT_TEST);
    assert_true(evaluations_submit(services()->evaluations, &asked.call));
    wait_for_end(&asked);
    assert_int_equal(asked.call.status, ERR_NOT_FOUND);
}

static void the_dataset_of_a_version_is_the_one_it_was_trained_on(void **state)
{
    (void)state;
    char name[NAME_MAX_LENGTH + 1];
    train(SHORT_JOB);
    struct version_record version = version_of("digits", 1);
    evaluation_default_dataset(&version, name);
    assert_string_equal(name, "tiny");
    version_record_clear(&version);
    version = version_of("digits", import_copy(1));
    evaluation_default_dataset(&version, name);
    assert_string_equal(name, "mnist");
    version_record_clear(&version);
}

/* ---- One at a time --------------------------------------------------------------------------------- */

static void a_second_evaluation_is_refused_and_the_end_stops_the_first(void **state)
{
    (void)state;
    train(SHORT_JOB);
    tiny_dataset_write("data/large", 100000, 10); /* does not end before it is told to */
    struct asked first = ASKED(1, "large", SPLIT_TRAIN), second = ASKED(1, "tiny", SPLIT_TEST);
    struct evaluation_record record;
    assert_true(evaluations_submit(services()->evaluations, &first.call));
    assert_false(evaluations_submit(services()->evaluations, &second.call));
    assert_false(second.is_done);
    evaluations_stop(services()->evaluations);
    wait_for_end(&first);
    assert_int_equal(first.call.status, OK);
    assert_true(first.call.stopped);
    assert_false(is_stored(1, "large", SPLIT_TRAIN, &record));
    assert_false(evaluations_submit(services()->evaluations, &second.call));
}

/* ---- Promotion ------------------------------------------------------------------------------------- */

static int production(void)
{
    struct model_record model;
    assert_int_equal(store_model_read(services()->store, "digits", &model, NULL), OK);
    return model.production;
}

static void put_into_production(int version)
{
    struct alias_move move = {.model = "digits", .alias = "production", .version = version};
    assert_int_equal(registry_alias_move(services()->registry, &move, NULL), OK);
}

/* Knows no digit, and one epoch more or less. */
#define BAD_JOB "{\"dataset\":\"tiny\"," SMALL_MODEL ",\"training\":{\"epochs\":1,\"learning_rate\":1e-9}}"
#define GOOD_JOB                                                                                             \
    "{\"dataset\":\"tiny\"," SMALL_MODEL ",\"training\":{\"epochs\":20,\"batch_size\":8,"                    \
    "\"learning_rate\":0.01}}"

static void what_was_imported_is_measured_before_it_is_replaced(void **state)
{
    (void)state;
    struct evaluation_record record;
    train(GOOD_JOB);
    int good = import_copy(1);
    train(BAD_JOB);
    int bad = import_copy(3);

    put_into_production(good);
    train(BAD_JOB);
    assert_int_equal(production(), good);
    assert_true(is_stored(good, "tiny", SPLIT_TEST, &record));
    struct version_record original = version_of("digits", 1);
    assert_true(record.accuracy == original.test_accuracy);
    version_record_clear(&original);
    evaluation_record_clear(&record);

    put_into_production(bad);
    train(GOOD_JOB);
    assert_int_equal(production(), 6);
}

static void what_was_trained_on_other_images_is_measured_on_those_of_the_new_version(void **state)
{
    (void)state;
    struct evaluation_record record;
    train(GOOD_JOB);
    assert_int_equal(production(), 1);
    tiny_dataset_write("data/other", 100, 30);
    train("{\"dataset\":\"other\"," SMALL_MODEL ",\"training\":{\"epochs\":1,\"learning_rate\":1e-9}}");
    assert_int_equal(production(), 1);
    assert_true(is_stored(1, "other", SPLIT_TEST, &record));
    assert_int_equal(record.images, 30);
    evaluation_record_clear(&record);
}

static void what_cannot_be_measured_stays_in_production(void **state)
{
    (void)state;
    train(BAD_JOB);
    int bad = import_copy(1);
    put_into_production(bad);
    char name[64];
    snprintf(name, sizeof name, "store/models/digits/%d.safetensors", bad);
    scratch_write(name, "lost", 4);
    train(GOOD_JOB);
    assert_int_equal(production(), bad);
}

static void other_policies_measure_nothing(void **state)
{
    (void)state;
    struct evaluation_record record;
    train(SHORT_JOB);
    int copy = import_copy(1);
    put_into_production(copy);
    train("{\"dataset\":\"tiny\"," SMALL_MODEL ",\"promotion\":\"never\",\"training\":{\"epochs\":1}}");
    assert_int_equal(production(), copy);
    assert_false(is_stored(copy, "tiny", SPLIT_TEST, &record));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, services_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_a_job_measured_is_kept_with_its_version),
        TEST(another_evaluation_is_computed_and_kept),
        TEST(images_that_changed_are_evaluated_again),
        TEST(an_evaluation_outlasts_its_dataset),
        TEST(evaluations_go_with_their_version),
        TEST(the_dataset_of_a_version_is_the_one_it_was_trained_on),
        TEST(a_second_evaluation_is_refused_and_the_end_stops_the_first),
        TEST(what_was_imported_is_measured_before_it_is_replaced),
        TEST(what_was_trained_on_other_images_is_measured_on_those_of_the_new_version),
        TEST(what_cannot_be_measured_stays_in_production),
        TEST(other_policies_measure_nothing),
    };
    return cmocka_run_group_tests_name("evaluations", tests, services_start_engine, NULL);
}
