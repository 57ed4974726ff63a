#include "server/cli.h"
#include "server/commands.h"

#include <stdlib.h>

struct settings {
    bool json;
};

static const struct option_spec specs[] = {
    {"json", OPTION_FLAG, offsetof(struct settings, json), .help = "Print a JSON object"},
};
static const struct options options = {
    .command = "version",
    .arguments = "[OPTION]...",
    .about = "Prints the version of the program and of the library that multiplies its matrices, and\n"
             "the kernels that both compute with on this processor.",
    .specs = specs,
    .count = ARRAY_LENGTH(specs),
};

int cmd_version(int argc, char **argv)
{
    struct settings settings = {0};
    int exit_code = options_parse(&options, argc, argv, &settings, NULL);
    if (exit_code != OPTIONS_PARSED)
        return exit_code;
    if (settings.json)
        return cli_print_json_take(options.command,
                                   json_pack("{s:s, s:s, s:s, s:s, s:i}", "version", DIGITD_VERSION,
                                             "openblas", engine_blas_version(), "core_type",
                                             engine_core_type(), "instruction_set", engine_instruction_set(),
                                             "processors", cpu_count()));
    printf("digitd %s\n%s\ncore type %s, %s kernels\n", DIGITD_VERSION, engine_blas_version(),
           engine_core_type(), engine_instruction_set());
    return EXIT_SUCCESS;
}
