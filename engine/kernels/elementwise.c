/* Pooling, activations, sums and the optimizer: loops bound by memory, one pass each. */
#include "engine/kernels/activate.h"
#include "engine/kernels/isa.h"
#include "engine/kernels/vector.h"

/* ---- Max-pooling ---- */

INLINE void pool_window(size_t pitch, size_t row_stride, int pool, const float *x, float *y, int32_t *place)
{
    for (size_t c = 0; c < pitch; c += LANES) {
        vec best = vec_load(x + c);
        ivec where = {0};
        for (int i = 0; i < pool; i++) {
            for (int j = 0; j < pool; j++) {
                vec value = vec_load(x + (size_t)i * row_stride + (size_t)j * pitch + c);
                ivec greater = (value > best) | (value != value); /* NaN wins, so that it is seen */
                best = vec_select(greater, value, best);
                where = (where & ~greater) | ((i * pool + j) & greater);
            }
        }
        vec_store(y + c, best);
        if (place)
            store_lanes(place + c, where);
    }
}

void KERNEL(max_pool)(int height, int width, size_t pitch, int pool, const float *x, float *y, int32_t *place)
{
    size_t row_stride = (size_t)width * pitch;
    for (int row = 0; row < height / pool; row++) {
        for (int column = 0; column < width / pool; column++) {
            size_t out = (size_t)(row * (width / pool) + column) * pitch;
            const float *window = x + (size_t)(row * pool) * row_stride + (size_t)(column * pool) * pitch;
            if (pool == 2)
                pool_window(pitch, row_stride, 2, window, y + out, place ? place + out : NULL);
            else
                pool_window(pitch, row_stride, pool, window, y + out, place ? place + out : NULL);
        }
    }
}

INLINE void unpool_window(size_t pitch, size_t row_stride, int pool, const float *dy, const int32_t *place,
                          float *dx)
{
    for (size_t c = 0; c < pitch; c += LANES) {
        ivec where = load_lanes(place + c);
        ivec gradient = (ivec)vec_load(dy + c);
        for (int i = 0; i < pool; i++)
            for (int j = 0; j < pool; j++)
                vec_store(dx + (size_t)i * row_stride + (size_t)j * pitch + c,
                          (vec)(gradient & (where == i * pool + j)));
    }
}

void KERNEL(max_pool_gradient)(int height, int width, size_t pitch, int pool, const float *dy,
                               const int32_t *place, float *dx)
{
    size_t row_stride = (size_t)width * pitch;
    int out_height = height / pool, out_width = width / pool;
    for (int row = 0; row < out_height; row++) {
        for (int column = 0; column < out_width; column++) {
            size_t out = (size_t)(row * out_width + column) * pitch;
            float *window = dx + (size_t)(row * pool) * row_stride + (size_t)(column * pool) * pitch;
            if (pool == 2)
                unpool_window(pitch, row_stride, 2, dy + out, place + out, window);
            else
                unpool_window(pitch, row_stride, pool, dy + out, place + out, window);
        }
        for (int i = 0; i < pool; i++) { /* columns that no window covers */
            float *rest = dx + (size_t)(row * pool + i) * row_stride + (size_t)(out_width * pool) * pitch;
            memset(rest, 0, (size_t)(width - out_width * pool) * pitch * sizeof *rest);
        }
    }
    float *rest = dx + (size_t)(out_height * pool) * row_stride;
    memset(rest, 0, (size_t)(height - out_height * pool) * row_stride * sizeof *rest);
}

/* ---- Activations ---- */

INLINE void bias_activate_as(enum activation activation, const float *bias, size_t count, float *x)
{
    for (size_t i = 0; i < count; i += LANES)
        vec_store(x + i, activate(activation, vec_load(x + i) + vec_load(bias + i)));
}

