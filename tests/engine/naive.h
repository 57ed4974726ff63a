/* The twin that the engine is compared with: every layer written as its definition says, in double precision. */
#ifndef TESTS_ENGINE_NAIVE_H
#define TESTS_ENGINE_NAIVE_H

#include "engine/kernels/kernels.h"
#include "engine/network.h"

/* x [h][w][channels], kernel [r][r][channels][filters], bias [filters] -> y [oh][ow][filters], before activation. */
void naive_conv(const struct conv_shape *shape, const double *x, const double *kernel, const double *bias,
                double *y);

/* dy [oh][ow][filters]: adds to dkernel, sets dx [h][w][channels]. */
void naive_conv_backward(const struct conv_shape *shape, const double *x, const double *kernel,
                         const double *dy, double *dkernel, double *dx);

double naive_activation(enum activation activation, double x);
double naive_activation_slope(enum activation activation, double x);

/* The mean cross-entropy of `count` images [28][28] in 0..1 under parameters in the slab's layout of `network`, and
 * unless NULL its gradient in the same layout. Dropout is left out. */
double naive_loss(const struct network *network, const double *parameters, const double *images,
                  const uint8_t *labels, size_t count, double *gradients);

#endif
