/* From a picture or pen strokes to the 28x28 that the network sees, the way MNIST was made from NIST's scans
 * (LeCun, Cortes, Burges, http://yann.lecun.com/exdb/mnist): the digit is scaled to fit 20x20 with its aspect
 * kept, and placed by its centre of mass. */
#include "engine/engine.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BOX_SIDE    20   /* the digit is scaled into a box of so many pixels */
#define CENTRE      15.0 /* the centre of mass, pixel centres at +0.5, comes to lie in 14 < c <= 15 */
#define OFFSET_MAX  (IMAGE_SIDE - BOX_SIDE)
#define PICTURE_MAX 1024

#define CONTRAST_MIN 16   /* of 255 between ink and background: less is no ink */
#define NOISE_MAX    0.08 /* of the strongest ink: what the border shows up to here is noise */

#define PEN_DIAMETER 2.2 /* pixels of the box */
#define SAMPLES      8   /* a side of each pixel */
#define GRID_SIDE    (BOX_SIDE * SAMPLES)

typedef float box_image[BOX_SIDE][BOX_SIDE];

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

/* ---- From the 20x20 box to the image ---------------------------------------------------------------------- */

/* trunc(15 - b), as far as the box stays inside the image. */
static int paste_offset(double centre_of_mass)
{
    int offset = (int)(CENTRE - centre_of_mass);
    return offset < 0 ? 0 : offset > OFFSET_MAX ? OFFSET_MAX : offset;
}

/* Scales the strongest ink to 255 and pastes the box, which has ink, by its centre of mass. */
static void paste(const box_image box, uint8_t image[IMAGE_PIXELS])
{
    double sum = 0, sum_x = 0, sum_y = 0;
    float strongest = 0;
    for (int y = 0; y < BOX_SIDE; y++)
        for (int x = 0; x < BOX_SIDE; x++) {
            float ink = box[y][x];
            sum += (double)ink;
            sum_x += (double)ink * (x + 0.5);
            sum_y += (double)ink * (y + 0.5);
            strongest = ink > strongest ? ink : strongest;
        }
    int left = paste_offset(sum_x / sum), top = paste_offset(sum_y / sum);
    memset(image, 0, IMAGE_PIXELS);
    for (int y = 0; y < BOX_SIDE; y++)
        for (int x = 0; x < BOX_SIDE; x++)
            image[(top + y) * IMAGE_SIDE + left + x] = (uint8_t)lrintf(box[y][x] * 255 / strongest);
}

/* ---- Pictures: grey and polarity --------------------------------------------------------------------------- */

