#include "server/options.h"
#include "server/nearest.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MOST_OPTIONS 64
#define HELP_COLUMNS 80
#define FIRST_CODE   256 /* getopt's codes of long options lie above those of all characters */

/* ---- Help ---------------------------------------------------------------------------------------- */

static int print_name(FILE *stream, const struct option_spec *spec)
{
    return fprintf(stream, "  --%s%s%s", spec->name, spec->value ? " " : "", spec->value ? spec->value : "");
}

/* Prints words of `text` from column `column` on, in lines that begin at `indent`. */
static int print_wrapped(FILE *stream, const char *text, int column, int indent)
{
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (column > indent && column + 1 + length > HELP_COLUMNS) {
            fprintf(stream, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            column += fprintf(stream, " ");
        }
        column += fprintf(stream, "%.*s", length, text);
        text += length;
        text += strspn(text, " ");
    }
    return column;
}

/* The present value as a default, "" where it is none: false, NULL, 0, NaN. */
static void describe_default(const struct option_spec *spec, const void *slot, char *ret_text, size_t size)
{
    ret_text[0] = '\0';
    switch (spec->type) {
    case OPTION_FLAG:
    case OPTION_SECRET:
        break;
    case OPTION_INT:
        if (*(const int *)slot != 0)
            snprintf(ret_text, size, "(default %d)", *(const int *)slot);
        break;
    case OPTION_INT64:
        if (*(const int64_t *)slot != 0)
            snprintf(ret_text, size, "(default %lld)", (long long)*(const int64_t *)slot);
        break;
    case OPTION_DOUBLE:
        if (!isnan(*(const double *)slot) && *(const double *)slot != 0)
            snprintf(ret_text, size, "(default %g)", *(const double *)slot);
        break;
    case OPTION_BYTES:
        if (*(const size_t *)slot != 0)
            snprintf(ret_text, size, "(default %zuM)", *(const size_t *)slot >> 20);
        break;
    case OPTION_STRING:
        if (*(const char *const *)slot)
            snprintf(ret_text, size, "(default %s)", *(const char *const *)slot);
        break;
    case OPTION_CHOICE:
        snprintf(ret_text, size, "(default %s)", spec->choices[*(const int *)slot]);
        break;
    }
}

static void print_help(const struct options *options, const void *settings)
{
    int indent = (int)strlen("  --help");
    for (size_t i = 0; i < options->count; i++) {
        const struct option_spec *spec = &options->specs[i];
        int length = 4 + (int)strlen(spec->name) + (spec->value ? 1 + (int)strlen(spec->value) : 0);
        indent = length > indent ? length : indent;
    }
    indent += 2;
    printf("Usage: digitd %s %s\n\n%s\n\nOptions:\n", options->command, options->arguments, options->about);
    for (size_t i = 0; i < options->count; i++) {
        const struct option_spec *spec = &options->specs[i];
        char value[256];
        describe_default(spec, (const char *)settings + spec->offset, value, sizeof value);
        printf("%*s", indent - print_name(stdout, spec), "");
        print_wrapped(stdout, value, print_wrapped(stdout, spec->help, indent, indent), indent);
        putchar('\n');
    }
    printf("%-*sPrint this help\n", indent, "  --help");
    if (options->count > 0)
        printf("\nEach option can be set in the environment too: DIGITD_ and its name in capitals,\n"
               "with _ for -. The command line wins.\n");
}

int options_wrong(const struct options *options, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "digitd %s: ", options->command);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\nTry 'digitd help %s'.\n", options->command);
    va_end(arguments);
    return EXIT_USAGE;
}

/* ---- Values -------------------------------------------------------------------------------------- */

static bool parse_flag(const char *text, bool *ret_flag)
{
    static const char *const names[] = {"0", "1", "false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (strcasecmp(text, names[i]) == 0) {
            *ret_flag = i % 2 == 1;
            return true;
        }
    }
    return false;
}

