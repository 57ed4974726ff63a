/* Winograd's transforms along one side of a tile (Winograd 1980; Lavin and Gray, arXiv 1509.09308), with the points 0, 1,
 * -1, 2, -2 and infinity: B^T for inputs, A^T for outputs, G for kernels, and the transposes for the backward pass.
 *
 * All sides use the kernels of G. The shorter ones use some of the points only, so that the factors that G has at those
 * for the sake of the others are undone in their B^T. */
#ifndef ENGINE_KERNELS_WINOGRAD_SIDE_H
#define ENGINE_KERNELS_WINOGRAD_SIDE_H

#include "engine/kernels/tiling.h"
#include "engine/kernels/vector.h"

#define TILE WINOGRAD_TILE

#define UNROLL _Pragma("GCC unroll 6")

/* Hides where a pointer comes from. The compiler would compute the addresses of all 36 points before the loop over the
 * tiles and keep them on the stack; reading those costs more than adding a stride. */
#define HIDE(pointer) __asm__("" : "+r"(pointer))

/* Steps of 0..5 times a stride; what the addressing modes do not multiply is there as such. */
struct steps {
    size_t one, three, five;
};

INLINE struct steps steps_of(size_t stride)
{
    struct steps steps = {.one = stride, .three = 3 * stride, .five = 5 * stride};
    HIDE(steps.three);
    HIDE(steps.five);
    return steps;
}

INLINE size_t step(struct steps steps, int count)
{
    return count == 5 ? steps.five : count == 3 ? steps.three : (size_t)count * steps.one;
}

INLINE int side_outputs(enum tile_side side)
{
    return side == SIDE_4 ? 4 : side == SIDE_1 ? 1 : 2;
}

/* Inputs, and as many points. */
INLINE int side_points(enum tile_side side)
{
    return side == SIDE_2 ? 4 : side == SIDE_1 ? 3 : TILE;
}

/* The number among the six of a side's k-th point. */
INLINE int side_point(enum tile_side side, int k)
{
    return k == side_points(side) - 1 ? TILE - 1 : k;
}

/* B^T d. */
INLINE void transform_input(enum tile_side side, const vec d[TILE], vec r[TILE])
{
    if (side == SIDE_1) {
        r[0] = 4.0f * (d[0] - d[1]);
        r[1] = -6.0f * d[1];
        r[2] = d[2] - d[1];
        return;
    }
    if (side == SIDE_2) {
        r[0] = 4.0f * (d[0] - d[2]);
        r[1] = -3.0f * (d[1] + d[2]);
        r[2] = 3.0f * (d[1] - d[2]);
        r[3] = d[3] - d[1];
        return;
    }
    vec a = d[4] - 4.0f * d[2], b = d[3] - 4.0f * d[1];
    vec c = d[4] - d[2], e = 2.0f * (d[3] - d[1]);
    r[0] = 4.0f * d[0] - 5.0f * d[2] + d[4];
    r[1] = a + b;
    r[2] = a - b;
    r[3] = c + e;
    r[4] = c - e;
    r[5] = 4.0f * d[1] - 5.0f * d[3] + d[5];
}

/* B r. */
INLINE void transform_input_transposed(enum tile_side side, const vec r[TILE], vec d[TILE])
{
    if (side == SIDE_1) {
        d[0] = 4.0f * r[0];
        d[1] = -4.0f * r[0] - 6.0f * r[1] - r[2];
        d[2] = r[2];
        return;
    }
    if (side == SIDE_2) {
        d[0] = 4.0f * r[0];
        d[1] = 3.0f * (r[2] - r[1]) - r[3];
        d[2] = -4.0f * r[0] - 3.0f * (r[1] + r[2]);
        d[3] = r[3];
        return;
    }
    vec sum12 = r[1] + r[2], difference12 = r[1] - r[2];
    vec sum34 = r[3] + r[4], difference34 = r[3] - r[4];
    d[0] = 4.0f * r[0];
    d[1] = 4.0f * (r[5] - difference12) - 2.0f * difference34;
    d[2] = -5.0f * r[0] - 4.0f * sum12 - sum34;
    d[3] = difference12 + 2.0f * difference34 - 5.0f * r[5];
    d[4] = r[0] + sum12 + sum34;
    d[5] = r[5];
}

/* A^T m. */
INLINE void transform_output(enum tile_side side, const vec m[TILE], vec y[4])
{
    if (side == SIDE_1) {
        y[0] = m[0] + m[1] + m[2];
        return;
    }
    vec sum12 = m[1] + m[2], difference12 = m[1] - m[2];
    if (side == SIDE_2) {
        y[0] = m[0] + sum12;
        y[1] = difference12 + m[3];
        return;
    }
    vec sum34 = m[3] + m[4], difference34 = m[3] - m[4];
    y[0] = m[0] + sum12 + sum34;
    y[1] = difference12 + 2.0f * difference34;
    if (side == SIDE_2_OF_5) {
        y[1] += m[5];
        return;
    }
    y[2] = sum12 + 4.0f * sum34;
    y[3] = difference12 + 8.0f * difference34 + m[5];
}

/* A y. */
INLINE void transform_output_transposed(enum tile_side side, const vec y[4], vec m[TILE])
{
    if (side == SIDE_1) {
        m[0] = m[1] = m[2] = y[0];
        return;
    }
    m[0] = y[0];
    if (side != SIDE_4) {
        m[1] = y[0] + y[1];
        m[2] = y[0] - y[1];
        m[3] = side == SIDE_2 ? y[1] : y[0] + 2.0f * y[1];
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

/* G g, from `size` values. */
INLINE void transform_kernel(int size, const vec g[5], vec u[TILE])
{
    vec even = g[0] + g[2], odd = g[1];
    vec even2 = g[0] + 4.0f * g[2], odd2 = 2.0f * g[1];
    if (size == 5) {
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
    u[5] = g[size - 1];
}

/* G^T u. */
INLINE void transform_kernel_transposed(int size, const vec u[TILE], vec g[5])
{
    vec sum12 = (u[1] + u[2]) * (-1.0f / 6), difference12 = (u[1] - u[2]) * (-1.0f / 6);
    vec sum34 = (u[3] + u[4]) * (1.0f / 24), difference34 = (u[3] - u[4]) * (1.0f / 24);
    g[0] = u[0] * (1.0f / 4) + sum12 + sum34;
    g[1] = difference12 + 2.0f * difference34;
    g[2] = sum12 + 4.0f * sum34;
    if (size == 5) {
        g[3] = difference12 + 8.0f * difference34;
        g[4] = sum12 + 16.0f * sum34;
    }
    g[size - 1] += u[5];
}

#endif
