/* Threads that run the handlers which may block, behind a bounded queue. */
#ifndef DIGITD_WORKERS_H
#define DIGITD_WORKERS_H

#include "engine/engine.h"

/* A piece of work, embedded in what it is about, so that queueing allocates nothing. */
struct work {
    void (*run)(struct work *work); /* may free `work` */
    struct work *next;              /* the queue's */
};

struct workers;

/* `queue_max`: pieces that may wait besides those being run. */
MUST_CHECK enum status workers_create(int threads, size_t queue_max, struct workers **ret_workers,
                                      struct error *err);

/* Runs what is queued, then ends the threads. */
void workers_free(struct workers *workers);

/* False when the queue is full. Any thread. */
MUST_CHECK bool workers_push(struct workers *workers, struct work *work);

#endif
