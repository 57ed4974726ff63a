/* Streams of events as a client reads them, by plain sockets. Failures here fail the running test. */
#ifndef DIGITD_TESTS_STREAMS_H
#define DIGITD_TESTS_STREAMS_H

#include "tests/api/harness.h"

struct stream;

/* GET of `path` as text/event-stream; `header` is another header line, or NULL. Reads the head of the reply. */
struct stream *stream_open(const struct server *server, const char *path, const char *header);
void stream_close(struct stream *stream);

/* Status and headers of the reply. */
long stream_status(const struct stream *stream);
const char *stream_head(const struct stream *stream);

struct message {
    long long id; /* 0 without an id line */
    char type[16];
    json_t *data; /* valid until the next call of stream_next */
};

/* The next message, comments left out; false when the server has ended the stream. */
bool stream_next(struct stream *stream, struct message *ret_message);

/* The next message that is in the log: any but progress. */
bool stream_next_durable(struct stream *stream, struct message *ret_message);

/* What is read before the first message: "retry: 2000" and the like. */
const char *stream_preamble(const struct stream *stream);

#endif
