#include "engine/drawing.h"

#include <math.h>
#include <string.h>

#define CENTRE     15.0 /* the centre of mass, pixel centres at +0.5, comes to lie in 14 < c <= 15 */
#define OFFSET_MAX (IMAGE_SIDE - BOX_SIDE)

/* Strokes of a large picture that are thinner than STROKE_MIN pixels of the box are drawn again with a pen that makes
 * them so thick: few of MNIST's are thinner. */
#define STROKE_MIN 1.6
#define LARGE      32 /* pixels of the ink's longer side; below, pixels are too coarse to tell */
#define FINE       4  /* samples a side of each pixel of the box, to draw them again */
#define FINE_SIDE  (BOX_SIDE * FINE)

/* Between few pixels strokes come out wide and blurred: this exponent makes up for it. */
#define SHARPEN 1.3F

/* Sides of a square picture that ink fills from border to border are no digit's: it was stretched. So wide is a digit
 * for its height, usually. */
#define USUAL_WIDTH 0.72

struct ink_box ink_box_find(const struct levels *ink, int threshold)
{
    struct ink_box box = {ink->width, ink->height, 0, 0};
    for (int y = 0; y < ink->height; y++)
        for (int x = 0; x < ink->width; x++)
            if (ink->levels[(size_t)y * (size_t)ink->width + (size_t)x] > threshold) {
                box.left = x < box.left ? x : box.left;
                box.right = x + 1 > box.right ? x + 1 : box.right;
                box.top = y < box.top ? y : box.top;
                box.bottom = y + 1;
            }
    return box;
}

/* ---- Scaling ---- */

/* Where the box's ink goes: along each axis, a pixel of the source begins at offset + scale * (its number). */
struct fit {
    double left, top, scale_x, scale_y;
    int side; /* cells of the square that is filled */
};

/* Adds `value` to the cells that [from, to) covers, by the length covered. */
static void spread(float *cells, int side, double from, double to, float value)
{
    for (int cell = (int)from; cell < side && cell < to; cell++) {
        double begin = from > cell ? from : cell, end = to < cell + 1 ? to : cell + 1;
        cells[cell] += value * (float)(end - begin);
    }
}

/* cells [fit->side][fit->side]: the average of the ink over the area of each. */
static void average(const struct levels *ink, const struct ink_box *box, const struct fit *fit,
                    float *ret_cells)
{
    int side = fit->side;
    memset(ret_cells, 0, (size_t)side * (size_t)side * sizeof *ret_cells);
    for (int y = box->top; y < box->bottom; y++) {
        const uint8_t *source = ink->levels + (size_t)y * (size_t)ink->width;
        float row[FINE_SIDE] = {0};
        for (int x = box->left; x < box->right; x++) {
            double from = fit->left + (x - box->left) * fit->scale_x;
            if (source[x])
                spread(row, side, from, from + fit->scale_x, source[x]);
        }
        double from = fit->top + (y - box->top) * fit->scale_y, to = from + fit->scale_y;
        for (int cell = (int)from; cell < side && cell < to; cell++) {
            double begin = from > cell ? from : cell, end = to < cell + 1 ? to : cell + 1;
            for (int x = 0; x < side; x++)
                ret_cells[cell * side + x] += row[x] * (float)(end - begin);
        }
    }
}

/* The ink at a place in the box, between the pixels' centres; none lies outside. */
static float between(const struct levels *ink, const struct ink_box *box, double x, double y)
{
    int left = (int)floor(x - 0.5), top = (int)floor(y - 0.5);
    float s = (float)(x - 0.5 - left), t = (float)(y - 0.5 - top), sum = 0;
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < 2; i++) {
            int u = left + i, v = top + j;
            bool inside = u >= 0 && v >= 0 && u < box->right - box->left && v < box->bottom - box->top;
            if (inside)
                sum += (i ? s : 1 - s) * (j ? t : 1 - t) *
                       ink->levels[(size_t)(box->top + v) * (size_t)ink->width + (size_t)(box->left + u)];
        }
    return sum;
}

/* cells [fit->side][fit->side] of a picture with fewer pixels: each has FINE x FINE samples. */
static void interpolate(const struct levels *ink, const struct ink_box *box, const struct fit *fit,
                        float *ret_cells)
{
    for (int y = 0; y < fit->side; y++)
        for (int x = 0; x < fit->side; x++) {
            float sum = 0;
            for (int i = 0; i < FINE * FINE; i++) {
                int column = i % FINE, row = i / FINE;
                sum += between(ink, box, (x + (column + 0.5) / FINE - fit->left) / fit->scale_x,
                               (y + (row + 0.5) / FINE - fit->top) / fit->scale_y);
            }
            ret_cells[y * fit->side + x] = 255 * powf(sum / (FINE * FINE * 255), SHARPEN);
        }
}

