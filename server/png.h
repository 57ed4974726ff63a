/* PNG in and out, by libpng's full API, hardened: no ancillary chunk is kept or inflated, sides are limited before
 * anything is allocated, and an error never leaves memory behind. Any thread. */
#ifndef DIGITD_PNG_H
#define DIGITD_PNG_H

#include "engine/engine.h"

#define PNG_SIDE_MAX 1024

struct pixels {
    int width, height;
    uint8_t *rgba; /* [height][width][4], 8 bits a channel, alpha not premultiplied; free() it */
};

/* The sides that the header claims. ERR_FORMAT: the bytes do not begin as a PNG does. */
MUST_CHECK enum status png_read_sides(const uint8_t *data, size_t size, uint32_t *ret_width,
                                      uint32_t *ret_height, struct error *err);

/* Decodes any colour type, depth and interlacing. ERR_FORMAT: no PNG, or a broken one. ERR_SHAPE: a side is
 * longer than PNG_SIDE_MAX. */
MUST_CHECK enum status png_decode(const uint8_t *data, size_t size, struct pixels *ret_pixels,
                                  struct error *err);

/* Encodes grey levels [height][width]; `ret_data` is made by malloc. */
MUST_CHECK enum status png_encode_grey(const uint8_t *levels, int width, int height, uint8_t **ret_data,
                                       size_t *ret_size, struct error *err);

/* The same without compression: of 28x28 an eighth of the time, and three times the size. */
MUST_CHECK enum status png_store_grey(const uint8_t *levels, int width, int height, uint8_t **ret_data,
                                      size_t *ret_size, struct error *err);

#endif
