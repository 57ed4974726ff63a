/* From a picture to the 28x28 that the network sees, the way MNIST was made from NIST's scans (LeCun, Cortes, Burges,
 * http://yann.lecun.com/exdb/mnist): the digit is scaled to fit 20x20 with its aspect kept, and placed by its centre
 * of mass. */
#include "engine/drawing.h"

#include <stdlib.h>
#include <string.h>

#define PICTURE_MAX  1024
#define CONTRAST_MIN 16   /* of 255 between ink and background: less is no ink */
#define NOISE_MAX    0.08 /* of the strongest ink: what the border shows up to here is noise */

static const char *const mode_names[] = {
    [DRAWING_AUTO] = "auto", [DRAWING_RAW] = "raw", [DRAWING_DRAWING] = "drawing"};

#define MODE_COUNT (sizeof mode_names / sizeof *mode_names)

bool drawing_mode_from_name(const char *name, enum drawing_mode *ret_mode)
{
    for (size_t i = 0; i < MODE_COUNT; i++)
        if (strcmp(name, mode_names[i]) == 0) {
            *ret_mode = (enum drawing_mode)i;
            return true;
        }
    return false;
}

const char *drawing_mode_name(enum drawing_mode mode)
{
    return mode_names[mode];
}

static enum status no_ink(struct error *err)
{
    return error_set(err, ERR_NO_INK, "nothing is drawn on the picture");
}

/* What is no stronger than the border's strongest ink may be noise, and does not count for the box. A clean border
 * keeps even the faintest edge of a digit in it. */
static int noise_level(const struct levels *ink, int strongest)
{
    int noise = 0, most = (int)(NOISE_MAX * strongest), width = ink->width, height = ink->height;
    for (int y = 0; y < height; y++) {
        const uint8_t *row = ink->levels + (size_t)y * (size_t)width;
        int step = y == 0 || y == height - 1 || width == 1 ? 1 : width - 1;
        for (int x = 0; x < width; x += step)
            noise = row[x] > noise ? row[x] : noise;
    }
    return noise < most ? noise : most;
}

/* Whether the ink of a picture is as MNIST's is: 28x28, about 20 pixels long, and placed by its centre of mass. */
static bool is_normalised(const struct levels *ink)
{
    if (ink->width != IMAGE_SIDE || ink->height != IMAGE_SIDE)
        return false;
    struct ink_box box = ink_box_find(ink, 0);
    int width = box.right - box.left, height = box.bottom - box.top;
    int side = width > height ? width : height;
    double sum = 0, sum_x = 0, sum_y = 0;
    for (int y = 0; y < IMAGE_SIDE; y++)
        for (int x = 0; x < IMAGE_SIDE; x++) {
            int level = ink->levels[y * IMAGE_SIDE + x];
            sum += level;
            sum_x += level * (x + 0.5);
            sum_y += level * (y + 0.5);
        }
    double x = sum_x / sum, y = sum_y / sum;
    return side >= BOX_SIDE - 2 && side <= BOX_SIDE && x > 14 && x <= 15 && y > 14 && y <= 15;
}

static void normalise(const struct levels *ink, int threshold, uint8_t image[IMAGE_PIXELS])
{
    struct ink_box box = ink_box_find(ink, threshold);
    box_image scaled;
    ink_box_scale(ink, &box, scaled);
    box_paste(scaled, image);
}

static enum status from_photograph(const struct levels *grey, uint8_t image[IMAGE_PIXELS], struct error *err)
{
    struct levels ink;
    enum status status = photograph_extract(grey, &ink, err);
    if (status != OK)
        return status;
    normalise(&ink, 0, image);
    free(ink.levels);
    return OK;
}

/* Turns `grey` into ink on the way. */
static enum status from_drawing(const struct picture *picture, const struct ground *ground,
                                struct levels *grey, enum drawing_mode mode, uint8_t image[IMAGE_PIXELS],
                                struct error *err)
{
    int strongest = ink_extract(picture, ground, grey);
    if (strongest < CONTRAST_MIN)
        return no_ink(err);
    if (mode == DRAWING_AUTO && is_normalised(grey))
        memcpy(image, grey->levels, IMAGE_PIXELS);
    else if (photograph_has_lines(grey, strongest)) {
        for (size_t i = 0; i < levels_count(grey); i++)
            grey->levels[i] = (uint8_t)(255 - grey->levels[i] * 255 / strongest);
        return from_photograph(grey, image, err);
    } else
        normalise(grey, noise_level(grey, strongest), image);
    return OK;
}

/* The levels of a 28x28 picture as they are, what is transparent on black. */
static enum status copy_raw(const struct picture *picture, uint8_t image[IMAGE_PIXELS], struct error *err)
{
    if (picture->width != IMAGE_SIDE || picture->height != IMAGE_SIDE)
        return error_set(err, ERR_SHAPE, "mode raw needs a picture of 28x28 pixels, not %dx%d",
                         picture->width, picture->height);
    uint8_t levels[IMAGE_PIXELS];
    struct levels ink = {IMAGE_SIDE, IMAGE_SIDE, levels};
    if (ink_extract_raw(picture, &ink) == 0)
        return no_ink(err);
    memcpy(image, levels, IMAGE_PIXELS);
    return OK;
}

enum status drawing_from_pixels(const uint8_t *rgba, int width, int height, enum drawing_mode mode,
                                uint8_t ret_image[IMAGE_PIXELS], struct error *err)
{
    if (width < 1 || height < 1 || width > PICTURE_MAX || height > PICTURE_MAX)
        return error_set(err, ERR_ARGUMENT, "a picture of %dx%d pixels; the sides may be 1..%d", width,
                         height, PICTURE_MAX);
    const struct picture picture = {rgba, width, height};
    if (mode == DRAWING_RAW)
        return copy_raw(&picture, ret_image, err);
    struct levels grey = {width, height, malloc((size_t)width * (size_t)height)};
    if (!grey.levels)
        return error_set(err, ERR_MEMORY, "no memory for a picture of %dx%d pixels", width, height);
    struct ground ground = ground_find(&picture, &grey);
    enum status status = photograph_is_likely(&grey)
                             ? from_photograph(&grey, ret_image, err)
                             : from_drawing(&picture, &ground, &grey, mode, ret_image, err);
    free(grey.levels);
    return status;
}
