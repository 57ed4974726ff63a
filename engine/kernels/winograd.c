/* The transforms of Winograd convolution on 6x6 tiles (Winograd 1980; Lavin and Gray, arXiv 1509.09308).
 *
 * With the points 0, 1, -1, 2, -2 and infinity, F(4x4, 3x3) and F(2x2, 5x5) share the transform of the input,
 * B^T d B, and differ in A and G only. Each 2-D transform is a 1-D transform of the columns, then of the rows;
 * channels are the lanes. */
#include "engine/kernels/activate.h"
#include "engine/kernels/isa.h"
#include "engine/kernels/vector.h"

#define TILE   WINOGRAD_TILE
#define POINTS WINOGRAD_POINTS

/* ---- 1-D transforms ---- */

/* B^T d. */
INLINE void transform_input(const vec d[TILE], vec r[TILE])
{
    vec a = d[4] - 4.0f * d[2], b = d[3] - 4.0f * d[1];
    vec c = d[4] - d[2], e = 2.0f * (d[3] - d[1]);
    r[0] = 4.0f * d[0] - 5.0f * d[2] + d[4];
    r[1] = a + b;
    r[2] = a - b;
    r[3] = c + e;
    r[4] = c - e;
    r[5] = 4.0f * d[1] - 5.0f * d[3] + d[5];
}

/* B r: the transpose of transform_input. */
INLINE void transform_input_transposed(const vec r[TILE], vec d[TILE])
{
    vec sum12 = r[1] + r[2], difference12 = r[1] - r[2];
    vec sum34 = r[3] + r[4], difference34 = r[3] - r[4];
    d[0] = 4.0f * r[0];
    d[1] = 4.0f * (r[5] - difference12) - 2.0f * difference34;
    d[2] = -5.0f * r[0] - 4.0f * sum12 - sum34;
    d[3] = difference12 + 2.0f * difference34 - 5.0f * r[5];
    d[4] = r[0] + sum12 + sum34;
    d[5] = r[5];
}

/* A^T m, with out_tile results. */
INLINE void transform_output(int out_tile, const vec m[TILE], vec y[4])
{
    vec sum12 = m[1] + m[2], difference12 = m[1] - m[2];
    vec sum34 = m[3] + m[4], difference34 = m[3] - m[4];
    y[0] = m[0] + sum12 + sum34;
    y[1] = difference12 + 2.0f * difference34;
    if (out_tile == 2) {
        y[1] += m[5];
        return;
    }
    y[2] = sum12 + 4.0f * sum34;
    y[3] = difference12 + 8.0f * difference34 + m[5];
}

/* A y: the transpose of transform_output. */
INLINE void transform_output_transposed(int out_tile, const vec y[4], vec m[TILE])
{
    m[0] = y[0];
    if (out_tile == 2) {
        m[1] = y[0] + y[1];
        m[2] = y[0] - y[1];
        m[3] = y[0] + 2.0f * y[1];
        m[4] = y[0] - 2.0f * y[1];
        m[5] = y[1];
        return;
    }
    vec even = y[0] + y[2], odd = y[1] + y[3];
    vec even2 = y[0] + 4.0f * y[2], odd2 = 2.0f * y[1] + 8.0f * y[3];
    m[1] = even + odd;
    m[2] = even - odd;
    m[3] = even2 + odd2;
    m[4] = even2 - odd2;
    m[5] = y[3];
}

/* Row i of G for kernels of side r: s_i (1, p_i, p_i^2, …), the last row (0 … 0 1). */
static const float g_scale[TILE] = {1.0f / 4, -1.0f / 6, -1.0f / 6, 1.0f / 24, 1.0f / 24, 1.0f};
static const float g_point[TILE - 1] = {0.0f, 1.0f, -1.0f, 2.0f, -2.0f};

INLINE void kernel_matrix(int side, float g[TILE][5])
{
    memset(g, 0, TILE * sizeof g[0]);
    for (int i = 0; i < TILE - 1; i++) {
        float power = g_scale[i];
        for (int j = 0; j < side; j++, power *= g_point[i])
            g[i][j] = power;
    }
    g[TILE - 1][side - 1] = 1.0f;
}

/* ---- Where a tile lies ---- */

struct tile {
    size_t image;
    int y, x; /* of its first output */
};

