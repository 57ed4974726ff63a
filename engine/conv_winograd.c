/* Winograd convolution: 36 small products instead of one large one, on a quarter of the multiplications.
 *
 * A block of tiles goes through all three stages (transform, products, transform back) before the next begins, so
 * that it stays in the second-level cache. The prepared kernel is u [36][in_pitch][out_pitch], and for training also
 * its transpose ut [36][out_pitch][in_pitch] and the scratch [r][r][filters][channels] that it is made from.
 * Lavin and Gray, arXiv 1509.09308, give the forward pass; the backward passes are its transposes. */
#include "engine/conv.h"

#include "engine/alloc.h"

#include <string.h>

/* Bytes of V and M of one block: half of a 512 KiB second-level cache. */
#define BLOCK_BYTES    (256 * 1024)
#define BLOCK_MULTIPLE 12 /* the rows of a product's register block, of every instruction set */

static bool winograd_applies(const struct conv_shape *shape)
{
    return (shape->kernel_size == 3 || shape->kernel_size == 5) && shape->in_pitch % 16 == 0;
}

static struct winograd_shape tiling(const struct conv_shape *shape)
{
    int out_tile = WINOGRAD_TILE + 1 - shape->kernel_size;
    return (struct winograd_shape){.conv = *shape,
                                   .out_tile = out_tile,
                                   .tile_rows = (shape->out_height + out_tile - 1) / out_tile,
                                   .tile_columns = (shape->out_width + out_tile - 1) / out_tile};
}

static size_t tile_count(const struct winograd_shape *shape, size_t images)
{
    return images * (size_t)shape->tile_rows * (size_t)shape->tile_columns;
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
    struct winograd_shape forward = tiling(shape);
    size_t channels = (size_t)shape->channels, filters = (size_t)shape->filters;
    struct tile_range rows = slice(channels, part, parts);
    kernels->winograd_kernel(&forward, (int)rows.first, (int)rows.count, kernel, prepared);
    if (!training)
        return;

    struct winograd_shape transposed = forward;
    transposed.conv.channels = shape->filters;
    transposed.conv.filters = shape->channels;
    transposed.conv.in_pitch = shape->out_pitch;
    transposed.conv.out_pitch = shape->in_pitch;
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
    struct winograd_shape tiles = tiling(shape);
    size_t block = block_tiles(shape), all = tile_count(&tiles, images);
    size_t count = block < all ? block : all;
    size_t floats = WINOGRAD_POINTS *
                    (winograd_stride(count, shape->in_pitch) + winograd_stride(count, shape->out_pitch));
    return training ? floats + points_size(shape) : floats;
}

static void winograd_forward(const struct conv_context *context, size_t images, const float *x,
                             const float *bias, enum activation activation, const struct conv_pool *pool,
                             float *y)
{
    const struct conv_shape *shape = context->shape;
    const struct kernels *kernels = context->kernels;
    struct winograd_shape tiles = tiling(shape);
    size_t all = tile_count(&tiles, images), block = block_tiles(shape);
    size_t in = shape->in_pitch, out = shape->out_pitch, u_stride = winograd_stride(in, out);
    for (size_t first = 0; first < all; first += block) {
        struct tile_range range = {.first = first, .count = all - first < block ? all - first : block};
        size_t v_stride = winograd_stride(range.count, in), m_stride = winograd_stride(range.count, out);
        float *v = context->workspace, *m = v + WINOGRAD_POINTS * v_stride;
        kernels->winograd_input(&tiles, range, x, v);
        for (size_t p = 0; p < WINOGRAD_POINTS; p++)
            kernels->product(range.count, out, (size_t)shape->channels, v + p * v_stride, in, 1,
                             context->prepared + p * u_stride, out, m + p * m_stride, out, false);
        if (pool)
            kernels->winograd_output_pooled(&tiles, range, m, bias, activation, y, pool->place);
        else
            kernels->winograd_output(&tiles, range, m, bias, activation, y);
    }
}

/* ---- Backward ---- */

static void block_backward(const struct conv_context *context, const struct winograd_shape *tiles,
                           struct tile_range range, bool first_block, const float *x, const float *dy,
                           const struct conv_pool *pool, float *du, float *dx)
{
    const struct conv_shape *shape = context->shape;
    const struct kernels *kernels = context->kernels;
    size_t in = shape->in_pitch, out = shape->out_pitch, count = range.count;
    size_t u_stride = winograd_stride(in, out), v_stride = winograd_stride(count, in);
    size_t m_stride = winograd_stride(count, out);
    float *v = du + points_size(shape), *dm = v + WINOGRAD_POINTS * v_stride;
    kernels->winograd_input(tiles, range, x, v);
    if (pool)
        kernels->winograd_pooled_gradient(tiles, range, dy, pool->place, dm);
    else
        kernels->winograd_output_gradient(tiles, range, dy, dm);
    for (size_t p = 0; p < WINOGRAD_POINTS; p++)
        kernels->product((size_t)shape->channels, out, count, v + p * v_stride, 1, in, dm + p * m_stride, out,
                         du + p * u_stride, out, !first_block);
    if (!dx)
        return;
    const float *ut = context->prepared + points_size(shape);
    for (size_t p = 0; p < WINOGRAD_POINTS; p++) /* dv takes the place of v */
        kernels->product(count, in, (size_t)shape->filters, dm + p * m_stride, out, 1, ut + p * u_stride, in,
                         v + p * v_stride, in, false);
    kernels->winograd_input_gradient(tiles, range, v, dx);
}

static void winograd_backward(const struct conv_context *context, size_t images, const float *x,
                              const float *dy, const struct conv_pool *pool, bool accumulate, float *dkernel,
                              float *dx)
{
    const struct conv_shape *shape = context->shape;
    struct winograd_shape tiles = tiling(shape);
    size_t all = tile_count(&tiles, images), block = block_tiles(shape);
    float *du = context->workspace;
    if (dx)
        memset(dx, 0, images * conv_input_size(shape) * sizeof *dx);
    for (size_t first = 0; first < all; first += block) {
        struct tile_range range = {.first = first, .count = all - first < block ? all - first : block};
        block_backward(context, &tiles, range, first == 0, x, dy, pool, du, dx);
    }
    context->kernels->winograd_kernel_gradient(&tiles, du, accumulate, dkernel);
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
