#include "server/histogram.h"

const struct histogram_bounds histogram_seconds = {
    15, {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10}};

const struct histogram_bounds histogram_sizes = {11, {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}};

void histogram_add(struct histogram *histogram, const struct histogram_bounds *bounds, double value)
{
    size_t range = 0;
    while (range < bounds->count && value > bounds->bounds[range])
        range++;
    histogram->counts[range]++;
    histogram->total++;
    histogram->sum += value;
}