INLINE struct tile tile_at(const struct winograd_shape *shape, size_t index)
{
    size_t per_image = (size_t)shape->tile_rows * (size_t)shape->tile_columns;
    int within = (int)(index % per_image);
    return (struct tile){.image = index / per_image,
                         .y = within / shape->tile_columns * shape->out_tile,
                         .x = within % shape->tile_columns * shape->out_tile};
}

INLINE void tile_next(const struct winograd_shape *shape, struct tile *tile)
{
    tile->x += shape->out_tile;
    if (tile->x < shape->tile_columns * shape->out_tile)
        return;
    tile->x = 0;
    tile->y += shape->out_tile;
    if (tile->y < shape->tile_rows * shape->out_tile)
        return;
    tile->y = 0;
    tile->image++;
}

/* The part of `tile` consecutive pixels from `start` that lies inside 0..size-1. */
struct span {
    int from, to;
};

INLINE struct span clip(int start, int tile, int size)
{
    return (struct span){.from = start < 0 ? -start : 0, .to = start + tile > size ? size - start : tile};
}

/* ---- Input: v = B^T d B ---- */

INLINE void input_columns(vec d[TILE][TILE], float *v, size_t point_stride)
{
    vec half[TILE][TILE];
    for (int j = 0; j < TILE; j++) {
        vec column[TILE], result[TILE];
        for (int i = 0; i < TILE; i++)
            column[i] = d[i][j];
        transform_input(column, result);
        for (int i = 0; i < TILE; i++)
            half[i][j] = result[i];
    }
    for (int i = 0; i < TILE; i++) {
        vec result[TILE];
        transform_input(half[i], result);
        for (int j = 0; j < TILE; j++)
            vec_store(v + (size_t)(i * TILE + j) * point_stride, result[j]);
    }
}

void KERNEL(winograd_input)(const struct winograd_shape *shape, struct tile_range range, const float *x,
                            float *v)
{
    const struct conv_shape *conv = &shape->conv;
    size_t pitch = conv->in_pitch, row_stride = (size_t)conv->width * pitch;
    size_t point_stride = range.count * pitch;
    struct tile tile = tile_at(shape, range.first);
    for (size_t t = 0; t < range.count; t++, tile_next(shape, &tile)) {
        int top = tile.y - conv->pad, left = tile.x - conv->pad;
        struct span rows = clip(top, TILE, conv->height), columns = clip(left, TILE, conv->width);
        bool inside = rows.from == 0 && rows.to == TILE && columns.from == 0 && columns.to == TILE;
        const float *image = x + tile.image * (size_t)conv->height * row_stride;
        for (size_t c = 0; c < pitch; c += LANES) {
            vec d[TILE][TILE];
            if (inside) {
                const float *corner = image + (size_t)top * row_stride + (size_t)left * pitch + c;
                for (int i = 0; i < TILE; i++)
                    for (int j = 0; j < TILE; j++)
                        d[i][j] = vec_load(corner + (size_t)i * row_stride + (size_t)j * pitch);
            } else {
                for (int i = 0; i < TILE; i++)
                    for (int j = 0; j < TILE; j++)
                        d[i][j] = vec_all(0.0f);
                for (int i = rows.from; i < rows.to; i++)
                    for (int j = columns.from; j < columns.to; j++)
                        d[i][j] =
                            vec_load(image + (size_t)(top + i) * row_stride + (size_t)(left + j) * pitch + c);
            }
            input_columns(d, v + t * pitch + c, point_stride);
        }
    }
}

/* ---- Output: y = activation(A^T m A + bias) ---- */

INLINE void output_tiles(int out_tile, enum activation activation, const struct winograd_shape *shape,
                         struct tile_range range, const float *m, const float *bias, float *y)
{
    const struct conv_shape *conv = &shape->conv;
    size_t pitch = conv->out_pitch, row_stride = (size_t)conv->out_width * pitch;
    size_t point_stride = range.count * pitch;
    struct tile tile = tile_at(shape, range.first);
    for (size_t t = 0; t < range.count; t++, tile_next(shape, &tile)) {
        int rows = conv->out_height - tile.y, columns = conv->out_width - tile.x;
        rows = rows < out_tile ? rows : out_tile;
        columns = columns < out_tile ? columns : out_tile;
        float *corner = y + tile.image * (size_t)conv->out_height * row_stride + (size_t)tile.y * row_stride +
                        (size_t)tile.x * pitch;
        for (size_t c = 0; c < pitch; c += LANES) {
            vec half[4][TILE];
            for (int j = 0; j < TILE; j++) {
                vec column[TILE], result[4];
                for (int i = 0; i < TILE; i++)
                    column[i] = vec_load(m + (size_t)(i * TILE + j) * point_stride + t * pitch + c);
                transform_output(out_tile, column, result);
                for (int i = 0; i < out_tile; i++)
                    half[i][j] = result[i];
            }
            vec offset = vec_load(bias + c);
            for (int i = 0; i < rows; i++) {
                vec result[4];
                transform_output(out_tile, half[i], result);
                for (int j = 0; j < columns; j++)
                    vec_store(corner + (size_t)i * row_stride + (size_t)j * pitch + c,
                              activate(activation, result[j] + offset));
            }
        }
    }
}

