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

/* One vector of channels of one tile; `row` and `column` are the strides of the input. */
INLINE void input_tile(const float *d, size_t row, size_t column, float *v, size_t point_stride)
{
    vec half[TILE][TILE];
    for (size_t j = 0; j < TILE; j++) {
        vec values[TILE], result[TILE];
        for (size_t i = 0; i < TILE; i++)
            values[i] = vec_load(d + i * row + j * column);
        transform_input(values, result);
        for (size_t i = 0; i < TILE; i++)
            half[i][j] = result[i];
    }
    for (size_t i = 0; i < TILE; i++) {
        vec result[TILE];
        transform_input(half[i], result);
        for (size_t j = 0; j < TILE; j++)
            vec_store(v + (i * TILE + j) * point_stride, result[j]);
    }
}

/* A tile that reaches over the image's border, where the input is zero. */
INLINE void copy_edge_tile(const float *image, size_t row_stride, size_t pitch, int top, int left,
                           struct span rows, struct span columns, float tile[POINTS * LANES])
{
    memset(tile, 0, POINTS * LANES * sizeof *tile);
    for (int i = rows.from; i < rows.to; i++)
        for (int j = columns.from; j < columns.to; j++)
            vec_store(tile + (i * TILE + j) * LANES,
                      vec_load(image + (size_t)(top + i) * row_stride + (size_t)(left + j) * pitch));
}

INLINE bool whole(struct span rows, struct span columns)
{
    return rows.from == 0 && rows.to == TILE && columns.from == 0 && columns.to == TILE;
}

void KERNEL(winograd_input)(const struct winograd_shape *shape, struct tile_range range, const float *x,
                            float *v)
{
    const struct conv_shape *conv = &shape->conv;
    size_t pitch = conv->in_pitch, row_stride = (size_t)conv->width * pitch;
    size_t point_stride = winograd_stride(range.count, pitch);
    struct tile tile = tile_at(shape, range.first);
    for (size_t t = 0; t < range.count; t++, tile_next(shape, &tile)) {
        int top = tile.y - conv->pad, left = tile.x - conv->pad;
        struct span rows = clip(top, TILE, conv->height), columns = clip(left, TILE, conv->width);
        const float *image = x + tile.image * (size_t)conv->height * row_stride;
        if (whole(rows, columns)) {
            const float *corner = image + (size_t)top * row_stride + (size_t)left * pitch;
            for (size_t c = 0; c < pitch; c += LANES)
                input_tile(corner + c, row_stride, pitch, v + t * pitch + c, point_stride);
        } else {
            float copy[POINTS * LANES];
            for (size_t c = 0; c < pitch; c += LANES) {
                copy_edge_tile(image + c, row_stride, pitch, top, left, rows, columns, copy);
                input_tile(copy, TILE * LANES, LANES, v + t * pitch + c, point_stride);
            }
        }
    }
}

/* ---- Output: y = activation(A^T m A + bias) ---- */

/* Where the outputs of a tile go, pooled by 2 or not. */
struct target {
    size_t image_size, row_stride, pitch;
    int height, width; /* of the output as it is stored */
    int step;          /* stored pixels along a side of a whole tile */
};

INLINE struct target target_of(const struct winograd_shape *shape, int out_tile, int pool)
{
    const struct conv_shape *conv = &shape->conv;
    int height = conv->out_height / pool, width = conv->out_width / pool;
    size_t row_stride = (size_t)width * conv->out_pitch;
    return (struct target){.image_size = (size_t)height * row_stride,
                           .row_stride = row_stride,
                           .pitch = conv->out_pitch,
                           .height = height,
                           .width = width,
                           .step = out_tile / pool};
}

/* The part of a tile that is stored: its place, and the rows and columns that exist. */
struct corner {
    size_t offset;
    int rows, columns;
};

