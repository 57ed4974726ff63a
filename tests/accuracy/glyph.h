/* A digit of MNIST as a shape that can be drawn at any size and with any pen. */
#ifndef TESTS_ACCURACY_GLYPH_H
#define TESTS_ACCURACY_GLYPH_H

#include "engine/engine.h"

#define GLYPH_SCALE  4 /* a side of each of MNIST's pixels */
#define GLYPH_SIDE   (IMAGE_SIDE * GLYPH_SCALE)
#define GLYPH_POINTS (GLYPH_SIDE * GLYPH_SIDE / 8)

struct glyph {
    float level[GLYPH_SIDE][GLYPH_SIDE]; /* 0..1, smooth */
    double left, top, right, bottom;     /* of what is inked, in MNIST's pixels */

    /* The middle line: pieces between neighbouring points, in MNIST's pixels. */
    size_t piece_count;
    struct {
        float x0, y0, x1, y1;
    } pieces[GLYPH_POINTS];
};

/* `thicker`: MNIST pixels by which the strokes grow on each side. */
void glyph_make(const uint8_t image[IMAGE_PIXELS], double thicker, struct glyph *ret_glyph);

/* The longer side of what is inked. */
double glyph_side(const struct glyph *glyph);

/* A plane of ink, 0..1, to draw on. */
struct plane {
    int width, height;
    float *ink; /* owned */
};

/* Draws the shape with its own strokes; its box's longer side becomes `side` pixels, the box's corner lies at (left, top). */
void glyph_draw(const struct glyph *glyph, double side, double left, double top, struct plane *plane);

/* Draws the middle line with a round pen of `pen` pixels. */
void glyph_write(const struct glyph *glyph, double side, double left, double top, double pen,
                 struct plane *plane);

#endif
