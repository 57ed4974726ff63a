/* How confident answers of one kind are: a row of a table of percents below several thresholds. */
#ifndef TESTS_ACCURACY_CONFIDENCE_H
#define TESTS_ACCURACY_CONFIDENCE_H

#include "engine/engine.h"

#define CONFIDENCE_THRESHOLDS 6

struct confidences {
    size_t count, below[CONFIDENCE_THRESHOLDS];
};

void confidences_add(struct confidences *confidences, float confidence);

void confidences_print_heading(void);
void confidences_print(const char *name, const struct confidences *confidences);

#endif
