/* What the files of jobs.h share. */
#ifndef DIGITD_JOBS_PRIVATE_H
#define DIGITD_JOBS_PRIVATE_H

#include "server/jobs.h"

#include <pthread.h>

/* A place for a job that a thread of the runner has in hand. */
struct live_job {
    char id[JOB_ID_LENGTH + 1]; /* "" for none */
    enum job_order order;
    struct job_progress progress;
    struct loss_series series;
};

struct jobs {
    struct store *store;
    struct job_sources sources;
    struct jobs_config config;
    jobs_feeder *feed;
    void *feed_context;

    /* Guards what is live and stopping. Held while a state changes in the store, so that both agree; the store's own
     * locks are taken under it, never the other way round. */
    pthread_mutex_t mutex;
    pthread_cond_t wake;     /* changes has grown, or the service stops */
    uint64_t changes;        /* how often something happened after which a job may wait */
    pthread_cond_t released; /* a job is out of the runner's hands, or the service stops */
    bool stopping;
    struct live_job live[]; /* config.concurrent of them */
};

/* With the mutex held; NULL when the runner does not have this job in hand. */
struct live_job *jobs_find_live(struct jobs *jobs, const char *id);

#endif