/* Whether the ink touches all four borders of a square picture. */
static bool is_stretched(const struct levels *ink, const struct ink_box *box)
{
    return ink->width == ink->height && box->left == 0 && box->top == 0 && box->right == ink->width &&
           box->bottom == ink->height;
}

/* The box, padded to a square, in the middle of `side` cells less `margin` on each side. Where pixels become smaller, the
 * padding is whole pixels, so that a digit that is 20 pixels long already is copied and not blurred. */
static struct fit fit_box(const struct levels *ink, const struct ink_box *box, int side, double margin)
{
    int width = box->right - box->left, height = box->bottom - box->top;
    int longer = width > height ? width : height;
    double scale = (side - 2 * margin) / longer;
    struct fit fit = {.scale_x = scale, .scale_y = scale, .side = side};
    if (is_stretched(ink, box))
        fit.scale_x *= USUAL_WIDTH;
    double left = (longer - width * (fit.scale_x / scale)) / 2, top = (longer - height) / 2.0;
    bool whole = longer >= BOX_SIDE && fit.scale_x == scale;
    fit.left = margin + (whole ? floor(left) : left) * scale;
    fit.top = margin + (whole ? floor(top) : top) * scale;
    return fit;
}

/* ---- Thin strokes ---- */

/* Of a stroke of width w and length l the ink's area is w l, and the length of its edge 2 l. */
static double stroke_width(const float *cells, int side)
{
    double area = 0, edge = 0;
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            float here = cells[y * side + x], right = x + 1 < side ? cells[y * side + x + 1] : 0,
                  below = y + 1 < side ? cells[(y + 1) * side + x] : 0;
            area += (double)here;
            edge += hypot((double)(right - here), (double)(below - here));
        }
    return edge > 0 ? 2 * area / edge : 0;
}

/* The strongest ink within `radius`. */
static void dilate(const float *cells, int side, double radius, float *ret_cells)
{
    int reach = (int)ceil(radius);
    memset(ret_cells, 0, (size_t)side * (size_t)side * sizeof *ret_cells);
    for (int dy = -reach; dy <= reach; dy++)
        for (int dx = -reach; dx <= reach; dx++) {
            float part = (float)fmin(1, fmax(0, radius + 0.5 - hypot(dx, dy)));
            for (int y = dy > 0 ? dy : 0; part > 0 && y < side + (dy < 0 ? dy : 0); y++)
                for (int x = dx > 0 ? dx : 0; x < side + (dx < 0 ? dx : 0); x++) {
                    float ink = part * cells[(y - dy) * side + x - dx], *to = &ret_cells[y * side + x];
                    *to = ink > *to ? ink : *to;
                }
        }
}

/* Draws what is thin again with a thicker pen, into the same box. False when it is not thin. */
static bool thicken(const struct levels *ink, const struct ink_box *box, box_image ret_box)
{
    float cells[FINE_SIDE * FINE_SIDE], thicker[FINE_SIDE * FINE_SIDE];
    struct fit fit = fit_box(ink, box, FINE_SIDE, 0);
    average(ink, box, &fit, cells);
    double width = stroke_width(cells, FINE_SIDE) / FINE;
    if (width >= STROKE_MIN)
        return false;
    double radius = (STROKE_MIN - width) / 2 * FINE;
    fit = fit_box(ink, box, FINE_SIDE, radius);
    average(ink, box, &fit, cells);
    dilate(cells, FINE_SIDE, radius, thicker);
    memset(ret_box, 0, sizeof(box_image));
    for (int y = 0; y < FINE_SIDE; y++)
        for (int x = 0; x < FINE_SIDE; x++)
            ret_box[y / FINE][x / FINE] += thicker[y * FINE_SIDE + x];
    return true;
}

void ink_box_scale(const struct levels *ink, const struct ink_box *box, box_image ret_box)
{
    int width = box->right - box->left, height = box->bottom - box->top;
    struct fit fit = fit_box(ink, box, BOX_SIDE, 0);
    if (width < BOX_SIDE && height < BOX_SIDE)
        interpolate(ink, box, &fit, ret_box[0]);
    else if ((width <= LARGE && height <= LARGE) || !thicken(ink, box, ret_box))
        average(ink, box, &fit, ret_box[0]);
}

/* ---- From the box to the image ---- */

/* trunc(15 - b), as far as the box stays inside the image. */
static int paste_offset(double centre_of_mass)
{
    int offset = (int)(CENTRE - centre_of_mass + 1e-4); /* symmetric digits alike, whatever was rounded */
    return offset < 0 ? 0 : offset > OFFSET_MAX ? OFFSET_MAX : offset;
}

void box_paste(const box_image box, uint8_t image[IMAGE_PIXELS])
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
