/* The transforms of Winograd convolution on tiles: of inputs and outputs, forward and backward.
 *
 * Each is a transform of the columns, then of the rows; channels are the lanes. A whole tile does not fit the registers:
 * the columns are transformed anew for each of its passes, which makes one or two rows at a time, those that
 * share most. Reading is cheaper than spilling. */
#include "engine/kernels/activate.h"
#include "engine/kernels/isa.h"
#include "engine/kernels/winograd_side.h"

/* Calls `tiles` with each group's sides as constants, so that a version of it is compiled for each pair. */
#define FOR_SIDES(group, tiles, ...)                                                                         \
    switch ((group)->height << 2 | (group)->width) {                                                         \
    case SIDE_4 << 2 | SIDE_4:                                                                               \
        tiles(SIDE_4, SIDE_4, __VA_ARGS__);                                                                  \
        break;                                                                                               \
    case SIDE_4 << 2 | SIDE_2:                                                                               \
        tiles(SIDE_4, SIDE_2, __VA_ARGS__);                                                                  \
        break;                                                                                               \
    case SIDE_4 << 2 | SIDE_1:                                                                               \
        tiles(SIDE_4, SIDE_1, __VA_ARGS__);                                                                  \
        break;                                                                                               \
    case SIDE_2 << 2 | SIDE_4:                                                                               \
        tiles(SIDE_2, SIDE_4, __VA_ARGS__);                                                                  \
        break;                                                                                               \
    case SIDE_2 << 2 | SIDE_2:                                                                               \
        tiles(SIDE_2, SIDE_2, __VA_ARGS__);                                                                  \
        break;                                                                                               \
    case SIDE_1 << 2 | SIDE_4:                                                                               \
        tiles(SIDE_1, SIDE_4, __VA_ARGS__);                                                                  \
        break;                                                                                               \
    case SIDE_1 << 2 | SIDE_1:                                                                               \
        tiles(SIDE_1, SIDE_1, __VA_ARGS__);                                                                  \
        break;                                                                                               \
    default:                                                                                                 \
        tiles(SIDE_2_OF_5, SIDE_2_OF_5, __VA_ARGS__);                                                        \
    }

/* ---- Where a tile lies ---- */

struct place {
    size_t image;
    int row, column; /* among the tiles of the group in that image */
};

INLINE struct place place_at(const struct tile_group *group, size_t index)
{
    size_t per_image = (size_t)group->rows * (size_t)group->columns;
    int within = (int)(index % per_image);
    return (struct place){
        .image = index / per_image, .row = within / group->columns, .column = within % group->columns};
}

INLINE void place_next(const struct tile_group *group, struct place *place)
{
    if (++place->column < group->columns)
        return;
    place->column = 0;
    if (++place->row < group->rows)
        return;
    place->row = 0;
    place->image++;
}

/* The part of a block of tiles that lies in a group. */
struct run {
    const struct winograd_tiling *tiling;
    const struct tile_group *group;
    size_t first, count; /* in the group */
    size_t row;          /* of the first one's in the block's matrices */
    size_t point_stride; /* of those */
};

INLINE struct run run_of(const struct winograd_tiling *tiling, const struct tile_group *group,
                         struct tile_range block, size_t pitch)
{
    struct tile_range common =
        tile_range_common(block, (struct tile_range){.first = group->first, .count = group->count});
    return (struct run){.tiling = tiling,
                        .group = group,
                        .first = common.first - group->first,
                        .count = common.count,
                        .row = common.first - block.first,
                        .point_stride = winograd_stride(block.count, pitch)};
}

/* The part of `size` consecutive pixels from `start` that lies inside 0..limit-1. */
struct span {
    int from, to;
};

INLINE struct span clip(int start, int size, int limit)
{
    return (struct span){.from = start < 0 ? -start : 0, .to = start + size > limit ? limit - start : size};
}

/* Stores one element of a tile, and fetches the place of the next vector's: the hardware does not follow 36 streams. */
INLINE void store_point(float *to, vec value)
{
    vec_store(to, value);
    __builtin_prefetch(to + LANES, 1, 3);
}

