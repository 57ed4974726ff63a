/* Fine-tuning: jobs that begin with the weights of a version. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/datasets.h"
#include "server/registry.h"
#include "tests/server/job_services.h"
#include "tests/server/scratch.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FINE_TUNING(training)                                                                                \
    "{\"dataset\":\"tiny\",\"init_from\":{\"model\":\"digits\",\"version\":1},\"training\":{" training "}}"
#define SHORT_TUNING FINE_TUNING("\"epochs\":2,\"batch_size\":8,\"learning_rate\":0.01")
#define LONG_TUNING  FINE_TUNING("\"epochs\":60,\"batch_size\":8,\"learning_rate\":0.01")

/* Version 1 of digits. */
static void make_origin(void)
{
    char id[JOB_ID_LENGTH + 1];
    submit(SHORT_JOB, id);
    start_runner();
    wait_until(is_over, id);
    assert_int_equal(state_of(id), JOB_SUCCEEDED);
}

/* The digest of the weights that the engine itself comes to from version 1. */
static void train_from_origin(const char *text, char ret_digest[65])
{
    struct model *origin, *model;
    struct dataset *data;
    struct thread_team *team;
    struct trainer *trainer;
    struct train_config config = train_config_default();
    struct problems problems = {0};
    enum trainer_event event;
    json_t *json = json_loads(text, 0, NULL);
    assert_int_equal(train_config_from_json(json_object_get(json, "training"), "", &config, &problems), OK);
    json_decref(json);
    assert_int_equal(registry_load(services()->registry, "digits", 1, &origin, NULL), OK);
    assert_int_equal(datasets_open(services()->datasets, "tiny", SPLIT_TRAIN, &data, NULL), OK);
    assert_int_equal(thread_team_create(1, false, &team, NULL), OK);
    assert_int_equal(trainer_create_from(origin, &config, data, team, &trainer, NULL), OK);
    do
        assert_int_equal(trainer_advance(trainer, &event, NULL), OK);
    while (event != TRAINER_DONE);
    assert_int_equal(trainer_snapshot(trainer, &model, NULL), OK);
    model_digest(model, ret_digest);
    model_unref(model);
    trainer_free(trainer);
    thread_team_free(team);
    dataset_unref(data);
    model_unref(origin);
}

static void a_job_begins_with_the_weights_of_a_version(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1], digest[65];
    make_origin();
    submit(SHORT_TUNING, id);
    wait_until(is_over, id);
    assert_int_equal(state_of(id), JOB_SUCCEEDED);
    struct version_record version = version_of("digits", 2);
    train_from_origin(SHORT_TUNING, digest);
    assert_string_equal(version.weights_digest, digest);
    assert_non_null(strstr(version.config, "\"init_from\":{\"model\":\"digits\",\"version\":1}"));
    version_record_clear(&version);
}

static void a_job_that_was_cut_short_goes_on_without_its_origin(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1], digest[65];
    make_origin();
    train_from_origin(LONG_TUNING, digest);
    submit(LONG_TUNING, id);
    wait_until(is_in_third_epoch, id);
    stop_services();
    assert_int_equal(unlink(scratch_path("store/models/digits/1.safetensors")), 0);
    start_services(100);
    start_runner();
    wait_until(is_over, id);
    assert_int_equal(state_of(id), JOB_SUCCEEDED);
    struct version_record version = version_of("digits", 2);
    assert_string_equal(version.weights_digest, digest);
    version_record_clear(&version);
}

static void a_job_whose_origin_vanished_fails_by_its_name(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    make_origin();
    stop_services();
    start_services(100);
    submit(SHORT_TUNING, id);
    assert_int_equal(unlink(scratch_path("store/models/digits/1.safetensors")), 0);
    start_runner();
    wait_until(is_over, id);
    assert_failed(id, "invalid", "digits version 1");
}

/* ---- Requests -------------------------------------------------------------------------------------- */

