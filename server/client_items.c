#include "server/client_items.h"

#include "server/cli.h"
#include "server/client_json.h"

#include <stdlib.h>
#include <string.h>

bool items_print_json(struct client *client, json_t *json, int *ret_exit_code)
{
    if (!client_settings(client)->json)
        return false;
    *ret_exit_code = cli_print_json_take(client_command(client), json);
    return true;
}

static bool check_id(const struct client *client, const struct item_kind *kind, const char *id)
{
    char what[32];
    snprintf(what, sizeof what, "a %s's id", kind->noun);
    return client_check_name(client, what, id);
}

static int change(struct client *client, const struct item_kind *kind, const char *verb, const char *id)
{
    json_t *item = NULL;
    if (!check_id(client, kind, id))
        return EXIT_USAGE;
    int exit_code = client_send_take(client, "POST", NULL, &item, "%s/%s/%s", kind->path, id, verb);
    if (exit_code != EXIT_SUCCESS || items_print_json(client, item, &exit_code))
        return exit_code;
    printf("%s  %s%s\n", id, client_text_at(item, "/state"),
           client_status(client) == 202 ? "" : " (as it was)");
    json_decref(item);
    return EXIT_SUCCESS;
}

int items_change(struct client *client, const struct item_kind *kind, const char *verb, char **ids)
{
    int worst = EXIT_SUCCESS;
    for (; *ids && !cli_interrupted(); ids++) {
        int exit_code = change(client, kind, verb, *ids);
        worst = exit_code != EXIT_SUCCESS ? exit_code : worst;
    }
    return cli_interrupted() ? EXIT_INTERRUPTED : worst;
}

static int delete (struct client *client, const struct item_kind *kind, const char *id)
{
    if (!check_id(client, kind, id))
        return EXIT_USAGE;
    int exit_code = client_send_take(client, "DELETE", NULL, NULL, "%s/%s", kind->path, id);
    if (exit_code == EXIT_SUCCESS && client_settings(client)->json)
        return cli_print_json_take(client_command(client),
                                   json_pack("{s:s, s:b}", "id", id, "deleted", true));
    if (exit_code == EXIT_SUCCESS)
        printf("%s  deleted\n", id);
    return exit_code;
}

int items_delete(struct client *client, const struct item_kind *kind, char **ids)
{
    int worst = EXIT_SUCCESS;
    for (; *ids && !cli_interrupted(); ids++) {
        int exit_code = delete (client, kind, *ids);
        worst = exit_code != EXIT_SUCCESS ? exit_code : worst;
    }
    return cli_interrupted() ? EXIT_INTERRUPTED : worst;
}

int items_choose(struct client *client, const struct item_kind *kind, const char *given,
                 char ret_id[ITEM_ID_SIZE])
{
    json_t *page = NULL, *item, *chosen = NULL;
    size_t i;
    if (given) {
        snprintf(ret_id, ITEM_ID_SIZE, "%.64s", given);
        return check_id(client, kind, given) ? EXIT_SUCCESS : EXIT_USAGE;
    }
    int exit_code = client_get(client, &page, "%s?limit=50", kind->path);
    if (exit_code != EXIT_SUCCESS)
        return exit_code;
    json_array_foreach(json_object_get(page, "data"), i, item)
    {
        bool runs = strcmp(client_text_at(item, "/state"), "running") == 0;
        if (!chosen || (runs && strcmp(client_text_at(chosen, "/state"), "running") != 0))
            chosen = item;
    }
    snprintf(ret_id, ITEM_ID_SIZE, "%s", client_text_at(chosen, "/id"));
    if (!chosen)
        exit_code = cli_failed(client_command(client), "the server has no %ss yet", kind->noun);
    json_decref(page);
    return exit_code;
}