INLINE struct corner corner_of(const struct target *target, const struct tile *tile, int pool)
{
    int y = tile->y / pool, x = tile->x / pool, rows = target->height - y, columns = target->width - x;
    return (struct corner){.offset = tile->image * target->image_size + (size_t)y * target->row_stride +
                                     (size_t)x * target->pitch,
                           .rows = rows < target->step ? rows : target->step,
                           .columns = columns < target->step ? columns : target->step};
}

/* One vector of channels of one tile: A^T m A. */
INLINE void output_values(int out_tile, const float *m, size_t point_stride, vec y[4][4])
{
    vec half[4][TILE];
    for (size_t j = 0; j < TILE; j++) {
        vec column[TILE], result[4];
        for (size_t i = 0; i < TILE; i++)
            column[i] = vec_load(m + (i * TILE + j) * point_stride);
        transform_output(out_tile, column, result);
        for (int i = 0; i < out_tile; i++)
            half[i][j] = result[i];
    }
    for (int i = 0; i < out_tile; i++)
        transform_output(out_tile, half[i], y[i]);
}

INLINE void store_values(enum activation activation, vec y[4][4], vec bias, int rows, int columns, float *to,
                         const struct target *target)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            vec_store(to + (size_t)i * target->row_stride + (size_t)j * target->pitch,
                      activate(activation, y[i][j] + bias));
}

/* The largest of each 2x2 window, and which it was; NaN wins, so that it is seen. Activations are monotonous, so that
 * one is enough for a window. */
INLINE void store_pooled(enum activation activation, vec y[4][4], vec bias, int rows, int columns, float *to,
                         int32_t *place, const struct target *target)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            vec best = y[2 * i][2 * j];
            ivec where = {0};
            for (int p = 1; p < 4; p++) {
                vec value = y[2 * i + p / 2][2 * j + p % 2];
                ivec greater = (value > best) | (value != value);
                best = vec_select(greater, value, best);
                where = (where & ~greater) | (p & greater);
            }
            size_t at = (size_t)i * target->row_stride + (size_t)j * target->pitch;
            vec_store(to + at, activate(activation, best + bias));
            if (place)
                store_lanes(place + at, where);
        }
}

INLINE void output_tiles(int out_tile, int pool, enum activation activation,
                         const struct winograd_shape *shape, struct tile_range range, const float *m,
                         const float *bias, float *y, int32_t *place)
{
    struct target target = target_of(shape, out_tile, pool);
    size_t pitch = target.pitch, point_stride = winograd_stride(range.count, pitch);
    struct tile tile = tile_at(shape, range.first);
    for (size_t t = 0; t < range.count; t++, tile_next(shape, &tile)) {
        struct corner corner = corner_of(&target, &tile, pool);
        for (size_t c = 0; c < pitch; c += LANES) {
            vec values[4][4], offset = vec_load(bias + c);
            float *to = y + corner.offset + c;
            output_values(out_tile, m + t * pitch + c, point_stride, values);
            if (pool == 2)
                store_pooled(activation, values, offset, corner.rows, corner.columns, to,
                             place ? place + corner.offset + c : NULL, &target);
            else if (corner.rows == out_tile && corner.columns == out_tile)
                store_values(activation, values, offset, out_tile, out_tile, to, &target);
            else
                store_values(activation, values, offset, corner.rows, corner.columns, to, &target);
        }
    }
}

INLINE void output_tiles_of(int out_tile, int pool, const struct winograd_shape *shape,
                            struct tile_range range, const float *m, const float *bias,
                            enum activation activation, float *y, int32_t *place)
{
    switch (activation) {
    case ACTIVATION_RELU:
        output_tiles(out_tile, pool, ACTIVATION_RELU, shape, range, m, bias, y, place);
        break;
    case ACTIVATION_SIGMOID:
        output_tiles(out_tile, pool, ACTIVATION_SIGMOID, shape, range, m, bias, y, place);
        break;
    case ACTIVATION_TANH:
        output_tiles(out_tile, pool, ACTIVATION_TANH, shape, range, m, bias, y, place);
        break;
    case ACTIVATION_LINEAR:
    case ACTIVATION_SOFTMAX:
        output_tiles(out_tile, pool, ACTIVATION_LINEAR, shape, range, m, bias, y, place);
        break;
    }
}

