/* Recipes and their options, fine-tuning and early stops, and what describe tells of a run beforehand. */
#include "engine/engine.h"
#include "tests/cli/program.h"

#include <math.h>

static const char tiny_model[] = "{\"layers\": [{\"type\": \"conv2d\", \"filters\": 4, \"kernel_size\": 3},"
                                 "{\"type\": \"max_pool2d\", \"pool_size\": 2}, {\"type\": \"flatten\"},"
                                 "{\"type\": \"dense\", \"units\": 10}]}";

#define BARS  "train --data-dir data --dataset bars --threads 2 "
#define TRAIN BARS "--model tiny.json "

static int make_bars(void **state)
{
    program_folder_make(state);
    program_make_bars();
    program_file_write("tiny.json", tiny_model, strlen(tiny_model));
    return 0;
}

/* Runs a command with --json and returns what it printed, a new reference. */
static json_t *run_json(const char *words)
{
    if (program_run(words) != 0)
        fail_msg("%s: %s", words, program_err());
    return program_out_json();
}

static json_t *recipe_json(const char *name)
{
    struct model_spec spec;
    struct train_config config;
    assert_int_equal(recipe_find(name, &spec, &config, NULL), OK);
    return train_config_to_json(&config);
}

/* ---- Options --------------------------------------------------------------------------------------- */

static void assert_help_has_options(json_t *fields)
{
    const char *field;
    json_t *value;
    json_object_foreach(fields, field, value)
    {
        char option[64];
        snprintf(option, sizeof option, "\n  --%s ", field);
        for (char *c = option; *c; c++)
            *c = *c == '_' ? '-' : *c;
        if (json_is_object(value))
            assert_help_has_options(value);
        else
            assert_out_has(option);
    }
}

static void each_field_of_a_recipe_has_an_option(void **state)
{
    (void)state;
    static const char *const commands[] = {"help train", "help describe"};
    json_t *config = recipe_json("reference");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(program_run(commands[i]), 0);
        assert_help_has_options(config);
        for (size_t j = 0; recipe_name(j); j++)
            assert_out_has(recipe_name(j));
    }
    json_decref(config);
}

/* Each option with a value that no recipe has, and what becomes of it. */
static const struct {
    const char *option, *value, *parent, *field;
} replacements[] = {
    {"epochs", "77", NULL, "epochs"},
    {"batch-size", "33", NULL, "batch_size"},
    {"learning-rate", "0.0625", NULL, "learning_rate"},
    {"warmup", "0.25", NULL, "warmup"},
    {"beta-1", "0.5", NULL, "beta_1"},
    {"beta-2", "0.75", NULL, "beta_2"},
    {"epsilon", "0.125", NULL, "epsilon"},
    {"label-smoothing", "0.03125", NULL, "label_smoothing"},
    {"ema-decay", "0.875", NULL, "ema_decay"},
    {"validation-split", "0.5", NULL, "validation_split"},
    {"patience", "9", NULL, "patience"},
    {"train-limit", "1234", NULL, "train_limit"},
    {"seed", "9007199254740991", NULL, "seed"},
    {"rotation", "45", "augmentation", "rotation"},
    {"shift", "8", "augmentation", "shift"},
    {"scale", "0.5", "augmentation", "scale"},
    {"shear", "0.375", "augmentation", "shear"},
    {"elastic", "4", "augmentation", "elastic"},
    {"thickness", "1", "augmentation", "thickness"},
};

static void each_option_replaces_its_field_of_the_recipe(void **state)
{
    (void)state;
    json_t *expected = recipe_json("best");
    char words[1024] = "describe --json --recipe best --schedule constant";
    json_object_set_new(expected, "schedule", json_string("constant"));
    for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++) {
        snprintf(words + strlen(words), sizeof words - strlen(words), " --%s=%s", replacements[i].option,
                 replacements[i].value);
        json_t *parent =
            replacements[i].parent ? json_object_get(expected, replacements[i].parent) : expected;
        json_t *field = json_object_get(parent, replacements[i].field);
        if (json_is_integer(field))
            json_integer_set(field, strtoll(replacements[i].value, NULL, 10));
        else
            json_real_set(field, strtod(replacements[i].value, NULL));
    }
    json_t *description = run_json(words);
    if (!json_equal(json_object_get(description, "training"), expected))
        fail_msg("%s:\n%s", words, program_out());
    json_decref(description);
    json_decref(expected);
}

static void a_recipe_brings_its_model_too(void **state)
{
    (void)state;
    json_t *best = run_json("describe --json --recipe best"), *plain = run_json("describe --json");
    json_t *small = run_json("describe --json --recipe best --preset small");
    assert_int_equal(json_array_size(json_object_get(best, "layers")), 11); /* with dropout */
    assert_int_equal(json_array_size(json_object_get(plain, "layers")), 9);
    assert_int_equal(json_integer_value(json_object_get(small, "parameters")), 55338);
    json_t *training = json_object_get(small, "training"), *expected = recipe_json("best");
    assert_true(json_equal(training, expected));
    json_decref(expected);
    json_decref(small);
    json_decref(plain);
    json_decref(best);
}

