/* The commands of the program, one table. A new command is a function and a line there. */
#ifndef DIGITD_COMMANDS_H
#define DIGITD_COMMANDS_H

/* argv[0] is the command's name; options and arguments follow, and NULL. Every command understands --help (options.h).
 * The result is what to exit with: 0 done, 1 failed, 2 wrong usage. */
typedef int command_function(int argc, char **argv);

struct command {
    const char *name;
    command_function *run;
    const char *summary; /* one line of the help */
};

/* NULL when there is none. */
const struct command *command_find(const char *name);

/* Says on stderr that there is no such command, and which one may be meant. Returns EXIT_USAGE. */
int command_unknown(const char *name);

/* Prints how to use the program, and its commands. */
void commands_print_help(void);

command_function cmd_train, cmd_evaluate, cmd_predict, cmd_describe, cmd_export, cmd_jobs, cmd_models,
    cmd_sweep, cmd_data, cmd_version, cmd_help;

#endif
