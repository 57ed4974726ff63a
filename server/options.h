/* Command-line options as a table: names, types and ranges, help text, and an environment variable for each.
 *
 * A command has a plain struct of its settings, filled with the defaults, and a table that says which option goes
 * where in it. `--batch-size 64`, `--batch-size=64` and DIGITD_BATCH_SIZE=64 set the same member; the command line
 * wins over the environment. --help and -h print the table.
 *
 *     static const struct option_spec specs[] = {
 *         {"listen", OPTION_STRING, offsetof(struct settings, listen), "HOST:PORT", .help = "Where to listen"},
 *         {"no-auth", OPTION_FLAG, offsetof(struct settings, no_auth), .help = "Let everyone in"},
 *     };
 *     static const struct options options = {"serve", "[OPTION]...", "Serves …", specs, ARRAY_LENGTH(specs)};
 *
 *     struct settings settings = {.listen = "127.0.0.1:8080"};
 *     int exit_code = options_parse(&options, argc, argv, &settings, NULL);
 *     if (exit_code != OPTIONS_PARSED)
 *         return exit_code;
 *
 * For the main thread, before others start: getopt keeps its place in globals. */
#ifndef DIGITD_OPTIONS_H
#define DIGITD_OPTIONS_H

#include "engine/engine.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof *(array))

enum option_type {
    OPTION_FLAG,   /* bool: without a value; in the environment 1, true, yes, on or 0, false, no, off */
    OPTION_INT,    /* int */
    OPTION_INT64,  /* int64_t */
    OPTION_DOUBLE, /* double, finite */
    OPTION_BYTES,  /* size_t; 4096, 512K, 64M, 2G (powers of 1024) */
    OPTION_STRING, /* const char *, not empty; points into argv or the environment */
    OPTION_SECRET, /* the same, and its value is never shown */
    OPTION_CHOICE, /* int or an enum that counts from 0: one of `choices` */
};

struct option_spec {
    const char *name; /* without the dashes */
    enum option_type type;
    size_t offset;              /* of the member in the settings */
    const char *value;          /* what to call the value in the help, as "N" or "DIR" */
    const char *help;           /* a sentence or two without the default, which is added */
    double min, max;            /* of a number, both allowed; min = max = 0: any */
    const char *const *choices; /* NULL at the end */
};

struct options {
    const char *command;   /* "train" */
    const char *arguments; /* what follows it, as "[OPTION]... FILE..." */
    const char *about;     /* the help's text, lines of at most 80 columns */
    const struct option_spec *specs;
    size_t count;
    int min_arguments, max_arguments; /* of those that are not options; -1: any number */
};

#define EXIT_USAGE     2
#define OPTIONS_PARSED (-1)

/* Reads the environment, then argv[1..] (argv[0] is the command's name) into `settings`. Returns OPTIONS_PARSED, or
 * what to exit with: 0 after --help, EXIT_USAGE after a message on stderr. Arguments that are not options end up at
 * argv[*ret_first] .. argv[argc-1]; options may come after them. `ret_first` may be NULL where there are none. */
MUST_CHECK int options_parse(const struct options *options, int argc, char **argv, void *settings,
                             int *ret_first);

/* Says on stderr what is wrong with the usage: "digitd train: …", and where help is. Returns EXIT_USAGE. */
int options_wrong(const struct options *options, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
