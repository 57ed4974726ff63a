/* Counts of values by ranges, as Prometheus has them. Plain data: whoever owns one guards it. */
#ifndef DIGITD_HISTOGRAM_H
#define DIGITD_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS_MAX 15

/* The upper ends of the ranges, rising; a last range without an end follows. */
struct histogram_bounds {
    size_t count;
    double bounds[HISTOGRAM_BOUNDS_MAX];
};

/* Starts as zeros. */
struct histogram {
    uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1]; /* values of each range alone */
    uint64_t total;
    double sum;
};

/* 0.1 ms to 10 s */
extern const struct histogram_bounds histogram_seconds;

/* 1, 2, 4 … 1024 */
extern const struct histogram_bounds histogram_sizes;

void histogram_add(struct histogram *histogram, const struct histogram_bounds *bounds, double value);

#endif
