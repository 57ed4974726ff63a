#include "server/workers.h"

#include <pthread.h>
#include <stdlib.h>

struct workers {
    size_t queue_max;
    pthread_mutex_t mutex;  /* guards all below but `threads` */
    pthread_cond_t waiting; /* there is work, or `stop` became true */
    struct work *first, **last;
    size_t length;
    bool stop;
    int thread_count;
    pthread_t threads[];
};

/* The next piece; NULL when all is done and the threads shall end. */
static struct work *workers_pop(struct workers *workers)
{
    pthread_mutex_lock(&workers->mutex);
    while (!workers->first && !workers->stop)
        pthread_cond_wait(&workers->waiting, &workers->mutex);
    struct work *work = workers->first;
    if (work) {
        workers->first = work->next;
        if (!workers->first)
            workers->last = &workers->first;
        workers->length--;
    }
    pthread_mutex_unlock(&workers->mutex);
    return work;
}

static void *worker_main(void *argument)
{
    struct workers *workers = argument;
    struct work *work;
    while ((work = workers_pop(workers)))
        work->run(work);
    return NULL;
}

enum status workers_create(int threads, size_t queue_max, struct workers **ret_workers, struct error *err)
{
    struct workers *workers = calloc(1, sizeof *workers + (size_t)threads * sizeof *workers->threads);
    if (!workers)
        return error_set(err, ERR_MEMORY, "no memory for worker threads");
    workers->queue_max = queue_max;
    workers->last = &workers->first;
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->waiting, NULL);
    for (; workers->thread_count < threads; workers->thread_count++)
        if (pthread_create(&workers->threads[workers->thread_count], NULL, worker_main, workers) != 0) {
            workers_free(workers);
            return error_set(err, ERR_MEMORY, "cannot start %d worker threads", threads);
        }
    *ret_workers = workers;
    return OK;
}

void workers_free(struct workers *workers)
{
    if (!workers)
        return;
    pthread_mutex_lock(&workers->mutex);
    workers->stop = true;
    pthread_cond_broadcast(&workers->waiting);
    pthread_mutex_unlock(&workers->mutex);
    for (int i = 0; i < workers->thread_count; i++)
        pthread_join(workers->threads[i], NULL);
    pthread_cond_destroy(&workers->waiting);
    pthread_mutex_destroy(&workers->mutex);
    free(workers);
}

bool workers_push(struct workers *workers, struct work *work)
{
    work->next = NULL;
    pthread_mutex_lock(&workers->mutex);
    bool room = workers->length < workers->queue_max;
    if (room) {
        *workers->last = work;
        workers->last = &work->next;
        workers->length++;
        pthread_cond_signal(&workers->waiting);
    }
    pthread_mutex_unlock(&workers->mutex);
    return room;
}
