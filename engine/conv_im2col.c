/* Convolution as one product an image: every window of the input becomes a row of a matrix. For any kernel size.
 *
 * The prepared kernel is w [r][r][in_pitch][out_pitch], padded with zeros. */
#include "engine/conv.h"

#include "engine/gemm.h"

#include <string.h>

static bool im2col_applies(const struct conv_shape *shape)
{
    return shape->in_pitch > 0;
}

static size_t taps(const struct conv_shape *shape)
{
    return (size_t)shape->kernel_size * (size_t)shape->kernel_size;
}

/* Floats of a row of the matrix, a window of the input. */
static size_t window(const struct conv_shape *shape)
{
    return taps(shape) * shape->in_pitch;
}

static size_t pixels_out(const struct conv_shape *shape)
{
    return (size_t)shape->out_height * (size_t)shape->out_width;
}

static size_t im2col_prepared(const struct conv_shape *shape, bool training)
{
    (void)training;
    return window(shape) * shape->out_pitch;
}

static void im2col_prepare(const struct kernels *kernels, const struct conv_shape *shape, bool training,
                           const float *kernel, float *prepared, size_t part, size_t parts)
{
    (void)kernels, (void)training;
    size_t channels = (size_t)shape->channels, filters = (size_t)shape->filters;
    for (size_t row = part; row < taps(shape) * channels; row += parts) {
        size_t padded_row = row / channels * shape->in_pitch + row % channels;
        memcpy(prepared + padded_row * shape->out_pitch, kernel + row * filters, filters * sizeof *kernel);
    }
}

/* The matrix of windows, and for training the gradient of the padded kernel. */
static size_t im2col_workspace(const struct conv_shape *shape, size_t images, bool training)
{
    (void)images;
    size_t matrix = pixels_out(shape) * window(shape);
    return training ? matrix + im2col_prepared(shape, training) : matrix;
}

/* The input pixel under tap `tap` of the window of output `pixel`, as a number of pixels; -1 outside the image. */
static ptrdiff_t pixel_under(const struct conv_shape *shape, size_t pixel, size_t tap)
{
    int row = (int)pixel / shape->out_width + (int)tap / shape->kernel_size - shape->pad;
    int column = (int)pixel % shape->out_width + (int)tap % shape->kernel_size - shape->pad;
    bool inside = row >= 0 && row < shape->height && column >= 0 && column < shape->width;
    return inside ? row * shape->width + column : -1;
}

/* x [h][w][in_pitch] -> matrix [pixels_out][window]. */
static void gather(const struct conv_shape *shape, const float *x, float *matrix)
{
    size_t pitch = shape->in_pitch;
    for (size_t pixel = 0; pixel < pixels_out(shape); pixel++) {
        for (size_t tap = 0; tap < taps(shape); tap++, matrix += pitch) {
            ptrdiff_t from = pixel_under(shape, pixel, tap);
            if (from < 0)
                memset(matrix, 0, pitch * sizeof *matrix);
            else
                memcpy(matrix, x + (size_t)from * pitch, pitch * sizeof *matrix);
        }
    }
}

/* The transpose of gather: adds each window to where it came from. */
static void scatter_add(const struct kernels *kernels, const struct conv_shape *shape, const float *matrix,
                        float *dx)
{
    size_t pitch = shape->in_pitch;
    for (size_t pixel = 0; pixel < pixels_out(shape); pixel++) {
        for (size_t tap = 0; tap < taps(shape); tap++, matrix += pitch) {
            ptrdiff_t to = pixel_under(shape, pixel, tap);
            if (to >= 0)
                kernels->add(matrix, pitch, dx + (size_t)to * pitch);
        }
    }
}

static void im2col_forward(const struct conv_context *context, size_t images, const float *x,
                           const float *bias, enum activation activation, const struct conv_pool *pool,
                           float *y)
{
    (void)pool;
    const struct conv_shape *shape = context->shape;
    size_t out = shape->out_pitch;
    float *matrix = context->workspace;
    for (size_t i = 0; i < images; i++) {
        float *image = y + i * conv_output_size(shape);
        gather(shape, x + i * conv_input_size(shape), matrix);
        gemm(GEMM_NN, pixels_out(shape), out, window(shape), matrix, window(shape), context->prepared, out,
             false, image, out);
        for (size_t pixel = 0; pixel < pixels_out(shape); pixel++)
            context->kernels->add_bias_activate(activation, bias, out, image + pixel * out);
    }
}

static void unpad_kernel(const struct conv_shape *shape, const float *padded, bool accumulate, float *dkernel)
{
    size_t channels = (size_t)shape->channels, filters = (size_t)shape->filters;
    for (size_t row = 0; row < taps(shape) * channels; row++) {
        const float *from = padded + (row / channels * shape->in_pitch + row % channels) * shape->out_pitch;
        float *to = dkernel + row * filters;
        for (size_t k = 0; k < filters; k++)
            to[k] = from[k] + (accumulate ? to[k] : 0.0f);
    }
}

static void im2col_backward(const struct conv_context *context, size_t images, const float *x,
                            const float *dy, const struct conv_pool *pool, bool accumulate, float *dkernel,
                            float *dx)
{
    (void)pool;
    const struct conv_shape *shape = context->shape;
    size_t out = shape->out_pitch, pixels = pixels_out(shape);
    float *matrix = context->workspace, *padded = matrix + pixels * window(shape);
    for (size_t i = 0; i < images; i++) {
        const float *gradient = dy + i * conv_output_size(shape);
        gather(shape, x + i * conv_input_size(shape), matrix);
        gemm(GEMM_TN, window(shape), out, pixels, matrix, window(shape), gradient, out, i > 0, padded, out);
        if (!dx)
            continue;
        float *image = dx + i * conv_input_size(shape);
        gemm(GEMM_NT, pixels, window(shape), out, gradient, out, context->prepared, out, false, matrix,
             window(shape));
        memset(image, 0, conv_input_size(shape) * sizeof *image);
        scatter_add(context->kernels, shape, matrix, image);
    }
    unpad_kernel(shape, padded, accumulate, dkernel);
}

const struct conv_algorithm conv_im2col = {
    .name = "im2col",
    .applies = im2col_applies,
    .prepared = im2col_prepared,
    .prepare = im2col_prepare,
    .workspace = im2col_workspace,
    .forward = im2col_forward,
    .backward = im2col_backward,
};
