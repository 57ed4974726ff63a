/* Which training requests are taken, and what those that are not are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/datasets.h"
#include "server/job_request.h"
#include "tests/server/scratch.h"
#include "tests/server/tiny_dataset.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static struct datasets *datasets;
static const struct job_limits no_limits = {.threads = 2};

static int setup(void **state)
{
    (void)state;
    scratch_make();
    tiny_dataset_write("data/mnist", 20, 10);
    tiny_dataset_write("data/tiny", 20, 10);
    return datasets_create(scratch_path("data"), &datasets, NULL) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    datasets_free(datasets);
    scratch_remove();
    return 0;
}

static enum status check(const char *text, const struct job_limits *limits, struct job_request *ret_request,
                         struct problems *problems)
{
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    *problems = (struct problems){0};
    const struct job_sources sources = {.datasets = datasets};
    enum status status = job_request_from_json(json, &sources, limits, ret_request, problems);
    json_decref(json);
    return status;
}

static bool has_problem(const struct problems *problems, const char *pointer)
{
    for (size_t i = 0; i < problems->count; i++) {
        if (strcmp(problems->items[i].pointer, pointer) == 0)
            return true;
    }
    return false;
}

static void an_empty_request_is_the_reference_job(void **state)
{
    (void)state;
    struct job_request request;
    struct problems problems;
    assert_int_equal(check("{}", &no_limits, &request, &problems), OK);
    assert_string_equal(request.name, "digits");
    assert_string_equal(request.parts[0].name, "mnist");
    assert_int_equal(request.plan.parameters, 889834);
    assert_int_equal(request.training.epochs, 10);
    assert_int_equal(request.promotion, PROMOTION_IF_BETTER);
}

static void a_full_request_comes_back_as_it_was(void **state)
{
    (void)state;
    static const char text[] = "{\"name\":\"stripes\",\"dataset\":\"tiny\",\"model\":{\"layers\":["
                               "{\"type\":\"flatten\"},{\"type\":\"dense\",\"units\":10}]},"
                               "\"training\":{\"epochs\":3,\"seed\":9},\"promotion\":\"always\"}";
    struct job_request request, again;
    struct problems problems;
    assert_int_equal(check(text, &no_limits, &request, &problems), OK);
    assert_string_equal(request.name, "stripes");
    assert_string_equal(request.parts[0].name, "tiny");
    assert_int_equal(request.plan.parameters, 7850);
    assert_int_equal(request.training.epochs, 3);
    assert_int_equal(request.training.seed, 9);
    assert_int_equal(request.promotion, PROMOTION_ALWAYS);

    json_t *json = job_request_to_json(&request);
    char *written = json_dumps(json, JSON_COMPACT);
    assert_int_equal(check(written, &no_limits, &again, &problems), OK);
    json_t *json_again = job_request_to_json(&again);
    assert_true(json_equal(json, json_again));
    assert_int_equal(again.promotion, PROMOTION_ALWAYS);
    json_decref(json);
    json_decref(json_again);
    free(written);
}

static void a_recipe_sets_the_defaults_of_model_and_training(void **state)
{
    (void)state;
    struct job_request request, again;
    struct problems problems;
    struct model_spec spec;
    struct train_config config;
    assert_int_equal(recipe_find("best", &spec, &config, NULL), OK);
    assert_int_equal(check("{\"recipe\":\"best\"}", &no_limits, &request, &problems), OK);
    assert_string_equal(request.recipe, "best");
    assert_int_equal(request.plan.spec.count, spec.count);
    json_t *found = train_config_to_json(&request.training), *expected = train_config_to_json(&config);
    assert_true(json_equal(found, expected));
    json_decref(found);
    json_decref(expected);

    assert_int_equal(check("{\"recipe\":\"best\",\"model\":{\"preset\":\"small\"},\"training\":"
                           "{\"epochs\":2,\"augmentation\":{\"rotation\":3}}}",
                           &no_limits, &request, &problems),
                     OK);
    assert_int_equal(request.plan.parameters, 55338);
    assert_int_equal(request.training.epochs, 2);
    assert_true(request.training.augmentation.rotation == 3);
    assert_true(request.training.augmentation.shift == config.augmentation.shift);
    assert_int_equal(request.training.batch_size, config.batch_size);

    json_t *json = job_request_to_json(&request);
    char *written = json_dumps(json, JSON_COMPACT);
    assert_int_equal(check(written, &no_limits, &again, &problems), OK);
    assert_memory_equal(&again.training, &request.training, sizeof request.training);
    assert_string_equal(again.recipe, "best");
    free(written);
    json_decref(json);
}

static void what_was_not_given_is_not_in_the_json(void **state)
{
    (void)state;
    struct job_request request;
    struct problems problems;
    assert_int_equal(check("{}", &no_limits, &request, &problems), OK);
    json_t *json = job_request_to_json(&request);
    assert_null(json_object_get(json, "recipe"));
    assert_null(json_object_get(json, "init_from"));
    json_decref(json);
}

static void each_fault_is_named_by_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pointer;
    } faults[] = {
        {"{\"training\":{\"epochs\":-1}}", "/training/epochs"},
        {"{\"training\":{\"epochs\":1e9}}", "/training/epochs"},
        {"{\"training\":{\"epochs\":\"ten\"}}", "/training/epochs"},
        {"{\"training\":{\"epochs\":null}}", "/training/epochs"},
        {"{\"training\":{\"epoch\":3}}", "/training/epoch"},
        {"{\"training\":[]}", "/training"},
        {"{\"speed\":11}", "/speed"},
        {"{\"name\":\"Not a name\"}", "/name"},
        {"{\"name\":7}", "/name"},
        {"{\"dataset\":\"../mnist\"}", "/dataset"},
        {"{\"dataset\":\"absent\"}", "/dataset"},
        {"{\"promotion\":\"maybe\"}", "/promotion"},
        {"{\"recipe\":\"slow\"}", "/recipe"},
        {"{\"recipe\":\"\"}", "/recipe"},
        {"{\"recipe\":7}", "/recipe"},
        {"{\"recipe\":\"slow\",\"training\":{\"epochs\":0}}", "/training/epochs"},
        {"{\"model\":{}}", "/model"},
        {"{\"model\":{\"preset\":\"huge\"}}", "/model/preset"},
        {"{\"model\":{\"layers\":[{\"type\":\"flatten\"},{\"type\":\"dense\",\"units\":0}]}}",
         "/model/layers/1/units"},
        {"{\"model\":{\"blocks\":{\"conv_blocks\":3,\"kernel_size\":7}}}", "/model/layers/7/kernel_size"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct job_request request;
        struct problems problems;
        assert_int_equal(check(faults[i].text, &no_limits, &request, &problems), ERR_ARGUMENT);
        if (!has_problem(&problems, faults[i].pointer))
            fail_msg("%s: %s: %s", faults[i].text, problems.items[0].pointer, problems.items[0].message);
    }
}

/* So a job whose files go just as it begins fails by the name of that. */
static void a_dataset_that_is_missing_is_no_wrong_argument(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"dataset\":\"absent\"}",
                                        "{\"dataset\":\"tiny\",\"test_dataset\":\"absent\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct job_request request;
        struct problems problems;
        assert_int_not_equal(check(texts[i], &no_limits, &request, &problems), OK);
        assert_int_equal(problems.items[0].code, ERR_NOT_FOUND);
    }
}

