#include "server/commands.h"
#include "server/options.h"

static const struct options options = {
    .command = "help",
    .arguments = "[COMMAND [ACTION]]",
    .about = "Explains a command, or an action of one, and its options, or lists the commands.",
    .max_arguments = 2,
};

int cmd_help(int argc, char **argv)
{
    int first;
    int exit_code = options_parse(&options, argc, argv, NULL, &first);
    if (exit_code != OPTIONS_PARSED)
        return exit_code;
    if (first == argc) {
        commands_print_help();
        return 0;
    }
    const struct command *command = command_find(argv[first]);
    if (!command)
        return command_unknown(argv[first]);
    char help[] = "--help", *action = argv[first + 1];
    char *arguments[] = {argv[first], action ? action : help, action ? help : NULL, NULL};
    return command->run(action ? 3 : 2, arguments);
}
