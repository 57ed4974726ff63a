/* Photographs of a digit on paper.
 *
 * Light multiplies what paper and pen reflect: so ink is the share by which a pixel is darker than the paper around it,
 * and a paper's level is the mean of its neighbourhood less what is ink there (an adaptive threshold in two rounds, by
 * integral images; Bradley and Roth, 2007). Rulings are straight lines from border to border (Hough). Of the pieces of
 * ink that remain, the digit is the largest that does not touch the border and what belongs to it. */
#include "engine/drawing.h"
#include "engine/pieces.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIDE_MIN 24  /* smaller pictures are no photographs */
#define SIDE_MAX 512 /* larger ones are halved */

#define FLAT_REACH  6    /* levels around the two that a drawing mostly has */
#define FLAT_SHARE  0.75 /* of a drawing's pixels are near those, */
#define EQUAL_SHARE 0.5  /* and so many of its pixels are as their neighbour is */

#define CHALK_SHARE                                                                                          \
    2.0 /* lighter than the board: by so much more than it is darker; else it is pen on paper */
#define INK_SHARE_MIN 0.06 /* darker than the paper by so much: less is no ink */
#define NOISE_FACTOR  4.0  /* ink has to stand out from the noise by so many of its standard deviations */

struct sheet {
    int width, height;
    uint8_t *grey;           /* [height][width] */
    float *paper;            /* the level of the paper there */
    float *contrast;         /* share by which it is darker than the paper, 0..1 */
    uint8_t *ink;            /* 1 where there is ink, */
    uint32_t *sums, *counts; /* [height + 1][width + 1] */
    float strong;            /* contrast of the pen */
};

/* ---- Is it one? ---------------------------------------------------------------------------------------------- */

/* Pixels within FLAT_REACH of the level that has most of them, which is then taken away. */
static size_t take_peak(size_t counts[256])
{
    size_t most = 0;
    int at = 0;
    for (int level = 0; level < 256; level++) {
        size_t sum = 0;
        for (int i = level - FLAT_REACH; i <= level + FLAT_REACH; i++)
            sum += i >= 0 && i < 256 ? counts[i] : 0;
        if (sum > most) {
            most = sum;
            at = level;
        }
    }
    for (int i = at - FLAT_REACH; i <= at + FLAT_REACH; i++)
        if (i >= 0 && i < 256)
            counts[i] = 0;
    return most;
}

bool photograph_is_likely(const struct levels *grey)
{
    if (grey->width < SIDE_MIN || grey->height < SIDE_MIN)
        return false;
    size_t counts[256] = {0}, equal = 0, total = levels_count(grey);
    for (size_t i = 0; i < total; i++) {
        counts[grey->levels[i]]++;
        equal += i > 0 && grey->levels[i] == grey->levels[i - 1];
    }
    size_t flat = take_peak(counts);
    flat += take_peak(counts);
    return (double)flat < FLAT_SHARE * (double)total || (double)equal < EQUAL_SHARE * (double)total;
}

/* ---- Memory ---------------------------------------------------------------------------------------------------- */

static void sheet_free(struct sheet *sheet)
{
    free(sheet->grey);
    free(sheet->paper);
    free(sheet->contrast);
    free(sheet->ink);
    free(sheet->sums);
    free(sheet->counts);
}

static size_t sheet_pixels(const struct sheet *sheet)
{
    return (size_t)sheet->width * (size_t)sheet->height;
}

/* The picture, or the means of its squares of 2x2. */
static void copy_levels(const struct levels *grey, int step, struct sheet *sheet)
{
    for (int y = 0; y < sheet->height; y++)
        for (int x = 0; x < sheet->width; x++) {
            int sum = 0;
            for (int i = 0; i < step * step; i++)
                sum += grey->levels[(size_t)(y * step + i / step) * (size_t)grey->width +
                                    (size_t)(x * step + i % step)];
            sheet->grey[(size_t)y * (size_t)sheet->width + (size_t)x] =
                (uint8_t)((sum + step * step / 2) / (step * step));
        }
}

static enum status sheet_create(const struct levels *grey, struct sheet *ret_sheet, struct error *err)
{
    int step = grey->width > SIDE_MAX || grey->height > SIDE_MAX ? 2 : 1;
    struct sheet sheet = {.width = grey->width / step, .height = grey->height / step};
    size_t count = sheet_pixels(&sheet), corners = (size_t)(sheet.width + 1) * (size_t)(sheet.height + 1);
    sheet.grey = malloc(count);
    sheet.paper = malloc(count * sizeof *sheet.paper);
    sheet.contrast = malloc(count * sizeof *sheet.contrast);
    sheet.ink = calloc(count, 1);
    sheet.sums = malloc(corners * sizeof *sheet.sums);
    sheet.counts = malloc(corners * sizeof *sheet.counts);
    if (!sheet.grey || !sheet.paper || !sheet.contrast || !sheet.ink || !sheet.sums || !sheet.counts) {
        sheet_free(&sheet);
        return error_set(err, ERR_MEMORY, "no memory for a photograph of %dx%d pixels", grey->width,
                         grey->height);
    }
    copy_levels(grey, step, &sheet);
    *ret_sheet = sheet;
    return OK;
}

