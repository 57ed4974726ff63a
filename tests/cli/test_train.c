/* train, evaluate and predict end to end: the real program trains on easy images in a second, or on some of MNIST. */
#include "server/png.h"
#include "tests/cli/program.h"

#include <unistd.h>

/* A tiny network: an epoch of bars takes milliseconds. */
static const char tiny_model[] = "{\"layers\": [{\"type\": \"conv2d\", \"filters\": 4, \"kernel_size\": 3},"
                                 "{\"type\": \"max_pool2d\", \"pool_size\": 2}, {\"type\": \"flatten\"},"
                                 "{\"type\": \"dense\", \"units\": 10}]}";

#define TRAIN "train --data-dir data --dataset bars --model tiny.json --threads 2 --learning-rate 0.01 "

static int make_bars(void **state)
{
    program_folder_make(state);
    program_make_bars();
    program_file_write("tiny.json", tiny_model, strlen(tiny_model));
    return 0;
}

/* The value after `label` in the last run's output; valid until the next call. */
static const char *value_of(const char *label)
{
    static char value[128];
    const char *at = strstr(program_out(), label);
    if (!at || sscanf(at + strlen(label), " %127s", value) != 1)
        fail_msg("no %s in:\n%s", label, program_out());
    return value;
}

/* ---- train ----------------------------------------------------------------------------------------- */

static void training_learns_saves_and_reports(void **state)
{
    (void)state;
    assert_int_equal(program_run(TRAIN "--epochs 4 --output bars.safetensors"), 0);
    assert_true(program_file_exists("bars.safetensors"));
    assert_string_equal(value_of("test accuracy"), "100.00");
    assert_string_equal(value_of("model"), "bars.safetensors");
    assert_int_equal(strlen(value_of("sha256")), 64);
    assert_err_has("576 images an epoch, 2 threads");
    assert_err_has("epoch 1/4  loss ");
    assert_err_has("epoch 4/4  loss ");
    assert_err_has("  validation loss ");
}

static void the_result_as_json_is_complete(void **state)
{
    (void)state;
    assert_int_equal(program_run(TRAIN "--epochs 2 --validation-split 0 --train-limit 200 --seed 5 --json"),
                     0);
    json_t *json = program_out_json();
    const char *file, *digest;
    json_t *epochs, *evaluation, *training, *model;
    assert_int_equal(json_unpack(json, "{s:s, s:s, s:o, s:o, s:o, s:o, s:{s:s}, s:F, s:i, s:s}", "file",
                                 &file, "sha256", &digest, "epochs", &epochs, "evaluation", &evaluation,
                                 "training", &training, "model", &model, "dataset", "name",
                                 &(const char *){0}, "seconds", &(double){0}, "threads", &(int){0},
                                 "core_type", &(const char *){0}),
                     0);
    assert_string_equal(file, "model.safetensors");
    assert_int_equal(json_array_size(epochs), 2);
    json_t *last = json_array_get(epochs, 1);
    assert_int_equal(json_integer_value(json_object_get(last, "epoch")), 2);
    assert_true(json_is_real(json_object_get(last, "train_loss")));
    assert_true(json_is_null(json_object_get(last, "validation_accuracy")));
    assert_int_equal(json_integer_value(json_object_get(training, "seed")), 5);
    assert_int_equal(json_integer_value(json_object_get(training, "train_limit")), 200);
    assert_int_equal(json_integer_value(json_object_get(evaluation, "count")), BARS_TEST);
    assert_int_equal(json_array_size(json_object_get(evaluation, "confusion_matrix")), 10);
    assert_int_equal(json_array_size(json_object_get(model, "layers")), 4);
    json_decref(json);
}

static void the_number_of_threads_does_not_change_the_weights(void **state)
{
    (void)state;
    assert_int_equal(program_run(TRAIN "--epochs 2 --threads 1"), 0);
    char *digest = strdup(value_of("sha256"));
    assert_int_equal(program_run(TRAIN "--epochs 2 --threads 3"), 0);
    assert_string_equal(value_of("sha256"), digest);
    assert_int_equal(program_run(TRAIN "--epochs 2 --threads 3 --seed 2"), 0);
    assert_string_not_equal(value_of("sha256"), digest);
    free(digest);
}