static void all_faults_are_named_at_once(void **state)
{
    (void)state;
    struct job_request request;
    struct problems problems;
    assert_int_equal(check("{\"name\":\"\",\"dataset\":\"absent\",\"model\":{\"layers\":[]},"
                           "\"training\":{\"epochs\":0,\"learning_rate\":99},\"promotion\":1,\"extra\":true}",
                           &no_limits, &request, &problems),
                     ERR_ARGUMENT);
    static const char *const pointers[] = {
        "/name",      "/dataset", "/model/layers", "/training/epochs", "/training/learning_rate",
        "/promotion", "/extra"};
    for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++) {
        if (!has_problem(&problems, pointers[i]))
            fail_msg("nothing about %s", pointers[i]);
    }
}

static void a_job_beyond_the_memory_limit_is_refused(void **state)
{
    (void)state;
    struct job_request request;
    struct problems problems;
    assert_int_equal(check("{}", &no_limits, &request, &problems), OK);
    size_t needed = trainer_memory(&request.plan, &request.training, 2) + 30 * (IMAGE_PIXELS + 1);

    struct job_limits limits = {.threads = 2, .memory_limit = needed};
    assert_int_equal(check("{}", &limits, &request, &problems), OK);
    limits.memory_limit = needed - 1;
    assert_int_equal(check("{}", &limits, &request, &problems), ERR_ARGUMENT);
    assert_string_equal(problems.items[0].pointer, "/model");
    assert_int_equal(problems.items[0].code, ERR_MEMORY);
    assert_non_null(strstr(problems.items[0].message, "--memory-limit"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_request_is_the_reference_job),
        cmocka_unit_test(a_full_request_comes_back_as_it_was),
        cmocka_unit_test(a_recipe_sets_the_defaults_of_model_and_training),
        cmocka_unit_test(what_was_not_given_is_not_in_the_json),
        cmocka_unit_test(each_fault_is_named_by_its_place),
        cmocka_unit_test(a_dataset_that_is_missing_is_no_wrong_argument),
        cmocka_unit_test(all_faults_are_named_at_once),
        cmocka_unit_test(a_job_beyond_the_memory_limit_is_refused),
    };
    return cmocka_run_group_tests_name("job_request", tests, setup, teardown);
}