INLINE void output_tiles_of(int out_tile, const struct winograd_shape *shape, struct tile_range range,
                            const float *m, const float *bias, enum activation activation, float *y)
{
    switch (activation) {
    case ACTIVATION_RELU:
        output_tiles(out_tile, ACTIVATION_RELU, shape, range, m, bias, y);
        break;
    case ACTIVATION_SIGMOID:
        output_tiles(out_tile, ACTIVATION_SIGMOID, shape, range, m, bias, y);
        break;
    case ACTIVATION_TANH:
        output_tiles(out_tile, ACTIVATION_TANH, shape, range, m, bias, y);
        break;
    case ACTIVATION_LINEAR:
    case ACTIVATION_SOFTMAX:
        output_tiles(out_tile, ACTIVATION_LINEAR, shape, range, m, bias, y);
        break;
    }
}

void KERNEL(winograd_output)(const struct winograd_shape *shape, struct tile_range range, const float *m,
                             const float *bias, enum activation activation, float *y)
{
    if (shape->out_tile == 4)
        output_tiles_of(4, shape, range, m, bias, activation, y);
    else
        output_tiles_of(2, shape, range, m, bias, activation, y);
}

/* ---- Gradient of the output: dm = A dy A^T ---- */

INLINE void output_gradient_tiles(int out_tile, const struct winograd_shape *shape, struct tile_range range,
                                  const float *dy, float *dm)
{
    const struct conv_shape *conv = &shape->conv;
    size_t pitch = conv->out_pitch, row_stride = (size_t)conv->out_width * pitch;
    size_t point_stride = range.count * pitch;
    struct tile tile = tile_at(shape, range.first);
    for (size_t t = 0; t < range.count; t++, tile_next(shape, &tile)) {
        int rows = conv->out_height - tile.y, columns = conv->out_width - tile.x;
        const float *corner = dy + tile.image * (size_t)conv->out_height * row_stride +
                              (size_t)tile.y * row_stride + (size_t)tile.x * pitch;
        for (size_t c = 0; c < pitch; c += LANES) {
            vec half[4][TILE];
            for (int i = 0; i < out_tile; i++) {
                vec row[4];
                for (int j = 0; j < out_tile; j++)
                    row[j] = i < rows && j < columns
                                 ? vec_load(corner + (size_t)i * row_stride + (size_t)j * pitch + c)
                                 : vec_all(0.0f);
                transform_output_transposed(out_tile, row, half[i]);
            }
            for (int j = 0; j < TILE; j++) {
                vec column[4], result[TILE];
                for (int i = 0; i < out_tile; i++)
                    column[i] = half[i][j];
                transform_output_transposed(out_tile, column, result);
                for (int i = 0; i < TILE; i++)
                    vec_store(dm + (size_t)(i * TILE + j) * point_stride + t * pitch + c, result[i]);
            }
        }
    }
}

void KERNEL(winograd_output_gradient)(const struct winograd_shape *shape, struct tile_range range,
                                      const float *dy, float *dm)
{
    if (shape->out_tile == 4)
        output_gradient_tiles(4, shape, range, dy, dm);
    else
        output_gradient_tiles(2, shape, range, dy, dm);
}

/* ---- Gradient of the input: dx += B dv B^T ---- */

INLINE void input_gradient_tile(const float *dv, size_t point_stride, vec d[TILE][TILE])
{
    vec half[TILE][TILE];
    for (int j = 0; j < TILE; j++) {
        vec column[TILE], result[TILE];
        for (int i = 0; i < TILE; i++)
            column[i] = vec_load(dv + (size_t)(i * TILE + j) * point_stride);
        transform_input_transposed(column, result);
        for (int i = 0; i < TILE; i++)
            half[i][j] = result[i];
    }
    for (int i = 0; i < TILE; i++)
        transform_input_transposed(half[i], d[i]);
}

