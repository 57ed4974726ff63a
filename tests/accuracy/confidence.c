#include "tests/accuracy/confidence.h"

#include <stdio.h>

static const float thresholds[CONFIDENCE_THRESHOLDS] = {0.5F, 0.7F, 0.8F, 0.9F, 0.95F, 0.99F};

void confidences_add(struct confidences *confidences, float confidence)
{
    confidences->count++;
    for (size_t i = 0; i < CONFIDENCE_THRESHOLDS; i++)
        confidences->below[i] += !(confidence >= thresholds[i]);
}

void confidences_print_heading(void)
{
    printf("Percent whose confidence is below …\n%-28s %6s", "", "images");
    for (size_t i = 0; i < CONFIDENCE_THRESHOLDS; i++)
        printf(" %7.2f", (double)thresholds[i]);
    printf("\n");
}

void confidences_print(const char *name, const struct confidences *confidences)
{
    double all = confidences->count ? (double)confidences->count : 1;
    printf("%-28s %6zu", name, confidences->count);
    for (size_t i = 0; i < CONFIDENCE_THRESHOLDS; i++)
        printf(" %7.2f", 100.0 * (double)confidences->below[i] / all);
    printf("\n");
}