void KERNEL(winograd_output)(const struct winograd_shape *shape, struct tile_range range, const float *m,
                             const float *bias, enum activation activation, float *y)
{
    if (shape->out_tile == 4)
        output_tiles_of(4, 1, shape, range, m, bias, activation, y, NULL);
    else
        output_tiles_of(2, 1, shape, range, m, bias, activation, y, NULL);
}

void KERNEL(winograd_output_pooled)(const struct winograd_shape *shape, struct tile_range range,
                                    const float *m, const float *bias, enum activation activation, float *y,
                                    int32_t *place)
{
    if (shape->out_tile == 4)
        output_tiles_of(4, 2, shape, range, m, bias, activation, y, place);
    else
        output_tiles_of(2, 2, shape, range, m, bias, activation, y, place);
}

/* ---- Gradient of the output: dm = A dy A^T ---- */

/* A dy A^T of one vector of channels of one tile. */
INLINE void store_output_gradient(int out_tile, vec dy[4][4], float *dm, size_t point_stride)
{
    vec half[4][TILE];
    for (int i = 0; i < out_tile; i++)
        transform_output_transposed(out_tile, dy[i], half[i]);
    for (size_t j = 0; j < TILE; j++) {
        vec column[4], result[TILE];
        for (int i = 0; i < out_tile; i++)
            column[i] = half[i][j];
        transform_output_transposed(out_tile, column, result);
        for (size_t i = 0; i < TILE; i++)
            vec_store(dm + (i * TILE + j) * point_stride, result[i]);
    }
}

INLINE void load_gradients(int out_tile, const float *from, int rows, int columns,
                           const struct target *target, vec dy[4][4])
{
    for (int i = 0; i < out_tile; i++)
        for (int j = 0; j < out_tile; j++)
            dy[i][j] = i < rows && j < columns
                           ? vec_load(from + (size_t)i * target->row_stride + (size_t)j * target->pitch)
                           : vec_all(0.0f);
}

/* Each pooled gradient goes to where the maximum was; the other three of its window are zero. */
INLINE void load_pooled_gradients(int out_tile, const float *from, const int32_t *place, int rows,
                                  int columns, const struct target *target, vec dy[4][4])
{
    for (int i = 0; i < out_tile / 2; i++)
        for (int j = 0; j < out_tile / 2; j++) {
            size_t at = (size_t)i * target->row_stride + (size_t)j * target->pitch;
            bool exists = i < rows && j < columns;
            ivec gradient = exists ? (ivec)vec_load(from + at) : (ivec){0};
            ivec where = exists ? load_lanes(place + at) : (ivec){0};
            for (int p = 0; p < 4; p++)
                dy[2 * i + p / 2][2 * j + p % 2] = (vec)(gradient & (where == p));
        }
}

INLINE void output_gradient_tiles(int out_tile, int pool, const struct winograd_shape *shape,
                                  struct tile_range range, const float *dy, const int32_t *place, float *dm)
{
    struct target target = target_of(shape, out_tile, pool);
    size_t pitch = target.pitch, point_stride = winograd_stride(range.count, pitch);
    struct tile tile = tile_at(shape, range.first);
    for (size_t t = 0; t < range.count; t++, tile_next(shape, &tile)) {
        struct corner corner = corner_of(&target, &tile, pool);
        for (size_t c = 0; c < pitch; c += LANES) {
            vec values[4][4];
            const float *from = dy + corner.offset + c;
            if (pool == 2)
                load_pooled_gradients(out_tile, from, place + corner.offset + c, corner.rows, corner.columns,
                                      &target, values);
            else if (corner.rows == out_tile && corner.columns == out_tile)
                load_gradients(out_tile, from, out_tile, out_tile, &target, values);
            else
                load_gradients(out_tile, from, corner.rows, corner.columns, &target, values);
            store_output_gradient(out_tile, values, dm + t * pitch + c, point_stride);
        }
    }
}

