#include "server/deadlines.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "server/clock.h"

struct deadline {
    struct deadlines *owner;
    struct deadline *previous, *next;
    int fd;
    bool ended; /* by the reaper */
    enum deadline_phase phase;
    double since; /* clock_seconds() */
};

struct deadlines {
    int seconds[DEADLINE_COUNT];
    pthread_t reaper;
    pthread_mutex_t mutex;  /* guards everything below, and all that is in the list */
    pthread_cond_t stopped; /* `stop` became true */
    bool stop;
    struct deadline *first;
};

/* Nothing of a response has been sent in these phases, so that this is still a valid one; it ends with the
 * connection. */
static const char timeout_reply[] =
    "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
    "\r\n"
    "{\"type\":\"/problems/timeout\",\"title\":\"Request took too long\",\"status\":408,"
    "\"detail\":\"The request was not sent in time.\",\"instance\":\"\","
    "\"error\":\"The request was not sent in time.\"}";

static void deadline_end(struct deadline *deadline)
{
    deadline->ended = true;
    if (deadline->phase == DEADLINE_HEADERS || deadline->phase == DEADLINE_BODY)
        send(deadline->fd, timeout_reply, sizeof timeout_reply - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(deadline->fd, SHUT_RDWR);
}

static void *reaper_main(void *argument)
{
    struct deadlines *deadlines = argument;
    pthread_mutex_lock(&deadlines->mutex);
    while (!deadlines->stop) {
        double now = clock_seconds();
        for (struct deadline *d = deadlines->first; d; d = d->next)
            if (!d->ended && now - d->since > deadlines->seconds[d->phase])
                deadline_end(d);
        struct timespec wake;
        clock_gettime(CLOCK_MONOTONIC, &wake);
        wake.tv_sec += 1;
        pthread_cond_timedwait(&deadlines->stopped, &deadlines->mutex, &wake);
    }
    pthread_mutex_unlock(&deadlines->mutex);
    return NULL;
}

enum status deadlines_create(const int seconds[DEADLINE_COUNT], struct deadlines **ret_deadlines,
                             struct error *err)
{
    struct deadlines *deadlines = calloc(1, sizeof *deadlines);
    if (!deadlines)
        return error_set(err, ERR_MEMORY, "no memory for deadlines");
    memcpy(deadlines->seconds, seconds, sizeof deadlines->seconds);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&deadlines->mutex, NULL);
    pthread_cond_init(&deadlines->stopped, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&deadlines->reaper, NULL, reaper_main, deadlines) != 0) {
        free(deadlines);
        return error_set(err, ERR_MEMORY, "cannot start the thread that watches deadlines");
    }
    *ret_deadlines = deadlines;
    return OK;
}

void deadlines_free(struct deadlines *deadlines)
{
    if (!deadlines)
        return;
    pthread_mutex_lock(&deadlines->mutex);
    deadlines->stop = true;
    pthread_cond_signal(&deadlines->stopped);
    pthread_mutex_unlock(&deadlines->mutex);
    pthread_join(deadlines->reaper, NULL);
    pthread_cond_destroy(&deadlines->stopped);
    pthread_mutex_destroy(&deadlines->mutex);
    free(deadlines);
}

struct deadline *deadline_add(struct deadlines *deadlines, int fd)
{
    struct deadline *deadline = calloc(1, sizeof *deadline);
    if (!deadline)
        return NULL;
    deadline->owner = deadlines;
    deadline->fd = fd;
    deadline->since = clock_seconds();
    pthread_mutex_lock(&deadlines->mutex);
    deadline->next = deadlines->first;
    if (deadline->next)
        deadline->next->previous = deadline;
    deadlines->first = deadline;
    pthread_mutex_unlock(&deadlines->mutex);
    return deadline;
}

void deadline_remove(struct deadline *deadline)
{
    if (!deadline)
        return;
    struct deadlines *owner = deadline->owner;
    pthread_mutex_lock(&owner->mutex);
    if (deadline->next)
        deadline->next->previous = deadline->previous;
    if (deadline->previous)
        deadline->previous->next = deadline->next;
    else
        owner->first = deadline->next;
    pthread_mutex_unlock(&owner->mutex);
    free(deadline);
}

bool deadline_enter(struct deadline *deadline, enum deadline_phase phase)
{
    double now = clock_seconds();
    pthread_mutex_lock(&deadline->owner->mutex);
    deadline->phase = phase;
    deadline->since = now;
    bool alive = !deadline->ended;
    pthread_mutex_unlock(&deadline->owner->mutex);
    return alive;
}