static void options_come_from_the_environment_too(void **state)
{
    (void)state;
    assert_int_equal(
        program_run_with(TRAIN "--epochs 1 --json", (struct program_setup){.variable = "DIGITD_SEED=77"}), 0);
    assert_out_has("\"seed\": 77");
}

static void training_options_out_of_range_are_all_named(void **state)
{
    (void)state;
    assert_int_equal(program_run("train --epochs 0 --batch-size 2.5 --learning-rate -1"), 2);
    assert_out("");
    assert_err("digitd train: --epochs: expected a whole number from 1 to 1000, found 0\n"
               "digitd train: --batch-size: expected a whole number from 1 to 1024, found 2.5\n"
               "digitd train: --learning-rate: expected a number above 0 and at most 10, found -1\n");
    assert_int_equal(program_run("train --epochs ten"), 2);
    assert_err("digitd train: --epochs: expected a whole number from 1 to 1000, found a string \"ten\"\n");
}

static void what_would_spoil_the_end_is_refused_at_the_start(void **state)
{
    (void)state;
    assert_int_equal(program_run(TRAIN "--output none/m.safetensors"), 1);
    assert_err("digitd train: none/m.safetensors: cannot write to none: No such file or directory\n");
    assert_int_equal(program_run("train --data-dir data --dataset fish"), 1);
    assert_err("digitd train: --data-dir data: there is no dataset \"fish\" (there are: bars)\n");
    assert_int_equal(unlink(program_file_path("data/bars/t10k-labels-idx1-ubyte")), 0);
    assert_int_equal(program_run(TRAIN), 1);
    assert_err_has("data/bars/t10k-labels-idx1-ubyte");
    assert_err_has("no such file");
}

static void a_truncated_dataset_is_named_with_its_size(void **state)
{
    (void)state;
    assert_int_equal(truncate(program_file_path("data/bars/train-images-idx3-ubyte"), 1000), 0);
    assert_int_equal(program_run(TRAIN), 1);
    assert_err_has(
        "train-images-idx3-ubyte: truncated: 1000 bytes stored, expected 501776 for a count of 640");
}

static void training_on_mnist_learns(void **state)
{
    (void)state;
    const char *data = getenv("DIGITD_DATA_DIR");
    char words[512], path[4096];
    assert_non_null(realpath(data ? data : "data/datasets", path));
    snprintf(words, sizeof words, "train --data-dir %.400s --preset small --epochs 2 --train-limit 4000",
             path);
    assert_int_equal(program_run(words), 0);
    double accuracy = strtod(value_of("test accuracy"), NULL);
    if (accuracy < 85)
        fail_msg("test accuracy %.2f %%", accuracy);
}

/* ---- Interruption and resumption -------------------------------------------------------------------- */

#define LONG_RUN      TRAIN "--epochs 60 "
#define LONG_RUN_KEPT LONG_RUN "--checkpoint run.ckpt "

static void an_interrupted_run_resumes_to_the_same_bytes(void **state)
{
    (void)state;
    assert_int_equal(program_run(LONG_RUN), 0);
    char *digest = strdup(value_of("sha256"));

    assert_int_equal(program_interrupt(LONG_RUN_KEPT "--output resumed", "run.ckpt"), 1);
    assert_out("");
    assert_err_has("digitd train: interrupted in epoch ");
    assert_err_has(" of 60 and kept in run.ckpt; the same command with --resume goes on\n");
    assert_true(program_file_exists("run.ckpt"));
    assert_false(program_file_exists("resumed"));

    assert_int_equal(program_run(LONG_RUN_KEPT "--output resumed --resume"), 0);
    assert_string_equal(value_of("sha256"), digest);
    assert_false(program_file_exists("run.ckpt"));
    free(digest);
}

/* The first line on stderr comes before the first step; an epoch of the large model takes a second or more. */
static void an_interruption_within_the_first_epoch_is_kept_too(void **state)
{
    (void)state;
    assert_int_equal(program_interrupt("train --data-dir data --dataset bars --preset large --batch-size 4 "
                                       "--checkpoint run.ckpt",
                                       ".err"),
                     1);
    assert_err_has("digitd train: interrupted in epoch 1 of 10 and kept in run.ckpt");
    assert_true(program_file_exists("run.ckpt"));
}

