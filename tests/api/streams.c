#include "tests/api/streams.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define PATIENCE_MS 60000

struct stream {
    int fd;
    long status;
    char head[2048], preamble[128];
    char buffer[64 << 10];
    size_t size, consumed;
    json_t *data;
};

/* Reads more; false at the end of the stream. */
static bool read_more(struct stream *stream)
{
    struct pollfd waiting = {.fd = stream->fd, .events = POLLIN};
    memmove(stream->buffer, stream->buffer + stream->consumed, stream->size - stream->consumed);
    stream->size -= stream->consumed;
    stream->consumed = 0;
    if (stream->size + 1 >= sizeof stream->buffer)
        fail_msg("a message is too large: %.200s", stream->buffer);
    if (poll(&waiting, 1, PATIENCE_MS) != 1)
        fail_msg("nothing comes on a stream: %.*s", (int)stream->size, stream->buffer);
    ssize_t got = read(stream->fd, stream->buffer + stream->size, sizeof stream->buffer - 1 - stream->size);
    if (got <= 0)
        return false;
    stream->size += (size_t)got;
    stream->buffer[stream->size] = '\0';
    return true;
}

/* The text up to `end`, which is taken away with it; NULL at the end of the stream. */
static char *take_until(struct stream *stream, const char *end)
{
    for (;;) {
        char *start = stream->buffer + stream->consumed;
        char *found = strstr(start, end);
        if (found) {
            *found = '\0';
            stream->consumed = (size_t)(found - stream->buffer) + strlen(end);
            return start;
        }
        if (!read_more(stream))
            return NULL;
    }
}

struct stream *stream_open(const struct server *server, const char *path, const char *header)
{
    struct stream *stream = calloc(1, sizeof *stream);
    char request[512];
    assert_non_null(stream);
    stream->fd = raw_connect(server);
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n%s%s\r\n", path,
                          header ? header : "", header ? "\r\n" : "");
    raw_send(stream->fd, request, (size_t)length);
    const char *head = take_until(stream, "\r\n\r\n");
    if (!head)
        fail_msg("%s: the connection was closed without a reply", path);
    snprintf(stream->head, sizeof stream->head, "%s", head);
    stream->status = strtol(stream->head + strlen("HTTP/1.1 "), NULL, 10);
    return stream;
}

void stream_close(struct stream *stream)
{
    json_decref(stream->data);
    close(stream->fd);
    free(stream);
}

long stream_status(const struct stream *stream)
{
    return stream->status;
}

const char *stream_head(const struct stream *stream)
{
    return stream->head;
}

const char *stream_preamble(const struct stream *stream)
{
    return stream->preamble;
}

static void read_line(struct stream *stream, const char *line, struct message *message)
{
    if (strncmp(line, "id: ", 4) == 0)
        message->id = strtoll(line + 4, NULL, 10);
    else if (strncmp(line, "event: ", 7) == 0)
        snprintf(message->type, sizeof message->type, "%s", line + 7);
    else if (strncmp(line, "data: ", 6) == 0)
        stream->data = json_loads(line + 6, JSON_REJECT_DUPLICATES, NULL);
    else if (strncmp(line, "retry: ", 7) == 0)
        snprintf(stream->preamble, sizeof stream->preamble, "%s", line);
    else if (*line != ':')
        fail_msg("this is no line of an event stream: %s", line);
}

bool stream_next(struct stream *stream, struct message *ret_message)
{
    for (;;) {
        struct message message = {0};
        char *rest = take_until(stream, "\n\n"), *line;
        if (!rest)
            return false;
        json_decref(stream->data);
        stream->data = NULL;
        while ((line = strsep(&rest, "\n")))
            read_line(stream, line, &message);
        if (!*message.type)
            continue;
        if (!stream->data)
            fail_msg("a message without data");
        message.data = stream->data;
        *ret_message = message;
        return true;
    }
}

bool stream_next_durable(struct stream *stream, struct message *ret_message)
{
    do {
        if (!stream_next(stream, ret_message))
            return false;
    } while (ret_message->id == 0);
    return true;
}
