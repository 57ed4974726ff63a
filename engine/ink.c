#include "engine/drawing.h"

#include <stdlib.h>
#include <string.h>

/* Luma shows less than this share of what colours show: then they are what is looked at. */
#define LUMA_SHARE 2

/* Rec. 601 luma, 0..255; exact for greys. */
static int luma(const uint8_t *rgb)
{
    return (299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000;
}

static const uint8_t *pixel_at(const struct picture *picture, int x, int y)
{
    return picture->rgba + 4 * ((size_t)y * (size_t)picture->width + (size_t)x);
}

static size_t pixel_count(const struct picture *picture)
{
    return (size_t)picture->width * (size_t)picture->height;
}

/* ---- The border ---- */

typedef size_t histogram[256];

static int median_of(const histogram counts)
{
    size_t total = 0, seen = 0;
    for (int i = 0; i < 256; i++)
        total += counts[i];
    int median = 0;
    while (median < 255 && 2 * (seen += counts[median]) < total)
        median++;
    return median;
}

struct border {
    histogram grey, colours[3]; /* of its opaque pixels */
    size_t opaque, transparent;
};

static void border_add(struct border *border, const uint8_t *pixel)
{
    if (pixel[3] < 128) {
        border->transparent++;
        return;
    }
    border->opaque++;
    border->grey[luma(pixel)]++;
    for (int c = 0; c < 3; c++)
        border->colours[c][pixel[c]]++;
}

static void border_read(const struct picture *picture, struct border *ret_border)
{
    memset(ret_border, 0, sizeof *ret_border);
    for (int y = 0; y < picture->height; y++) {
        bool whole_row = y == 0 || y == picture->height - 1;
        int step = whole_row || picture->width == 1 ? 1 : picture->width - 1;
        for (int x = 0; x < picture->width; x += step)
            border_add(ret_border, pixel_at(picture, x, y));
    }
}

/* Behind a picture whose border is transparent we put black or white, whichever the ink stands out from. */
static uint8_t contrast_of_ink(const struct picture *picture)
{
    uint64_t weight = 0, sum = 0;
    for (size_t i = 0; i < pixel_count(picture); i++) {
        const uint8_t *pixel = picture->rgba + 4 * i;
        weight += pixel[3];
        sum += (uint64_t)pixel[3] * (uint64_t)luma(pixel);
    }
    return sum * 2 < weight * 255 ? 255 : 0;
}

/* ---- Polarity ---- */

/* The level that is furthest from `level`, of those that a twentieth of the pixels reach. */
static int opposite_of(const histogram counts, size_t total, int level)
{
    int low = 0, high = 255;
    size_t below = counts[0], above = counts[255];
    while (low < 255 && below * 20 < total)
        below += counts[++low];
    while (high > 0 && above * 20 < total)
        above += counts[--high];
    return level - low > high - level ? low : high;
}

static int corners_like(const struct levels *grey, int level, int other)
{
    size_t right = (size_t)grey->width - 1, bottom = levels_count(grey) - (size_t)grey->width;
    const size_t corners[4] = {0, right, bottom, bottom + right};
    int count = 0;
    for (int i = 0; i < 4; i++)
        count += abs(grey->levels[corners[i]] - level) <= abs(grey->levels[corners[i]] - other);
    return count;
}

/* The border's level is the ground's, unless a digit that was cut out closely covers most of the border: then less
 * than half of the picture is like the border, and the corners are not. */
static int ground_grey(const struct levels *grey, int border)
{
    histogram counts = {0};
    size_t total = levels_count(grey), alike = 0, seen = 0;
    for (size_t i = 0; i < total; i++)
        counts[grey->levels[i]]++;
    int other = opposite_of(counts, total, border), level = 0;
    for (int i = 0; i < 256; i++)
        alike += abs(i - border) <= abs(i - other) ? counts[i] : 0;
    if (2 * alike >= total || corners_like(grey, border, other) > 2)
        return border;
    for (int i = 0; i < 256; i++) { /* the median of the others */
        seen += abs(i - border) <= abs(i - other) ? 0 : counts[i];
        if (2 * seen >= total - alike) {
            level = i;
            break;
        }
    }
    return level;
}

static void lay_over(const struct picture *picture, int behind, uint8_t *ret_grey)
{
    for (size_t i = 0; i < pixel_count(picture); i++) {
        const uint8_t *pixel = picture->rgba + 4 * i;
        ret_grey[i] = (uint8_t)((luma(pixel) * pixel[3] + behind * (255 - pixel[3]) + 127) / 255);
    }
}

struct ground ground_find(const struct picture *picture, struct levels *ret_grey)
{
    struct border border;
    struct ground ground;
    border_read(picture, &border);
    if (border.transparent > border.opaque) {
        memset(ground.colour, contrast_of_ink(picture), sizeof ground.colour);
        ground.grey = ground.colour[0];
        lay_over(picture, ground.grey, ret_grey->levels);
        return ground;
    }
    for (int c = 0; c < 3; c++)
        ground.colour[c] = (uint8_t)median_of(border.colours[c]);
    ground.grey = median_of(border.grey);
    lay_over(picture, ground.grey, ret_grey->levels);
    ground.grey = ground_grey(ret_grey, ground.grey);
    return ground;
}

/* ---- Ink ---- */

/* How far a pixel's colour, laid over the ground's, is from it in the channel where that is most. */
static uint8_t colour_distance(const uint8_t *pixel, const uint8_t ground[3])
{
    int most = 0;
    for (int c = 0; c < 3; c++) {
        int distance = abs(pixel[c] - ground[c]);
        most = distance > most ? distance : most;
    }
    return (uint8_t)(most * pixel[3] / 255);
}

static int strongest_colour(const struct picture *picture, const uint8_t ground[3])
{
    int strongest = 0;
    for (size_t i = 0; i < pixel_count(picture); i++) {
        int distance = colour_distance(picture->rgba + 4 * i, ground);
        strongest = distance > strongest ? distance : strongest;
    }
    return strongest;
}

/* Ink is on the side of the ground where most of the difference lies. */
static bool ink_is_light(const struct levels *grey, int ground)
{
    int64_t difference = 0;
    for (size_t i = 0; i < levels_count(grey); i++)
        difference += grey->levels[i] - ground;
    return difference > 0;
}

int ink_extract(const struct picture *picture, const struct ground *ground, struct levels *grey)
{
    int strongest = 0;
    bool light = ink_is_light(grey, ground->grey);
    for (size_t i = 0; i < levels_count(grey); i++) {
        int ink = light ? grey->levels[i] - ground->grey : ground->grey - grey->levels[i];
        grey->levels[i] = (uint8_t)(ink > 0 ? ink : 0);
        strongest = ink > strongest ? ink : strongest;
    }
    if (strongest >= 128)
        return strongest;
    int by_colour = strongest_colour(picture, ground->colour);
    if (by_colour <= LUMA_SHARE * strongest)
        return strongest;
    for (size_t i = 0; i < levels_count(grey); i++)
        grey->levels[i] = colour_distance(picture->rgba + 4 * i, ground->colour);
    return by_colour;
}

int ink_extract_raw(const struct picture *picture, struct levels *ret_ink)
{
    int strongest = 0;
    lay_over(picture, 0, ret_ink->levels);
    for (size_t i = 0; i < levels_count(ret_ink); i++)
        strongest = ret_ink->levels[i] > strongest ? ret_ink->levels[i] : strongest;
    return strongest;
}
