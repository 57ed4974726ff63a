/* What predict.c (queue and workers) and predict_models.c (which models there are) share. */
#ifndef DIGITD_PREDICT_PRIVATE_H
#define DIGITD_PREDICT_PRIVATE_H

#include <pthread.h>

#include "server/predict.h"
#include "server/predict_stats.h"

#define LIVE_MAX   8 /* models in training that are offered, newest first */
#define RECENT_MAX 8 /* versions outside production that were asked for, latest first */

/* Predictors that a workspace keeps: for the model in production and one more. */
#define READY_MAX 2

struct ready_model {
    struct served_model *served; /* a reference; NULL: free */
    struct predictor *predictor;
    uint64_t last_batch; /* number of the batch that used it last */
    uint64_t image_ns;   /* what its last pass took for an image; 0: it had none */
};

/* What a forward pass needs. There is one a worker; the thread that took it, a worker or a caller of predict_now, has it
 * for itself until it gives it back. */
struct workspace {
    struct predict_service *service;
    struct workspace *next_free;
    struct ready_model ready[READY_MAX];
    uint64_t batches;
    float *images;        /* [batch_max][28][28] */
    float *probabilities; /* [batch_max][10] */
};

/* What answers for an alias of a model; its model's name is in `served`. */
struct alias_slot {
    char alias[NAME_MAX_LENGTH + 1];
    struct served_model *served; /* a reference */
};

struct predict_service {
    struct predict_config config;
    struct predict_stats *stats;
    pthread_mutex_t mutex;  /* guards all below but threads and workspaces, and served_model's counters */
    pthread_cond_t waiting; /* a prediction was queued, a workspace came back, or `stop` became true */
    struct prediction *first, **last;
    size_t queued; /* images that wait */
    bool stop;
    struct alias_slot *aliases;
    size_t alias_count;
    struct served_model *live[LIVE_MAX];
    struct served_model *recent[RECENT_MAX];
    struct workspace
        *free;     /* a stack: the warmest is on top, and what is never needed makes no model ready */
    size_t in_use; /* workspaces that were taken */
    int worker_count;
    pthread_t *workers;           /* [config.workers] */
    struct workspace *workspaces; /* [config.workers] */
};

/* Takes another reference; NULL passes. With the service's mutex held. */
struct served_model *served_model_ref_locked(struct served_model *served);

/* Lets go of all models, at the end. */
void predict_models_free(struct predict_service *service);

#endif
