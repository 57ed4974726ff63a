#include "server/retention.h"

#include "server/jobs.h"
#include "server/log.h"
#include "server/store_retention.h"
#include "server/sweeps.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define JOBS_AT_ONCE 32 /* in one transaction */

struct retention {
    struct store *store;
    struct jobs *jobs;
    struct sweeps *sweeps;
    int64_t keep;
    pthread_t thread;
};

static enum status forget_sweep(const struct retention *retention, const char *id, size_t *ret_gone,
                                struct error *err)
{
    enum sweep_state from;
    enum job_change change = sweeps_delete(retention->sweeps, id, &from, err);
    *ret_gone = change == JOB_CHANGED;
    return change == JOB_CHANGE_FAILED ? ERR_IO : OK;
}

/* The jobs that the list begins with, or the sweep. */
static enum status forget_first(const struct retention *retention, const struct finished *items, size_t count,
                                size_t *ret_gone, struct error *err)
{
    char ids[JOBS_AT_ONCE][JOB_ID_LENGTH + 1];
    size_t jobs = 0;
    if (count > 0 && items[0].is_sweep)
        return forget_sweep(retention, items[0].id, ret_gone, err);
    for (; jobs < count && !items[jobs].is_sweep; jobs++)
        memcpy(ids[jobs], items[jobs].id, sizeof ids[jobs]);
    return jobs_forget(retention->jobs, ids, jobs, ret_gone, err);
}

/* One step; false when there is nothing (more) to do. */
static bool forget_some(const struct retention *retention)
{
    struct finished *items;
    size_t count, gone = 0;
    struct error err;
    enum status status =
        store_finished_beyond(retention->store, retention->keep, JOBS_AT_ONCE, &items, &count, &err);
    if (status == OK) {
        status = forget_first(retention, items, count, &gone, &err);
        free(items);
    }
    if (status)
        log_warning("more finished jobs are kept than shall be: %s", err.message);
    return status == OK && gone > 0;
}

static void *retention_main(void *argument)
{
    const struct retention *retention = argument;
    uint64_t seen = 0;
    while (jobs_await_change(retention->jobs, &seen, forget_some(retention)))
        ;
    return NULL;
}

enum status retention_create(struct store *store, struct jobs *jobs, struct sweeps *sweeps, int64_t keep,
                             struct retention **ret_retention, struct error *err)
{
    struct retention *retention = calloc(1, sizeof *retention);
    if (!retention)
        return error_set(err, ERR_MEMORY, "no memory to keep the store small");
    *retention = (struct retention){.store = store, .jobs = jobs, .sweeps = sweeps, .keep = keep};
    if (pthread_create(&retention->thread, NULL, retention_main, retention)) {
        free(retention);
        return error_set(err, ERR_MEMORY, "cannot start the thread that keeps the store small");
    }
    *ret_retention = retention;
    return OK;
}

void retention_free(struct retention *retention)
{
    if (!retention)
        return;
    jobs_stop(retention->jobs);
    pthread_join(retention->thread, NULL);
    free(retention);
}
