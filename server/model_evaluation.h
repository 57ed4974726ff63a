/* A version's evaluation, as a server tells it, for people. */
#ifndef DIGITD_MODEL_EVALUATION_H
#define DIGITD_MODEL_EVALUATION_H

#include "engine/engine.h"

#include <jansson.h>

/* Accuracy, confusion matrix with the figures of each digit, and the worst mistakes, on stdout. */
MUST_CHECK enum status model_evaluation_print(const json_t *evaluation);

#endif
