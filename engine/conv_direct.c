/* Convolution of one input channel. The prepared kernel is [r][r][out_pitch]: filters padded with zeros. */
#include "engine/conv.h"

#include <string.h>

static bool direct_applies(const struct conv_shape *shape)
{
    return shape->channels == 1 && shape->in_pitch == 1;
}

static size_t taps(const struct conv_shape *shape)
{
    return (size_t)shape->kernel_size * (size_t)shape->kernel_size;
}

static size_t direct_prepared(const struct conv_shape *shape, bool training)
{
    (void)training;
    return taps(shape) * shape->out_pitch;
}

static void direct_prepare(const struct kernels *kernels, const struct conv_shape *shape, bool training,
                           const float *kernel, float *prepared, size_t part, size_t parts)
{
    (void)kernels, (void)training;
    size_t filters = (size_t)shape->filters;
    for (size_t tap = part; tap < taps(shape); tap += parts)
        memcpy(prepared + tap * shape->out_pitch, kernel + tap * filters, filters * sizeof *kernel);
}

/* The gradient of the padded kernel. */
static size_t direct_workspace(const struct conv_shape *shape, size_t images, bool training)
{
    (void)images;
    return training ? taps(shape) * shape->out_pitch : 0;
}

static void direct_forward(const struct conv_context *context, size_t images, const float *x,
                           const float *bias, enum activation activation, const struct conv_pool *pool,
                           float *y)
{
    (void)pool;
    const struct conv_shape *shape = context->shape;
    for (size_t i = 0; i < images; i++)
        context->kernels->direct_forward(shape, x + i * conv_input_size(shape), context->prepared, bias,
                                         activation, y + i * conv_output_size(shape));
}

static void direct_backward(const struct conv_context *context, size_t images, const float *x,
                            const float *dy, const struct conv_pool *pool, bool accumulate, float *dkernel,
                            float *dx)
{
    (void)pool;
    (void)dx; /* the input of this layer is the image */
    const struct conv_shape *shape = context->shape;
    size_t filters = (size_t)shape->filters;
    float *padded = context->workspace;
    memset(padded, 0, taps(shape) * shape->out_pitch * sizeof *padded);
    for (size_t i = 0; i < images; i++)
        context->kernels->direct_backward(shape, x + i * conv_input_size(shape),
                                          dy + i * conv_output_size(shape), padded);
    for (size_t tap = 0; tap < taps(shape); tap++)
        for (size_t k = 0; k < filters; k++) {
            float *to = dkernel + tap * filters + k;
            *to = padded[tap * shape->out_pitch + k] + (accumulate ? *to : 0.0f);
        }
}

const struct conv_algorithm conv_direct = {
    .name = "direct",
    .applies = direct_applies,
    .prepared = direct_prepared,
    .prepare = direct_prepare,
    .workspace = direct_workspace,
    .forward = direct_forward,
    .backward = direct_backward,
};