/* ---- Passes over a tile ---- */

/* Rows of the input's transform, or of its transpose, that a pass makes. */
struct pass {
    int first, second; /* the same one where there is but one */
};

INLINE int pass_rows(struct pass pass)
{
    return pass.second == pass.first ? 1 : 2;
}

INLINE int input_passes(enum tile_side side)
{
    return side_points(side) == TILE ? 4 : side_points(side);
}

INLINE struct pass input_pass(enum tile_side side, int pass)
{
    if (side_points(side) < TILE)
        return (struct pass){pass, pass};
    return (struct pass){pass == 0 ? 0 : 2 * pass - 1, pass == 3 ? 5 : 2 * pass};
}

INLINE struct pass input_transposed_pass(enum tile_side side, int pass)
{
    if (side_points(side) < TILE)
        return (struct pass){pass, pass};
    int first = pass == 3 ? 5 : pass;
    return (struct pass){first, pass == 1 || pass == 2 ? pass + 2 : first};
}

/* ---- Input: v = B^T d B ---- */

/* One vector of channels of one tile; `row` and `column` are the strides of the input. */
INLINE void input_tile(enum tile_side height, enum tile_side width, const float *d, struct steps row,
                       size_t column, float *v, struct steps point)
{
    UNROLL
    for (int p = 0; p < input_passes(height); p++) {
        struct pass pass = input_pass(height, p);
        vec half[2][TILE];
        const float *from = d;
        UNROLL
        for (int j = 0; j < side_points(width); j++, from += column) {
            vec values[TILE], result[TILE];
            HIDE(from);
            UNROLL
            for (int i = 0; i < side_points(height); i++)
                values[i] = vec_load(from + step(row, i));
            transform_input(height, values, result);
            half[0][j] = result[pass.first];
            half[1][j] = result[pass.second];
        }
        UNROLL
        for (int h = 0; h < pass_rows(pass); h++) {
            vec result[TILE];
            float *to = v + (size_t)side_point(height, h ? pass.second : pass.first) * TILE * point.one;
            HIDE(to);
            transform_input(width, half[h], result);
            UNROLL
            for (int j = 0; j < side_points(width); j++)
                store_point(to + step(point, side_point(width, j)), result[j]);
        }
    }
}

/* A tile that reaches over the image's border, where the input is zero. */
INLINE void copy_edge_tile(int height, int width, const float *image, size_t row_stride, size_t pitch,
                           int top, int left, struct span rows, struct span columns,
                           float tile[TILE * TILE * LANES])
{
    for (int i = 0; i < height; i++)
        for (int j = 0; j < width; j++) {
            bool exists = i >= rows.from && i < rows.to && j >= columns.from && j < columns.to;
            size_t at = (size_t)(top + i) * row_stride + (size_t)(left + j) * pitch;
            vec_store(tile + (i * TILE + j) * LANES, exists ? vec_load(image + at) : vec_all(0.0f));
        }
}

INLINE bool whole(struct span rows, int height, struct span columns, int width)
{
    return rows.from == 0 && rows.to == height && columns.from == 0 && columns.to == width;
}

/* What the tile below adds to this one's rows. */
INLINE void fetch_next_tile(enum tile_side height, enum tile_side width, const float *corner,
                            size_t row_stride, size_t pitch)
{
    for (int i = 0; i < side_outputs(height); i++)
        for (size_t j = 0; j < (size_t)side_outputs(width) * pitch; j += 64 / sizeof(float))
            __builtin_prefetch(corner + (size_t)(i + side_points(height)) * row_stride + j, 0, 2);
}