static void an_earlier_run_is_neither_overwritten_nor_mixed_with_another(void **state)
{
    (void)state;
    assert_int_equal(program_interrupt(LONG_RUN_KEPT, "run.ckpt"), 1);
    assert_int_equal(program_run(LONG_RUN_KEPT), 1);
    assert_err_has("run.ckpt holds an earlier run: give --resume");
    assert_int_equal(program_run(LONG_RUN_KEPT "--resume --seed 3"), 1);
    assert_err("digitd train: run.ckpt was made with another --seed; leave it out to go on\n");
    assert_int_equal(
        program_run("train --data-dir data --dataset bars --preset small --checkpoint run.ckpt --resume"), 1);
    assert_err("digitd train: run.ckpt holds another model than the one asked for\n");
    assert_true(program_file_exists("run.ckpt"));
}

static void resuming_needs_a_checkpoint(void **state)
{
    (void)state;
    assert_int_equal(program_run(TRAIN "--resume"), 2);
    assert_err("digitd train: --resume needs --checkpoint FILE\nTry 'digitd help train'.\n");
    assert_int_equal(program_run(TRAIN "--resume --checkpoint none"), 1);
    assert_err("digitd train: cannot open none: No such file or directory\n");
}

/* ---- evaluate -------------------------------------------------------------------------------------- */

static void evaluation_agrees_with_training(void **state)
{
    (void)state;
    assert_int_equal(program_run(TRAIN "--epochs 1 --train-limit 100 --json"), 0);
    json_t *trained = program_out_json();
    assert_int_equal(program_run("evaluate --data-dir data --dataset bars --json model.safetensors"), 0);
    json_t *evaluated = program_out_json();
    assert_true(json_equal(json_object_get(trained, "evaluation"), json_object_get(evaluated, "evaluation")));
    assert_true(json_equal(json_object_get(trained, "sha256"),
                           json_object_get(json_object_get(evaluated, "model"), "sha256")));
    json_decref(evaluated);
    json_decref(trained);
}

static void evaluation_prints_a_confusion_matrix(void **state)
{
    (void)state;
    assert_int_equal(program_run(TRAIN "--epochs 4"), 0);
    assert_int_equal(program_run("evaluate model.safetensors --data-dir data --dataset bars"), 0);
    assert_string_equal(value_of("images"), "100");
    assert_string_equal(value_of("accuracy"), "100.00");
    assert_out_has(
        "true \\ predicted     0     1     2     3     4     5     6     7     8     9   recall\n");
    assert_out_has("               0    10     0     0     0     0     0     0     0     0     0 100.00 %\n");
    assert_out_has("               9     0     0     0     0     0     0     0     0     0    10 100.00 %\n");
}

static void evaluation_refuses_what_is_no_model(void **state)
{
    (void)state;
    assert_int_equal(program_run("evaluate"), 2);
    assert_err_has("digitd evaluate: an argument is missing");
    assert_int_equal(program_run("evaluate none.safetensors"), 1);
    assert_err("digitd evaluate: cannot open none.safetensors: No such file or directory\n");
    assert_int_equal(program_run("evaluate tiny.json"), 1);
    assert_err_has("digitd evaluate: tiny.json");
    assert_out("");
}

/* ---- predict --------------------------------------------------------------------------------------- */

static void write_bar_png(const char *name, int digit)
{
    uint8_t image[28 * 28], *data = NULL;
    size_t size = 0;
    bar_image(digit, 3, image);
    assert_int_equal(png_encode_grey(image, 28, 28, &data, &size, NULL), OK);
    program_file_write(name, data, size);
    free(data);
}

/* "4   99.8%  four.png\n"; returns what follows. */
static const char *expect_prediction(const char *line, int digit, const char *rest)
{
    char *end;
    assert_int_equal(strtol(line, &end, 10), digit);
    assert_true(strtod(end, &end) > 50);
    if (strncmp(end, rest, strlen(rest)) != 0)
        fail_msg("expected \"%s\" in:\n%s", rest, line);
    return end + strlen(rest);
}

