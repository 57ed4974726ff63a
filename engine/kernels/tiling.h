/* How Winograd convolution cuts a layer's outputs into tiles.
 *
 * F(m x m, r x r) makes m x m outputs from 6x6 points. Where one or two rows are left over behind tiles of four, a whole
 * tile would compute mostly what nobody needs. F(2, 3) and F(1, 3) on some of the same points make just those outputs,
 * from the same transformed kernels: the last tiles of a side have 4 or 3 points instead of 6.
 *
 * Tiles are numbered in four groups, so that those which have a given point lie side by side: the last column, the
 * whole tiles, the last row, the corner; within a group image by image, row by row. */
#ifndef ENGINE_KERNELS_TILING_H
#define ENGINE_KERNELS_TILING_H

#include "engine/kernels/conv_shape.h"

#define WINOGRAD_TILE   6
#define WINOGRAD_POINTS (WINOGRAD_TILE * WINOGRAD_TILE)

/* A tile along one side: how many outputs it makes. */
enum tile_side {
    SIDE_4,      /* F(4, 3): all points */
    SIDE_2_OF_5, /* F(2, 5): all points */
    SIDE_2,      /* F(2, 3): points 0, 1, -1 and infinity */
    SIDE_1,      /* F(1, 3): points 0, 1 and infinity */
};

struct winograd_tiling {
    struct conv_shape conv;
    size_t images;
    int out_tile;      /* m: 4 for 3x3 kernels, 2 for 5x5 */
    int rows, columns; /* whole tiles of an image */
    bool has_last;     /* behind them is a last row and column, of the side below */
    enum tile_side last;
};

#define TILE_GROUPS 4

struct tile_group {
    size_t first, count; /* its tiles */
    int rows, columns;   /* of tiles, in an image */
    int top, left;       /* output of the first one */
    enum tile_side height, width;
};

/* Tiles first..first+count-1. */
struct tile_range {
    size_t first, count;
};

static inline bool winograd_has_point(enum tile_side side, int point)
{
    return side < SIDE_2 || point < 2 || point == WINOGRAD_TILE - 1 || (side == SIDE_2 && point == 2);
}

/* Floats from one of the 36 matrices of a Winograd layer to the next. The line between them keeps the 36 elements of a
 * tile out of each other's cache set. */
static inline size_t winograd_stride(size_t rows, size_t pitch)
{
    return rows * pitch + 16;
}

/* The tiles for outputs 0..height-1 x 0..width-1 of some images. */
static inline struct winograd_tiling winograd_tiling_of(const struct conv_shape *conv, int height, int width,
                                                        size_t images)
{
    int m = WINOGRAD_TILE + 1 - conv->kernel_size, rest = height % m;
    bool has_last = m == 4 && rest == width % m && (rest == 1 || rest == 2);
    int extra = has_last ? 0 : m - 1;
    return (struct winograd_tiling){.conv = *conv,
                                    .images = images,
                                    .out_tile = m,
                                    .rows = (height + extra) / m,
                                    .columns = (width + extra) / m,
                                    .has_last = has_last,
                                    .last = rest == 1 ? SIDE_1 : SIDE_2};
}

/* Returns the number of all tiles. */
static inline size_t winograd_groups(const struct winograd_tiling *tiling,
                                     struct tile_group groups[TILE_GROUPS])
{
    int last = tiling->has_last, m = tiling->out_tile;
    enum tile_side whole = m == 4 ? SIDE_4 : SIDE_2_OF_5;
    size_t first = 0;
    for (int g = 0; g < TILE_GROUPS; g++) {
        bool last_row = g >= 2, last_column = g % 3 == 0;
        struct tile_group *group = &groups[g];
        *group = (struct tile_group){.first = first,
                                     .rows = last_row ? last : tiling->rows,
                                     .columns = last_column ? last : tiling->columns,
                                     .top = last_row ? tiling->rows * m : 0,
                                     .left = last_column ? tiling->columns * m : 0,
                                     .height = last_row ? tiling->last : whole,
                                     .width = last_column ? tiling->last : whole};
        group->count = tiling->images * (size_t)group->rows * (size_t)group->columns;
        first += group->count;
    }
    return first;
}

/* The tiles that have a point. */
static inline struct tile_range winograd_point_tiles(const struct tile_group groups[TILE_GROUPS], int point)
{
    bool row = winograd_has_point(groups[2].height, point / WINOGRAD_TILE);
    bool column = winograd_has_point(groups[0].width, point % WINOGRAD_TILE);
    const struct tile_group *from = &groups[column ? 0 : 1], *to = &groups[!row ? 1 : column ? 3 : 2];
    return (struct tile_range){.first = from->first, .count = to->first + to->count - from->first};
}

/* The tiles that are in both. */
static inline struct tile_range tile_range_common(struct tile_range a, struct tile_range b)
{
    size_t first = a.first > b.first ? a.first : b.first;
    size_t a_end = a.first + a.count, b_end = b.first + b.count, end = a_end < b_end ? a_end : b_end;
    return (struct tile_range){.first = first, .count = end > first ? end - first : 0};
}

#endif
