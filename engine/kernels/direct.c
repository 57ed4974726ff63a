/* Convolution of one input channel, the first layer of every network here: with 9 products an output there is
 * nothing to transform, and no gradient of the input is wanted. */
#include "engine/kernels/activate.h"
#include "engine/kernels/isa.h"
#include "engine/kernels/vector.h"

/* Vectors of filters that stay in registers while a window is summed. */
#define GROUP 4

INLINE void forward_group(const struct conv_shape *shape, size_t vectors, enum activation activation,
                          const float *x, const float *kernel, const float *bias, float *y)
{
    size_t pitch = shape->out_pitch;
    int side = shape->kernel_size;
    for (int row = 0; row < shape->out_height; row++) {
        for (int column = 0; column < shape->out_width; column++) {
            vec sum[GROUP];
            for (size_t j = 0; j < vectors; j++)
                sum[j] = vec_load(bias + j * LANES);
            for (int i = 0; i < side; i++) {
                int from = row + i - shape->pad;
                if (from < 0 || from >= shape->height)
                    continue;
                for (int p = 0; p < side; p++) {
                    int at = column + p - shape->pad;
                    if (at < 0 || at >= shape->width)
                        continue;
                    float pixel = x[from * shape->width + at];
                    const float *weights = kernel + (size_t)(i * side + p) * pitch;
                    for (size_t j = 0; j < vectors; j++)
                        sum[j] += pixel * vec_load(weights + j * LANES);
                }
            }
            float *out = y + (size_t)(row * shape->out_width + column) * pitch;
            for (size_t j = 0; j < vectors; j++)
                vec_store(out + j * LANES, activate(activation, sum[j]));
        }
    }
}

INLINE void forward_as(const struct conv_shape *shape, enum activation activation, const float *x,
                       const float *kernel, const float *bias, float *y)
{
    size_t k = 0;
    for (; k + GROUP * LANES <= shape->out_pitch; k += GROUP * LANES)
        forward_group(shape, GROUP, activation, x, kernel + k, bias + k, y + k);
    for (; k < shape->out_pitch; k += LANES)
        forward_group(shape, 1, activation, x, kernel + k, bias + k, y + k);
}

void KERNEL(direct_forward)(const struct conv_shape *shape, const float *x, const float *kernel,
                            const float *bias, enum activation activation, float *y)
{
    switch (activation) {
    case ACTIVATION_RELU:
        forward_as(shape, ACTIVATION_RELU, x, kernel, bias, y);
        break;
    case ACTIVATION_SIGMOID:
        forward_as(shape, ACTIVATION_SIGMOID, x, kernel, bias, y);
        break;
    case ACTIVATION_TANH:
        forward_as(shape, ACTIVATION_TANH, x, kernel, bias, y);
        break;
    case ACTIVATION_LINEAR:
    case ACTIVATION_SOFTMAX:
        forward_as(shape, ACTIVATION_LINEAR, x, kernel, bias, y);
        break;
    }
}

/* One row of the kernel, `side` taps of GROUP vectors or fewer, summed over all outputs. */
INLINE void backward_row(const struct conv_shape *shape, int side, size_t vectors, int kernel_row,
                         const float *x, const float *dy, float *dkernel)
{
    size_t pitch = shape->out_pitch;
    vec sum[7][GROUP];
    for (int p = 0; p < side; p++)
        for (size_t j = 0; j < vectors; j++)
            sum[p][j] = vec_load(dkernel + (size_t)p * pitch + j * LANES);
    for (int row = 0; row < shape->out_height; row++) {
        int from = row + kernel_row - shape->pad;
        if (from < 0 || from >= shape->height)
            continue;
        for (int column = 0; column < shape->out_width; column++) {
            vec gradient[GROUP];
            const float *at = dy + (size_t)(row * shape->out_width + column) * pitch;
            for (size_t j = 0; j < vectors; j++)
                gradient[j] = vec_load(at + j * LANES);
            for (int p = 0; p < side; p++) {
                int place = column + p - shape->pad;
                if (place < 0 || place >= shape->width)
                    continue;
                float pixel = x[from * shape->width + place];
                for (size_t j = 0; j < vectors; j++)
                    sum[p][j] += pixel * gradient[j];
            }
        }
    }
    for (int p = 0; p < side; p++)
        for (size_t j = 0; j < vectors; j++)
            vec_store(dkernel + (size_t)p * pitch + j * LANES, sum[p][j]);
}

INLINE void backward_group(const struct conv_shape *shape, size_t vectors, const float *x, const float *dy,
                           float *dkernel)
{
    int side = shape->kernel_size;
    for (int i = 0; i < side; i++) {
        float *row = dkernel + (size_t)(i * side) * shape->out_pitch;
        if (side == 3)
            backward_row(shape, 3, vectors, i, x, dy, row);
        else
            backward_row(shape, side, vectors, i, x, dy, row);
    }
}

void KERNEL(direct_backward)(const struct conv_shape *shape, const float *x, const float *dy, float *dkernel)
{
    size_t k = 0;
    for (; k + GROUP * LANES <= shape->out_pitch; k += GROUP * LANES)
        backward_group(shape, GROUP, x, dy + k, dkernel + k);
    for (; k < shape->out_pitch; k += LANES)
        backward_group(shape, 1, x, dy + k, dkernel + k);
}