static void prediction_prints_a_line_a_file(void **state)
{
    (void)state;
    write_bar_png("four.png", 4);
    write_bar_png("nine.png", 9);
    assert_int_equal(program_run(TRAIN "--epochs 8"), 0);
    assert_int_equal(program_run_with("predict --model model.safetensors --mode raw four.png -",
                                      (struct program_setup){.input = "nine.png"}),
                     0);
    const char *second_line = expect_prediction(program_out(), 4, "%  four.png\n");
    assert_string_equal(expect_prediction(second_line, 9, "%  -\n"), "");
    assert_err("");
}

static void a_bad_picture_does_not_hide_the_others(void **state)
{
    (void)state;
    write_bar_png("one.png", 1);
    program_file_write("text.png", "hello", 5);
    assert_int_equal(program_run(TRAIN "--epochs 8"), 0);
    assert_int_equal(program_run("predict --model model.safetensors --mode raw text.png none.png one.png"),
                     1);
    assert_int_equal(strncmp(program_out(), "1  ", 3), 0);
    assert_err_has("digitd predict: text.png: ");
    assert_err_has("digitd predict: none.png: No such file or directory\n");

    assert_int_equal(program_run("predict --model model.safetensors --mode raw --json text.png one.png"), 1);
    json_t *json = program_out_json(), *list = json_object_get(json, "predictions");
    assert_int_equal(json_array_size(list), 2);
    assert_true(json_is_string(json_object_get(json_array_get(list, 0), "error")));
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "digit")), 1);
    double sum = 0;
    for (size_t i = 0; i < 10; i++)
        sum +=
            json_number_value(json_array_get(json_object_get(json_array_get(list, 1), "probabilities"), i));
    assert_true(sum > 0.999 && sum < 1.001);
    json_decref(json);
}

static void a_file_name_that_is_no_utf8_survives_json(void **state)
{
    (void)state;
    write_bar_png("\xff.png", 2);
    assert_int_equal(program_run(TRAIN "--epochs 1"), 0);
    assert_int_equal(program_run("predict --model model.safetensors --mode raw --json \xff.png"), 0);
    json_t *json = program_out_json(), *list = json_object_get(json, "predictions");
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "file")), "?.png");
    json_decref(json);
}

static void prediction_needs_a_model_and_a_known_mode(void **state)
{
    (void)state;
    assert_int_equal(program_run("predict one.png"), 2);
    assert_err_has("digitd predict: --model is missing\n");
    assert_int_equal(program_run("predict --model m --mode upside-down one.png"), 2);
    assert_err_has("--mode: expected one of auto, raw, drawing, found \"upside-down\"\n");
    assert_int_equal(program_run("predict --model none.safetensors one.png"), 1);
    assert_err_has("none.safetensors");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_bars, program_folder_remove)
    const struct CMUnitTest tests[] = {
        TEST(training_learns_saves_and_reports),
        TEST(the_result_as_json_is_complete),
        TEST(the_number_of_threads_does_not_change_the_weights),
        TEST(options_come_from_the_environment_too),
        TEST(training_options_out_of_range_are_all_named),
        TEST(what_would_spoil_the_end_is_refused_at_the_start),
        TEST(a_truncated_dataset_is_named_with_its_size),
        TEST(training_on_mnist_learns),
        TEST(an_interrupted_run_resumes_to_the_same_bytes),
        TEST(an_interruption_within_the_first_epoch_is_kept_too),
        TEST(an_earlier_run_is_neither_overwritten_nor_mixed_with_another),
        TEST(resuming_needs_a_checkpoint),
        TEST(evaluation_agrees_with_training),
        TEST(evaluation_prints_a_confusion_matrix),
        TEST(evaluation_refuses_what_is_no_model),
        TEST(prediction_prints_a_line_a_file),
        TEST(a_bad_picture_does_not_hide_the_others),
        TEST(a_file_name_that_is_no_utf8_survives_json),
        TEST(prediction_needs_a_model_and_a_known_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
