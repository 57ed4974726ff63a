/* Requests to a running server, for the commands that talk to one: libcurl's only user in the program.
 *
 * A command has `struct client_settings client` as the first member of its settings and CLIENT_OPTIONS in its table. The
 * functions say on stderr what went wrong, in the words of the command's own options, and return what to exit with:
 *
 *     json_t *jobs;
 *     int exit_code = client_get(client, &jobs, "/api/v1/jobs?limit=%d", settings->limit);
 *     if (exit_code != EXIT_SUCCESS)
 *         return exit_code;
 *
 * The API key is sent to the server that was named, never printed, and never follows a redirection. For the main thread. */
#ifndef DIGITD_CLIENT_H
#define DIGITD_CLIENT_H

#include "server/options.h"

#include <jansson.h>
#include <stdio.h>

#define CLIENT_DEFAULT_SERVER "http://127.0.0.1:8080"
#define EXIT_CANCELLED        3   /* what was watched was cancelled or deleted */
#define EXIT_INTERRUPTED      130 /* by Ctrl-C, as shells have it */

struct client_settings {
    const char *server, *api_key, *api_key_file;
    bool json, no_progress;
};

#define CLIENT_AT(member) offsetof(struct client_settings, member)

/* Rows of the table. */
#define CLIENT_OPTIONS                                                                                       \
    {"server", OPTION_STRING, CLIENT_AT(server), "URL", .help = "The server to talk to"},                    \
        {"api-key", OPTION_SECRET, CLIENT_AT(api_key), "KEY",                                                \
         .help = "Key for a server that asks for one; other users of the machine can see it here, so rather" \
                 " set DIGITD_API_KEY or use a file"},                                                       \
        {"api-key-file", OPTION_STRING, CLIENT_AT(api_key_file), "FILE",                                     \
         .help = "The first key in this file: alone in its line, or as in serve's file"},                    \
        {"json", OPTION_FLAG, CLIENT_AT(json), .help = "Print what the server says, as JSON"},               \
    {                                                                                                        \
        "no-progress", OPTION_FLAG, CLIENT_AT(no_progress), .help = "Show no bar, only what stays"           \
    }

struct client;

/* Borrows both, and catches Ctrl-C from here on (cli_interrupted). 0, or what to exit with after a message. */
MUST_CHECK int client_open(const struct options *options, const struct client_settings *settings,
                           struct client **ret_client);
void client_close(struct client *client);

const struct client_settings *client_settings(const struct client *client);

/* "jobs list", for cli_failed. */
const char *client_command(const struct client *client);

/* ---- Requests ------------------------------------------------------------------------------------ */

/* The path is made by printf's rules; what the user gave must have passed client_check_name. `ret_json` is a new reference,
 * NULL where there is no body; it may be NULL itself. */
MUST_CHECK int client_get(struct client *client, json_t **ret_json, const char *path, ...) PRINTF_LIKE(3, 4);

/* POST, PUT or DELETE of `body`, whose reference is given up; NULL: without one. */
MUST_CHECK int client_send_take(struct client *client, const char *method, json_t *body, json_t **ret_json,
                                const char *path, ...) PRINTF_LIKE(5, 6);

/* Writes what the server has to `file`, "-" is stdout. A file appears under its name when it is whole. */
MUST_CHECK int client_download(struct client *client, const char *file, const char *path, ...)
    PRINTF_LIKE(3, 4);

struct client_file {
    const char *part; /* of the form */
    const char *path;
};

/* POST of a form with files as its parts, behind a bar if they are large. */
MUST_CHECK int client_upload(struct client *client, const struct client_file *files, size_t count,
                             json_t **ret_json, const char *path, ...) PRINTF_LIKE(5, 6);

/* POST of a file as it is. */
MUST_CHECK int client_send_file(struct client *client, const char *media_type, const char *file,
                                json_t **ret_json, const char *path, ...) PRINTF_LIKE(5, 6);

/* HTTP status of the last answer. */
long client_status(const struct client *client);

/* Whether `name` can be a name or an id in a path; says so if not. `what` is "a job's id". */
MUST_CHECK bool client_check_name(const struct client *client, const char *what, const char *name);

/* ---- Following what goes on -------------------------------------------------------------------------------------- */

struct client_listener {
    /* What an event of the stream is about: its type and the whole object. False: enough. */
    bool (*tell)(void *context, const char *type, const json_t *event);
    /* There is a connection, at first or again: what happens from now on will be told. NULL: of no interest. */
    void (*opened)(void *context);
    void (*lost)(void *context); /* the connection is gone */
};

/* Follows the stream of events at `path` until the listener has enough or the server says that nothing comes any more. A
 * connection that breaks is made again, after the last event that arrived, also to a server that was started anew.
 * Without a server for CLIENT_PATIENCE seconds it gives up. The listener may use `client`. EXIT_INTERRUPTED after Ctrl-C,
 * without a message. */
#define CLIENT_PATIENCE 120
MUST_CHECK int client_follow(const struct client *client, const char *path,
                             const struct client_listener *listener, void *context);

#endif
