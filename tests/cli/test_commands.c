/* The program's commands as a shell sees them: what goes where, and exit codes. */
#include "tests/cli/program.h"

/* ---- Commands and help ---------------------------------------------------------------------------- */

static void without_a_command_the_usage_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(program_run(""), 2);
    assert_out("");
    assert_err("digitd: a command is missing\nTry 'digitd help'.\n");
}

static void an_unknown_command_suggests_the_nearest(void **state)
{
    (void)state;
    assert_int_equal(program_run("trian"), 2);
    assert_out("");
    assert_err("digitd: unknown command \"trian\"; did you mean train?\nTry 'digitd help'.\n");
    assert_int_equal(program_run("help evalute"), 2);
    assert_err("digitd: unknown command \"evalute\"; did you mean evaluate?\nTry 'digitd help'.\n");
    assert_int_equal(program_run("xyz"), 2);
    assert_err("digitd: unknown command \"xyz\"\nTry 'digitd help'.\n");
}

/* Options without an action are those of one of its own. */
static const struct {
    const char *name, *refuses;
} commands[] = {
    {"serve", "serve"},       {"train", "train"},    {"evaluate", "evaluate"}, {"predict", "predict"},
    {"describe", "describe"}, {"export", "export"},  {"jobs", "jobs list"},    {"models", "models list"},
    {"sweep", "sweep start"}, {"data", "data list"}, {"version", "version"},   {"help", "help"},
};
#define COMMANDS (sizeof commands / sizeof *commands)

static void help_lists_every_command(void **state)
{
    (void)state;
    assert_int_equal(program_run("help"), 0);
    assert_err("");
    for (size_t i = 0; i < COMMANDS; i++) {
        char line[32];
        snprintf(line, sizeof line, "\n  %-10s ", commands[i].name);
        assert_out_has(line);
    }
    char *help = strdup(program_out());
    assert_int_equal(program_run("--help"), 0);
    assert_out(help);
    free(help);
}

/* Each command of the table explains itself, and says the same for --help; wrong options are its own to refuse. */
static void every_command_explains_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < COMMANDS; i++) {
        const char *name = commands[i].name, *refuses = commands[i].refuses;
        char words[64], usage[64], refusal[128];
        snprintf(words, sizeof words, "help %s", name);
        snprintf(usage, sizeof usage, "Usage: digitd %s ", name);
        assert_int_equal(program_run(words), 0);
        assert_out_has(usage);
        assert_out_has("\nOptions:\n");
        assert_err("");
        char *help = strdup(program_out());
        snprintf(words, sizeof words, "%s --help", name);
        assert_int_equal(program_run(words), 0);
        assert_out(help);
        free(help);

        snprintf(words, sizeof words, "%s --no-such-option", name);
        snprintf(refusal, sizeof refusal,
                 "digitd %s: unknown option --no-such-option\nTry 'digitd help %s'.\n", refuses, refuses);
        assert_int_equal(program_run(words), 2);
        assert_err(refusal);
    }
}

static void version_is_printed_and_as_json(void **state)
{
    (void)state;
    assert_int_equal(program_run("--version"), 0);
    assert_out_has("digitd " DIGITD_VERSION "\nOpenBLAS ");
    assert_int_equal(program_run("version --json"), 0);
    json_t *json = program_out_json();
    assert_string_equal(json_string_value(json_object_get(json, "version")), DIGITD_VERSION);
    assert_true(json_integer_value(json_object_get(json, "processors")) >= 1);
    json_decref(json);
}

static void a_result_that_cannot_be_written_is_a_failure(void **state)
{
    (void)state;
    const struct program_setup full = {.output = "/dev/full"};
    assert_int_equal(program_run_with("help", full), 1);
    assert_err("digitd: cannot write to stdout: No space left on device\n");
    assert_int_equal(program_run_with("describe --json", full), 1);
}

/* What people read about the commands is what the program says: `make docs` writes it anew. */
static void the_documentation_is_what_the_program_says(void **state)
{
    (void)state;
    char line[4 * 4096], *expected = strdup(program_file_path("command-line.md"));
    snprintf(line, sizeof line, "scripts/describe-commands %s > %s && diff -u docs/command-line.md %s >&2",
             program_binary(), expected, expected);
    free(expected);
    if (system(line) != 0) /* NOLINT(cert-env33-c): paths of this test's own */
        fail_msg("docs/command-line.md says something else: make docs");
}

/* What bash would offer behind these words. */
static void assert_completed(const char *words, const char *expected)
{
    char line[2 * 4096], found[512] = "";
    snprintf(
        line, sizeof line,
        "bash -c 'source deploy/completion.bash; COMP_WORDS=(%s %s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "
        "_digitd; echo -n ${COMPREPLY[@]}'",
        program_binary(), words);
    FILE *bash = popen(line, "r"); /* NOLINT(cert-env33-c): words of this test's own */
    assert_non_null(bash);
    found[fread(found, 1, sizeof found - 1, bash)] = '\0';
    assert_int_equal(pclose(bash), 0);
    assert_string_equal(found, expected);
}

