/* The transforms of kernels for Winograd convolution: u = G g G^T, and back. */
#include "engine/kernels/isa.h"
#include "engine/kernels/winograd_side.h"

/* The vector of filters k… of one tap and channel, zero behind the last filter. */
INLINE vec load_filters(const float *g, size_t k, size_t filters)
{
    if (k + LANES <= filters)
        return vec_load(g + k);
    vec v = vec_all(0.0f);
    if (k < filters)
        memcpy(&v, g + k, (filters - k) * sizeof *g);
    return v;
}

INLINE void store_filters(float *g, size_t k, size_t filters, vec v)
{
    memcpy(g + k, &v, (k + LANES <= filters ? LANES : filters - k) * sizeof *g);
}

INLINE void transform_kernels(int size, const struct conv_shape *conv, size_t first, size_t count,
                              const float *g, float *u)
{
    size_t filters = (size_t)conv->filters, tap_stride = (size_t)conv->channels * filters;
    size_t pitch = conv->out_pitch, point_stride = winograd_stride(conv->in_pitch, pitch);
    for (size_t channel = first; channel < first + count; channel++) {
        const float *taps = g + channel * filters;
        for (size_t k = 0; k < pitch; k += LANES) {
            vec half[TILE][5];
            for (int j = 0; j < size; j++) {
                vec column[5], result[TILE];
                for (int i = 0; i < size; i++)
                    column[i] = load_filters(taps + (size_t)(i * size + j) * tap_stride, k, filters);
                transform_kernel(size, column, result);
                for (int i = 0; i < TILE; i++)
                    half[i][j] = result[i];
            }
            for (size_t i = 0; i < TILE; i++) {
                vec result[TILE];
                transform_kernel(size, half[i], result);
                for (size_t j = 0; j < TILE; j++)
                    vec_store(u + (i * TILE + j) * point_stride + channel * pitch + k, result[j]);
            }
        }
    }
}

void KERNEL(winograd_kernel)(const struct conv_shape *conv, int first, int count, const float *g, float *u)
{
    if (conv->kernel_size == 3)
        transform_kernels(3, conv, (size_t)first, (size_t)count, g, u);
    else
        transform_kernels(5, conv, (size_t)first, (size_t)count, g, u);
}

INLINE void transform_kernel_gradients(int size, const struct conv_shape *conv, const float *du,
                                       bool accumulate, float *dg)
{
    size_t filters = (size_t)conv->filters, tap_stride = (size_t)conv->channels * filters;
    size_t pitch = conv->out_pitch, point_stride = winograd_stride(conv->in_pitch, pitch);
    const struct steps point = steps_of(point_stride), row = steps_of(TILE * point_stride);
    for (size_t channel = 0; channel < (size_t)conv->channels; channel++) {
        float *taps = dg + channel * filters;
        for (size_t k = 0; k < filters; k += LANES) {
            vec half[5][TILE];
            UNROLL
            for (int j = 0; j < TILE; j++) {
                vec column[TILE], result[5];
                const float *from = du + channel * pitch + k + step(point, j);
                HIDE(from);
                UNROLL
                for (int i = 0; i < TILE; i++) {
                    column[i] = vec_load(from + step(row, i));
                    __builtin_prefetch(from + step(row, i) + LANES, 0, 3);
                }
                transform_kernel_transposed(size, column, result);
                for (int i = 0; i < size; i++)
                    half[i][j] = result[i];
            }
            for (int i = 0; i < size; i++) {
                vec result[5];
                transform_kernel_transposed(size, half[i], result);
                for (int j = 0; j < size; j++) {
                    float *to = taps + (size_t)(i * size + j) * tap_stride;
                    vec old = accumulate ? load_filters(to, k, filters) : vec_all(0.0f);
                    store_filters(to, k, filters, old + result[j]);
                }
            }
        }
    }
}

void KERNEL(winograd_kernel_gradient)(const struct conv_shape *conv, const float *du, bool accumulate,
                                      float *dg)
{
    if (conv->kernel_size == 3)
        transform_kernel_gradients(3, conv, du, accumulate, dg);
    else
        transform_kernel_gradients(5, conv, du, accumulate, dg);
}
