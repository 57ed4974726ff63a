#include "server/actions.h"

#include "server/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option_spec common[] = {CLIENT_OPTIONS};

static int list_actions(const struct action_group *group, char **argv)
{
    struct client_settings settings = {.server = CLIENT_DEFAULT_SERVER};
    char *about = NULL, help[] = "--help", *arguments[] = {argv[0], help, NULL};
    size_t size;
    FILE *out = open_memstream(&about, &size);
    if (!out)
        return EXIT_FAILURE;
    fprintf(out, "%s\n\nActions:\n", group->about);
    for (size_t i = 0; i < group->count; i++)
        fprintf(out, "  %-10s %s\n", group->actions[i].name, group->actions[i].summary);
    fprintf(out, "\n'digitd help %s ACTION' explains an action and its other options.", group->command);
    if (fclose(out) != 0)
        return EXIT_FAILURE;
    const struct options options = {
        .command = group->command,
        .arguments = "[ACTION] [OPTION]... [ARGUMENT]...",
        .about = about,
        .specs = common,
        .count = ARRAY_LENGTH(common),
    };
    int exit_code = options_parse(&options, 2, arguments, &settings, NULL);
    free(about);
    return exit_code;
}

static int unknown_action(const struct action_group *group, const char *name)
{
    struct nearest nearest = nearest_to(name);
    for (size_t i = 0; i < group->count; i++)
        nearest_offer(&nearest, group->actions[i].name);
    fprintf(stderr, "digitd %s: unknown action \"%s\"", group->command, name);
    if (nearest.name)
        fprintf(stderr, "; did you mean %s?", nearest.name);
    fprintf(stderr, "\nTry 'digitd help %s'.\n", group->command);
    return EXIT_USAGE;
}

static int run(const struct action_group *group, const struct action *action, int argc, char **argv)
{
    struct client *client = NULL;
    int first;
    void *settings = malloc(group->settings_size);
    if (!settings) {
        perror("digitd");
        return EXIT_FAILURE;
    }
    memcpy(settings, group->defaults, group->settings_size);
    int exit_code = options_parse(&action->options, argc, argv, settings, &first);
    if (exit_code == OPTIONS_PARSED)
        exit_code = client_open(&action->options, settings, &client);
    if (client)
        exit_code = action->run(client, settings, argv + first);
    client_close(client);
    free(settings);
    return exit_code;
}

int actions_main(const struct action_group *group, int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    if (word && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0))
        return list_actions(group, argv);
    if (!word)
        return run(group, &group->actions[group->bare], argc, argv);
    if (*word == '-' || *word == '/')
        return run(group, &group->actions[group->unnamed], argc, argv);
    for (size_t i = 0; i < group->count; i++)
        if (strcmp(group->actions[i].name, word) == 0)
            return run(group, &group->actions[i], argc - 1, argv + 1);
    return unknown_action(group, word);
}
