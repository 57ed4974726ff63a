/* The prediction service: a bounded queue, workers that run batches, and the models being served.
 *
 * A worker takes everything that waits for one model, up to a maximum, and never waits for more. A prediction of more
 * images than that is shared out among the workers, and a lone small one may run where it is asked for. One whose client has left is dropped before any work is done. The
 * model of a request is fixed when it is queued, so a swap never mixes two models in one answer. Models are held by
 * reference: a swap is one pointer under a mutex, and the old model goes when its last request is done.
 *
 * Threads: every function may be called from any thread and holds a mutex for a few instructions; predict_now takes up
 * to a millisecond. */
#ifndef DIGITD_PREDICT_H
#define DIGITD_PREDICT_H

#include "engine/engine.h"
#include "server/names.h"

/* The model that is meant when a request names none. */
#define PREDICT_DEFAULT_NAME "digits"

/* A model as it is served; immutable, reference-counted. */
struct served_model {
    struct model *model;
    char name[NAME_MAX_LENGTH + 1];
    int version;                 /* from 1; 0 for a model in training */
    char job[JOB_ID_LENGTH + 1]; /* of a model in training, else "" */
    int epoch;                   /* epochs it was trained for, of a model in training */
    struct predict_service *service;
    size_t references, offers; /* guarded by the service's mutex; offers: how many of its tables hold it */
};

struct predict_config {
    int workers;      /* 1..64 */
    size_t batch_max; /* images a forward pass, 1..1024 */
    size_t queue_max; /* images that may wait, at least batch_max */
};

struct predict_service;

MUST_CHECK enum status predict_service_create(const struct predict_config *config,
                                              struct predict_service **ret_service, struct error *err);

/* Finishes what is queued, then stops the workers. */
void predict_service_free(struct predict_service *service);

/* ---- Models ----------------------------------------------------------------------------------------- */

/* What predictions with `name` use when they ask for nothing else. */
#define PREDICT_DEFAULT_ALIAS "production"

/* Makes `model` the one that answers for an alias of `name`; takes its own reference. The registry calls it at start and
 * whenever an alias moves. A NULL model withdraws. */
MUST_CHECK enum status predict_publish(struct predict_service *service, const char *name, const char *alias,
                                       int version, struct model *model, struct error *err);

/* The version is gone: it is no longer kept for those who ask for it by number. */
void predict_withdraw_version(struct predict_service *service, const char *name, int version);

/* Offers the model that job `job_id` has after `epoch` epochs; it replaces the job's earlier one. It answers
 * requests that name the job, and those for `name` while that has nothing in production. */
MUST_CHECK enum status predict_publish_live(struct predict_service *service, const char *name,
                                            const char *job_id, int epoch, struct model *model,
                                            struct error *err);

/* The job is over: its live model is no longer offered. */
void predict_withdraw_live(struct predict_service *service, const char *job_id);

/* The model in production of `name`, else its newest live one, else NULL. The caller owns one reference. */
struct served_model *predict_model_default(struct predict_service *service, const char *name);

/* The live model of a job, or NULL. The caller owns one reference. */
struct served_model *predict_model_live(struct predict_service *service, const char *job_id);

/* What answers for an alias, or NULL. The caller owns one reference. */
struct served_model *predict_model_alias(struct predict_service *service, const char *name,
                                         const char *alias);

/* A version that an alias has or that was lately used, or NULL. The caller owns one reference. */
struct served_model *predict_model_cached(struct predict_service *service, const char *name, int version);

/* Keeps `model` among those lately used, and returns it as served. The caller owns one reference. */
MUST_CHECK enum status predict_model_keep(struct predict_service *service, const char *name, int version,
                                          struct model *model, struct served_model **ret_served,
                                          struct error *err);

void served_model_unref(struct served_model *served);

/* ---- Predictions ------------------------------------------------------------------------------------ */

struct prediction {
    struct served_model *served; /* the requester's reference, which it keeps */
    size_t count;                /* images, at least 1; no more than queue_max */
    const float *images;         /* [count][28][28], 0..1 */
    float *probabilities;        /* [count][10], written before `done` */

    /* Called once by a worker, with no lock held. Afterwards the service touches the prediction no more. */
    void (*done)(struct prediction *prediction);

    /* Whether nobody waits for the answer any more; asked by a worker before it computes. NULL: somebody does. */
    bool (*is_abandoned)(const struct prediction *prediction);

    enum status status;  /* OK, or why the model could not be made ready to run */
    bool abandoned;      /* there are no probabilities, as nobody waited for them */
    uint64_t queued_ns;  /* when it was queued, CLOCK_MONOTONIC */
    uint64_t queue_ns;   /* how long it waited */
    uint64_t compute_ns; /* how long it was in work */
    size_t batch_size;   /* images of its forward pass, of the largest when there were several */

    /* The service's, guarded by its mutex. */
    struct prediction *next;
    size_t taken, finished; /* images that workers have taken, and are done with */
};

/* Queues the prediction, which must stay where it is until `done`. False when the queue is full or the service
 * stops: then `done` is not called. */
MUST_CHECK bool predict_submit(struct predict_service *service, struct prediction *prediction);

/* Predicts on the calling thread when that spares a lone request the way to a worker and back, and holds the thread up
 * for a moment only: nothing waits or is in work (what comes together is cheaper together), and the model is ready and
 * was quick the last time. Afterwards the answer is there; `done` is not called. False, and nothing done, otherwise:
 * submit it. */
MUST_CHECK bool predict_now(struct predict_service *service, struct prediction *prediction);

/* Images that wait. */
size_t predict_queue_length(struct predict_service *service);

/* What was counted since the start. */
struct predict_stats *predict_service_stats(struct predict_service *service);

#endif
