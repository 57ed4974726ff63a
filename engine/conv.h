/* Convolution: the seam between a network's stages and the ways to compute one.
 *
 * An algorithm turns the kernel into a form of its own once a training step, or once a model (`prepare`), then runs
 * forward and backward on some images. It works in memory that the caller lends and allocates nothing. */
#ifndef ENGINE_CONV_H
#define ENGINE_CONV_H

#include "engine/kernels/kernels.h"

/* What every call needs. */
struct conv_context {
    const struct kernels *kernels;
    const struct conv_shape *shape;
    const float *prepared;
    float *workspace; /* of conv_algorithm.workspace floats, the caller's thread's own */
};

/* A max-pool on the way; NULL stands for none. */
struct conv_pool {
    int32_t *place; /* of each maximum in its window; NULL where no backward pass follows */
};

struct conv_algorithm {
    const char *name;
    bool (*applies)(const struct conv_shape *shape);

    /* Floats of the prepared kernel; `training` adds what only the backward pass needs. */
    size_t (*prepared)(const struct conv_shape *shape, bool training);

    /* Writes part `part` of `parts` of the prepared kernel, from kernel [r][r][channels][filters]. Parts may run at
     * the same time; memory that is never written is zero. */
    void (*prepare)(const struct kernels *kernels, const struct conv_shape *shape, bool training,
                    const float *kernel, float *prepared, size_t part, size_t parts);

    /* Floats of workspace for `images` images at once. */
    size_t (*workspace)(const struct conv_shape *shape, size_t images, bool training);

    /* The side of the max-pool that forward and backward can go through on the way, so that the full-size output is
     * never written; 0: none. */
    int fused_pool;

    /* x [images][h][w][in_pitch] -> y [images][oh][ow][out_pitch] = activation(x * kernel + bias[out_pitch]); with a
     * pool that fuses, y is what comes behind it. */
    void (*forward)(const struct conv_context *context, size_t images, const float *x, const float *bias,
                    enum activation activation, const struct conv_pool *pool, float *y);

    /* dy [images][oh][ow][out_pitch] -> dkernel [r][r][channels][filters], set or added to, and
     * dx [images][h][w][in_pitch], set, unless NULL. With a pool that fuses, dy is of its output. */
    void (*backward)(const struct conv_context *context, size_t images, const float *x, const float *dy,
                     const struct conv_pool *pool, bool accumulate, float *dkernel, float *dx);
};

extern const struct conv_algorithm conv_direct, conv_winograd, conv_im2col;

/* The fastest algorithm that applies. */
const struct conv_algorithm *conv_choose(const struct conv_shape *shape);

/* Floats of an image's input and output. */
static inline size_t conv_input_size(const struct conv_shape *shape)
{
    return (size_t)shape->height * (size_t)shape->width * shape->in_pitch;
}

static inline size_t conv_output_size(const struct conv_shape *shape)
{
    return (size_t)shape->out_height * (size_t)shape->out_width * shape->out_pitch;
}

#endif