void KERNEL(winograd_output_gradient)(const struct winograd_shape *shape, struct tile_range range,
                                      const float *dy, float *dm)
{
    if (shape->out_tile == 4)
        output_gradient_tiles(4, 1, shape, range, dy, NULL, dm);
    else
        output_gradient_tiles(2, 1, shape, range, dy, NULL, dm);
}

void KERNEL(winograd_pooled_gradient)(const struct winograd_shape *shape, struct tile_range range,
                                      const float *dy, const int32_t *place, float *dm)
{
    if (shape->out_tile == 4)
        output_gradient_tiles(4, 2, shape, range, dy, place, dm);
    else
        output_gradient_tiles(2, 2, shape, range, dy, place, dm);
}

/* ---- Gradient of the input: dx += B dv B^T ---- */

/* One vector of channels of one tile, of which the pixels in rows x columns exist. */
INLINE void input_gradient_tile(const float *dv, size_t point_stride, struct span rows, struct span columns,
                                float *dx, size_t row_stride, size_t pitch)
{
    vec half[TILE][TILE];
    for (size_t j = 0; j < TILE; j++) {
        vec column[TILE], result[TILE];
        for (size_t i = 0; i < TILE; i++)
            column[i] = vec_load(dv + (i * TILE + j) * point_stride);
        transform_input_transposed(column, result);
        for (size_t i = 0; i < TILE; i++)
            half[i][j] = result[i];
    }
    for (int i = rows.from; i < rows.to; i++) {
        vec result[TILE];
        transform_input_transposed(half[i], result);
        for (int j = columns.from; j < columns.to; j++) {
            float *pixel = dx + i * (ptrdiff_t)row_stride + j * (ptrdiff_t)pitch;
            vec_store(pixel, vec_load(pixel) + result[j]);
        }
    }
}

void KERNEL(winograd_input_gradient)(const struct winograd_shape *shape, struct tile_range range,
                                     const float *dv, float *dx)
{
    const struct conv_shape *conv = &shape->conv;
    const struct span all = {0, TILE};
    size_t pitch = conv->in_pitch, row_stride = (size_t)conv->width * pitch;
    size_t point_stride = winograd_stride(range.count, pitch);
    struct tile tile = tile_at(shape, range.first);
    for (size_t t = 0; t < range.count; t++, tile_next(shape, &tile)) {
        int top = tile.y - conv->pad, left = tile.x - conv->pad;
        struct span rows = clip(top, TILE, conv->height), columns = clip(left, TILE, conv->width);
        float *corner = dx + tile.image * (size_t)conv->height * row_stride + top * (ptrdiff_t)row_stride +
                        left * (ptrdiff_t)pitch;
        for (size_t c = 0; c < pitch; c += LANES) {
            const float *from = dv + t * pitch + c;
            if (whole(rows, columns))
                input_gradient_tile(from, point_stride, all, all, corner + c, row_stride, pitch);
            else
                input_gradient_tile(from, point_stride, rows, columns, corner + c, row_stride, pitch);
        }
    }
}

/* ---- Kernels: u = G g G^T, and back ---- */

/* G g, from `side` values. */
INLINE void transform_kernel(int side, const vec g[5], vec u[TILE])
{
    vec even = g[0] + g[2], odd = g[1];
    vec even2 = g[0] + 4.0f * g[2], odd2 = 2.0f * g[1];
    if (side == 5) {
        even += g[4];
        odd += g[3];
        even2 += 16.0f * g[4];
        odd2 += 8.0f * g[3];
    }
    u[0] = g[0] * (1.0f / 4);
    u[1] = (even + odd) * (-1.0f / 6);
    u[2] = (even - odd) * (-1.0f / 6);
    u[3] = (even2 + odd2) * (1.0f / 24);
    u[4] = (even2 - odd2) * (1.0f / 24);
    u[5] = g[side - 1];
}