/* ---- Paper ----------------------------------------------------------------------------------------------------- */

/* Integral images of the levels that are no ink, and of how many those are. */
static void sum_up(struct sheet *sheet)
{
    size_t pitch = (size_t)sheet->width + 1;
    memset(sheet->sums, 0, pitch * sizeof *sheet->sums);
    memset(sheet->counts, 0, pitch * sizeof *sheet->counts);
    for (size_t y = 0; y < (size_t)sheet->height; y++) {
        uint32_t sum = 0, count = 0;
        size_t above = y * pitch, here = above + pitch;
        sheet->sums[here] = sheet->counts[here] = 0;
        for (size_t x = 0; x < (size_t)sheet->width; x++) {
            size_t pixel = y * (size_t)sheet->width + x;
            sum += sheet->ink[pixel] ? 0 : sheet->grey[pixel];
            count += !sheet->ink[pixel];
            sheet->sums[here + x + 1] = sheet->sums[above + x + 1] + sum;
            sheet->counts[here + x + 1] = sheet->counts[above + x + 1] + count;
        }
    }
}

static uint32_t window(const uint32_t *integral, size_t pitch, int left, int top, int right, int bottom)
{
    const uint32_t *above = integral + (size_t)top * pitch, *below = integral + (size_t)bottom * pitch;
    return below[right] - below[left] - above[right] + above[left];
}

static int clamp(int value, int high)
{
    return value < 0 ? 0 : value > high ? high : value;
}

/* The mean of what is no ink within `reach`; the level is kept where that is less than `enough` of the window. */
static void level_paper(struct sheet *sheet, int reach, double enough)
{
    size_t pitch = (size_t)sheet->width + 1;
    sum_up(sheet);
    for (int y = 0; y < sheet->height; y++)
        for (int x = 0; x < sheet->width; x++) {
            int left = clamp(x - reach, sheet->width), right = clamp(x + reach + 1, sheet->width);
            int top = clamp(y - reach, sheet->height), bottom = clamp(y + reach + 1, sheet->height);
            uint32_t count = window(sheet->counts, pitch, left, top, right, bottom);
            if ((double)count > enough * (right - left) * (bottom - top))
                sheet->paper[(size_t)y * (size_t)sheet->width + (size_t)x] =
                    (float)window(sheet->sums, pitch, left, top, right, bottom) / (float)count;
        }
}

static float darker(const struct sheet *sheet, size_t pixel)
{
    float paper = sheet->paper[pixel];
    return paper > 1 ? (paper - (float)sheet->grey[pixel]) / paper : 0;
}

static void mark_ink(struct sheet *sheet, float share)
{
    for (size_t i = 0; i < sheet_pixels(sheet); i++)
        sheet->ink[i] = darker(sheet, i) > share;
}

/* Chalk on a board becomes pen on paper. */
static void make_ink_dark(struct sheet *sheet)
{
    double above = 0, below = 0;
    for (size_t i = 0; i < sheet_pixels(sheet); i++) {
        double difference = (double)sheet->grey[i] - (double)sheet->paper[i];
        *(difference > 0 ? &above : &below) += difference * difference;
    }
    if (above <= CHALK_SHARE * below)
        return;
    for (size_t i = 0; i < sheet_pixels(sheet); i++) {
        sheet->grey[i] = (uint8_t)(255 - sheet->grey[i]);
        sheet->paper[i] = 255 - sheet->paper[i];
    }
}

static void find_paper(struct sheet *sheet)
{
    int side = sheet->width < sheet->height ? sheet->width : sheet->height;
    level_paper(sheet, side / 5, 0);
    make_ink_dark(sheet);
    mark_ink(sheet, 0.12F);
    level_paper(sheet, side / 5, 0.1);
    mark_ink(sheet, 0.1F);
    level_paper(sheet, side / 12 > 3 ? side / 12 : 3, 0.3);
}

/* ---- Ink ------------------------------------------------------------------------------------------------------- */

