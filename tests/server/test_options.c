/* options_parse: types, ranges, environment, and the words for everything that is wrong. */
#include "server/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum colour { RED, GREEN };

struct settings {
    bool verbose;
    int threads;
    int64_t limit;
    double rate, angle;
    int level;
    size_t memory;
    const char *folder;
    enum colour colour;
};

static const char *const colours[] = {"red", "green", NULL};

#define AT(member) .offset = offsetof(struct settings, member)

static const struct option_spec specs[] = {
    {"verbose", OPTION_FLAG, AT(verbose), .help = "Say more"},
    {"threads", OPTION_INT, AT(threads), "N", .help = "Threads to use", .min = 1, .max = 256},
    {"limit", OPTION_INT64, AT(limit), "N", .help = "How many"},
    {"learning-rate", OPTION_DOUBLE, AT(rate), "X", .help = "Step size", .min = 0, .max = 10},
    {"angle", OPTION_DOUBLE, AT(angle), "X", .help = "Any number"},
    {"level", OPTION_INT, AT(level), "N", .help = "Any whole number"},
    {"memory", OPTION_BYTES, AT(memory), "BYTES", .help = "Most memory to take"},
    {"folder", OPTION_STRING, AT(folder), "DIR", .help = "Where files lie"},
    {"colour", OPTION_CHOICE, AT(colour), "NAME", .help = "What to paint with", .choices = colours},
};
static const struct options options = {
    .command = "paint",
    .arguments = "[OPTION]... FILE...",
    .about = "Paints files.",
    .specs = specs,
    .count = ARRAY_LENGTH(specs),
    .min_arguments = 0,
    .max_arguments = 2,
};

static const struct settings defaults = {.threads = 4, .rate = 0.5, .folder = "data", .memory = 64 << 20};

/* What one call of options_parse did. */
struct outcome {
    int result, first, argc;
    char *argv[24];
    struct settings settings;
    char *out, *err;
};

static void parse_with(struct outcome *outcome, const struct options *table)
{
    size_t out_size, err_size;
    FILE *saved_out = stdout, *saved_err = stderr;
    stdout = open_memstream(&outcome->out, &out_size);
    stderr = open_memstream(&outcome->err, &err_size);
    outcome->settings = defaults;
    outcome->result = options_parse(table, outcome->argc, outcome->argv, &outcome->settings, &outcome->first);
    fclose(stdout);
    fclose(stderr);
    stdout = saved_out;
    stderr = saved_err;
}

