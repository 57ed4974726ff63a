/* Dense layers on rows of a batch, cut into blocks that never depend on the number of threads, and the loss. */
#ifndef ENGINE_DENSE_H
#define ENGINE_DENSE_H

#include "engine/network.h"

/* Outputs, rows of the weights, and inputs that one task computes: as many as keep a product efficient. */
enum dense_block { DENSE_OUTPUTS = 128, DENSE_WEIGHTS = 64, DENSE_INPUTS = 160 };

static inline size_t dense_blocks(size_t count, enum dense_block block)
{
    return (count + block - 1) / block;
}

/* x [rows][in_size] -> y [rows][out_size] = activation(x w + b), for the outputs first..first+count-1. */
void dense_forward(const struct kernels *kernels, const struct stage *stage, const float *parameters,
                   size_t rows, const float *x, size_t first, size_t count, float *y);

/* Block `block` of the weights' rows: dweights = x^T dy, in the slab `gradients`. Block 0 sets the biases' too. */
void dense_backward_weights(const struct kernels *kernels, const struct stage *stage, size_t rows,
                            const float *x, const float *dy, size_t block, float *gradients);

/* Block `block` of the inputs: dx [rows][in_size] = dy w^T. */
void dense_backward_input(const struct stage *stage, const float *parameters, size_t rows, const float *dy,
                          size_t block, float *dx);

/* logits [rows][pitch], divided by `temperature` -> probabilities [rows][10]; they may not overlap. */
void softmax(size_t rows, const float *logits, size_t pitch, double temperature, float *probabilities);

struct loss_sum {
    double loss; /* sum over rows of -log(probability) under the target, in nats */
    size_t correct;
};

/* Loss over all rows; dlogits [rows][pitch] = (softmax - target) / rows unless NULL. The target is 1 - smoothing for the
 * label and smoothing / 10 more for every class (Szegedy et al., 2016). The largest logit counts as the answer, the
 * first of equals. */
struct loss_sum cross_entropy(size_t rows, const float *logits, size_t pitch, const uint8_t *labels,
                              double smoothing, float *dlogits);

/* The class with the largest of 10 values, the first of equals. */
int arg_max(const float *values);

#endif
