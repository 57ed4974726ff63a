/* Between the steps from a picture to the 28x28 that the network sees: grey levels, ink, the box around the ink, the
 * box's 20x20, the image. A plain set of functions; any thread. */
#ifndef ENGINE_DRAWING_H
#define ENGINE_DRAWING_H

#include "engine/engine.h"

#define BOX_SIDE 20 /* the digit is scaled into a box of so many pixels */

typedef float box_image[BOX_SIDE][BOX_SIDE];

/* One byte a pixel, row by row. */
struct levels {
    int width, height;
    uint8_t *levels; /* owned by whoever made it */
};

static inline size_t levels_count(const struct levels *picture)
{
    return (size_t)picture->width * (size_t)picture->height;
}

/* ---- ink.c: which of a picture's colours is ink ---- */

struct picture {
    const uint8_t *rgba; /* [height][width][4], alpha not premultiplied */
    int width, height;
};

/* What lies behind the ink. */
struct ground {
    int grey;          /* luma */
    uint8_t colour[3]; /* the border's, channel by channel */
};

/* Writes the picture's luma, laid over what is behind it where it is transparent. */
struct ground ground_find(const struct picture *picture, struct levels *ret_grey);

/* Turns luma into ink: how far each pixel is from the ground, 0..255. Where luma shows little of it, by the colours.
 * Returns the strongest. */
int ink_extract(const struct picture *picture, const struct ground *ground, struct levels *grey);

/* Black is no ink, white is most, whatever stands in the picture. Returns the strongest. */
int ink_extract_raw(const struct picture *picture, struct levels *ret_ink);

/* ---- photograph.c: pen on paper ---- */

/* Whether grey levels are those of a photograph and not of a drawing program: they are flat almost nowhere. */
bool photograph_is_likely(const struct levels *grey);

/* Whether ink runs through the picture as a ruling does. */
bool photograph_has_lines(const struct levels *ink, int strongest);

/* Finds the digit on paper in uneven light, with or without lines: `ret_ink` has its ink alone, at half the size where
 * the picture is large. ERR_NO_INK, ERR_MEMORY. The caller frees ret_ink->levels. */
MUST_CHECK enum status photograph_extract(const struct levels *grey, struct levels *ret_ink,
                                          struct error *err);

/* ---- ink_box.c: from ink to the image ---- */

/* Around what is stronger than `threshold`. */
struct ink_box {
    int left, top, right, bottom; /* right and bottom are outside */
};

struct ink_box ink_box_find(const struct levels *ink, int threshold);

/* Scales the ink inside the box to 20x20, its aspect kept. */
void ink_box_scale(const struct levels *ink, const struct ink_box *box, box_image ret_box);

/* Scales the strongest ink of a box that has some to 255 and places it by its centre of mass. */
void box_paste(const box_image box, uint8_t image[IMAGE_PIXELS]);

#endif
