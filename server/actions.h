/* Commands that consist of actions, `digitd jobs pause …`: a table of them each, from which come dispatch and help.
 *
 * An action has options of its own (options.h); its settings begin with struct client_settings. For the main thread. */
#ifndef DIGITD_ACTIONS_H
#define DIGITD_ACTIONS_H

#include "server/client.h"

/* `arguments` are those that are no options, NULL at the end. Returns what to exit with. */
typedef int action_function(struct client *client, const void *settings, char **arguments);

struct action {
    const char *name; /* the last word of options.command */
    action_function *run;
    const char *summary; /* one line of the command's help */
    struct options options;
};

struct action_group {
    const char *command; /* "jobs" */
    const char *about;   /* the help's text */
    const struct action *actions;
    size_t count;
    size_t bare;          /* index of the action that runs without a word behind the command */
    size_t unnamed;       /* of that which is meant where an option comes first */
    const void *defaults; /* the settings to begin with, of all actions */
    size_t settings_size;
};

int actions_main(const struct action_group *group, int argc, char **argv);

#endif
