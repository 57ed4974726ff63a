/* The program's entry: finds the command and hands it the rest of the command line. */
#include "server/commands.h"
#include "server/engine_start.h"
#include "server/options.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run(int argc, char **argv)
{
    if (argc < 2) {
        fputs("digitd: a command is missing\nTry 'digitd help'.\n", stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    else if (strcmp(name, "--version") == 0)
        name = "version";
    const struct command *command = command_find(name);
    return command ? command->run(argc - 1, argv + 1) : command_unknown(name);
}

int main(int argc, char **argv)
{
    json_object_seed(0); /* before any thread: jansson seeds its hash tables once */
    engine_start_arguments(argv);
    int exit_code = run(argc, argv);
    /* A result that did not reach its file is no result. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("digitd: cannot write to stdout");
        return EXIT_FAILURE;
    }
    return exit_code;
}
