/* Pictures to draw a seven on, and how much an image is like those of MNIST. */
#ifndef DIGITD_TESTS_CANVAS_H
#define DIGITD_TESTS_CANVAS_H

#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

/* ---- Pictures to draw from ---------------------------------------------------------------------------- */

struct canvas {
    int width, height;
    uint8_t *rgba;
};

static inline struct canvas canvas_create(int width, int height, const uint8_t colour[4])
{
    struct canvas canvas = {width, height, malloc((size_t)width * (size_t)height * 4)};
    assert_non_null(canvas.rgba);
    for (int i = 0; i < width * height; i++)
        memcpy(canvas.rgba + 4 * i, colour, 4);
    return canvas;
}

/* Lays `colour` over the pixel, `part` of it. */
static inline void canvas_mix(struct canvas *canvas, int x, int y, const uint8_t colour[4], double part)
{
    uint8_t *pixel = canvas->rgba + 4 * (y * canvas->width + x);
    for (int c = 0; c < 4; c++)
        pixel[c] = (uint8_t)lround(pixel[c] + (colour[c] - pixel[c]) * part);
}

/* A smooth seven, drawn as an ellipse's arc and a bar, about `size` pixels high, with its corner at (left, top). */
static inline double seven_at(double x, double y)
{
    double bar = fabs(y - 0.06), stem = fabs(x - (0.72 - 0.55 * y));
    double distance = 1;
    if (x >= 0.1 && x <= 0.75)
        distance = bar;
    if (y >= 0.06 && y <= 0.94 && stem < distance)
        distance = stem;
    return distance;
}

static inline void canvas_draw_seven(struct canvas *canvas, double left, double top, double size, double pen,
                                     const uint8_t colour[4])
{
    for (int y = 0; y < canvas->height; y++)
        for (int x = 0; x < canvas->width; x++) {
            double part = (pen / 2 - seven_at((x + 0.5 - left) / size, (y + 0.5 - top) / size)) * size + 0.5;
            canvas_mix(canvas, x, y, colour, part < 0 ? 0 : part > 1 ? 1 : part);
        }
}

static const uint8_t black[4] = {0, 0, 0, 255}, white[4] = {255, 255, 255, 255}, clear[4] = {0, 0, 0, 0};

static inline void normalise(const struct canvas *canvas, enum drawing_mode mode, uint8_t image[IMAGE_PIXELS])
{
    struct error err = {0};
    enum status status = drawing_from_pixels(canvas->rgba, canvas->width, canvas->height, mode, image, &err);
    if (status != OK)
        fail_msg("%dx%d: %s", canvas->width, canvas->height, err.message);
}

/* ---- What MNIST is like ------------------------------------------------------------------------------- */

struct look {
    int left, top, right, bottom, strongest;
    double x, y; /* centre of mass, pixel centres at +0.5 */
};

static inline struct look look_at(const uint8_t image[IMAGE_PIXELS])
{
    struct look look = {IMAGE_SIDE, IMAGE_SIDE, 0, 0, 0, 0, 0};
    double sum = 0;
    for (int i = 0; i < IMAGE_PIXELS; i++) {
        int x = i % IMAGE_SIDE, y = i / IMAGE_SIDE, level = image[i];
        sum += level;
        look.x += level * (x + 0.5);
        look.y += level * (y + 0.5);
        if (level == 0)
            continue;
        look.left = x < look.left ? x : look.left;
        look.right = x + 1 > look.right ? x + 1 : look.right;
        look.top = y < look.top ? y : look.top;
        look.bottom = y + 1;
        look.strongest = level > look.strongest ? level : look.strongest;
    }
    look.x /= sum;
    look.y /= sum;
    return look;
}

static inline void assert_like_mnist(const uint8_t image[IMAGE_PIXELS], const char *what)
{
    struct look look = look_at(image);
    int width = look.right - look.left, height = look.bottom - look.top;
    int side = width > height ? width : height;
    if (side < 19 || side > 20 || look.strongest != 255 || look.x <= 14 || look.x > 15 || look.y <= 14 ||
        look.y > 15)
        fail_msg("%s: %dx%d pixels, centre of mass %.2f, %.2f, strongest %d", what, width, height, look.x,
                 look.y, look.strongest);
}

/* Cosine of the angle between an image and another one, moved, as vectors: 1 for the same picture. */
static inline double likeness_moved(const uint8_t *a, const uint8_t *b, int dx, int dy)
{
    double aa = 0, bb = 0, ab = 0;
    for (int y = 1; y < IMAGE_SIDE - 1; y++)
        for (int x = 1; x < IMAGE_SIDE - 1; x++) {
            int p = a[y * IMAGE_SIDE + x], q = b[(y + dy) * IMAGE_SIDE + x + dx];
            aa += p * p;
            bb += q * q;
            ab += p * q;
        }
    return ab / sqrt(aa * bb);
}

/* The centre of mass falls on a whole pixel, so that the same drawing may lie one pixel off. */
static inline double likeness(const uint8_t *a, const uint8_t *b)
{
    double best = 0;
    for (int move = 0; move < 9; move++)
        best = fmax(best, likeness_moved(a, b, move % 3 - 1, move / 3 - 1));
    return best;
}

static inline void assert_alike(const uint8_t *image, const uint8_t *reference, double least,
                                const char *what)
{
    double like = likeness(image, reference);
    if (like < least)
        fail_msg("%s: likeness %.3f", what, like);
}

/* The seven as MNIST would have it. */
static inline void make_reference(uint8_t image[IMAGE_PIXELS])
{
    struct canvas canvas = canvas_create(400, 400, black);
    canvas_draw_seven(&canvas, 50, 50, 300, 0.12, white);
    normalise(&canvas, DRAWING_DRAWING, image);
    free(canvas.rgba);
}

#endif