/* G^T u: the transpose of transform_kernel. */
INLINE void transform_kernel_transposed(int side, const vec u[TILE], vec g[5])
{
    vec sum12 = (u[1] + u[2]) * (-1.0f / 6), difference12 = (u[1] - u[2]) * (-1.0f / 6);
    vec sum34 = (u[3] + u[4]) * (1.0f / 24), difference34 = (u[3] - u[4]) * (1.0f / 24);
    g[0] = u[0] * (1.0f / 4) + sum12 + sum34;
    g[1] = difference12 + 2.0f * difference34;
    g[2] = sum12 + 4.0f * sum34;
    if (side == 5) {
        g[3] = difference12 + 8.0f * difference34;
        g[4] = sum12 + 16.0f * sum34;
    }
    g[side - 1] += u[5];
}

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

INLINE void transform_kernels(int side, const struct conv_shape *conv, size_t first, size_t count,
                              const float *g, float *u)
{
    size_t filters = (size_t)conv->filters, tap_stride = (size_t)conv->channels * filters;
    size_t pitch = conv->out_pitch, point_stride = winograd_stride(conv->in_pitch, pitch);
    for (size_t channel = first; channel < first + count; channel++) {
        const float *taps = g + channel * filters;
        for (size_t k = 0; k < pitch; k += LANES) {
            vec half[TILE][5];
            for (int j = 0; j < side; j++) {
                vec column[5], result[TILE];
                for (int i = 0; i < side; i++)
                    column[i] = load_filters(taps + (size_t)(i * side + j) * tap_stride, k, filters);
                transform_kernel(side, column, result);
                for (int i = 0; i < TILE; i++)
                    half[i][j] = result[i];
            }
            for (size_t i = 0; i < TILE; i++) {
                vec result[TILE];
                transform_kernel(side, half[i], result);
                for (size_t j = 0; j < TILE; j++)
                    vec_store(u + (i * TILE + j) * point_stride + channel * pitch + k, result[j]);
            }
        }
    }
}

void KERNEL(winograd_kernel)(const struct winograd_shape *shape, int first, int count, const float *g,
                             float *u)
{
    if (shape->conv.kernel_size == 3)
        transform_kernels(3, &shape->conv, (size_t)first, (size_t)count, g, u);
    else
        transform_kernels(5, &shape->conv, (size_t)first, (size_t)count, g, u);
}

INLINE void transform_kernel_gradients(int side, const struct conv_shape *conv, const float *du,
                                       bool accumulate, float *dg)
{
    size_t filters = (size_t)conv->filters, tap_stride = (size_t)conv->channels * filters;
    size_t pitch = conv->out_pitch, point_stride = winograd_stride(conv->in_pitch, pitch);
    for (size_t channel = 0; channel < (size_t)conv->channels; channel++) {
        float *taps = dg + channel * filters;
        for (size_t k = 0; k < filters; k += LANES) {
            vec half[5][TILE];
            for (size_t j = 0; j < TILE; j++) {
                vec column[TILE], result[5];
                for (size_t i = 0; i < TILE; i++)
                    column[i] = vec_load(du + (i * TILE + j) * point_stride + channel * pitch + k);
                transform_kernel_transposed(side, column, result);
                for (int i = 0; i < side; i++)
                    half[i][j] = result[i];
            }
            for (int i = 0; i < side; i++) {
                vec result[5];
                transform_kernel_transposed(side, half[i], result);
                for (int j = 0; j < side; j++) {
                    float *to = taps + (size_t)(i * side + j) * tap_stride;
                    vec old = accumulate ? load_filters(to, k, filters) : vec_all(0.0f);
                    store_filters(to, k, filters, old + result[j]);
                }
            }
        }
    }
}

void KERNEL(winograd_kernel_gradient)(const struct winograd_shape *shape, const float *du, bool accumulate,
                                      float *dg)
{
    if (shape->conv.kernel_size == 3)
        transform_kernel_gradients(3, &shape->conv, du, accumulate, dg);
    else
        transform_kernel_gradients(5, &shape->conv, du, accumulate, dg);
}
