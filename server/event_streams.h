/* Streams of events (Server-Sent Events, WHATWG HTML 9.2) to any number of clients, by one thread.
 *
 * A handler gives a socket with request_detach; from then on it is written here alone. A stream first gets the events
 * of the log after the one that its client names, then each new one once and in order, as they are committed. What a
 * client is slow to read waits in the log, not in memory; one that takes nothing for STREAM_STALL_SECONDS is cut off, to
 * go on later where it was. libmicrohttpd has no part in it: its event loops look at every suspended connection each
 * time that any is resumed, which is what predictions do.
 *
 * Any thread may call. */
#ifndef DIGITD_EVENT_STREAMS_H
#define DIGITD_EVENT_STREAMS_H

#include "engine/engine.h"
#include "server/store_events.h"

#define STREAM_STALL_SECONDS     30
#define STREAM_KEEPALIVE_SECONDS 15
#define STREAM_RETRY_MS          2000       /* after which a client shall come again */
#define STREAM_PENDING_MAX       (64 << 10) /* bytes that wait for one client, besides what its socket holds */

struct event_streams;

/* How far the jobs that run are: fills job, sweep and data (on the heap) of the `index`-th, false past the last. */
typedef bool stream_progress(void *context, size_t index, struct event_record *ret_event);

struct event_streams_config {
    size_t max; /* streams at once */
    stream_progress *progress;
    void *context;
};

/* Borrows `store`. */
MUST_CHECK enum status event_streams_create(struct store *store, const struct event_streams_config *config,
                                            struct event_streams **ret_streams, struct error *err);

/* Ends every stream; those that are taken from here on are closed at once. */
void event_streams_stop(struct event_streams *streams);

void event_streams_free(struct event_streams *streams);

/* Whether there is room for one more. */
bool event_streams_have_room(struct event_streams *streams);

struct stream_start {
    const char *job; /* events of this job only, and the end of the stream with that of the job; NULL: all */
    const char *sweep; /* the same of a sweep and its jobs */
    bool is_over;      /* it has ended: so does the stream, when it has told what is in the log */
    int64_t after; /* id of the last event that the client has; STREAM_FROM_NOW: what happens from now on */
    char *head;    /* what to write first, on the heap; taken */
};
#define STREAM_FROM_NOW INT64_MAX

/* Takes the connected, non-blocking socket. */
void event_streams_take(struct event_streams *streams, int fd, struct stream_start start);

#endif