static bool parse_whole(const char *text, int64_t *ret_number, const char **ret_end)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || errno != 0 || isspace((unsigned char)*text))
        return false;
    *ret_number = number;
    *ret_end = end;
    return true;
}

/* 512K, 64M, 2G; less than 2^53, so that ranges can be compared in doubles. */
static bool parse_bytes(const char *text, size_t *ret_bytes)
{
    static const char units[] = "KMGT";
    const char *end;
    int64_t number;
    if (!parse_whole(text, &number, &end) || number < 0)
        return false;
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    if ((*end && (!unit || end[1])) || number >= INT64_C(1) << (53 - shift))
        return false;
    *ret_bytes = (size_t)number << shift;
    return true;
}

static bool in_range(const struct option_spec *spec, double number)
{
    return (spec->min == 0 && spec->max == 0) || (number >= spec->min && number <= spec->max);
}

static bool read_whole(const struct option_spec *spec, const char *text, void *slot)
{
    int64_t number;
    const char *end;
    if (!parse_whole(text, &number, &end) || *end || !in_range(spec, (double)number))
        return false;
    if (spec->type == OPTION_INT64)
        *(int64_t *)slot = number;
    else if (number >= INT32_MIN && number <= INT32_MAX)
        *(int *)slot = (int)number;
    else
        return false;
    return true;
}

static bool read_double(const struct option_spec *spec, const char *text, double *slot)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end || isspace((unsigned char)*text) || !isfinite(number) || !in_range(spec, number))
        return false;
    *slot = number;
    return true;
}

static bool read_bytes(const struct option_spec *spec, const char *text, size_t *slot)
{
    size_t bytes;
    if (!parse_bytes(text, &bytes) || !in_range(spec, (double)bytes))
        return false;
    *slot = bytes;
    return true;
}

static bool read_choice(const struct option_spec *spec, const char *text, int *slot)
{
    for (int i = 0; spec->choices[i]; i++) {
        if (strcmp(spec->choices[i], text) == 0) {
            *slot = i;
            return true;
        }
    }
    return false;
}

static bool read_value(const struct option_spec *spec, const char *text, void *slot)
{
    switch (spec->type) {
    case OPTION_FLAG:
        return parse_flag(text, slot);
    case OPTION_INT:
    case OPTION_INT64:
        return read_whole(spec, text, slot);
    case OPTION_DOUBLE:
        return read_double(spec, text, slot);
    case OPTION_BYTES:
        return read_bytes(spec, text, slot);
    case OPTION_STRING:
    case OPTION_SECRET:
        *(const char **)slot = text;
        return *text != '\0';
    case OPTION_CHOICE:
        return read_choice(spec, text, slot);
    }
    return false;
}

/* "a whole number from 1 to 256", "one of auto, raw, drawing" */
static void describe_expected(const struct option_spec *spec, char *ret_text, size_t size)
{
    static const char *const nouns[] = {
        [OPTION_FLAG] = "1 or 0",
        [OPTION_INT] = "a whole number",
        [OPTION_INT64] = "a whole number",
        [OPTION_DOUBLE] = "a number",
        [OPTION_BYTES] = "a number of bytes such as 64M",
        [OPTION_STRING] = "some text",
        [OPTION_SECRET] = "some text",
        [OPTION_CHOICE] = "one of",
    };
    size_t used = (size_t)snprintf(ret_text, size, "%s", nouns[spec->type]);
    if (spec->min != 0 || spec->max != 0)
        snprintf(ret_text + used, size - used, " from %.16g to %.16g", spec->min, spec->max);
    for (size_t i = 0; spec->type == OPTION_CHOICE && spec->choices[i] && used < size; i++)
        used += (size_t)snprintf(ret_text + used, size - used, "%s%s", i ? ", " : " ", spec->choices[i]);
}

/* `source` is how the user named the option: "--threads" or "DIGITD_THREADS". */
static int refuse_value(const struct options *options, const struct option_spec *spec, const char *source,
                        const char *text)
{
    char expected[200];
    describe_expected(spec, expected, sizeof expected);
    return options_wrong(options, "%s: expected %s, found \"%s\"", source, expected, text);
}

