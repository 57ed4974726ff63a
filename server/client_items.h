/* What jobs and sweeps have in common on a server: they are listed, paused, resumed, cancelled and deleted by their ids.
 * All return what to exit with, after messages. For the main thread. */
#ifndef DIGITD_CLIENT_ITEMS_H
#define DIGITD_CLIENT_ITEMS_H

#include "server/client.h"

struct item_kind {
    const char *path; /* "/api/v1/jobs" */
    const char *noun; /* "job" */
};

/* POST …/{id}/{verb} for each id. */
MUST_CHECK int items_change(struct client *client, const struct item_kind *kind, const char *verb,
                            char **ids);

/* DELETE …/{id} for each. */
MUST_CHECK int items_delete(struct client *client, const struct item_kind *kind, char **ids);

/* The id that was given, checked; without one that of the item that runs, or else of the newest. */
#define ITEM_ID_SIZE 65
MUST_CHECK int items_choose(struct client *client, const struct item_kind *kind, const char *given,
                            char ret_id[ITEM_ID_SIZE]);

/* With --json prints the value and takes the reference; without leaves both to the caller and returns false. */
bool items_print_json(struct client *client, json_t *json, int *ret_exit_code);

#endif