/* Rec. 601 luma, 0..255; exact for greys. */
static int luma(const uint8_t *rgb)
{
    return (299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000;
}

struct picture {
    const uint8_t *rgba;
    int width, height;
};

static const uint8_t *pixel_at(const struct picture *picture, int x, int y)
{
    return picture->rgba + 4 * ((size_t)y * (size_t)picture->width + (size_t)x);
}

static size_t pixel_count(const struct picture *picture)
{
    return (size_t)picture->width * (size_t)picture->height;
}

/* Adds the border's pixels to a histogram of luma: the opaque ones by their grey, the others are counted. */
static size_t border_histogram(const struct picture *picture, size_t histogram[256])
{
    size_t transparent = 0;
    for (int y = 0; y < picture->height; y++) {
        bool whole_row = y == 0 || y == picture->height - 1;
        int step = whole_row || picture->width == 1 ? 1 : picture->width - 1;
        for (int x = 0; x < picture->width; x += step) {
            const uint8_t *pixel = pixel_at(picture, x, y);
            if (pixel[3] < 128)
                transparent++;
            else
                histogram[luma(pixel)]++;
        }
    }
    return transparent;
}

static int histogram_median(const size_t histogram[256])
{
    size_t total = 0, seen = 0;
    for (int i = 0; i < 256; i++)
        total += histogram[i];
    int median = 0;
    while (median < 255 && 2 * (seen += histogram[median]) < total)
        median++;
    return median;
}

/* Behind a picture whose border is transparent we put black or white, whichever the ink stands out from. */
static int contrast_of_ink(const struct picture *picture)
{
    uint64_t weight = 0, sum = 0;
    for (size_t i = 0; i < pixel_count(picture); i++) {
        const uint8_t *pixel = picture->rgba + 4 * i;
        weight += pixel[3];
        sum += (uint64_t)pixel[3] * (uint64_t)luma(pixel);
    }
    return sum * 2 < weight * 255 ? 255 : 0;
}

static int background_luma(const struct picture *picture)
{
    size_t histogram[256] = {0};
    size_t transparent = border_histogram(picture, histogram), opaque = 0;
    for (int i = 0; i < 256; i++)
        opaque += histogram[i];
    return transparent > opaque ? contrast_of_ink(picture) : histogram_median(histogram);
}

/* How far a pixel, laid over the background, is from it in the direction of ink: 0..255. */
static uint8_t ink_of(const uint8_t *pixel, int background, bool light)
{
    int grey = (luma(pixel) * pixel[3] + background * (255 - pixel[3]) + 127) / 255;
    int ink = light ? background - grey : grey - background;
    return (uint8_t)(ink > 0 ? ink : 0);
}

/* Returns the strongest ink. */
static int extract_ink(const struct picture *picture, int background, uint8_t *ink)
{
    bool light = background >= 128;
    int strongest = 0;
    for (size_t i = 0; i < pixel_count(picture); i++) {
        ink[i] = ink_of(picture->rgba + 4 * i, background, light);
        strongest = ink[i] > strongest ? ink[i] : strongest;
    }
    return strongest;
}

/* ---- Pictures: box and scale --------------------------------------------------------------------------------- */

/* What is no stronger than the border's strongest ink may be noise, and does not count for the box. A clean border
 * keeps even the faintest edge of a digit in it. */
static int noise_level(const uint8_t *ink, int width, int height, int strongest)
{
    int noise = 0, most = (int)(NOISE_MAX * strongest);
    for (int y = 0; y < height; y++) {
        const uint8_t *row = ink + (size_t)y * (size_t)width;
        int step = y == 0 || y == height - 1 || width == 1 ? 1 : width - 1;
        for (int x = 0; x < width; x += step)
            noise = row[x] > noise ? row[x] : noise;
    }
    return noise < most ? noise : most;
}

struct ink_box {
    int left, top, right, bottom; /* right and bottom are outside */
};

static struct ink_box find_box(const uint8_t *ink, int width, int height, int threshold)
{
    struct ink_box box = {width, height, 0, 0};
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            if (ink[(size_t)y * (size_t)width + (size_t)x] > threshold) {
                box.left = x < box.left ? x : box.left;
                box.right = x + 1 > box.right ? x + 1 : box.right;
                box.top = y < box.top ? y : box.top;
                box.bottom = y + 1;
            }
    return box;
}

/* Adds `value` to the cells that [from, to) covers, by the length covered. */
static void spread(float cells[BOX_SIDE], double from, double to, float value)
{
    for (int cell = (int)from; cell < BOX_SIDE && cell < to; cell++) {
        double begin = from > cell ? from : cell, end = to < cell + 1 ? to : cell + 1;
        cells[cell] += value * (float)(end - begin);
    }
}

/* Averages the ink's box, padded to a square, over the area of each of 20x20 cells. The padding is whole pixels, so
 * that a digit that is 20 pixels long already is copied and not blurred. */
static void average_into_box(const uint8_t *ink, int stride, const struct ink_box *box, box_image ret_box)
{
    int width = box->right - box->left, height = box->bottom - box->top;
    int side = width > height ? width : height;
    int left = (side - width) / 2, top = (side - height) / 2;
    double scale = (double)BOX_SIDE / side;
    memset(ret_box, 0, sizeof(box_image));
    for (int y = 0; y < height; y++) {
        const uint8_t *source = ink + (size_t)(box->top + y) * (size_t)stride + box->left;
        float row[BOX_SIDE] = {0};
        for (int x = 0; x < width; x++)
            if (source[x])
                spread(row, (left + x) * scale, (left + x + 1) * scale, source[x]);
        double from = (top + y) * scale, to = (top + y + 1) * scale;
        for (int cell = (int)from; cell < BOX_SIDE && cell < to; cell++) {
            double begin = from > cell ? from : cell, end = to < cell + 1 ? to : cell + 1;
            for (int x = 0; x < BOX_SIDE; x++)
                ret_box[cell][x] += row[x] * (float)(end - begin);
        }
    }
}

/* Whether the ink of a 28x28 picture is as MNIST's is: about 20 pixels long, and placed by its centre of mass. */
static bool is_normalised(const uint8_t *ink)
{
    struct ink_box box = find_box(ink, IMAGE_SIDE, IMAGE_SIDE, 0);
    int width = box.right - box.left, height = box.bottom - box.top;
    int side = width > height ? width : height;
    double sum = 0, sum_x = 0, sum_y = 0;
    for (int y = 0; y < IMAGE_SIDE; y++)
        for (int x = 0; x < IMAGE_SIDE; x++) {
            int level = ink[y * IMAGE_SIDE + x];
            sum += level;
            sum_x += level * (x + 0.5);
            sum_y += level * (y + 0.5);
        }
    double x = sum_x / sum, y = sum_y / sum;
    return side >= BOX_SIDE - 2 && side <= BOX_SIDE && x > CENTRE - 1 && x <= CENTRE && y > CENTRE - 1 &&
           y <= CENTRE;
}

static enum status normalise(const uint8_t *ink, int width, int height, int strongest,
                             uint8_t image[IMAGE_PIXELS], struct error *err)
{
    if (strongest < CONTRAST_MIN)
        return error_set(err, ERR_NO_INK, "nothing is drawn on the picture");
    struct ink_box box = find_box(ink, width, height, noise_level(ink, width, height, strongest));
    box_image averaged;
    average_into_box(ink, width, &box, averaged);
    paste(averaged, image);
    return OK;
}

/* The levels of a 28x28 picture as they are, what is transparent on black. */
static enum status copy_raw(const struct picture *picture, uint8_t image[IMAGE_PIXELS], struct error *err)
{
    if (picture->width != IMAGE_SIDE || picture->height != IMAGE_SIDE)
        return error_set(err, ERR_SHAPE, "mode raw needs a picture of 28x28 pixels, not %dx%d",
                         picture->width, picture->height);
    uint8_t levels[IMAGE_PIXELS];
    if (extract_ink(picture, 0, levels) == 0)
        return error_set(err, ERR_NO_INK, "nothing is drawn on the picture");
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
    uint8_t *ink = malloc(pixel_count(&picture));
    if (!ink)
        return error_set(err, ERR_MEMORY, "no memory for a picture of %dx%d pixels", width, height);
    int background = background_luma(&picture);
    int strongest = extract_ink(&picture, background, ink);
    enum status status = OK;
    bool small = width == IMAGE_SIDE && height == IMAGE_SIDE;
    if (mode == DRAWING_AUTO && small && strongest >= CONTRAST_MIN && is_normalised(ink))
        memcpy(ret_image, ink, IMAGE_PIXELS);
    else
        status = normalise(ink, width, height, strongest, ret_image, err);
    free(ink);
    return status;
}

/* ---- Strokes --------------------------------------------------------------------------------------------------- */

/* Units of the grid: one sample. */
struct vertex {
    double x, y;
};

struct interval {
    double from, to;
};

static void interval_add(struct interval *interval, double from, double to)
{
    interval->from = from < interval->from ? from : interval->from;
    interval->to = to > interval->to ? to : interval->to;
}

/* Where the row at height y (from the disc's centre) lies inside a disc. */
static void add_disc(struct interval *interval, double x, double y, double radius)
{
    double rest = radius * radius - y * y;
    if (rest >= 0)
        interval_add(interval, x - sqrt(rest), x + sqrt(rest));
}

/* Cuts the interval to low <= slope * x + base <= high. */
static void clip(struct interval *interval, double slope, double base, double low, double high)
{
    if (fabs(slope) < DBL_EPSILON) {
        if (base < low || base > high)
            interval->to = interval->from - 1;
        return;
    }
    double a = (low - base) / slope, b = (high - base) / slope;
    interval->from = fmax(interval->from, fmin(a, b));
    interval->to = fmin(interval->to, fmax(a, b));
}

/* Adds the part of row y inside the rectangle of half-width `radius` around the segment. */
static void add_band(struct interval *interval, struct vertex a, struct vertex b, double y, double radius)
{
    double dx = b.x - a.x, dy = b.y - a.y, length = hypot(dx, dy);
    if (length < DBL_EPSILON)
        return;
    dx /= length;
    dy /= length;
    struct interval band = {-GRID_SIDE, 2 * GRID_SIDE};
    clip(&band, dy, -a.x * dy - (y - a.y) * dx, -radius, radius);
    clip(&band, dx, -a.x * dx + (y - a.y) * dy, 0, length);
    if (band.from <= band.to)
        interval_add(interval, band.from, band.to);
}

/* Marks the samples within a pen's radius of the segment. What a row has of that shape, two discs and a band, is one
 * interval, because the shape is convex. */
static void draw_segment(uint8_t grid[GRID_SIDE][GRID_SIDE], struct vertex a, struct vertex b)
{
    const double radius = PEN_DIAMETER / 2 * SAMPLES;
    int top = (int)fmax(0, floor(fmin(a.y, b.y) - radius));
    int bottom = (int)fmin(GRID_SIDE, ceil(fmax(a.y, b.y) + radius));
    for (int row = top; row < bottom; row++) {
        double y = row + 0.5;
        struct interval covered = {DBL_MAX, -DBL_MAX};
        add_disc(&covered, a.x, y - a.y, radius);
        add_disc(&covered, b.x, y - b.y, radius);
        add_band(&covered, a, b, y, radius);
        if (covered.from > covered.to)
            continue; /* the row lies beyond the pen's edge */
        /* A sample counts by its centre, at +0.5. */
        int from = (int)fmax(0, ceil(covered.from - 0.5));
        int to = (int)fmin(GRID_SIDE - 1, floor(covered.to - 0.5));
        if (from <= to)
            memset(&grid[row][from], 1, (size_t)(to - from + 1));
    }
}

static void count_samples(const uint8_t grid[GRID_SIDE][GRID_SIDE], box_image ret_box)
{
    memset(ret_box, 0, sizeof(box_image));
    for (int y = 0; y < GRID_SIDE; y++)
        for (int x = 0; x < GRID_SIDE; x++)
            ret_box[y / SAMPLES][x / SAMPLES] += grid[y][x];
}

/* From the client's unit to samples: the longer side fills the box less the pen, the shorter one is centred. */
struct fit {
    double scale, centre_x, centre_y;
};

static struct fit fit_points(const struct stroke_point *points, size_t count)
{
    double left = points[0].x, right = left, top = points[0].y, bottom = top;
    for (size_t i = 1; i < count; i++) {
        left = fmin(left, points[i].x);
        right = fmax(right, points[i].x);
        top = fmin(top, points[i].y);
        bottom = fmax(bottom, points[i].y);
    }
    double side = fmax(right - left, bottom - top);
    return (struct fit){.scale = side > 0 ? (BOX_SIDE - PEN_DIAMETER) * SAMPLES / side : 0,
                        .centre_x = (left + right) / 2,
                        .centre_y = (top + bottom) / 2};
}

static struct vertex fitted(const struct fit *fit, const struct stroke_point *point)
{
    return (struct vertex){(point->x - fit->centre_x) * fit->scale + GRID_SIDE / 2.0,
                           (point->y - fit->centre_y) * fit->scale + GRID_SIDE / 2.0};
}

enum status drawing_from_strokes(const struct stroke_point *points, size_t count,
                                 uint8_t ret_image[IMAGE_PIXELS], struct error *err)
{
    if (count == 0)
        return error_set(err, ERR_NO_INK, "there is no point in the strokes");
    for (size_t i = 0; i < count; i++)
        if (!isfinite(points[i].x) || !isfinite(points[i].y))
            return error_set(err, ERR_ARGUMENT, "a coordinate of point %zu is not a finite number", i);

    struct fit fit = fit_points(points, count);
    uint8_t grid[GRID_SIDE][GRID_SIDE] = {{0}};
    struct vertex before = fitted(&fit, &points[0]);
    for (size_t i = 0; i < count; i++) {
        struct vertex here = fitted(&fit, &points[i]);
        draw_segment(grid, points[i].starts_stroke ? here : before, here);
        before = here;
    }
    box_image box;
    count_samples(grid, box);
    paste(box, ret_image);
    return OK;
}