/* Contrast, smoothed over 3x3 with the weights 1 2 1. */
static void measure_contrast(struct sheet *sheet)
{
    for (int y = 0; y < sheet->height; y++)
        for (int x = 0; x < sheet->width; x++) {
            float sum = 0;
            for (int i = 0; i < 9; i++) {
                int u = clamp(x + i % 3 - 1, sheet->width - 1), v = clamp(y + i / 3 - 1, sheet->height - 1);
                float weight = (float)((i % 3 == 1 ? 2 : 1) * (i / 3 == 1 ? 2 : 1));
                sum += weight * darker(sheet, (size_t)v * (size_t)sheet->width + (size_t)u);
            }
            sheet->contrast[(size_t)y * (size_t)sheet->width + (size_t)x] = sum / 16;
        }
}

/* The standard deviation of the paper's contrast, from the mean deviation. */
static float measure_noise(const struct sheet *sheet)
{
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < sheet_pixels(sheet); i++)
        if (!sheet->ink[i]) {
            sum += fabs((double)sheet->contrast[i]);
            count++;
        }
    return count ? (float)(1.25 * sum / (double)count) : 1;
}

/* The contrast that one in `rarity` pixels exceeds. */
static float contrast_exceeded(const struct sheet *sheet, size_t rarity)
{
    size_t counts[256] = {0}, seen = 0, wanted = sheet_pixels(sheet) / rarity;
    for (size_t i = 0; i < sheet_pixels(sheet); i++)
        counts[clamp((int)(sheet->contrast[i] * 255), 255)]++;
    int level = 255;
    while (level > 0 && (seen += counts[level]) <= wanted)
        level--;
    return (float)level / 255;
}

/* Marks ink; false when there is none. */
static bool find_ink(struct sheet *sheet)
{
    measure_contrast(sheet);
    float noise = measure_noise(sheet);
    sheet->strong = contrast_exceeded(sheet, 1000);
    if (sheet->strong < (float)INK_SHARE_MIN || sheet->strong < 1.5F * (float)NOISE_FACTOR * noise)
        return false;
    float threshold = fmaxf(0.3F * sheet->strong, (float)NOISE_FACTOR * noise);
    for (size_t i = 0; i < sheet_pixels(sheet); i++)
        sheet->ink[i] = sheet->contrast[i] > threshold;
    return true;
}

/* The digit's ink, 1 where it is weak and 255 where it is strong, in the place of the levels; what is not the digit's is
 * 0. */
static struct levels draw_ink(struct sheet *sheet)
{
    struct levels ink = {sheet->width, sheet->height, sheet->grey};
    float low = 0.2F * sheet->strong, high = 0.7F * sheet->strong;
    for (size_t i = 0; i < sheet_pixels(sheet); i++) {
        float level = 255 * (sheet->contrast[i] - low) / (high - low);
        ink.levels[i] = sheet->ink[i] ? (uint8_t)fminf(255, fmaxf(1, level)) : 0;
    }
    sheet->grey = NULL;
    return ink;
}

enum status photograph_extract(const struct levels *grey, struct levels *ret_ink, struct error *err)
{
    struct sheet sheet;
    enum status status = sheet_create(grey, &sheet, err);
    if (status != OK)
        return status;
    find_paper(&sheet);
    bool found = find_ink(&sheet);
    if (found) {
        struct inked inked = {sheet.width, sheet.height, sheet.ink, sheet.contrast, sheet.strong};
        rulings_erase(&inked);
        status = pieces_keep_digit(&inked, &found, err);
    }
    if (status == OK && !found)
        status = error_set(err, ERR_NO_INK, "no digit is found on the photograph");
    if (status == OK)
        *ret_ink = draw_ink(&sheet);
    sheet_free(&sheet);
    return status;
}

/* ---- Rulings in a drawing -------------------------------------------------------------------------------------- */

/* Whether a row, or column, shows ink at both of its ends. */
static bool reaches_across(const struct levels *ink, int threshold)
{
    size_t width = (size_t)ink->width, bottom = levels_count(ink) - width;
    bool left = false, right = false, top = false, below = false;
    for (size_t y = 0; y < (size_t)ink->height; y++) {
        left |= ink->levels[y * width] > threshold;
        right |= ink->levels[y * width + width - 1] > threshold;
    }
    for (size_t x = 0; x < width; x++) {
        top |= ink->levels[x] > threshold;
        below |= ink->levels[bottom + x] > threshold;
    }
    return (left && right) || (top && below);
}

bool photograph_has_lines(const struct levels *ink, int strongest)
{
    int threshold = strongest / 8;
    if (ink->width < SIDE_MIN || ink->height < SIDE_MIN || !reaches_across(ink, threshold))
        return false;
    uint8_t *marks = malloc(levels_count(ink));
    if (!marks)
        return false;
    for (size_t i = 0; i < levels_count(ink); i++)
        marks[i] = ink->levels[i] > threshold;
    struct inked inked = {ink->width, ink->height, marks, NULL, 0};
    bool lines = rulings_count(&inked) > 1; /* one alone may be the digit's */
    free(marks);
    return lines;
}