void KERNEL(add_bias_activate)(enum activation activation, const float *bias, size_t count, float *x)
{
    switch (activation) {
    case ACTIVATION_RELU:
        bias_activate_as(ACTIVATION_RELU, bias, count, x);
        break;
    case ACTIVATION_SIGMOID:
        bias_activate_as(ACTIVATION_SIGMOID, bias, count, x);
        break;
    case ACTIVATION_TANH:
        bias_activate_as(ACTIVATION_TANH, bias, count, x);
        break;
    case ACTIVATION_LINEAR:
    case ACTIVATION_SOFTMAX:
        bias_activate_as(ACTIVATION_LINEAR, bias, count, x);
        break;
    }
}

INLINE void gradient_as(enum activation activation, const float *y, size_t count, float *dy)
{
    for (size_t i = 0; i < count; i += LANES)
        vec_store(dy + i, activation_slope(activation, vec_load(y + i), vec_load(dy + i)));
}

void KERNEL(activation_gradient)(enum activation activation, const float *y, size_t count, float *dy)
{
    switch (activation) {
    case ACTIVATION_RELU:
        gradient_as(ACTIVATION_RELU, y, count, dy);
        break;
    case ACTIVATION_SIGMOID:
        gradient_as(ACTIVATION_SIGMOID, y, count, dy);
        break;
    case ACTIVATION_TANH:
        gradient_as(ACTIVATION_TANH, y, count, dy);
        break;
    case ACTIVATION_LINEAR:
    case ACTIVATION_SOFTMAX:
        break;
    }
}

/* ---- Sums ---- */

/* `vectors` sums at once, so that additions need not wait for each other. */
INLINE void sum_columns(size_t vectors, const float *x, size_t rows, size_t pitch, float *sum)
{
    vec total[4];
    for (size_t j = 0; j < vectors; j++)
        total[j] = vec_load(sum + j * LANES);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < vectors; j++)
            total[j] += vec_load(x + i * pitch + j * LANES);
    for (size_t j = 0; j < vectors; j++)
        vec_store(sum + j * LANES, total[j]);
}

void KERNEL(sum_rows)(const float *x, size_t rows, size_t pitch, float *sum)
{
    size_t c = 0;
    for (; c + 4 * LANES <= pitch; c += 4 * LANES)
        sum_columns(4, x + c, rows, pitch, sum + c);
    for (; c < pitch; c += LANES)
        sum_columns(1, x + c, rows, pitch, sum + c);
}

void KERNEL(add)(const float *from, size_t count, float *to)
{
    for (size_t i = 0; i < count; i += LANES)
        vec_store(to + i, vec_load(to + i) + vec_load(from + i));
}

bool KERNEL(all_finite)(const float *x, size_t count)
{
    vec zero = vec_all(0.0f);
    for (size_t i = 0; i < count; i += LANES)
        zero += vec_load(x + i) * 0.0f; /* infinity times zero is NaN */
    float sum = 0.0f;
    for (int lane = 0; lane < LANES; lane++)
        sum += zero[lane];
    return sum == 0.0f;
}

/* ---- Adam ---- */

INLINE vec vec_sqrt(vec x)
{
    for (int lane = 0; lane < LANES; lane++)
        x[lane] = __builtin_sqrtf(x[lane]);
    return x;
}

void KERNEL(adam)(const struct adam_step *step, const float *gradient, size_t count, float *weights,
                  float *moment_1, float *moment_2)
{
    for (size_t i = 0; i < count; i += LANES) {
        vec g = vec_load(gradient + i);
        vec m = step->beta_1 * vec_load(moment_1 + i) + (1.0f - step->beta_1) * g;
        vec v = step->beta_2 * vec_load(moment_2 + i) + (1.0f - step->beta_2) * g * g;
        vec_store(moment_1 + i, m);
        vec_store(moment_2 + i, v);
        vec_store(weights + i, vec_load(weights + i) - step->rate * m / (vec_sqrt(v) + step->epsilon));
    }
}

void KERNEL(average)(float share, const float *weights, size_t count, float *average)
{
    for (size_t i = 0; i < count; i += LANES) {
        vec old = vec_load(average + i);
        vec_store(average + i, old + share * (vec_load(weights + i) - old));
    }
}
