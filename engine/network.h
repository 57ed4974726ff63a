/* A model plan made ready to run: stages, where their parameters lie, how they are computed.
 *
 * The trunk is every stage that works image by image (convolution, pooling, dropout on images, flatten); the head is
 * the dense layers behind it, which work on a whole batch. A max_pool2d behind a conv2d is part of its stage: the
 * full-size output is needed by nobody else. A plain value without pointers to memory of its own. */
#ifndef ENGINE_NETWORK_H
#define ENGINE_NETWORK_H

#include "engine/conv.h"

struct stage {
    enum layer_kind kind;     /* LAYER_FLATTEN only where rows have to be packed */
    size_t layer;             /* in the plan; of the convolution where a pool is fused */
    size_t in_size, out_size; /* floats of an image or row, padding included */

    struct shape input, output; /* of the image, pooled */
    size_t in_pitch, out_pitch;
    int pool_size; /* max_pool2d, or a conv2d with one behind it; else 0 */

    bool pool_fused; /* the convolution goes through the pool itself */

    enum activation activation;
    float rate; /* dropout */

    size_t weights, biases; /* where they begin in the slab of parameters */

    /* conv2d */
    struct conv_shape conv;
    const struct conv_algorithm *algorithm;
    size_t prepared; /* where its prepared kernel begins in the slab of those */

    /* dense */
    size_t fan_in, units;
};

struct network {
    struct model_plan plan;
    bool training; /* prepared kernels have their backward form too */
    size_t input_pitch, input_size;
    size_t count, trunk; /* stages; those of the trunk come first */
    struct stage stages[MODEL_MAX_LAYERS];
    size_t parameters; /* floats of the slab: every tensor begins at a multiple of 16, padding is zero */
    size_t trunk_parameters; /* those of the trunk come first */
    size_t prepared;         /* floats of all prepared kernels */
};

/* `plan` is one that model_plan_create made. */
void network_create(const struct model_plan *plan, bool training, struct network *ret_network);

/* pixels [28][28] in 0..1 -> input [28][28][input_pitch]; other channels are left as they are. */
void network_load_pixels(const struct network *network, const float *pixels, float *ret_input);

/* The same from bytes, byte / 255. */
void network_load_image(const struct network *network, const uint8_t *image, float *ret_input);

/* One trainable tensor, as Keras names and shapes it. */
struct tensor {
    char name[48]; /* conv2d/kernel, dense_1/bias, … */
    size_t rank, dimensions[4];
    size_t offset, count; /* in the slab of parameters */
};

/* Tensor number `index` in order of the layers; false past the end. */
bool network_tensor(const struct network *network, size_t index, struct tensor *ret_tensor);

/* Fills a slab with Glorot-uniform kernels (Glorot and Bengio, 2010) and zero biases. */
void network_initialise(const struct network *network, uint64_t seed, float *parameters);

/* Part `part` of `parts` of preparing all convolution kernels. */
void network_prepare(const struct network *network, const struct kernels *kernels, const float *parameters,
                     float *prepared, size_t part, size_t parts);

#endif
