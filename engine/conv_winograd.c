/* Winograd convolution: 36 small products instead of one large one, on a quarter of the multiplications.
 *
 * A block of tiles goes through all three stages (transform, products, transform back) before the next begins, so
 * that it stays in the second-level cache. The prepared kernel is u [36][in_pitch][out_pitch], and for training also
 * its transpose ut [36][out_pitch][in_pitch] and the scratch [r][r][filters][channels] that it is made from.
 * Lavin and Gray, arXiv 1509.09308, give the forward pass; the backward passes are its transposes. */
#include "engine/conv.h"

#include "engine/alloc.h"

#include <string.h>

/* Bytes of V and M of one block: what a second-level cache holds, beside the kernels of a larger one. */
#define BLOCK_BYTES    (512 * 1024)
#define BLOCK_MULTIPLE 12 /* the rows of a product's register block, of every instruction set */

static bool winograd_applies(const struct conv_shape *shape)
{
    return (shape->kernel_size == 3 || shape->kernel_size == 5) && shape->in_pitch % 16 == 0;
}

/* Behind a max-pool of 2, a last odd row and column are not needed. */
static struct winograd_tiling tiling(const struct conv_shape *shape, size_t images, bool pooled)
{
    int unit = pooled ? 2 : 1;
    return winograd_tiling_of(shape, shape->out_height / unit * unit, shape->out_width / unit * unit, images);
}

static size_t block_tiles(const struct conv_shape *shape)
{
    size_t bytes_a_tile = WINOGRAD_POINTS * (shape->in_pitch + shape->out_pitch) * sizeof(float);
    size_t tiles = BLOCK_BYTES / bytes_a_tile / BLOCK_MULTIPLE * BLOCK_MULTIPLE;
    return tiles < BLOCK_MULTIPLE ? BLOCK_MULTIPLE : tiles;
}

/* Floats of a matrix [in_pitch][out_pitch] for each point. */
static size_t points_size(const struct conv_shape *shape)
{
    return WINOGRAD_POINTS * winograd_stride(shape->in_pitch, shape->out_pitch);
}

/* ---- Kernels ---- */

static size_t winograd_prepared(const struct conv_shape *shape, bool training)
{
    size_t taps = (size_t)shape->kernel_size * (size_t)shape->kernel_size;
    size_t scratch = taps * (size_t)shape->channels * (size_t)shape->filters;
    return training ? 2 * points_size(shape) + round_up_16(scratch) : points_size(shape);
}

/* Part `part` of `parts` of 0..count-1. */
static struct tile_range slice(size_t count, size_t part, size_t parts)
{
    size_t first = count * part / parts;
    return (struct tile_range){.first = first, .count = count * (part + 1) / parts - first};
}

static void winograd_prepare(const struct kernels *kernels, const struct conv_shape *shape, bool training,
                             const float *kernel, float *prepared, size_t part, size_t parts)
{
    size_t channels = (size_t)shape->channels, filters = (size_t)shape->filters;
    struct tile_range rows = slice(channels, part, parts);
    kernels->winograd_kernel(shape, (int)rows.first, (int)rows.count, kernel, prepared);
    if (!training)
        return;

    struct conv_shape transposed = *shape;
    transposed.channels = shape->filters;
    transposed.filters = shape->channels;
    transposed.in_pitch = shape->out_pitch;
    transposed.out_pitch = shape->in_pitch;
    float *ut = prepared + points_size(shape), *swapped = ut + points_size(shape);
    rows = slice(filters, part, parts);
    for (size_t tap = 0; tap < (size_t)(shape->kernel_size * shape->kernel_size); tap++)
        for (size_t k = rows.first; k < rows.first + rows.count; k++)
            for (size_t c = 0; c < channels; c++)
                swapped[(tap * filters + k) * channels + c] = kernel[(tap * channels + c) * filters + k];
    kernels->winograd_kernel(&transposed, (int)rows.first, (int)rows.count, swapped, ut);
}

/* ---- Forward ---- */

/* V and M of a block; for training also dU. */
static size_t winograd_workspace(const struct conv_shape *shape, size_t images, bool training)
{
    struct winograd_tiling tiles = tiling(shape, images, false);
    struct tile_group groups[TILE_GROUPS];
    size_t all = winograd_groups(&tiles, groups), most = block_tiles(shape);
    size_t count = all < most ? all : most;
    size_t floats = WINOGRAD_POINTS *
                    (winograd_stride(count, shape->in_pitch) + winograd_stride(count, shape->out_pitch));
    return training ? floats + points_size(shape) : floats;
}

/* Some tiles of a layer, and where their matrices are. */
struct block {
    const struct winograd_tiling *tiles;
    const struct tile_group *groups;
    struct tile_range range;
    float *v, *m; /* [36][range.count][in_pitch], [36][range.count][out_pitch] */
};

/* The rows of a point's matrices: of the tiles that have that point. */
static struct tile_range point_rows(const struct block *block, size_t point)
{
    struct tile_range rows = tile_range_common(winograd_point_tiles(block->groups, (int)point), block->range);
    rows.first -= block->range.first;
    return rows;
}

static float *matrix(float *matrices, const struct block *block, size_t pitch, size_t point, size_t row)
{
    return matrices + point * winograd_stride(block->range.count, pitch) + row * pitch;
}