static void bash_completes_commands_actions_and_options(void **state)
{
    (void)state;
    assert_completed("de", "describe");
    assert_completed("jobs pa", "pause");
    assert_completed("help models ro", "rollback");
    assert_completed("train --label", "--label-smoothing");
    assert_completed("sweep start --draw", "--draw-seed");
    assert_completed("none x", "");
}

/* ---- describe -------------------------------------------------------------------------------------- */

static void describe_prints_the_layers_as_kerass_summary(void **state)
{
    (void)state;
    assert_int_equal(program_run("describe --threads 2"), 0);
    assert_err("");
    assert_out_has("conv2d             3x3 same, relu   28x28x32              320         225,792\n");
    assert_out_has("max_pooling2d_1    2x2              5x5x64                  0               0\n");
    assert_out_has("dense_1            softmax          10                  5,130           5,120\n");
    assert_out_has("Total                                                 889,834      14,855,680\n");
    assert_out_has("Weights:  3.4 MiB\n");
    assert_out_has("with 2 threads and batches of 64");
}

static void describe_as_json_has_shapes_and_memory(void **state)
{
    (void)state;
    assert_int_equal(program_run("describe --preset small --batch-size 32 --threads 3 --json"), 0);
    json_t *json = program_out_json();
    json_t *layer = json_array_get(json_object_get(json, "layers"), 2);
    json_int_t parameters, weights, bytes, threads, batch_size;
    const char *name;
    json_t *shape;
    assert_int_equal(json_unpack(layer, "{s:s, s:o}", "name", &name, "output_shape", &shape), 0);
    assert_string_equal(name, "conv2d_1");
    assert_int_equal(json_array_size(shape), 3);
    assert_int_equal(json_integer_value(json_array_get(shape, 2)), 32);
    assert_int_equal(json_unpack(json, "{s:I, s:{s:I, s:{s:I, s:I, s:I}}}", "parameters", &parameters,
                                 "memory", "weights_bytes", &weights, "training", "bytes", &bytes, "threads",
                                 &threads, "batch_size", &batch_size),
                     0);
    assert_int_equal(parameters, 55338);
    assert_int_equal(weights, 4 * 55338);
    assert_true(bytes > 3 * weights); /* weights, gradients, two moments */
    assert_int_equal(threads, 3);
    assert_int_equal(batch_size, 32);
    json_decref(json);
}

static void describe_reads_a_model_file_and_names_all_that_is_wrong(void **state)
{
    (void)state;
    static const char good[] = "{\"blocks\": {\"filters\": [8, 16], \"dense_units\": 32}}";
    program_file_write("good.json", good, strlen(good));
    assert_int_equal(program_run("describe --model good.json"), 0);
    assert_out_has("conv2d_2           3x3 same, relu   13x13x16 ");

    static const char bad[] = "{\"layers\": [{\"type\": \"conv2d\", \"filters\": 0, \"kernel_size\": 3},\n"
                              "{\"type\": \"flaten\"}]}";
    program_file_write("bad.json", bad, strlen(bad));
    assert_int_equal(program_run("describe --model bad.json"), 1);
    assert_out("");
    assert_err(
        "digitd describe: bad.json: /layers/0/filters: filters: expected a whole number from 1 to 512, found "
        "0\n"
        "digitd describe: bad.json: /layers/1/type: type: expected one of conv2d, max_pool2d, flatten, "
        "dropout, dense, found a string \"flaten\"\n");

    static const char shrunk[] = "{\"blocks\": {\"conv_blocks\": 3, \"kernel_size\": 5}}";
    program_file_write("shrunk.json", shrunk, strlen(shrunk));
    assert_int_equal(program_run("describe --model shrunk.json"), 1);
    assert_err_has(
        "shrunk.json: /layers/7/kernel_size: conv2d_5: a 5x5 kernel does not fit into its input, 4x4x128");

    program_file_write("text.json", "{\"layers\":\n oops}", 17);
    assert_int_equal(program_run("describe --model text.json"), 1);
    assert_err_has("text.json: not valid JSON at line 2");
    assert_int_equal(program_run("describe --model none.json"), 1);
    assert_err("digitd describe: none.json: No such file or directory\n");
}

static void describe_refuses_contradicting_arguments(void **state)
{
    (void)state;
    assert_int_equal(program_run("describe --preset small --model m.json"), 2);
    assert_int_equal(program_run("describe --preset small m.safetensors"), 2);
    assert_int_equal(program_run("describe --preset huge"), 2);
    assert_err("digitd describe: --preset: no preset is called \"huge\"; there are: reference, "
               "reference_dropout, small, large\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, program_folder_make, program_folder_remove)
    const struct CMUnitTest tests[] = {
        TEST(without_a_command_the_usage_is_wrong),
        TEST(an_unknown_command_suggests_the_nearest),
        TEST(help_lists_every_command),
        TEST(every_command_explains_itself),
        TEST(the_documentation_is_what_the_program_says),
        TEST(bash_completes_commands_actions_and_options),
        TEST(version_is_printed_and_as_json),
        TEST(a_result_that_cannot_be_written_is_a_failure),
        TEST(describe_prints_the_layers_as_kerass_summary),
        TEST(describe_as_json_has_shapes_and_memory),
        TEST(describe_reads_a_model_file_and_names_all_that_is_wrong),
        TEST(describe_refuses_contradicting_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
