#include "server/event_streams.h"

#include "server/clock.h"
#include "server/event_text.h"
#include "server/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAGE              200  /* events read from the log at a time */
#define READY_MAX         64   /* what epoll_wait tells at a time */
#define CHECK_MS          1000 /* how often is looked for clients to keep alive, or to cut off */
#define PROGRESS_MS       250
#define PROGRESS_A_SECOND 1000 /* messages of progress to all clients together, at most */
#define JOBS_MAX          64   /* whose progress is told */

/* A client. */
struct stream {
    struct stream *next;
    int fd;
    char job[EVENT_SUBJECT_SIZE], sweep[EVENT_SUBJECT_SIZE]; /* that it is about; both "" for all */
    int64_t cursor; /* the last event of the log that it has, or that does not concern it */
    bool behind;    /* events up to the head of the log are missing: they are read from there */
    bool ends;      /* when all is written */
    bool is_over;   /* nothing will come that is not in the log yet */
    bool gone;
    bool waits; /* for EPOLLOUT */
    char *pending;
    size_t size, sent, capacity; /* of pending */
    double moved;                /* clock_seconds() when it last took something */
};

struct event_streams {
    struct store *store;
    struct event_streams_config config;
    pthread_t thread;
    bool started;
    int epoll, wake; /* wake is an eventfd: there is something new below, or in the log */

    pthread_mutex_t mutex; /* guards the three below */
    struct stream *arrivals;
    size_t count; /* of all streams, arrivals among them */
    bool stopping;

    /* The thread's own. */
    struct stream *streams;
    int64_t head;             /* the newest event that was given to those who are not behind */
    char *progress[JOBS_MAX]; /* as told last */
};

/* ---- One stream ------------------------------------------------------------------------------------ */

static void stream_free(struct stream *stream)
{
    close(stream->fd);
    free(stream->pending);
    free(stream);
}

/* Adds bytes to what the stream has to take; false, adding nothing, when that is too much already. */
static bool stream_add(struct stream *stream, const char *text)
{
    size_t length = strlen(text), waiting = stream->size - stream->sent;
    if (waiting && waiting + length > STREAM_PENDING_MAX)
        return false;
    if (stream->sent) {
        memmove(stream->pending, stream->pending + stream->sent, waiting);
        stream->size = waiting;
        stream->sent = 0;
    }
    if (stream->size + length > stream->capacity) {
        size_t capacity =
            2 * stream->capacity > stream->size + length ? 2 * stream->capacity : stream->size + length;
        char *more = realloc(stream->pending, capacity);
        if (!more)
            return false;
        stream->pending = more;
        stream->capacity = capacity;
    }
    memcpy(stream->pending + stream->size, text, length);
    stream->size += length;
    return true;
}

static bool has_pending(const struct stream *stream)
{
    return stream->sent < stream->size;
}

/* Lets epoll tell when the client takes more, while it has to. */
static void stream_watch(const struct event_streams *streams, struct stream *stream)
{
    if (stream->waits == has_pending(stream))
        return;
    stream->waits = !stream->waits;
    struct epoll_event event = {.events = EPOLLRDHUP | (stream->waits ? EPOLLOUT : 0u), .data.ptr = stream};
    if (epoll_ctl(streams->epoll, EPOLL_CTL_MOD, stream->fd, &event))
        stream->gone = true;
}