/* Parses the words of `line`, at most 22. The outcome is overwritten by the next call. */
static struct outcome *parse(const char *line)
{
    static struct outcome outcome;
    static char words[256];
    free(outcome.out);
    free(outcome.err);
    memset(&outcome, 0, sizeof outcome);
    snprintf(words, sizeof words, "paint %s", line);
    for (char *rest, *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        outcome.argv[outcome.argc++] = word;
    parse_with(&outcome, &options);
    return &outcome;
}

static const struct settings *settings_of(const char *line)
{
    struct outcome *outcome = parse(line);
    assert_string_equal(outcome->err, "");
    assert_int_equal(outcome->result, OPTIONS_PARSED);
    return &outcome->settings;
}

static void assert_wrong(const char *line, const char *message)
{
    struct outcome *outcome = parse(line);
    char expected[400];
    snprintf(expected, sizeof expected, "digitd paint: %s\nTry 'digitd help paint'.\n", message);
    assert_string_equal(outcome->err, expected);
    assert_string_equal(outcome->out, "");
    assert_int_equal(outcome->result, EXIT_USAGE);
}

/* ---- Values -------------------------------------------------------------------------------------- */

static void without_options_the_defaults_stay(void **state)
{
    (void)state;
    assert_memory_equal(settings_of(""), &defaults, sizeof defaults);
}

static void every_type_is_read(void **state)
{
    (void)state;
    const struct settings *settings =
        settings_of("--verbose --threads 8 --limit=-9000000000 --learning-rate 1e-3 --memory 2G --folder /x "
                    "--colour green");
    assert_true(settings->verbose);
    assert_int_equal(settings->threads, 8);
    assert_true(settings->limit == -9000000000);
    assert_true(settings->rate == 1e-3);
    assert_true(settings->memory == (size_t)2 << 30);
    assert_string_equal(settings->folder, "/x");
    assert_int_equal(settings->colour, GREEN);
}

static void sizes_have_binary_units(void **state)
{
    (void)state;
    assert_int_equal(settings_of("--memory 4096")->memory, 4096);
    assert_int_equal(settings_of("--memory 3K")->memory, 3072);
    assert_int_equal(settings_of("--memory 3m")->memory, 3 << 20);
    assert_wrong("--memory 3Q", "--memory: expected a number of bytes such as 64M, found \"3Q\"");
    assert_wrong("--memory 3MB", "--memory: expected a number of bytes such as 64M, found \"3MB\"");
    assert_wrong("--memory -1", "--memory: expected a number of bytes such as 64M, found \"-1\"");
    assert_wrong("--memory 9007199254740993", "--memory: expected a number of bytes such as 64M, found "
                                              "\"9007199254740993\"");
    assert_wrong("--memory 99999999999T",
                 "--memory: expected a number of bytes such as 64M, found \"99999999999T\"");
}

static void the_last_of_an_option_given_twice_wins(void **state)
{
    (void)state;
    assert_int_equal(settings_of("--threads 2 --threads 3")->threads, 3);
}

static void an_unambiguous_beginning_is_enough(void **state)
{
    (void)state;
    assert_int_equal(settings_of("--thr 2")->threads, 2);
}

static void arguments_may_stand_between_options(void **state)
{
    (void)state;
    struct outcome *outcome = parse("a.png --threads 2 -");
    assert_int_equal(outcome->result, OPTIONS_PARSED);
    assert_int_equal(outcome->settings.threads, 2);
    assert_int_equal(outcome->argc - outcome->first, 2);
    assert_string_equal(outcome->argv[outcome->first], "a.png");
    assert_string_equal(outcome->argv[outcome->first + 1], "-");
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    struct outcome *outcome = parse("-- --threads");
    assert_int_equal(outcome->result, OPTIONS_PARSED);
    assert_string_equal(outcome->argv[outcome->first], "--threads");
}

/* ---- What is wrong ------------------------------------------------------------------------------- */

static void wrong_values_are_named_with_what_is_allowed(void **state)
{
    (void)state;
    assert_wrong("--threads 0", "--threads: expected a whole number from 1 to 256, found \"0\"");
    assert_wrong("--threads 257", "--threads: expected a whole number from 1 to 256, found \"257\"");
    assert_wrong("--threads two", "--threads: expected a whole number from 1 to 256, found \"two\"");
    assert_wrong("--threads 2x", "--threads: expected a whole number from 1 to 256, found \"2x\"");
    assert_wrong("--threads 4294967297",
                 "--threads: expected a whole number from 1 to 256, found \"4294967297\"");
    assert_wrong("--limit 99999999999999999999",
                 "--limit: expected a whole number, found \"99999999999999999999\"");
    assert_wrong("--learning-rate nan", "--learning-rate: expected a number from 0 to 10, found \"nan\"");
    assert_wrong("--angle inf", "--angle: expected a number, found \"inf\"");
    assert_wrong("--level 4294967297", "--level: expected a whole number, found \"4294967297\"");
    assert_wrong("--learning-rate inf", "--learning-rate: expected a number from 0 to 10, found \"inf\"");
    assert_wrong("--learning-rate 11", "--learning-rate: expected a number from 0 to 10, found \"11\"");
    assert_wrong("--folder=", "--folder: expected some text, found \"\"");
    assert_wrong("--colour blue", "--colour: expected one of red, green, found \"blue\"");
}

static void unknown_options_suggest_the_nearest(void **state)
{
    (void)state;
    assert_wrong("--treads 2", "unknown option --treads; did you mean --threads?");
    assert_wrong("--learningrate=2", "unknown option --learningrate; did you mean --learning-rate?");
    assert_wrong("--xyzzy", "unknown option --xyzzy");
    assert_wrong("-x", "unknown option -x");
}

static void a_missing_or_superfluous_value_is_named(void **state)
{
    (void)state;
    assert_wrong("--threads", "--threads needs a value");
    assert_wrong("--verbose=1", "--verbose takes no value");
}

static void the_number_of_arguments_is_checked(void **state)
{
    (void)state;
    assert_wrong("a b c", "one argument too many: \"c\"");
    struct options needs_one = options;
    needs_one.min_arguments = 1;
    struct outcome outcome = {.argc = 1, .argv = {(char *)"paint"}};
    parse_with(&outcome, &needs_one);
    assert_int_equal(outcome.result, EXIT_USAGE);
    assert_non_null(strstr(outcome.err, "an argument is missing: digitd paint [OPTION]... FILE...\n"));
    free(outcome.out);
    free(outcome.err);
}

/* ---- Environment --------------------------------------------------------------------------------- */

static int clear_environment(void **state)
{
    (void)state;
    unsetenv("DIGITD_THREADS");
    unsetenv("DIGITD_LEARNING_RATE");
    unsetenv("DIGITD_VERBOSE");
    return 0;
}

static void the_environment_sets_what_the_command_line_does_not(void **state)
{
    (void)state;
    setenv("DIGITD_THREADS", "7", 1);
    setenv("DIGITD_LEARNING_RATE", "0.25", 1);
    const struct settings *settings = settings_of("--threads 3");
    assert_int_equal(settings->threads, 3);
    assert_true(settings->rate == 0.25);
}

static void flags_in_the_environment_are_true_or_false(void **state)
{
    (void)state;
    setenv("DIGITD_VERBOSE", "Yes", 1);
    assert_true(settings_of("")->verbose);
    setenv("DIGITD_VERBOSE", "0", 1);
    assert_false(settings_of("")->verbose);
    setenv("DIGITD_VERBOSE", "perhaps", 1);
    assert_wrong("", "DIGITD_VERBOSE: expected 1 or 0, found \"perhaps\"");
}

static void an_empty_variable_is_not_set(void **state)
{
    (void)state;
    setenv("DIGITD_THREADS", "", 1);
    assert_int_equal(settings_of("")->threads, 4);
}

static void a_bad_variable_is_named_but_does_not_hide_the_help(void **state)
{
    (void)state;
    setenv("DIGITD_THREADS", "many", 1);
    assert_wrong("", "DIGITD_THREADS: expected a whole number from 1 to 256, found \"many\"");
    assert_int_equal(parse("--help")->result, EXIT_SUCCESS);
}

/* ---- Help ---------------------------------------------------------------------------------------- */

static void help_lists_every_option_with_its_default(void **state)
{
    (void)state;
    struct outcome *outcome = parse("--help --threads");
    assert_int_equal(outcome->result, EXIT_SUCCESS);
    assert_string_equal(outcome->err, "");
    assert_string_equal(outcome->out,
                        "Usage: digitd paint [OPTION]... FILE...\n"
                        "\n"
                        "Paints files.\n"
                        "\n"
                        "Options:\n"
                        "  --verbose          Say more\n"
                        "  --threads N        Threads to use (default 4)\n"
                        "  --limit N          How many\n"
                        "  --learning-rate X  Step size (default 0.5)\n"
                        "  --angle X          Any number\n"
                        "  --level N          Any whole number\n"
                        "  --memory BYTES     Most memory to take (default 64M)\n"
                        "  --folder DIR       Where files lie (default data)\n"
                        "  --colour NAME      What to paint with (default red)\n"
                        "  --help             Print this help\n"
                        "\n"
                        "Each option can be set in the environment too: DIGITD_ and its name in capitals,\n"
                        "with _ for -. The command line wins.\n");
    assert_int_equal(parse("-h")->result, EXIT_SUCCESS);
}

static void long_help_is_wrapped_under_itself(void **state)
{
    (void)state;
    static const struct option_spec long_specs[] = {
        {"size", OPTION_FLAG, AT(verbose),
         .help = "A sentence that is too long for the eighty columns of a terminal line, as some are"},
    };
    struct options table = options;
    table.specs = long_specs;
    table.count = 1;
    struct outcome outcome = {.argc = 2, .argv = {(char *)"paint", (char *)"--help"}};
    parse_with(&outcome, &table);
    assert_non_null(strstr(
        outcome.out, "  --size  A sentence that is too long for the eighty columns of a terminal line,\n"
                     "          as some are\n"));
    free(outcome.out);
    free(outcome.err);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, clear_environment, clear_environment)
    const struct CMUnitTest tests[] = {
        TEST(without_options_the_defaults_stay),
        TEST(every_type_is_read),
        TEST(sizes_have_binary_units),
        TEST(the_last_of_an_option_given_twice_wins),
        TEST(an_unambiguous_beginning_is_enough),
        TEST(arguments_may_stand_between_options),
        TEST(two_dashes_end_the_options),
        TEST(wrong_values_are_named_with_what_is_allowed),
        TEST(unknown_options_suggest_the_nearest),
        TEST(a_missing_or_superfluous_value_is_named),
        TEST(the_number_of_arguments_is_checked),
        TEST(the_environment_sets_what_the_command_line_does_not),
        TEST(flags_in_the_environment_are_true_or_false),
        TEST(an_empty_variable_is_not_set),
        TEST(a_bad_variable_is_named_but_does_not_hide_the_help),
        TEST(help_lists_every_option_with_its_default),
        TEST(long_help_is_wrapped_under_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
