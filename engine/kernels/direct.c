/* Convolution of one input channel, the first layer of every network here: with 9 products an output there is
 * nothing to transform, and no gradient of the input is wanted. */
#include "engine/kernels/activate.h"
#include "engine/kernels/isa.h"
#include "engine/kernels/vector.h"

#define MAX_SIDE 7

/* The image with its border of zeros, so that no window has to look where it lies. */
struct padded {
    const float *pixels;
    size_t row; /* floats from one row to the next */
    float copy[(IMAGE_SIDE + MAX_SIDE - 1) * (IMAGE_SIDE + MAX_SIDE - 1)];
};

INLINE void pad(const struct conv_shape *shape, const float *x, struct padded *padded)
{
    size_t width = (size_t)shape->width, before = (size_t)shape->pad;
    if (before == 0 && shape->out_width + shape->kernel_size - 1 == shape->width) {
        padded->pixels = x;
        padded->row = width;
        return;
    }
    size_t rows = (size_t)(shape->out_height + shape->kernel_size - 1);
    padded->row = (size_t)(shape->out_width + shape->kernel_size - 1);
    padded->pixels = padded->copy;
    memset(padded->copy, 0, rows * padded->row * sizeof *padded->copy);
    for (size_t i = 0; i < (size_t)shape->height; i++)
        memcpy(padded->copy + (before + i) * padded->row + before, x + i * width, width * sizeof *x);
}

/* ---- Forward ---- */

/* Neighbouring outputs that share each load of a weight, and vectors of filters kept in registers. */
#define COLUMNS 4
#define GROUP   2

INLINE void forward_block(size_t side, size_t columns, size_t vectors, enum activation activation,
                          const float *x, size_t row, const float *kernel, const float *bias, size_t pitch,
                          float *y)
{
    vec sum[COLUMNS][GROUP];
    for (size_t p = 0; p < columns; p++)
        for (size_t j = 0; j < vectors; j++)
            sum[p][j] = vec_load(bias + j * LANES);
    for (size_t tap = 0; tap < side * side; tap++) {
        const float *pixels = x + tap / side * row + tap % side, *weights = kernel + tap * pitch;
        for (size_t j = 0; j < vectors; j++) {
            vec weight = vec_load(weights + j * LANES);
            for (size_t p = 0; p < columns; p++)
                sum[p][j] += pixels[p] * weight;
        }
    }
    for (size_t p = 0; p < columns; p++)
        for (size_t j = 0; j < vectors; j++)
            vec_store(y + p * pitch + j * LANES, activate(activation, sum[p][j]));
}

INLINE void forward_group(size_t side, size_t vectors, enum activation activation,
                          const struct conv_shape *shape, const struct padded *padded, const float *kernel,
                          const float *bias, float *y)
{
    size_t pitch = shape->out_pitch, width = (size_t)shape->out_width;
    for (size_t i = 0; i < (size_t)shape->out_height; i++) {
        const float *x = padded->pixels + i * padded->row;
        size_t column = 0;
        for (; column + COLUMNS <= width; column += COLUMNS, y += COLUMNS * pitch)
            forward_block(side, COLUMNS, vectors, activation, x + column, padded->row, kernel, bias, pitch,
                          y);
        for (; column < width; column++, y += pitch)
            forward_block(side, 1, vectors, activation, x + column, padded->row, kernel, bias, pitch, y);
    }
}

INLINE void forward_as(enum activation activation, const struct conv_shape *shape,
                       const struct padded *padded, const float *kernel, const float *bias, float *y)
{
    size_t k = 0, side = (size_t)shape->kernel_size;
    for (; k + GROUP * LANES <= shape->out_pitch; k += GROUP * LANES) {
        if (side == 3)
            forward_group(3, GROUP, activation, shape, padded, kernel + k, bias + k, y + k);
        else
            forward_group(side, GROUP, activation, shape, padded, kernel + k, bias + k, y + k);
    }
    for (; k < shape->out_pitch; k += LANES)
        forward_group(side, 1, activation, shape, padded, kernel + k, bias + k, y + k);
}

void KERNEL(direct_forward)(const struct conv_shape *shape, const float *x, const float *kernel,
                            const float *bias, enum activation activation, float *y)
{
    struct padded padded;
    pad(shape, x, &padded);
    switch (activation) {
    case ACTIVATION_RELU:
        forward_as(ACTIVATION_RELU, shape, &padded, kernel, bias, y);
        break;
    case ACTIVATION_SIGMOID:
        forward_as(ACTIVATION_SIGMOID, shape, &padded, kernel, bias, y);
        break;
    case ACTIVATION_TANH:
        forward_as(ACTIVATION_TANH, shape, &padded, kernel, bias, y);
        break;
    case ACTIVATION_LINEAR:
    case ACTIVATION_SOFTMAX:
        forward_as(ACTIVATION_LINEAR, shape, &padded, kernel, bias, y);
        break;
    }
}

/* ---- Backward ---- */

/* Vectors of filters whose gradients for one row of the kernel stay in registers. */
#define WIDE 4

/* One row of the kernel, `side` taps of `vectors` vectors, summed over all outputs. */
INLINE void backward_row(size_t side, size_t vectors, const struct conv_shape *shape, const float *x,
                         size_t row, const float *dy, float *dkernel)
{
    size_t pitch = shape->out_pitch;
    vec sum[MAX_SIDE][WIDE];
    for (size_t p = 0; p < side; p++)
        for (size_t j = 0; j < vectors; j++)
            sum[p][j] = vec_load(dkernel + p * pitch + j * LANES);
    for (size_t i = 0; i < (size_t)shape->out_height; i++, x += row)
        for (size_t column = 0; column < (size_t)shape->out_width; column++, dy += pitch)
            for (size_t j = 0; j < vectors; j++) {
                vec gradient = vec_load(dy + j * LANES);
                for (size_t p = 0; p < side; p++)
                    sum[p][j] += x[column + p] * gradient;
            }
    for (size_t p = 0; p < side; p++)
        for (size_t j = 0; j < vectors; j++)
            vec_store(dkernel + p * pitch + j * LANES, sum[p][j]);
}

void KERNEL(direct_backward)(const struct conv_shape *shape, const float *x, const float *dy, float *dkernel)
{
    struct padded padded;
    pad(shape, x, &padded);
    size_t side = (size_t)shape->kernel_size, pitch = shape->out_pitch;
    for (size_t i = 0; i < side; i++) {
        const float *rows = padded.pixels + i * padded.row;
        float *taps = dkernel + i * side * pitch;
        size_t k = 0;
        for (; side == 3 && k + WIDE * LANES <= pitch; k += WIDE * LANES)
            backward_row(3, WIDE, shape, rows, padded.row, dy + k, taps + k);
        for (; k < pitch; k += LANES)
            backward_row(side, 1, shape, rows, padded.row, dy + k, taps + k);
    }
}
