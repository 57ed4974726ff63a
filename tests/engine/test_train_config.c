/* train_config_*: the table of training options, read, checked and written. */
#include "engine/train_config.h"
#include "tests/engine/problems_check.h"

#include <jansson.h>
#include <math.h>

/* Reads `text` over the defaults; problems, if any, have pointers below "/training". */
static enum status read_text(const char *text, struct train_config *config, struct problems *problems)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    memset(problems, 0, sizeof *problems);
    *config = train_config_default();
    enum status status = train_config_from_json(json, "/training", config, problems);
    json_decref(json);
    return status;
}

static void defaults_are_the_reference_recipe(void **state)
{
    (void)state;
    struct train_config config = train_config_default();
    struct problems problems = {0};
    assert_int_equal(config.epochs, 10);
    assert_int_equal(config.batch_size, 64);
    assert_true(config.learning_rate == 1e-3 && config.beta_1 == 0.9 && config.beta_2 == 0.999);
    assert_true(config.epsilon == 1e-7 && config.validation_split == 0.1);
    assert_int_equal(config.train_limit, 0);
    assert_int_equal(config.seed, 1);
    assert_int_equal(train_config_check(&config, "", &problems), OK);
}

static void absent_fields_keep_their_values(void **state)
{
    (void)state;
    struct train_config config, expected = train_config_default();
    struct problems problems;
    assert_int_equal(read_text("{}", &config, &problems), OK);
    assert_memory_equal(&config, &expected, sizeof config);

    assert_int_equal(read_text("{\"epochs\": 3, \"learning_rate\": 0.01}", &config, &problems), OK);
    expected.epochs = 3;
    expected.learning_rate = 0.01;
    assert_memory_equal(&config, &expected, sizeof config);
}

static void every_field_reads_and_writes(void **state)
{
    (void)state;
    struct train_config config, again = train_config_default();
    struct problems problems;
    assert_int_equal(read_text("{\"epochs\":2,\"batch_size\":128,\"learning_rate\":0.002,\"beta_1\":0.8,"
                               "\"beta_2\":0.99,\"epsilon\":1e-8,\"validation_split\":0.25,"
                               "\"train_limit\":5000,\"seed\":9007199254740991,\"schedule\":\"cosine\","
                               "\"warmup\":0.1,\"label_smoothing\":0.05,\"ema_decay\":0.99,\"patience\":3,"
                               "\"augmentation\":{\"rotation\":12,\"shift\":2.5,\"scale\":0.1,\"shear\":0.15,"
                               "\"elastic\":1,\"thickness\":0.5}}",
                               &config, &problems),
                     OK);
    assert_int_equal(config.batch_size, 128);
    assert_int_equal(config.train_limit, 5000);
    assert_true(config.seed == 9007199254740991u);
    assert_int_equal(config.schedule, SCHEDULE_COSINE);
    assert_true(config.warmup == 0.1 && config.label_smoothing == 0.05 && config.ema_decay == 0.99);
    assert_int_equal(config.patience, 3);
    assert_true(config.augmentation.rotation == 12 && config.augmentation.thickness == 0.5);

    json_t *json = train_config_to_json(&config);
    assert_int_equal(json_object_size(json), 15);
    assert_int_equal(train_config_from_json(json, "", &again, &problems), OK);
    assert_memory_equal(&config, &again, sizeof config);
    json_decref(json);
}

static void a_real_number_without_fraction_is_a_whole_number(void **state)
{
    (void)state;
    struct train_config config;
    struct problems problems;
    assert_int_equal(read_text("{\"epochs\": 10.0, \"seed\": 1e3, \"epsilon\": 1}", &config, &problems), OK);
    assert_int_equal(config.epochs, 10);
    assert_int_equal(config.seed, 1000);
    assert_true(config.epsilon == 1.0);

    assert_int_equal(read_text("{\"epochs\": 10.5}", &config, &problems), ERR_ARGUMENT);
    assert_only_problem(&problems, "/training/epochs", "found 10.5");
}