INLINE void input_tiles(enum tile_side height, enum tile_side width, const struct run *run, const float *x,
                        float *v)
{
    const struct conv_shape *conv = &run->tiling->conv;
    const struct tile_group *group = run->group;
    size_t pitch = conv->in_pitch, row_stride = (size_t)conv->width * pitch;
    const struct steps point = steps_of(run->point_stride), row = steps_of(row_stride);
    const struct steps copied = steps_of(TILE * LANES);
    int step_size = run->tiling->out_tile;
    struct place place = place_at(group, run->first);
    v += run->row * pitch;
    for (size_t t = 0; t < run->count; t++, place_next(group, &place), v += pitch) {
        int top = group->top + place.row * step_size - conv->pad;
        int left = group->left + place.column * step_size - conv->pad;
        struct span rows = clip(top, side_points(height), conv->height);
        struct span columns = clip(left, side_points(width), conv->width);
        const float *image = x + place.image * (size_t)conv->height * row_stride;
        const float *corner = image + (size_t)top * row_stride + (size_t)left * pitch;
        bool at_edge = !whole(rows, side_points(height), columns, side_points(width));
        if (!at_edge)
            fetch_next_tile(height, width, corner, row_stride, pitch);
        for (size_t c = 0; c < pitch; c += LANES) {
            float copy[TILE * TILE * LANES];
            if (at_edge)
                copy_edge_tile(side_points(height), side_points(width), image + c, row_stride, pitch, top,
                               left, rows, columns, copy);
            input_tile(height, width, at_edge ? copy : corner + c, at_edge ? copied : row,
                       at_edge ? LANES : pitch, v + c, point);
        }
    }
}

void KERNEL(winograd_input)(const struct winograd_tiling *tiling, struct tile_range block, const float *x,
                            float *v)
{
    struct tile_group groups[TILE_GROUPS];
    winograd_groups(tiling, groups);
    for (int g = 0; g < TILE_GROUPS; g++) {
        struct run run = run_of(tiling, &groups[g], block, tiling->conv.in_pitch);
        if (run.count > 0)
            FOR_SIDES(&groups[g], input_tiles, &run, x, v)
    }
}

/* ---- Output: y = activation(A^T m A + bias) ---- */

/* Where the outputs of a tile go, pooled by 2 or not. */
struct target {
    size_t image_size, row_stride, pitch;
    int height, width; /* of the output as it is stored */
};

INLINE struct target target_of(const struct winograd_tiling *tiling, int pool)
{
    const struct conv_shape *conv = &tiling->conv;
    int height = conv->out_height / pool, width = conv->out_width / pool;
    size_t row_stride = (size_t)width * conv->out_pitch;
    return (struct target){.image_size = (size_t)height * row_stride,
                           .row_stride = row_stride,
                           .pitch = conv->out_pitch,
                           .height = height,
                           .width = width};
}

/* The part of a tile that is stored: its place, and the rows and columns that exist. */
struct corner {
    size_t offset;
    int rows, columns;
};

INLINE struct corner corner_of(const struct run *run, const struct target *target, const struct place *place,
                               int pool, int height, int width)
{
    int step = run->tiling->out_tile;
    int y = (run->group->top + place->row * step) / pool,
        x = (run->group->left + place->column * step) / pool;
    int rows = target->height - y, columns = target->width - x;
    return (struct corner){.offset = place->image * target->image_size + (size_t)y * target->row_stride +
                                     (size_t)x * target->pitch,
                           .rows = rows < height / pool ? rows : height / pool,
                           .columns = columns < width / pool ? columns : width / pool};
}

/* Passes over the rows of A^T m. */
INLINE struct pass output_pass(enum tile_side side, int pass)
{
    return (struct pass){pass, side == SIDE_4 ? pass + 2 : pass};
}

