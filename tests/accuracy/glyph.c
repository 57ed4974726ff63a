#include "tests/accuracy/glyph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- From pixels to a smooth shape ---- */

static float pixel_or_none(const uint8_t *image, int x, int y)
{
    return x < 0 || y < 0 || x >= IMAGE_SIDE || y >= IMAGE_SIDE ? 0.0f
                                                                : (float)image[y * IMAGE_SIDE + x] / 255.0f;
}

/* Catmull and Rom's spline through four values. */
static float spline(const float p[4], float t)
{
    return p[1] + 0.5f * t *
                      (p[2] - p[0] +
                       t * (2 * p[0] - 5 * p[1] + 4 * p[2] - p[3] + t * (3 * (p[1] - p[2]) + p[3] - p[0])));
}

static float smooth_at(const uint8_t *image, float x, float y)
{
    int column = (int)floorf(x), row = (int)floorf(y);
    float rows[4];
    for (int j = 0; j < 4; j++) {
        float values[4];
        for (int i = 0; i < 4; i++)
            values[i] = pixel_or_none(image, column + i - 1, row + j - 1);
        rows[j] = spline(values, x - (float)column);
    }
    return fminf(1, fmaxf(0, spline(rows, y - (float)row)));
}

/* The largest level within `radius` samples. */
static void grow(struct glyph *glyph, double radius)
{
    static float before[GLYPH_SIDE][GLYPH_SIDE];
    memcpy(before, glyph->level, sizeof before);
    int reach = (int)radius;
    for (int y = 0; y < GLYPH_SIDE; y++)
        for (int x = 0; x < GLYPH_SIDE; x++)
            for (int dy = -reach; dy <= reach; dy++)
                for (int dx = -reach; dx <= reach; dx++) {
                    int i = x + dx, j = y + dy;
                    if (dx * dx + dy * dy <= radius * radius && i >= 0 && j >= 0 && i < GLYPH_SIDE &&
                        j < GLYPH_SIDE)
                        glyph->level[y][x] = fmaxf(glyph->level[y][x], before[j][i]);
                }
}

static void find_box(struct glyph *glyph)
{
    int left = GLYPH_SIDE, top = GLYPH_SIDE, right = 0, bottom = 0;
    for (int y = 0; y < GLYPH_SIDE; y++)
        for (int x = 0; x < GLYPH_SIDE; x++)
            if (glyph->level[y][x] > 0.5f) {
                left = x < left ? x : left;
                right = x + 1 > right ? x + 1 : right;
                top = y < top ? y : top;
                bottom = y + 1;
            }
    glyph->left = (double)left / GLYPH_SCALE;
    glyph->top = (double)top / GLYPH_SCALE;
    glyph->right = (double)right / GLYPH_SCALE;
    glyph->bottom = (double)bottom / GLYPH_SCALE;
}

double glyph_side(const struct glyph *glyph)
{
    return fmax(glyph->right - glyph->left, glyph->bottom - glyph->top);
}

/* ---- The middle line (Zhang and Suen, 1984) ---- */

typedef uint8_t mask[GLYPH_SIDE + 2][GLYPH_SIDE + 2];

static const int around[8][2] = {{0, -1}, {1, -1}, {1, 0}, {1, 1}, {0, 1}, {-1, 1}, {-1, 0}, {-1, -1}};

static bool may_go(mask ink, int x, int y, int half)
{
    int p[8], count = 0, rises = 0;
    for (int i = 0; i < 8; i++)
        count += p[i] = ink[y + around[i][1]][x + around[i][0]];
    for (int i = 0; i < 8; i++)
        rises += !p[i] && p[(i + 1) % 8];
    bool first = !(p[0] && p[2] && p[4]) && !(p[2] && p[4] && p[6]);
    bool second = !(p[0] && p[2] && p[6]) && !(p[0] && p[4] && p[6]);
    return count >= 2 && count <= 6 && rises == 1 && (half ? second : first);
}

static bool peel(mask ink, int half)
{
    static mask going;
    bool changed = false;
    for (int y = 1; y <= GLYPH_SIDE; y++)
        for (int x = 1; x <= GLYPH_SIDE; x++) {
            going[y][x] = ink[y][x] && may_go(ink, x, y, half);
            changed |= going[y][x];
        }
    for (int y = 1; y <= GLYPH_SIDE; y++)
        for (int x = 1; x <= GLYPH_SIDE; x++)
            ink[y][x] &= !going[y][x];
    return changed;
}

static void add_piece(struct glyph *glyph, int x0, int y0, int x1, int y1)
{
    if (glyph->piece_count == GLYPH_POINTS)
        return;
    size_t i = glyph->piece_count++;
    glyph->pieces[i].x0 = ((float)x0 - 0.5f) / GLYPH_SCALE;
    glyph->pieces[i].y0 = ((float)y0 - 0.5f) / GLYPH_SCALE;
    glyph->pieces[i].x1 = ((float)x1 - 0.5f) / GLYPH_SCALE;
    glyph->pieces[i].y1 = ((float)y1 - 0.5f) / GLYPH_SCALE;
}