static enum status check(const char *text, struct job_request *ret_request, struct problems *problems)
{
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    *problems = (struct problems){0};
    enum status status = jobs_check(services()->jobs, json, ret_request, problems);
    json_decref(json);
    return status;
}

static void the_layers_are_those_of_the_version(void **state)
{
    (void)state;
    struct job_request request;
    struct problems problems;
    make_origin();
    assert_int_equal(check("{\"dataset\":\"tiny\",\"recipe\":\"best\",\"init_from\":{\"model\":\"digits\","
                           "\"version\":1}}",
                           &request, &problems),
                     OK);
    assert_int_equal(request.plan.spec.count, 4);
    struct model_spec spec;
    struct train_config config;
    assert_int_equal(recipe_find("best", &spec, &config, NULL), OK);
    assert_int_equal(request.training.epochs, config.epochs); /* what the recipe says of training holds */

    json_t *json = job_request_to_json(&request);
    char *again = json_dumps(json, JSON_COMPACT); /* has the layers, and so says the same twice */
    assert_int_equal(check(again, &request, &problems), OK);
    assert_int_equal(request.init_from.version, 1);
    free(again);
    json_decref(json);
}

static void each_fault_of_an_origin_is_named_by_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pointer, *says;
    } faults[] = {
        {"\"init_from\":{\"model\":\"digits\",\"version\":2}", "/init_from/version", "digits"},
        {"\"init_from\":{\"model\":\"absent\",\"version\":1}", "/init_from/version", "absent"},
        {"\"init_from\":{\"model\":\"digits\",\"version\":0}", "/init_from/version", "0"},
        {"\"init_from\":{\"model\":\"../x\",\"version\":1}", "/init_from/model", "a-z"},
        {"\"init_from\":{\"model\":\"digits\"}", "/init_from", "version is missing"},
        {"\"init_from\":{\"version\":1}", "/init_from", "model is missing"},
        {"\"init_from\":{\"model\":\"digits\",\"version\":1,\"job\":2}", "/init_from/job", "unknown"},
        {"\"init_from\":3", "/init_from", "object"},
        {"\"init_from\":null", "/init_from", "object"},
        {"\"init_from\":{\"model\":\"digits\",\"version\":1},\"model\":{\"preset\":\"small\"}", "/model",
         "init_from"},
    };
    make_origin();
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct job_request request;
        struct problems problems;
        char text[256];
        snprintf(text, sizeof text, "{\"dataset\":\"tiny\",%s}", faults[i].text);
        assert_int_equal(check(text, &request, &problems), ERR_ARGUMENT);
        assert_int_equal(problems.count, 1);
        assert_string_equal(problems.items[0].pointer, faults[i].pointer);
        if (!strstr(problems.items[0].message, faults[i].says))
            fail_msg("%s: \"%s\" is not in: %s", text, faults[i].says, problems.items[0].message);
    }
}

static void a_version_that_cannot_be_read_is_a_problem_and_no_crash(void **state)
{
    (void)state;
    struct job_request request;
    struct problems problems;
    make_origin();
    scratch_write("store/models/digits/1.safetensors", "nonsense", 8);
    assert_int_equal(check(SHORT_TUNING, &request, &problems), ERR_ARGUMENT);
    assert_string_equal(problems.items[0].pointer, "/init_from/version");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, services_setup, services_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_job_begins_with_the_weights_of_a_version),
        TEST(a_job_that_was_cut_short_goes_on_without_its_origin),
        TEST(a_job_whose_origin_vanished_fails_by_its_name),
        TEST(the_layers_are_those_of_the_version),
        TEST(each_fault_of_an_origin_is_named_by_its_place),
        TEST(a_version_that_cannot_be_read_is_a_problem_and_no_crash),
    };
    return cmocka_run_group_tests_name("job_origin", tests, services_start_engine, NULL);
}
