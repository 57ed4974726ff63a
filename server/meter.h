/* How fast a training run goes and how long it will still take. A plain value: one thread at a time.
 *
 * The rate is that of the last seconds: the time since each step fades with METER_MEMORY, so that the figure follows
 * a machine that gets busy. Between epochs come validation, checkpoint and bookkeeping: their time is measured as a
 * whole, and until the first was seen an image without its backward pass is taken to cost a third. The end of a validation
 * that began before the run was interrupted says nothing about a whole one. */
#ifndef DIGITD_METER_H
#define DIGITD_METER_H

#include "engine/engine.h"

#include <stdbool.h>
#include <stdint.h>

#define METER_MEMORY 10.0 /* seconds until a measurement counts for 1/e */
#define METER_WARMUP 1.0  /* seconds of training before there is a figure */

/* What the whole run consists of, in images. */
struct meter_plan {
    int epochs;
    int64_t train_images;      /* of all epochs */
    int64_t validation_images; /* after each epoch */
    int64_t test_images;       /* at the end */
};

/* Of a run on a training set of `train_images`, tested on `test_images`. */
struct meter_plan meter_plan_of(const struct train_config *config, struct train_split split,
                                size_t test_images);

struct meter {
    struct meter_plan plan;
    int64_t images;                       /* trained on so far */
    int epoch;                            /* complete ones */
    double last;                          /* when the last piece of work ended */
    double trained;                       /* seconds of training measured */
    double recent_seconds, recent_images; /* faded */
    double between_seconds;               /* of all gaps between epochs measured */
    int between_count;
    int64_t tested;      /* test images done */
    double test_seconds; /* that they took */
    bool is_whole;       /* this epoch was trained here, so that what follows it is seen whole */
};

/* `now` is clock_seconds(); the other two say where a continued run starts. */
void meter_start(struct meter *meter, const struct meter_plan *plan, double now, int64_t images, int epoch);

void meter_step(struct meter *meter, double now, int64_t images); /* a step ended: `images` in all */
void meter_epoch(struct meter *meter, double now);                /* all is done that belongs to an epoch */
void meter_end_early(struct meter *meter);                        /* no further epoch comes */
void meter_test(struct meter *meter, double now, int64_t tested); /* `tested` test images in all */

/* Images a second while training; NaN when it is too early to say. */
double meter_rate(const struct meter *meter);

/* Seconds from `now` to the end of the run; NaN when it is too early to say. */
double meter_eta(const struct meter *meter, double now);

/* Seconds of a whole run that trains on `rate` images a second. */
double meter_forecast(const struct meter_plan *plan, double rate);

#endif