static void find_middle_line(struct glyph *glyph)
{
    static mask ink;
    memset(ink, 0, sizeof ink);
    for (int y = 0; y < GLYPH_SIDE; y++)
        for (int x = 0; x < GLYPH_SIDE; x++)
            ink[y + 1][x + 1] = glyph->level[y][x] > 0.5f;
    for (bool peeled = true; peeled;) {
        peeled = peel(ink, 0);
        peeled = peel(ink, 1) || peeled;
    }
    for (int y = 1; y <= GLYPH_SIDE; y++)
        for (int x = 1; x <= GLYPH_SIDE; x++) {
            if (!ink[y][x])
                continue;
            add_piece(glyph, x, y, x, y);
            for (int i = 2; i < 6; i++)
                if (ink[y + around[i][1]][x + around[i][0]])
                    add_piece(glyph, x, y, x + around[i][0], y + around[i][1]);
        }
}

void glyph_make(const uint8_t image[IMAGE_PIXELS], double thicker, struct glyph *ret_glyph)
{
    for (int y = 0; y < GLYPH_SIDE; y++)
        for (int x = 0; x < GLYPH_SIDE; x++)
            ret_glyph->level[y][x] = smooth_at(image, ((float)x + 0.5f) / GLYPH_SCALE - 0.5f,
                                               ((float)y + 0.5f) / GLYPH_SCALE - 0.5f);
    if (thicker > 0)
        grow(ret_glyph, thicker * GLYPH_SCALE);
    find_box(ret_glyph);
    ret_glyph->piece_count = 0;
    find_middle_line(ret_glyph);
}

/* ---- Drawing ---- */

static float level_at(const struct glyph *glyph, double x, double y)
{
    double u = fmin(fmax(x * GLYPH_SCALE - 0.5, 0), GLYPH_SIDE - 1.001);
    double v = fmin(fmax(y * GLYPH_SCALE - 0.5, 0), GLYPH_SIDE - 1.001);
    int i = (int)u, j = (int)v;
    float s = (float)(u - i), t = (float)(v - j);
    float above = glyph->level[j][i] * (1 - s) + glyph->level[j][i + 1] * s;
    float below = glyph->level[j + 1][i] * (1 - s) + glyph->level[j + 1][i + 1] * s;
    return above * (1 - t) + below * t;
}

static float *ink_at(struct plane *plane, int x, int y)
{
    return plane->ink + (size_t)y * (size_t)plane->width + (size_t)x;
}

#define SAMPLES 3 /* a side of each pixel */

/* `scale`: pixels of the plane for one of MNIST's. Edges are as sharp as pixels allow. */
static float cover(const struct glyph *glyph, double x, double y, double scale)
{
    double sharp = fmax(1, 1.5 * scale), sum = 0;
    for (int j = 0; j < SAMPLES; j++)
        for (int i = 0; i < SAMPLES; i++) {
            double level = (double)level_at(glyph, glyph->left + (x + (i + 0.5) / SAMPLES) / scale,
                                            glyph->top + (y + (j + 0.5) / SAMPLES) / scale);
            sum += fmin(1, fmax(0, 0.5 + (level - 0.5) * sharp));
        }
    return (float)(sum / (SAMPLES * SAMPLES));
}

void glyph_draw(const struct glyph *glyph, double side, double left, double top, struct plane *plane)
{
    double scale = side / glyph_side(glyph);
    int right = (int)ceil(left + (glyph->right - glyph->left) * scale) + 2;
    int bottom = (int)ceil(top + (glyph->bottom - glyph->top) * scale) + 2;
    for (int y = (int)top - 2; y < bottom; y++)
        for (int x = (int)left - 2; x < right; x++)
            if (x >= 0 && y >= 0 && x < plane->width && y < plane->height)
                *ink_at(plane, x, y) = fmaxf(*ink_at(plane, x, y), cover(glyph, x - left, y - top, scale));
}

static double distance_to(double x, double y, double x0, double y0, double x1, double y1)
{
    double dx = x1 - x0, dy = y1 - y0, square = dx * dx + dy * dy;
    double t = square > 0 ? fmin(1, fmax(0, ((x - x0) * dx + (y - y0) * dy) / square)) : 0;
    return hypot(x - x0 - t * dx, y - y0 - t * dy);
}

void glyph_write(const struct glyph *glyph, double side, double left, double top, double pen,
                 struct plane *plane)
{
    double scale = (side - pen) / glyph_side(glyph), reach = pen / 2 + 1;
    for (size_t i = 0; i < glyph->piece_count; i++) {
        double x0 = left + pen / 2 + ((double)glyph->pieces[i].x0 - glyph->left) * scale;
        double y0 = top + pen / 2 + ((double)glyph->pieces[i].y0 - glyph->top) * scale;
        double x1 = left + pen / 2 + ((double)glyph->pieces[i].x1 - glyph->left) * scale;
        double y1 = top + pen / 2 + ((double)glyph->pieces[i].y1 - glyph->top) * scale;
        for (int y = (int)(fmin(y0, y1) - reach); y <= fmax(y0, y1) + reach; y++)
            for (int x = (int)(fmin(x0, x1) - reach); x <= fmax(x0, x1) + reach; x++) {
                if (x < 0 || y < 0 || x >= plane->width || y >= plane->height)
                    continue;
                double ink = pen / 2 + 0.5 - distance_to(x + 0.5, y + 0.5, x0, y0, x1, y1);
                *ink_at(plane, x, y) = fmaxf(*ink_at(plane, x, y), (float)fmin(1, fmax(0, ink)));
            }
    }
}