static void wrong_options_are_all_named(void **state)
{
    (void)state;
    assert_int_equal(program_run("train --recipe slow"), 2);
    assert_err("digitd train: --recipe: no recipe is called \"slow\"; there are: reference, quick, best, "
               "drawings\n");
    assert_int_equal(program_run("train --schedule linear --rotation 90 --warmup x"), 2);
    assert_err("digitd train: --schedule: expected one of constant, cosine, found a string \"linear\"\n"
               "digitd train: --warmup: expected a number from 0 and below 1, found a string \"x\"\n"
               "digitd train: --rotation: expected a number from 0 to 45, found 90\n");
}

static void a_recipe_trains(void **state)
{
    (void)state;
    json_t *result = run_json(TRAIN "--recipe quick --epochs 2 --json");
    json_t *expected = recipe_json("quick");
    json_object_set_new(expected, "epochs", json_integer(2));
    assert_true(json_equal(json_object_get(result, "training"), expected));
    assert_string_equal(json_string_value(json_object_get(result, "recipe")), "quick");
    assert_true(json_is_null(json_object_get(result, "init_from")));
    json_decref(expected);
    json_decref(result);
}

/* ---- A run that goes on ------------------------------------------------------------------------------ */

static void a_run_goes_on_with_its_own_recipe_only(void **state)
{
    (void)state;
#define KEPT TRAIN "--recipe quick --epochs 60 --checkpoint run.ckpt "
    assert_int_equal(program_interrupt(KEPT, "run.ckpt"), 1);
    static const struct {
        const char *words, *conflict;
    } conflicts[] = {
        {TRAIN "--checkpoint run.ckpt --resume --rotation 3", "rotation"},
        {TRAIN "--checkpoint run.ckpt --resume --schedule constant", "schedule"},
        {TRAIN "--checkpoint run.ckpt --resume --seed 2", "seed"},
        {TRAIN "--checkpoint run.ckpt --resume --recipe reference --epochs 60", "learning-rate"},
        {TRAIN "--checkpoint run.ckpt --resume --epochs 10",
         "epochs"}, /* the reference recipe's, but asked for */
    };
    for (size_t i = 0; i < sizeof conflicts / sizeof *conflicts; i++) {
        char expected[128];
        snprintf(expected, sizeof expected,
                 "digitd train: run.ckpt was made with another --%s; leave it out to go on\n",
                 conflicts[i].conflict);
        assert_int_equal(program_run(conflicts[i].words), 1);
        assert_err(expected);
    }
    assert_int_equal(program_run(KEPT "--resume"), 0);
}

/* ---- Fine-tuning ------------------------------------------------------------------------------------- */

/* With a learning rate that changes nothing the result is the origin, weight by weight. */
static void training_goes_on_from_a_saved_model(void **state)
{
    (void)state;
    json_t *first = run_json(TRAIN "--epochs 1 --output first.safetensors --json");
    json_t *same = run_json(BARS "--epochs 1 --init-from first.safetensors --learning-rate 1e-30 --json");
    json_t *tuned = run_json(BARS "--epochs 1 --init-from first.safetensors --json");
    assert_true(json_equal(json_object_get(first, "sha256"), json_object_get(same, "sha256")));
    assert_true(json_equal(json_object_get(first, "model"), json_object_get(same, "model")));
    assert_false(json_equal(json_object_get(first, "sha256"), json_object_get(tuned, "sha256")));
    assert_string_equal(json_string_value(json_object_get(tuned, "init_from")), "first.safetensors");
    double before, after;
    assert_int_equal(json_unpack(first, "{s:{s:F}}", "evaluation", "loss", &before), 0);
    assert_int_equal(json_unpack(tuned, "{s:{s:F}}", "evaluation", "loss", &after), 0);
    assert_true(after < before);
    json_decref(tuned);
    json_decref(same);
    json_decref(first);
}

static void an_origin_decides_the_layers_and_must_be_there(void **state)
{
    (void)state;
    assert_int_equal(program_run(TRAIN "--init-from first.safetensors"), 2);
    assert_err("digitd train: give --init-from, --preset or --model, only one of them\n"
               "Try 'digitd help train'.\n");
    assert_int_equal(program_run(BARS "--init-from none.safetensors"), 1);
    assert_err("digitd train: cannot open none.safetensors: No such file or directory\n");
    assert_int_equal(program_run(BARS "--init-from tiny.json"), 1);
    assert_err_has("digitd train: tiny.json");
}

