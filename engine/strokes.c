/* Pen strokes, drawn at the size that the network sees: points are scaled, not pixels. */
#include "engine/drawing.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define PEN_DIAMETER 2.2 /* pixels of the box */
#define SAMPLES      8   /* a side of each pixel */
#define GRID_SIDE    (BOX_SIDE * SAMPLES)

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
    box_paste(box, ret_image);
    return OK;
}