static void block_forward(const struct conv_context *context, const struct block *block, const float *x,
                          const float *bias, enum activation activation, const struct conv_pool *pool,
                          float *y)
{
    const struct conv_shape *shape = context->shape;
    const struct kernels *kernels = context->kernels;
    size_t in = shape->in_pitch, out = shape->out_pitch;
    kernels->winograd_input(block->tiles, block->range, x, block->v);
    for (size_t p = 0; p < WINOGRAD_POINTS; p++) {
        struct tile_range rows = point_rows(block, p);
        kernels->product(rows.count, out, (size_t)shape->channels, matrix(block->v, block, in, p, rows.first),
                         in, 1, context->prepared + p * winograd_stride(in, out), out,
                         matrix(block->m, block, out, p, rows.first), out, false);
    }
    if (pool)
        kernels->winograd_output_pooled(block->tiles, block->range, block->m, bias, activation, y,
                                        pool->place);
    else
        kernels->winograd_output(block->tiles, block->range, block->m, bias, activation, y);
}

/* The next block of `all` tiles, in the workspace behind `skip` floats. */
static bool next_block(const struct conv_context *context, size_t all, size_t skip, struct block *block)
{
    size_t most = block_tiles(context->shape);
    block->range.first += block->range.count;
    size_t rest = all - block->range.first;
    block->range.count = rest < most ? rest : most;
    block->v = context->workspace + skip;
    block->m = block->v + WINOGRAD_POINTS * winograd_stride(block->range.count, context->shape->in_pitch);
    return rest > 0;
}

static void winograd_forward(const struct conv_context *context, size_t images, const float *x,
                             const float *bias, enum activation activation, const struct conv_pool *pool,
                             float *y)
{
    struct winograd_tiling tiles = tiling(context->shape, images, pool);
    struct tile_group groups[TILE_GROUPS];
    size_t all = winograd_groups(&tiles, groups);
    struct block block = {.tiles = &tiles, .groups = groups};
    while (next_block(context, all, 0, &block))
        block_forward(context, &block, x, bias, activation, pool, y);
}

/* ---- Backward ---- */

/* du += v^T dm at each point; the first tiles that have it set du. */
static void add_kernel_gradient(const struct conv_context *context, const struct block *block, float *du)
{
    const struct conv_shape *shape = context->shape;
    size_t in = shape->in_pitch, out = shape->out_pitch;
    for (size_t p = 0; p < WINOGRAD_POINTS; p++) {
        struct tile_range rows = point_rows(block, p);
        bool later = block->range.first > winograd_point_tiles(block->groups, (int)p).first;
        if (rows.count > 0 || block->range.first == 0)
            context->kernels->product((size_t)shape->channels, out, rows.count,
                                      matrix(block->v, block, in, p, rows.first), 1, in,
                                      matrix(block->m, block, out, p, rows.first), out,
                                      du + p * winograd_stride(in, out), out, later);
    }
}

/* dv = dm u^T takes the place of v. */
static void add_input_gradient(const struct conv_context *context, const struct block *block, float *dx)
{
    const struct conv_shape *shape = context->shape;
    size_t in = shape->in_pitch, out = shape->out_pitch;
    const float *ut = context->prepared + points_size(shape);
    for (size_t p = 0; p < WINOGRAD_POINTS; p++) {
        struct tile_range rows = point_rows(block, p);
        context->kernels->product(
            rows.count, in, (size_t)shape->filters, matrix(block->m, block, out, p, rows.first), out, 1,
            ut + p * winograd_stride(in, out), in, matrix(block->v, block, in, p, rows.first), in, false);
    }
    context->kernels->winograd_input_gradient(block->tiles, block->range, block->v, dx);
}

static void winograd_backward(const struct conv_context *context, size_t images, const float *x,
                              const float *dy, const struct conv_pool *pool, bool accumulate, float *dkernel,
                              float *dx)
{
    const struct conv_shape *shape = context->shape;
    const struct kernels *kernels = context->kernels;
    struct winograd_tiling tiles = tiling(shape, images, pool);
    struct tile_group groups[TILE_GROUPS];
    size_t all = winograd_groups(&tiles, groups);
    struct block block = {.tiles = &tiles, .groups = groups};
    float *du = context->workspace;
    if (dx)
        memset(dx, 0, images * conv_input_size(shape) * sizeof *dx);
    while (next_block(context, all, points_size(shape), &block)) {
        kernels->winograd_input(&tiles, block.range, x, block.v);
        if (pool)
            kernels->winograd_pooled_gradient(&tiles, block.range, dy, pool->place, block.m);
        else
            kernels->winograd_output_gradient(&tiles, block.range, dy, block.m);
        add_kernel_gradient(context, &block, du);
        if (dx)
            add_input_gradient(context, &block, dx);
    }
    kernels->winograd_kernel_gradient(shape, du, accumulate, dkernel);
}

const struct conv_algorithm conv_winograd = {
    .name = "winograd",
    .applies = winograd_applies,
    .prepared = winograd_prepared,
    .prepare = winograd_prepare,
    .workspace = winograd_workspace,
    .fused_pool = 2, /* a tile's outputs are whole windows of 2x2 */
    .forward = winograd_forward,
    .backward = winograd_backward,
};