static void stream_flush(const struct event_streams *streams, struct stream *stream)
{
    while (has_pending(stream) && !stream->gone) {
        ssize_t taken = send(stream->fd, stream->pending + stream->sent, stream->size - stream->sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
        if (taken < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (taken < 0) {
            stream->gone = true;
        } else {
            stream->sent += (size_t)taken;
            stream->moved = clock_seconds();
        }
    }
    stream_watch(streams, stream);
    stream->gone |= stream->ends && !has_pending(stream);
}

static bool concerns(const struct stream *stream, const struct event_record *event)
{
    return (!*stream->job || strcmp(stream->job, event->job) == 0) &&
           (!*stream->sweep || strcmp(stream->sweep, event->sweep) == 0);
}

/* Whether nothing that concerns the stream follows this event, which does. */
static bool is_last(const struct stream *stream, const struct event_record *event)
{
    return (*stream->job && event_ends_job(event)) || (*stream->sweep && event_ends_sweep(event));
}

/* Gives the stream the next event of the log; without room for it the stream is behind. */
static void stream_give(struct stream *stream, const struct event_record *event, const char *message)
{
    if (stream->behind || stream->ends)
        return;
    if (concerns(stream, event)) {
        if (!stream_add(stream, message)) {
            stream->behind = true;
            return;
        }
        stream->ends = !stream->is_over && is_last(stream, event);
    }
    stream->cursor = event->id;
}

/* ---- The log --------------------------------------------------------------------------------------- */

static void free_events(struct event_record *events, size_t count)
{
    for (size_t i = 0; i < count; i++)
        event_record_clear(&events[i]);
    free(events);
}

static bool read_log(struct event_streams *streams, const struct event_filter *filter,
                     struct event_record **ret_events, size_t *ret_count, bool *ret_has_more)
{
    struct error err;
    if (store_event_list(streams->store, filter, ret_events, ret_count, ret_has_more, &err) == OK)
        return true;
    log_warning("streams of events wait for the log: %s", err.message);
    return false;
}

/* A page of what a stream that is behind is missing. */
static void catch_up(struct event_streams *streams, struct stream *stream)
{
    struct event_filter filter = {.after = stream->cursor,
                                  .up_to = streams->head,
                                  .job = *stream->job ? stream->job : NULL,
                                  .sweep = *stream->sweep ? stream->sweep : NULL,
                                  .limit = PAGE};
    struct event_record *events;
    size_t count;
    bool has_more;
    if (!read_log(streams, &filter, &events, &count, &has_more))
        return;
    stream->behind = false;
    for (size_t i = 0; i < count; i++) {
        char *message = event_to_message(&events[i]);
        if (message)
            stream_give(stream, &events[i], message);
        else
            stream->behind = true;
        free(message);
    }
    free_events(events, count);
    if (has_more)
        stream->behind = true;
    else if (!stream->behind) {
        stream->cursor = streams->head;
        stream->ends |= stream->is_over;
    }
    stream_flush(streams, stream);
}

static void broadcast(struct event_streams *streams, const struct event_record *event)
{
    char *message = event_to_message(event);
    for (struct stream *stream = streams->streams; stream; stream = stream->next) {
        if (message)
            stream_give(stream, event, message);
        else
            stream->behind = true;
    }
    free(message);
    streams->head = event->id;
}

/* Gives everyone what has come into the log. */
static void follow_log(struct event_streams *streams)
{
    bool has_more = true;
    while (has_more) {
        struct event_filter filter = {.after = streams->head, .up_to = INT64_MAX, .limit = PAGE};
        struct event_record *events;
        size_t count;
        if (!read_log(streams, &filter, &events, &count, &has_more))
            return;
        for (size_t i = 0; i < count; i++)
            broadcast(streams, &events[i]);
        free_events(events, count);
    }
    for (struct stream *stream = streams->streams; stream; stream = stream->next)
        stream_flush(streams, stream);
}

/* ---- Progress -------------------------------------------------------------------------------------- */

static void tell_progress(struct event_streams *streams, struct event_record *event, char **told)
{
    event->time = 0;
    char *message = event_to_message(event);
    bool news = message && (!*told || strcmp(message, *told) != 0);
    free(*told);
    *told = message;
    if (!news)
        return;
    event->time = clock_wall_ms();
    char *timed = event_to_message(event);
    for (struct stream *stream = streams->streams; stream && timed; stream = stream->next) {
        if (concerns(stream, event) && !stream->behind && !stream->ends && !has_pending(stream) &&
            stream_add(stream, timed))
            stream_flush(streams, stream);
    }
    free(timed);
}

/* To those who have all else already: it is worth nothing later. */
static void follow_progress(struct event_streams *streams)
{
    struct event_record event = {.type = EVENT_PROGRESS};
    for (size_t i = 0; i < JOBS_MAX && streams->config.progress(streams->config.context, i, &event); i++) {
        if (event.data)
            tell_progress(streams, &event, &streams->progress[i]);
        event_record_clear(&event);
        event.type = EVENT_PROGRESS;
    }
}

/* ---- The thread ------------------------------------------------------------------------------------ */

/* Ends those that are to end, and those that are gone. */
static void sweep(struct event_streams *streams)
{
    size_t ended = 0;
    for (struct stream **place = &streams->streams; *place;) {
        struct stream *stream = *place;
        if (!stream->gone) {
            place = &stream->next;
            continue;
        }
        *place = stream->next;
        stream_free(stream);
        ended++;
    }
    pthread_mutex_lock(&streams->mutex);
    streams->count -= ended;
    pthread_mutex_unlock(&streams->mutex);
}

static void look_after(struct event_streams *streams)
{
    double now = clock_seconds();
    for (struct stream *stream = streams->streams; stream; stream = stream->next) {
        double still = now - stream->moved;
        if (has_pending(stream))
            stream->gone |= still > STREAM_STALL_SECONDS;
        else if (still >= STREAM_KEEPALIVE_SECONDS && stream_add(stream, ":\n\n"))
            stream_flush(streams, stream);
    }
}

/* Takes in the streams that have come; false when the service stops. What is new for a client is what happens once it
 * has the head of its reply, so the log is followed up to here before that is written. */
static bool take_arrivals(struct event_streams *streams)
{
    pthread_mutex_lock(&streams->mutex);
    struct stream *arrivals = streams->arrivals;
    streams->arrivals = NULL;
    bool stopping = streams->stopping;
    pthread_mutex_unlock(&streams->mutex);
    if (arrivals)
        follow_log(streams);
    for (struct stream *stream = arrivals, *next; stream; stream = next) {
        struct epoll_event event = {.events = EPOLLRDHUP, .data.ptr = stream};
        next = stream->next;
        stream->next = streams->streams;
        streams->streams = stream;
        if (stream->cursor > streams->head) /* it has come for what is new, or knows better than the log */
            stream->cursor = streams->head;
        stream->gone |= epoll_ctl(streams->epoll, EPOLL_CTL_ADD, stream->fd, &event) != 0;
        stream_flush(streams, stream);
    }
    return !stopping;
}

/* What of the log is still missing somewhere; true when there is more to do at once. */
static bool catch_all_up(struct event_streams *streams)
{
    bool more = false;
    for (struct stream *stream = streams->streams; stream; stream = stream->next) {
        if (stream->behind && !stream->gone && !stream->ends && !has_pending(stream)) {
            catch_up(streams, stream);
            more |= stream->behind && !has_pending(stream);
        }
    }
    return more;
}

static void wait_for_something(struct event_streams *streams, int ms)
{
    struct epoll_event ready[READY_MAX];
    int count = epoll_wait(streams->epoll, ready, READY_MAX, ms);
    for (int i = 0; i < count; i++) {
        struct stream *stream = ready[i].data.ptr;
        eventfd_t ignored;
        if (!stream)
            eventfd_read(streams->wake, &ignored);
        else if (ready[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            stream->gone = true;
        else
            stream_flush(streams, stream);
    }
}

/* In which progress is told: longer the more there are to tell it. */
static double progress_interval(struct event_streams *streams)
{
    pthread_mutex_lock(&streams->mutex);
    double seconds = (double)streams->count / PROGRESS_A_SECOND;
    pthread_mutex_unlock(&streams->mutex);
    return seconds * 1000 < PROGRESS_MS ? PROGRESS_MS / 1000.0 : seconds;
}

static void *streams_main(void *argument)
{
    struct event_streams *streams = argument;
    double looked = clock_seconds(), told = looked;
    bool more = false;
    while (take_arrivals(streams)) {
        int ms = more ? 0 : streams->streams ? PROGRESS_MS : -1;
        wait_for_something(streams, ms);
        follow_log(streams);
        more = catch_all_up(streams);
        double now = clock_seconds();
        if (streams->streams && now - told >= progress_interval(streams)) {
            follow_progress(streams);
            told = now;
        }
        if (now - looked >= CHECK_MS / 1000.0) {
            look_after(streams);
            looked = now;
        }
        sweep(streams);
    }
    return NULL;
}

/* ---- For others ------------------------------------------------------------------------------------ */

static void wake(void *context)
{
    eventfd_write(((struct event_streams *)context)->wake, 1);
}

static enum status open_descriptors(struct event_streams *streams, struct error *err)
{
    struct epoll_event event = {.events = EPOLLIN};
    streams->epoll = epoll_create1(EPOLL_CLOEXEC);
    streams->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (streams->epoll < 0 || streams->wake < 0 ||
        epoll_ctl(streams->epoll, EPOLL_CTL_ADD, streams->wake, &event))
        return error_set_errno(err, "cannot prepare for streams of events");
    return OK;
}

enum status event_streams_create(struct store *store, const struct event_streams_config *config,
                                 struct event_streams **ret_streams, struct error *err)
{
    struct event_streams *streams = calloc(1, sizeof *streams);
    if (!streams)
        return error_set(err, ERR_MEMORY, "no memory for streams of events");
    streams->store = store;
    streams->config = *config;
    pthread_mutex_init(&streams->mutex, NULL);
    enum status status = open_descriptors(streams, err);
    if (status == OK)
        status = store_event_last(store, &streams->head, err);
    if (status == OK && pthread_create(&streams->thread, NULL, streams_main, streams))
        status = error_set(err, ERR_MEMORY, "cannot start the thread for streams of events");
    if (status) {
        event_streams_free(streams);
        return status;
    }
    streams->started = true;
    store_on_events(store, wake, streams);
    *ret_streams = streams;
    return OK;
}

void event_streams_stop(struct event_streams *streams)
{
    if (!streams->started)
        return;
    store_on_events(streams->store, NULL, NULL);
    pthread_mutex_lock(&streams->mutex);
    streams->stopping = true;
    pthread_mutex_unlock(&streams->mutex);
    wake(streams);
    pthread_join(streams->thread, NULL);
    streams->started = false;
    for (struct stream *stream = streams->streams, *next; stream; stream = next) {
        next = stream->next;
        stream_free(stream);
    }
    streams->streams = NULL;
}

void event_streams_free(struct event_streams *streams)
{
    if (!streams)
        return;
    event_streams_stop(streams);
    for (size_t i = 0; i < JOBS_MAX; i++)
        free(streams->progress[i]);
    if (streams->epoll >= 0)
        close(streams->epoll);
    if (streams->wake >= 0)
        close(streams->wake);
    pthread_mutex_destroy(&streams->mutex);
    free(streams);
}

bool event_streams_have_room(struct event_streams *streams)
{
    pthread_mutex_lock(&streams->mutex);
    bool room = !streams->stopping && streams->count < streams->config.max;
    pthread_mutex_unlock(&streams->mutex);
    return room;
}

/* Messages are small and go out at once; what a client does not read is bounded in the kernel, too. */
static void prepare_socket(int fd)
{
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){STREAM_PENDING_MAX}, sizeof(int));
}

void event_streams_take(struct event_streams *streams, int fd, struct stream_start start)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        close(fd);
        free(start.head);
        return;
    }
    *stream = (struct stream){.fd = fd,
                              .cursor = start.after,
                              .behind = true,
                              .is_over = start.is_over,
                              .pending = start.head,
                              .size = strlen(start.head),
                              .capacity = strlen(start.head),
                              .moved = clock_seconds()};
    snprintf(stream->job, sizeof stream->job, "%s", start.job ? start.job : "");
    snprintf(stream->sweep, sizeof stream->sweep, "%s", start.sweep ? start.sweep : "");
    prepare_socket(fd);
    char retry[32];
    snprintf(retry, sizeof retry, "retry: %d\n\n", STREAM_RETRY_MS);
    stream->gone = !stream_add(stream, retry);
    pthread_mutex_lock(&streams->mutex);
    bool stopping = streams->stopping;
    if (!stopping) {
        stream->next = streams->arrivals;
        streams->arrivals = stream;
        streams->count++;
    }
    pthread_mutex_unlock(&streams->mutex);
    if (stopping)
        stream_free(stream);
    else
        wake(streams);
}
