/* What the prediction service counts: in all, and of each model that has answered.
 *
 * Threads: any; one mutex guards all, held for a few additions. */
#ifndef DIGITD_PREDICT_STATS_H
#define DIGITD_PREDICT_STATS_H

#include "engine/engine.h"
#include "server/histogram.h"
#include "server/names.h"

struct predict_stats;
struct served_model;

/* How often something happened, and how long it took in all. */
struct duration_count {
    uint64_t count, ns;
};

/* Of one forward pass. */
struct predict_pass {
    const struct served_model *served;
    size_t images;
    uint64_t input_ns, infer_ns, output_ns; /* bringing together, computing, handing out */
};

/* Passes with the same number of images. */
struct batch_count {
    struct duration_count input, infer, output;
};

/* Of one version, or of all models in training of a name (version 0). */
struct model_stats {
    char name[NAME_MAX_LENGTH + 1];
    int version;
    int64_t last_at;                     /* of the last prediction, ms since 1970 */
    uint64_t images, passes;             /* that were predicted; forward passes */
    struct duration_count success, fail; /* requests, from their coming to their end */
    struct duration_count queue, input, infer, output;
    size_t batch_max;
    struct batch_count *batches; /* [batch_max], the first for one image */
    uint64_t used;               /* the stats' own */
};

struct predict_totals {
    uint64_t images;             /* predicted */
    uint64_t refused, abandoned; /* requests: the queue was full; the client left before its turn */
    struct histogram batch_sizes, queue_seconds;
};

MUST_CHECK enum status predict_stats_create(size_t batch_max, struct predict_stats **ret_stats,
                                            struct error *err);
void predict_stats_free(struct predict_stats *stats);

void predict_stats_pass(struct predict_stats *stats, const struct predict_pass *pass);

/* A request is done: it waited for `queue_ns` and was computed for `compute_ns`. */
void predict_stats_request(struct predict_stats *stats, const struct served_model *served, bool success,
                           uint64_t queue_ns, uint64_t compute_ns);
void predict_stats_refused(struct predict_stats *stats);
void predict_stats_abandoned(struct predict_stats *stats);

struct predict_totals predict_stats_totals(struct predict_stats *stats);

/* Copies of what is known about the versions of `name` (NULL: of all models), or of `version` alone unless it is 0. Freed by
 * model_stats_free. */
MUST_CHECK enum status predict_stats_read(struct predict_stats *stats, const char *name, int version,
                                          struct model_stats **ret_models, size_t *ret_count,
                                          struct error *err);
void model_stats_free(struct model_stats *models, size_t count);

#endif