static void bounds_are_included_or_excluded_as_documented(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool allowed;
    } cases[] = {
        {"{\"epochs\":1}", true},
        {"{\"epochs\":1000}", true},
        {"{\"epochs\":0}", false},
        {"{\"epochs\":1001}", false},
        {"{\"epochs\":-1}", false},
        {"{\"epochs\":1000000000}", false},
        {"{\"epochs\":9223372036854775807}", false},
        {"{\"batch_size\":1024}", true},
        {"{\"batch_size\":1025}", false},
        {"{\"learning_rate\":10}", true},
        {"{\"learning_rate\":10.000001}", false},
        {"{\"learning_rate\":0}", false},
        {"{\"learning_rate\":1e-300}", true},
        {"{\"beta_1\":0}", true},
        {"{\"beta_1\":1}", false},
        {"{\"beta_2\":0.9999999}", true},
        {"{\"beta_2\":-0.1}", false},
        {"{\"epsilon\":0}", false},
        {"{\"validation_split\":0}", true},
        {"{\"validation_split\":0.9}", true},
        {"{\"validation_split\":0.91}", false},
        {"{\"train_limit\":-1}", false},
        {"{\"train_limit\":10000001}", false},
        {"{\"seed\":9007199254740992}", false},
        {"{\"seed\":9007199254740993}", false},
        {"{\"seed\":-1}", false},
        {"{\"warmup\":1}", false},
        {"{\"schedule\":\"linear\"}", false},
        {"{\"label_smoothing\":1}", false},
        {"{\"ema_decay\":0.9999}", true},
        {"{\"patience\":-1}", false},
        {"{\"patience\":1}", true},
        {"{\"patience\":1,\"validation_split\":0}", false},
        {"{\"augmentation\":{}}", true},
        {"{\"augmentation\":{\"rotation\":45}}", true},
        {"{\"augmentation\":{\"rotation\":46}}", false},
        {"{\"augmentation\":{\"thickness\":-0.1}}", false},
        {"{\"augmentation\":true}", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct train_config config;
        struct problems problems;
        enum status expected = cases[i].allowed ? OK : ERR_ARGUMENT;
        if (read_text(cases[i].json, &config, &problems) != expected)
            fail_msg("%s: expected %s", cases[i].json, cases[i].allowed ? "no problem" : "a problem");
    }
}

static void messages_say_what_is_allowed_and_what_was_found(void **state)
{
    (void)state;
    struct train_config config;
    struct problems problems;
    assert_int_equal(read_text("{\"epochs\":\"ten\"}", &config, &problems), ERR_ARGUMENT);
    assert_only_problem(&problems, "/training/epochs",
                        "epochs: expected a whole number from 1 to 1000, found a string \"ten\"");
    assert_int_equal(read_text("{\"learning_rate\":\"NaN\"}", &config, &problems), ERR_ARGUMENT);
    assert_only_problem(&problems, "/training/learning_rate",
                        "learning_rate: expected a number above 0 and at most 10, found a string \"NaN\"");
    assert_int_equal(read_text("{\"beta_1\":null}", &config, &problems), ERR_ARGUMENT);
    assert_only_problem(&problems, "/training/beta_1", "expected a number from 0 and below 1, found null");
    assert_int_equal(read_text("{\"seed\":true}", &config, &problems), ERR_ARGUMENT);
    assert_only_problem(&problems, "/training/seed", "from 0 to 9007199254740991, found true");
    assert_int_equal(read_text("{\"patience\":2,\"validation_split\":0}", &config, &problems), ERR_ARGUMENT);
    assert_only_problem(&problems, "/training/patience", "patience: 2, but validation_split is 0");
    assert_int_equal(read_text("[1]", &config, &problems), ERR_ARGUMENT);
    assert_only_problem(&problems, "/training", "expected an object, found an array");
}

static void all_problems_are_reported_at_once_and_nothing_is_changed(void **state)
{
    (void)state;
    struct train_config config, untouched = train_config_default();
    struct problems problems;
    assert_int_equal(
        read_text("{\"epochs\":-1,\"batch_size\":[],\"momentum\":0.9,\"seed\":7}", &config, &problems),
        ERR_ARGUMENT);
    assert_int_equal(problems.count, 3);
    assert_problem(&problems, "/training/epochs", "found -1");
    assert_problem(&problems, "/training/batch_size", "found an array");
    assert_problem(&problems, "/training/momentum",
                   "momentum: unknown field; known here: epochs, batch_size, learning_rate, schedule");
    assert_memory_equal(&config, &untouched, sizeof config);
}

