/* How far confidence can be trusted: temperature scaling and the expected calibration error (Guo et al., "On calibration
 * of modern neural networks", 2017). Any thread. */
#ifndef ENGINE_CALIBRATION_H
#define ENGINE_CALIBRATION_H

#include "engine/engine.h"

/* The temperature by which logits [count][10] have to be divided for the lowest cross-entropy of their softmax;
 * 1 where there is none to be had. */
double temperature_fit(const float *logits, const uint8_t *labels, size_t count);

/* Confidence and accuracy at a temperature. */
struct calibration calibration_measure(const float *logits, const uint8_t *labels, size_t count,
                                       double temperature);

#endif
