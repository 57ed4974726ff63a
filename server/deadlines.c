#include "server/deadlines.h"

#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "server/clock.h"

/* A walk through the list takes some 50 us for 10,000 connections. */
#define WALK_SECONDS_MIN 0.05
#define WALK_SECONDS_MAX 1.0

/* When so many connections were there, and three quarters of them have gone, the memory is given back. */
#define CROWD 256

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
    double shortest; /* of them */
    pthread_t reaper;
    pthread_mutex_t mutex;  /* guards everything below, and all that is in the list */
    pthread_cond_t stopped; /* `stop` became true */
    bool stop;
    struct deadline *first;
    size_t count, most; /* in the list now, and since memory was last given back */
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

/* Ends what is past its deadline; returns when the next one can be. What enters a phase later has at least the shortest
 * deadline before it. */
static double end_overdue_locked(struct deadlines *deadlines, double now)
{
    double next = now + deadlines->shortest;
    for (struct deadline *d = deadlines->first; d; d = d->next) {
        double end = d->since + deadlines->seconds[d->phase];
        if (d->ended)
            continue;
        if (end <= now)
            deadline_end(d);
        else if (end < next)
            next = end;
    }
    return next;
}

/* What thousands of connections took lies in small pieces between others, where free() leaves it to the process. */
static bool crowd_has_left_locked(struct deadlines *deadlines)
{
    bool left = deadlines->most >= CROWD && deadlines->count < deadlines->most / 4;
    if (left)
        deadlines->most = deadlines->count;
    return left;
}

static void wait_locked(struct deadlines *deadlines, double seconds)
{
    struct timespec wake;
    clock_gettime(CLOCK_MONOTONIC, &wake);
    int64_t ns = wake.tv_nsec + (int64_t)(seconds * 1e9);
    wake.tv_sec += ns / 1000000000;
    wake.tv_nsec = ns % 1000000000;
    pthread_cond_timedwait(&deadlines->stopped, &deadlines->mutex, &wake);
}

static void *reaper_main(void *argument)
{
    struct deadlines *deadlines = argument;
    pthread_mutex_lock(&deadlines->mutex);
    while (!deadlines->stop) {
        double now = clock_seconds(), next = end_overdue_locked(deadlines, now);
        if (crowd_has_left_locked(deadlines)) {
            pthread_mutex_unlock(&deadlines->mutex);
            malloc_trim(0);
            pthread_mutex_lock(&deadlines->mutex);
        }
        if (!deadlines->stop)
            wait_locked(deadlines, fmin(fmax(next - now, WALK_SECONDS_MIN), WALK_SECONDS_MAX));
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
    deadlines->shortest = seconds[0];
    for (size_t i = 1; i < DEADLINE_COUNT; i++)
        deadlines->shortest = fmin(deadlines->shortest, seconds[i]);
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
    deadlines->count++;
    if (deadlines->most < deadlines->count)
        deadlines->most = deadlines->count;
    pthread_mutex_unlock(&deadlines->mutex);
    return deadline;
}

void deadline_remove(struct deadline *deadline)
{
    if (!deadline)
        return;
    struct deadlines *owner = deadline->owner;
    pthread_mutex_lock(&owner->mutex);
    owner->count--;
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
    if (deadline->phase != DEADLINE_OPENED || phase != DEADLINE_HEADERS)
        deadline->since = now;
    deadline->phase = phase;
    bool alive = !deadline->ended;
    pthread_mutex_unlock(&deadline->owner->mutex);
    return alive;
}