static void problems_beyond_those_kept_are_counted(void **state)
{
    (void)state;
    json_t *json = json_object();
    for (int i = 0; i < 40; i++) {
        char name[24];
        snprintf(name, sizeof name, "field_%d", i);
        json_object_set_new(json, name, json_null());
    }
    struct train_config config = train_config_default();
    struct problems problems = {0};
    assert_int_equal(train_config_from_json(json, "", &config, &problems), ERR_ARGUMENT);
    assert_int_equal(problems.count, 40);
    assert_int_equal(train_config_from_json(json, "", &config, &problems), ERR_ARGUMENT);
    assert_int_equal(problems.count, 80);
    json_decref(json);
}

static void field_names_are_escaped_in_pointers_and_cut_in_messages(void **state)
{
    (void)state;
    struct train_config config;
    struct problems problems;
    assert_int_equal(read_text("{\"a/b~c\":1}", &config, &problems), ERR_ARGUMENT);
    assert_only_problem(&problems, "/training/a~1b~0c", "a/b~c: unknown field");

    /* 60 two-byte characters after one of one byte: a cut at a fixed byte would split one */
    char text[160] = "{\"x";
    for (int i = 0; i < 60; i++)
        strcat(text, "\xc3\xa9");
    strcat(text, "\":1}");
    assert_int_equal(read_text(text, &config, &problems), ERR_ARGUMENT);
    assert_only_problem(&problems, "/training", "\xc3\xa9…: unknown field");
    json_t *message = json_string(problems.items[0].message);
    assert_non_null(message); /* jansson refuses text that is not UTF-8 */
    json_decref(message);
}

static void control_characters_do_not_reach_a_message(void **state)
{
    (void)state;
    struct train_config config;
    struct problems problems;
    assert_int_equal(read_text("{\"epochs\":\"\\u001b[2J\\n\"}", &config, &problems), ERR_ARGUMENT);
    assert_only_problem(&problems, "/training/epochs", "found a string \"?[2J?\"");
}

static void check_finds_nan_and_values_out_of_range(void **state)
{
    (void)state;
    struct train_config config = train_config_default();
    struct problems problems = {0};
    config.learning_rate = NAN;
    config.epsilon = INFINITY;
    config.epochs = 0;
    config.seed = UINT64_MAX;
    assert_int_equal(train_config_check(&config, "/t", &problems), ERR_ARGUMENT);
    assert_int_equal(problems.count, 4);
    assert_problem(&problems, "/t/learning_rate", "found nan");
    assert_problem(&problems, "/t/epsilon", "found inf");
    assert_problem(&problems, "/t/epochs", "found 0");
    assert_problem(&problems, "/t/seed", "whole number");
}

static void the_last_share_of_the_images_in_use_validates(void **state)
{
    (void)state;
    static const struct {
        int64_t limit;
        double validation_split;
        size_t count, train, validation;
    } cases[] = {
        {0, 0.1, 60000, 54000, 6000},
        {6000, 0.1, 60000, 5400, 600},
        {70000, 0.1, 60000, 54000, 6000},
        {0, 0, 10, 10, 0},
        {0, 0.9, 1, 1, 0},
        {0, 0.29, 100, 71, 29},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct train_config config = train_config_default();
        config.train_limit = cases[i].limit;
        config.validation_split = cases[i].validation_split;
        struct train_split split = train_split_of(&config, cases[i].count);
        assert_int_equal(split.train, cases[i].train);
        assert_int_equal(split.validation, cases[i].validation);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_share_of_the_images_in_use_validates),
        cmocka_unit_test(defaults_are_the_reference_recipe),
        cmocka_unit_test(absent_fields_keep_their_values),
        cmocka_unit_test(every_field_reads_and_writes),
        cmocka_unit_test(a_real_number_without_fraction_is_a_whole_number),
        cmocka_unit_test(bounds_are_included_or_excluded_as_documented),
        cmocka_unit_test(messages_say_what_is_allowed_and_what_was_found),
        cmocka_unit_test(all_problems_are_reported_at_once_and_nothing_is_changed),
        cmocka_unit_test(problems_beyond_those_kept_are_counted),
        cmocka_unit_test(field_names_are_escaped_in_pointers_and_cut_in_messages),
        cmocka_unit_test(control_characters_do_not_reach_a_message),
        cmocka_unit_test(check_finds_nan_and_values_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
