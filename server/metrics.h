/* What is counted of requests and training, for Prometheus. Any thread; one mutex, held for a few additions. */
#ifndef DIGITD_METRICS_H
#define DIGITD_METRICS_H

#include <stdio.h>

#include "engine/engine.h"

struct metrics;

MUST_CHECK enum status metrics_create(struct metrics **ret_metrics, struct error *err);
void metrics_free(struct metrics *metrics);

/* A request is done. `route` is its pattern ("" for none) and `method` a name of a fixed set; both must outlive the metrics. */
void metrics_request(struct metrics *metrics, const char *method, const char *route, unsigned status,
                     double seconds);

/* Images were trained on. */
void metrics_trained(struct metrics *metrics, uint64_t images);

/* Writes them in Prometheus' text format 0.0.4. */
void metrics_write(struct metrics *metrics, FILE *file);

/* ---- The format, for what others count -------------------------------------------------------------- */

struct histogram;
struct histogram_bounds;

/* "# HELP …" and "# TYPE …" */
void metrics_head(FILE *file, const char *name, const char *type, const char *help);

/* A metric without labels, with its head. */
void metrics_number(FILE *file, const char *name, const char *type, const char *help, double value);

/* The series of a histogram; `labels` as `a="b",c="d"`, or "". */
void metrics_histogram(FILE *file, const char *name, const char *labels, const struct histogram *histogram,
                       const struct histogram_bounds *bounds);

#endif