/* ---- Environment and command line ----------------------------------------------------------------- */

/* A variable whose value was refused. */
struct bad_variable {
    const struct option_spec *spec; /* NULL: there is none */
    char name[64];
    const char *text;
};

/* Empty variables count as not set. */
static struct bad_variable read_environment(const struct options *options, void *settings)
{
    struct bad_variable bad = {0};
    for (size_t i = 0; i < options->count && !bad.spec; i++) {
        const struct option_spec *spec = &options->specs[i];
        snprintf(bad.name, sizeof bad.name, "DIGITD_%s", spec->name);
        for (char *at = bad.name; *at; at++)
            *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
        bad.text = getenv(bad.name);
        if (bad.text && *bad.text && !read_value(spec, bad.text, (char *)settings + spec->offset))
            bad.spec = spec;
    }
    return bad;
}

/* getopt refused argv[optind - 1]: says why. */
static int refuse(const struct options *options, int code, char **argv)
{
    if (code == ':')
        return options_wrong(options, "%s needs a value", argv[optind - 1]);
    if (optopt >= FIRST_CODE)
        return options_wrong(options, "--%s takes no value", options->specs[optopt - FIRST_CODE].name);
    if (optopt != 0)
        return options_wrong(options, "unknown option -%c", optopt);
    char name[64];
    const char *given = argv[optind - 1];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(given + 2, "="), given + 2);
    struct nearest nearest = nearest_to(name);
    for (size_t i = 0; i < options->count; i++)
        nearest_offer(&nearest, options->specs[i].name);
    if (!nearest.name)
        return options_wrong(options, "unknown option --%s", name);
    return options_wrong(options, "unknown option --%s; did you mean --%s?", name, nearest.name);
}

static int read_command_line(const struct options *options, int argc, char **argv, void *settings)
{
    struct option table[MOST_OPTIONS + 2] = {{0}};
    for (size_t i = 0; i < options->count; i++)
        table[i] = (struct option){options->specs[i].name,
                                   options->specs[i].type == OPTION_FLAG ? no_argument : required_argument,
                                   NULL, FIRST_CODE + (int)i};
    table[options->count] = (struct option){"help", no_argument, NULL, 'h'};

    optind = 0; /* GNU: start again from nothing */
    int code;
    while ((code = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
        if (code == 'h') {
            print_help(options, settings);
            return EXIT_SUCCESS;
        }
        if (code == '?' || code == ':')
            return refuse(options, code, argv);
        const struct option_spec *spec = &options->specs[code - FIRST_CODE];
        const char *text = spec->type == OPTION_FLAG ? "1" : optarg;
        if (!read_value(spec, text, (char *)settings + spec->offset)) {
            char source[64];
            snprintf(source, sizeof source, "--%s", spec->name);
            return refuse_value(options, spec, source, text);
        }
    }
    return OPTIONS_PARSED;
}

int options_parse(const struct options *options, int argc, char **argv, void *settings, int *ret_first)
{
    assert(options->count <= MOST_OPTIONS);
    /* A bad variable is reported after the command line was read: it must not come in the way of --help. */
    struct bad_variable bad = read_environment(options, settings);
    int result = read_command_line(options, argc, argv, settings);
    if (result != OPTIONS_PARSED)
        return result;
    if (bad.spec)
        return refuse_value(options, bad.spec, bad.name, bad.text);
    int given = argc - optind;
    if (given < options->min_arguments)
        return options_wrong(options, "an argument is missing: digitd %s %s", options->command,
                             options->arguments);
    if (options->max_arguments >= 0 && given > options->max_arguments)
        return options_wrong(options, "one argument too many: \"%s\"", argv[optind + options->max_arguments]);
    if (ret_first)
        *ret_first = optind;
    return OPTIONS_PARSED;
}