static void an_interrupted_fine_tuning_resumes_to_the_same_bytes(void **state)
{
    (void)state;
#define TUNE BARS "--init-from first.safetensors --epochs 60 --checkpoint run.ckpt --json "
    assert_int_equal(program_run(TRAIN "--epochs 1 --output first.safetensors"), 0);
    json_t *undisturbed = run_json(TUNE);
    assert_int_equal(program_interrupt(TUNE, "run.ckpt"), 1);
    json_t *resumed = run_json(TUNE "--resume");
    assert_true(json_equal(json_object_get(undisturbed, "sha256"), json_object_get(resumed, "sha256")));
    json_decref(resumed);
    json_decref(undisturbed);

    assert_int_equal(program_run(BARS "--preset small --epochs 1 --output small.safetensors"), 0);
    assert_int_equal(program_interrupt(TUNE, "run.ckpt"), 1);
    assert_int_equal(program_run(BARS "--init-from small.safetensors --checkpoint run.ckpt --resume"), 1);
    assert_err("digitd train: run.ckpt holds another model than the one asked for\n");
}

/* ---- Early stops ------------------------------------------------------------------------------------- */

static void a_run_that_ends_early_says_so(void **state)
{
    (void)state;
    json_t *result = run_json(TRAIN "--epochs 500 --patience 2 --learning-rate 0.5 --json");
    size_t epochs = json_array_size(json_object_get(result, "epochs"));
    json_int_t best = json_integer_value(json_object_get(result, "best_epoch"));
    char line[128];
    assert_true(json_is_true(json_object_get(result, "stopped_early")));
    assert_in_range(epochs, 3, 499);
    assert_int_equal(best, epochs - 2);
    snprintf(line, sizeof line,
             "\nends early: no lower validation loss since epoch %d, whose weights are kept\n", (int)best);
    assert_err_has(line);
    json_decref(result);

    result = run_json(TRAIN "--epochs 1 --json");
    assert_true(json_is_false(json_object_get(result, "stopped_early")));
    assert_true(json_is_null(json_object_get(result, "best_epoch")));
    json_decref(result);
}

/* ---- describe ---------------------------------------------------------------------------------------- */

static void describe_prints_the_recipe_that_was_asked_for(void **state)
{
    (void)state;
    assert_int_equal(program_run("describe"), 0);
    assert_null(strstr(program_out(), "Recipe\n"));
    assert_int_equal(program_run("describe --recipe best --seed 8"), 0);
    assert_out_has("\nRecipe\n--------------------------\nepochs             40\n");
    assert_out_has("\nschedule           cosine\n");
    assert_out_has("\nseed               8\n");
    assert_out_has("\nrotation           7\n");
}

static void memory_counts_what_the_recipe_keeps(void **state)
{
    (void)state;
    json_int_t plain, averaged, parameters;
    json_t *json = run_json("describe --json --preset small");
    assert_int_equal(json_unpack(json, "{s:I, s:{s:{s:I}}}", "parameters", &parameters, "memory", "training",
                                 "bytes", &plain),
                     0);
    json_decref(json);
    json = run_json("describe --json --preset small --ema-decay 0.9 --patience 1");
    assert_int_equal(json_unpack(json, "{s:{s:{s:I}}}", "memory", "training", "bytes", &averaged), 0);
    json_decref(json);
    assert_true(averaged >= plain + 2 * 4 * parameters);
}

/* The seconds follow from the rate: training images, and a third of the time for those that only validate or test. */
static void describe_foretells_the_time_from_a_rate_that_it_measures(void **state)
{
    (void)state;
    json_t *json = run_json("describe --json --preset small --time --epochs 4 --validation-split 0.25 "
                            "--images 12000 --threads 1");
    double rate, seconds;
    assert_int_equal(
        json_unpack(json, "{s:{s:F, s:F}}", "time", "images_per_second", &rate, "seconds", &seconds), 0);
    assert_true(rate > 0);
    assert_true(fabs(seconds * rate / (4 * 9000 + (4 * 3000 + 2000) / 3.0) - 1) < 1e-6);
    json_decref(json);

    json = run_json("describe --json --preset small");
    assert_true(json_is_null(json_object_get(json, "time")));
    json_decref(json);
    assert_int_equal(program_run("describe --preset small --time --images 60 --epochs 1"), 0);
    assert_out_has("\nTime:     about 0:0");
    assert_out_has(" for 1 epoch and the test: ");
    assert_int_equal(program_run("describe --time --images 0"), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_bars, program_folder_remove)
    const struct CMUnitTest tests[] = {
        TEST(each_field_of_a_recipe_has_an_option),
        TEST(each_option_replaces_its_field_of_the_recipe),
        TEST(a_recipe_brings_its_model_too),
        TEST(wrong_options_are_all_named),
        TEST(a_recipe_trains),
        TEST(a_run_goes_on_with_its_own_recipe_only),
        TEST(training_goes_on_from_a_saved_model),
        TEST(an_origin_decides_the_layers_and_must_be_there),
        TEST(an_interrupted_fine_tuning_resumes_to_the_same_bytes),
        TEST(a_run_that_ends_early_says_so),
        TEST(describe_prints_the_recipe_that_was_asked_for),
        TEST(memory_counts_what_the_recipe_keeps),
        TEST(describe_foretells_the_time_from_a_rate_that_it_measures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