/* One vector of channels of one tile: A^T m A. */
INLINE void output_values(enum tile_side height, enum tile_side width, const float *m, struct steps point,
                          struct steps row, vec y[4][4])
{
    UNROLL
    for (int p = 0; p < (side_outputs(height) + 1) / 2 + (height != SIDE_4 && height != SIDE_1); p++) {
        struct pass pass = output_pass(height, p);
        vec half[2][TILE];
        UNROLL
        for (int j = 0; j < side_points(width); j++) {
            vec column[TILE], result[4];
            const float *from = m + step(point, side_point(width, j));
            HIDE(from);
            UNROLL
            for (int i = 0; i < side_points(height); i++)
                column[i] = vec_load(from + step(row, side_point(height, i)));
            transform_output(height, column, result);
            half[0][j] = result[pass.first];
            half[1][j] = result[pass.second];
        }
        transform_output(width, half[0], y[pass.first]);
        if (pass.second != pass.first)
            transform_output(width, half[1], y[pass.second]);
        __asm__ volatile("" ::: "memory"); /* read again, do not spill */
    }
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

INLINE void output_tiles(enum tile_side height, enum tile_side width, int pool, enum activation activation,
                         const struct run *run, const float *m, const float *bias, float *y, int32_t *place)
{
    const int rows = side_outputs(height), columns = side_outputs(width);
    struct target target = target_of(run->tiling, pool);
    const struct steps point = steps_of(run->point_stride), row = steps_of(TILE * run->point_stride);
    size_t pitch = target.pitch;
    struct place at = place_at(run->group, run->first);
    m += run->row * pitch;
    for (size_t t = 0; t < run->count; t++, place_next(run->group, &at), m += pitch) {
        struct corner corner = corner_of(run, &target, &at, pool, rows, columns);
        for (size_t c = 0; c < pitch; c += LANES) {
            vec values[4][4], offset = vec_load(bias + c);
            float *to = y + corner.offset + c;
            output_values(height, width, m + c, point, row, values);
            if (pool == 2)
                store_pooled(activation, values, offset, corner.rows, corner.columns, to,
                             place ? place + corner.offset + c : NULL, &target);
            else if (corner.rows == rows && corner.columns == columns)
                store_values(activation, values, offset, rows, columns, to, &target);
            else
                store_values(activation, values, offset, corner.rows, corner.columns, to, &target);
        }
    }
}

#define output_tiles_plain(height, width, ...)  output_tiles(height, width, 1, __VA_ARGS__)
#define output_tiles_pooled(height, width, ...) output_tiles(height, width, 2, __VA_ARGS__)

void KERNEL(winograd_output)(const struct winograd_tiling *tiling, struct tile_range block, const float *m,
                             const float *bias, enum activation activation, float *y)
{
    struct tile_group groups[TILE_GROUPS];
    winograd_groups(tiling, groups);
    for (int g = 0; g < TILE_GROUPS; g++) {
        struct run run = run_of(tiling, &groups[g], block, tiling->conv.out_pitch);
        if (run.count > 0)
            FOR_SIDES(&groups[g], output_tiles_plain, activation, &run, m, bias, y, NULL)
    }
}

void KERNEL(winograd_output_pooled)(const struct winograd_tiling *tiling, struct tile_range block,
                                    const float *m, const float *bias, enum activation activation, float *y,
                                    int32_t *place)
{
    struct tile_group groups[TILE_GROUPS];
    winograd_groups(tiling, groups);
    for (int g = 0; g < TILE_GROUPS; g++) {
        struct run run = run_of(tiling, &groups[g], block, tiling->conv.out_pitch);
        if (run.count > 0)
            FOR_SIDES(&groups[g], output_tiles_pooled, activation, &run, m, bias, y, place)
    }
}

/* ---- Gradient of the output: dm = A dy A^T ---- */

INLINE struct pass output_transposed_pass(enum tile_side side, int pass)
{
    return input_pass(side, pass);
}

/* A dy A^T of one vector of channels of one tile. */
INLINE void store_output_gradient(enum tile_side height, enum tile_side width, vec dy[4][4], float *dm,
                                  struct steps point)
{
    UNROLL
    for (int p = 0; p < input_passes(height); p++) {
        struct pass pass = output_transposed_pass(height, p);
        vec half[2][4];
        UNROLL
        for (int j = 0; j < side_outputs(width); j++) {
            vec column[4], result[TILE];
            UNROLL
            for (int i = 0; i < side_outputs(height); i++)
                column[i] = dy[i][j];
            transform_output_transposed(height, column, result);
            half[0][j] = result[pass.first];
            half[1][j] = result[pass.second];
        }
        UNROLL
        for (int h = 0; h < pass_rows(pass); h++) {
            vec result[TILE];
            float *to = dm + (size_t)side_point(height, h ? pass.second : pass.first) * TILE * point.one;
            HIDE(to);
            transform_output_transposed(width, half[h], result);
            UNROLL
            for (int j = 0; j < side_points(width); j++)
                store_point(to + step(point, side_point(width, j)), result[j]);
        }
    }
}

INLINE void load_gradients(int height, int width, const float *from, int rows, int columns,
                           const struct target *target, vec dy[4][4])
{
    for (int i = 0; i < height; i++)
        for (int j = 0; j < width; j++)
            dy[i][j] = i < rows && j < columns
                           ? vec_load(from + (size_t)i * target->row_stride + (size_t)j * target->pitch)
                           : vec_all(0.0f);
}

/* Each pooled gradient goes to where the maximum was; the other three of its window are zero. */
INLINE void load_pooled_gradients(int height, int width, const float *from, const int32_t *place, int rows,
                                  int columns, const struct target *target, vec dy[4][4])
{
    for (int i = 0; i < height / 2; i++)
        for (int j = 0; j < width / 2; j++) {
            size_t at = (size_t)i * target->row_stride + (size_t)j * target->pitch;
            bool exists = i < rows && j < columns;
            ivec gradient = exists ? (ivec)vec_load(from + at) : (ivec){0};
            ivec where = exists ? load_lanes(place + at) : (ivec){0};
            for (int p = 0; p < 4; p++)
                dy[2 * i + p / 2][2 * j + p % 2] = (vec)(gradient & (where == p));
        }
}

INLINE void output_gradient_tiles(enum tile_side height, enum tile_side width, int pool,
                                  const struct run *run, const float *dy, const int32_t *place, float *dm)
{
    const int rows = side_outputs(height), columns = side_outputs(width);
    struct target target = target_of(run->tiling, pool);
    const struct steps point = steps_of(run->point_stride);
    size_t pitch = target.pitch;
    struct place at = place_at(run->group, run->first);
    dm += run->row * pitch;
    for (size_t t = 0; t < run->count; t++, place_next(run->group, &at), dm += pitch) {
        struct corner corner = corner_of(run, &target, &at, pool, rows, columns);
        for (size_t c = 0; c < pitch; c += LANES) {
            vec values[4][4] = {{{0}}};
            const float *from = dy + corner.offset + c;
            if (pool == 2)
                load_pooled_gradients(rows, columns, from, place + corner.offset + c, corner.rows,
                                      corner.columns, &target, values);
            else if (corner.rows == rows && corner.columns == columns)
                load_gradients(rows, columns, from, rows, columns, &target, values);
            else
                load_gradients(rows, columns, from, corner.rows, corner.columns, &target, values);
            store_output_gradient(height, width, values, dm + c, point);
        }
    }
}

#define output_gradient_plain(height, width, ...)  output_gradient_tiles(height, width, 1, __VA_ARGS__)
#define output_gradient_pooled(height, width, ...) output_gradient_tiles(height, width, 2, __VA_ARGS__)

void KERNEL(winograd_output_gradient)(const struct winograd_tiling *tiling, struct tile_range block,
                                      const float *dy, float *dm)
{
    struct tile_group groups[TILE_GROUPS];
    winograd_groups(tiling, groups);
    for (int g = 0; g < TILE_GROUPS; g++) {
        struct run run = run_of(tiling, &groups[g], block, tiling->conv.out_pitch);
        if (run.count > 0)
            FOR_SIDES(&groups[g], output_gradient_plain, &run, dy, NULL, dm)
    }
}

void KERNEL(winograd_pooled_gradient)(const struct winograd_tiling *tiling, struct tile_range block,
                                      const float *dy, const int32_t *place, float *dm)
{
    struct tile_group groups[TILE_GROUPS];
    winograd_groups(tiling, groups);
    for (int g = 0; g < TILE_GROUPS; g++) {
        struct run run = run_of(tiling, &groups[g], block, tiling->conv.out_pitch);
        if (run.count > 0)
            FOR_SIDES(&groups[g], output_gradient_pooled, &run, dy, place, dm)
    }
}

/* ---- Gradient of the input: dx += B dv B^T ---- */

/* One vector of channels of one tile, of which the pixels in rows x columns exist. */
INLINE void input_gradient_tile(enum tile_side height, enum tile_side width, const float *dv,
                                struct steps point, struct steps row, struct span rows, struct span columns,
                                float *dx, size_t row_stride, struct steps pixel)
{
    UNROLL
    for (int p = 0; p < input_passes(height); p++) {
        struct pass pass = input_transposed_pass(height, p);
        vec half[2][TILE];
        UNROLL
        for (int j = 0; j < side_points(width); j++) {
            vec column[TILE], result[TILE];
            const float *from = dv + step(point, side_point(width, j));
            HIDE(from);
            UNROLL
            for (int i = 0; i < side_points(height); i++)
                column[i] = vec_load(from + step(row, side_point(height, i)));
            transform_input_transposed(height, column, result);
            half[0][j] = result[pass.first];
            half[1][j] = result[pass.second];
        }
        UNROLL
        for (int h = 0; h < pass_rows(pass); h++) {
            vec result[TILE];
            int i = h ? pass.second : pass.first;
            if (i < rows.from || i >= rows.to)
                continue;
            float *to = dx + i * (ptrdiff_t)row_stride;
            HIDE(to);
            transform_input_transposed(width, half[h], result);
            UNROLL
            for (int j = 0; j < side_points(width); j++)
                if (j >= columns.from && j < columns.to)
                    vec_store(to + step(pixel, j), vec_load(to + step(pixel, j)) + result[j]);
        }
    }
}

INLINE void input_gradient_tiles(enum tile_side height, enum tile_side width, const struct run *run,
                                 const float *dv, float *dx)
{
    const struct conv_shape *conv = &run->tiling->conv;
    const struct tile_group *group = run->group;
    const struct span all_rows = {0, side_points(height)}, all_columns = {0, side_points(width)};
    size_t pitch = conv->in_pitch, row_stride = (size_t)conv->width * pitch;
    const struct steps point = steps_of(run->point_stride), row = steps_of(TILE * run->point_stride);
    const struct steps pixel = steps_of(pitch);
    int step_size = run->tiling->out_tile;
    struct place place = place_at(group, run->first);
    dv += run->row * pitch;
    for (size_t t = 0; t < run->count; t++, place_next(group, &place), dv += pitch) {
        int top = group->top + place.row * step_size - conv->pad;
        int left = group->left + place.column * step_size - conv->pad;
        struct span rows = clip(top, all_rows.to, conv->height);
        struct span columns = clip(left, all_columns.to, conv->width);
        float *corner = dx + place.image * (size_t)conv->height * row_stride + top * (ptrdiff_t)row_stride +
                        left * (ptrdiff_t)pitch;
        for (size_t c = 0; c < pitch; c += LANES) {
            if (whole(rows, all_rows.to, columns, all_columns.to))
                input_gradient_tile(height, width, dv + c, point, row, all_rows, all_columns, corner + c,
                                    row_stride, pixel);
            else
                input_gradient_tile(height, width, dv + c, point, row, rows, columns, corner + c, row_stride,
                                    pixel);
        }
    }
}

void KERNEL(winograd_input_gradient)(const struct winograd_tiling *tiling, struct tile_range block,
                                     const float *dv, float *dx)
{
    struct tile_group groups[TILE_GROUPS];
    winograd_groups(tiling, groups);
    for (int g = 0; g < TILE_GROUPS; g++) {
        struct run run = run_of(tiling, &groups[g], block, tiling->conv.in_pitch);
        if (run.count > 0)
            FOR_SIDES(&groups[g], input_gradient_tiles, &run, dv, dx)
    }
}
