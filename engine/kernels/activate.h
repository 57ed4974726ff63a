/* The activations on vectors, and their derivatives by the value of the function. Softmax is not among them: it
 * needs a whole row (loss.c) and counts as linear here. */
#ifndef ENGINE_KERNELS_ACTIVATE_H
#define ENGINE_KERNELS_ACTIVATE_H

#include "engine/engine.h"
#include "engine/kernels/vector.h"

/* NaN stays NaN, so that a run that diverged is seen. */
INLINE vec activate(enum activation activation, vec x)
{
    switch (activation) {
    case ACTIVATION_RELU:
        return (vec)((ivec)x & ~(x <= 0.0f));
    case ACTIVATION_SIGMOID:
        return 1.0f / (1.0f + vec_exp(-x));
    case ACTIVATION_TANH:
        return 1.0f - 2.0f / (1.0f + vec_exp(2.0f * x));
    case ACTIVATION_LINEAR:
    case ACTIVATION_SOFTMAX:
        break;
    }
    return x;
}

/* dy * activation'(x), where y = activation(x). */
INLINE vec activation_slope(enum activation activation, vec y, vec dy)
{
    switch (activation) {
    case ACTIVATION_RELU:
        return (vec)((ivec)dy & (y > 0.0f));
    case ACTIVATION_SIGMOID:
        return dy * y * (1.0f - y);
    case ACTIVATION_TANH:
        return dy * (1.0f - y * y);
    case ACTIVATION_LINEAR:
    case ACTIVATION_SOFTMAX:
        break;
    }
    return dy;
}

#endif