void KERNEL(winograd_input_gradient)(const struct winograd_shape *shape, struct tile_range range,
                                     const float *dv, float *dx)
{
    const struct conv_shape *conv = &shape->conv;
    size_t pitch = conv->in_pitch, row_stride = (size_t)conv->width * pitch;
    size_t point_stride = range.count * pitch;
    struct tile tile = tile_at(shape, range.first);
    for (size_t t = 0; t < range.count; t++, tile_next(shape, &tile)) {
        int top = tile.y - conv->pad, left = tile.x - conv->pad;
        struct span rows = clip(top, TILE, conv->height), columns = clip(left, TILE, conv->width);
        float *image = dx + tile.image * (size_t)conv->height * row_stride;
        for (size_t c = 0; c < pitch; c += LANES) {
            vec d[TILE][TILE];
            input_gradient_tile(dv + t * pitch + c, point_stride, d);
            for (int i = rows.from; i < rows.to; i++) {
                float *row = image + (size_t)(top + i) * row_stride + c;
                for (int j = columns.from; j < columns.to; j++) {
                    float *pixel = row + (size_t)(left + j) * pitch;
                    vec_store(pixel, vec_load(pixel) + d[i][j]);
                }
            }
        }
    }
}

/* ---- Kernels: u = G g G^T, and back ---- */

void KERNEL(winograd_kernel)(const struct winograd_shape *shape, int first, int count, const float *g,
                             float *u)
{
    const struct conv_shape *conv = &shape->conv;
    int side = conv->kernel_size;
    size_t filters = (size_t)conv->filters, channels = (size_t)conv->channels, pitch = conv->out_pitch;
    size_t point_stride = conv->in_pitch * pitch;
    float matrix[TILE][5];
    kernel_matrix(side, matrix);
    for (size_t channel = (size_t)first; channel < (size_t)(first + count); channel++) {
        for (size_t k = 0; k < pitch; k += LANES) {
            size_t valid = k >= filters ? 0 : filters - k < LANES ? filters - k : LANES;
            vec half[TILE][5];
            for (int j = 0; j < side; j++) {
                vec column[5];
                for (int i = 0; i < side; i++) {
                    column[i] = vec_all(0.0f);
                    memcpy(&column[i], g + ((size_t)(i * side + j) * channels + channel) * filters + k,
                           valid * 4);
                }
                for (int i = 0; i < TILE; i++) {
                    half[i][j] = vec_all(0.0f);
                    for (int p = 0; p < side; p++)
                        half[i][j] += matrix[i][p] * column[p];
                }
            }
            for (int point = 0; point < POINTS; point++) {
                vec sum = vec_all(0.0f);
                for (int p = 0; p < side; p++)
                    sum += matrix[point % TILE][p] * half[point / TILE][p];
                vec_store(u + (size_t)point * point_stride + channel * pitch + k, sum);
            }
        }
    }
}

void KERNEL(winograd_kernel_gradient)(const struct winograd_shape *shape, const float *du, bool accumulate,
                                      float *dg)
{
    const struct conv_shape *conv = &shape->conv;
    int side = conv->kernel_size;
    size_t filters = (size_t)conv->filters, channels = (size_t)conv->channels, pitch = conv->out_pitch;
    size_t point_stride = conv->in_pitch * pitch;
    float matrix[TILE][5];
    kernel_matrix(side, matrix);
    for (size_t channel = 0; channel < channels; channel++) {
        for (size_t k = 0; k < filters; k += LANES) {
            size_t valid = filters - k < LANES ? filters - k : LANES;
            vec half[5][TILE];
            memset(half, 0, sizeof half);
            for (int point = 0; point < POINTS; point++) {
                vec value = vec_load(du + (size_t)point * point_stride + channel * pitch + k);
                for (int p = 0; p < side; p++)
                    half[p][point % TILE] += matrix[point / TILE][p] * value;
            }
            for (int i = 0; i < side; i++) {
                for (int j = 0; j < side; j++) {
                    float *to = dg + ((size_t)(i * side + j) * channels + channel) * filters + k;
                    vec sum = vec_all(0.0f);
                    if (accumulate)
                        memcpy(&sum, to, valid * 4);
                    for (int p = 0; p < TILE; p++)
                        sum += matrix[p][j] * half[i][p];
                    memcpy(to, &sum, valid * 4);
                }
            }
        }
    }
}
