/* Following what goes on at a server: Server-Sent Events (WHATWG HTML 9.2), read as they come. */
#include "server/client_private.h"

#include "server/cli.h"
#include "server/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINE_MAX_SIZE ((size_t)1 << 20)

struct follower {
    const struct client_listener *listener;
    void *context;
    bool is_open; /* the listener knows that the connection is there */
    bool done;    /* the listener has enough */
    double heard; /* when something last came */
    int retry_ms; /* the server's wish */
    char last_id[24], id[24];
    char type[32];
    char *line, *data; /* what there is of a line; an event's data */
    size_t length, capacity;
};

/* ---- Lines and messages -------------------------------------------------------------------------- */

static void end_message(struct follower *follower)
{
    json_t *event = follower->data ? json_loads(follower->data, 0, NULL) : NULL;
    if (*follower->id)
        memcpy(follower->last_id, follower->id, sizeof follower->last_id);
    if (event && !follower->listener->tell(follower->context, follower->type, event))
        follower->done = true;
    json_decref(event);
    free(follower->data);
    follower->data = NULL;
    follower->id[0] = follower->type[0] = '\0';
}

/* What follows a field's name and its colon; NULL when the line has another. */
static const char *value_of(const char *line, const char *field)
{
    size_t length = strlen(field);
    if (strncmp(line, field, length) != 0 || line[length] != ':')
        return NULL;
    return line + length + 1 + (line[length + 1] == ' ');
}

static void end_line(struct follower *follower)
{
    const char *line = follower->line, *value;
    if (*line == '\0')
        end_message(follower);
    else if ((value = value_of(line, "id")))
        snprintf(follower->id, sizeof follower->id, "%s", value);
    else if ((value = value_of(line, "event")))
        snprintf(follower->type, sizeof follower->type, "%s", value);
    else if ((value = value_of(line, "data")) && !follower->data)
        follower->data = strdup(value); /* digitd's data is one line */
    else if ((value = value_of(line, "retry")))
        follower->retry_ms = atoi(value) > 0 && atoi(value) <= 60000 ? atoi(value) : follower->retry_ms;
}

static bool add_to_line(struct follower *follower, const char *bytes, size_t size)
{
    if (size > LINE_MAX_SIZE - follower->length)
        return false;
    if (follower->length + size + 1 > follower->capacity) {
        size_t capacity = 2 * (follower->length + size + 1);
        char *larger = realloc(follower->line, capacity);
        if (!larger)
            return false;
        follower->line = larger;
        follower->capacity = capacity;
    }
    memcpy(follower->line + follower->length, bytes, size);
    follower->length += size;
    follower->line[follower->length] = '\0';
    return true;
}

static bool read_stream(void *context, const char *bytes, size_t size)
{
    struct follower *follower = context;
    follower->heard = clock_seconds();
    if (!follower->is_open && follower->listener->opened)
        follower->listener->opened(follower->context);
    follower->is_open = true;
    while (size > 0 && !follower->done) {
        const char *end = memchr(bytes, '\n', size);
        size_t part = end ? (size_t)(end - bytes) : size;
        if (!add_to_line(follower, bytes, part))
            return false;
        bytes += part + (end != NULL);
        size -= part + (end != NULL);
        if (end) {
            end_line(follower);
            follower->length = 0;
        }
    }
    return !follower->done;
}

/* ---- The connection ------------------------------------------------------------------------------ */

static CURLcode listen_once(struct client *client, const char *path, struct follower *follower)
{
    char resume[64];
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: text/event-stream"), *more = headers;
    snprintf(resume, sizeof resume, "Last-Event-ID: %s", follower->last_id);
    if (headers && *follower->last_id)
        more = curl_slist_append(headers, resume);
    client->sink = read_stream;
    client->context = follower;
    follower->is_open = false;
    follower->length = 0; /* half a message of a connection that broke counts for nothing */
    free(follower->data);
    follower->data = NULL;
    follower->id[0] = follower->type[0] = '\0';
    CURLcode code = more ? client_perform(client, "GET", path, NULL, headers) : CURLE_OUT_OF_MEMORY;
    curl_slist_free_all(headers);
    client->sink = NULL;
    return code;
}

/* A server that starts anew, and a proxy before one, answer with these for a while. */
static bool passes(const struct client *client, CURLcode code)
{
    return code != CURLE_OK || client->status == 200 || client->status == 429 || client->status >= 500;
}

/* Ctrl-C ends it early. */
static void wait_ms(int ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

static int follow(struct client *client, const char *path, struct follower *follower)
{
    bool told = false;
    for (;;) {
        double before = follower->heard;
        CURLcode code = listen_once(client, path, follower);
        if (cli_interrupted())
            return EXIT_INTERRUPTED;
        if (follower->done || (code == CURLE_OK && client->status == 204))
            return EXIT_SUCCESS;
        if (!passes(client, code))
            return client_report_problem(client);
        told = told && follower->heard == before;
        if (clock_seconds() - follower->heard > CLIENT_PATIENCE)
            return code == CURLE_OK && client->status != 200 ? client_report_problem(client)
                                                             : client_report_unreachable(client, code);
        if (!told)
            follower->listener->lost(follower->context);
        told = true;
        wait_ms(follower->retry_ms);
        if (cli_interrupted())
            return EXIT_INTERRUPTED;
    }
}

/* By a client of its own: the listener may ask with the one that it has. */
int client_follow(const struct client *client, const char *path, const struct client_listener *listener,
                  void *context)
{
    struct follower follower = {
        .listener = listener, .context = context, .heard = clock_seconds(), .retry_ms = 2000};
    struct client *stream;
    int exit_code = client_open(client->options, client->settings, &stream);
    if (exit_code != EXIT_SUCCESS)
        return exit_code;
    exit_code = follow(stream, path, &follower);
    client_close(stream);
    free(follower.line);
    free(follower.data);
    return exit_code;
}
