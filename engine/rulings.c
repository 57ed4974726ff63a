#include "engine/pieces.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TILT_MAX    0.07 /* how far a ruling may lean, height for length */
#define COVERAGE    0.7  /* so much of a line's way is ink */
#define LINES_MAX   64   /* in one direction */
#define LENGTH_MAX  1024
#define SAMPLE_STEP 3 /* pixels between those that are looked at to find lines */

/* The sheet as it is, or turned so that columns are rows. */
struct view {
    const struct inked *inked;
    bool turned;
    int length, count; /* along the lines, across them */
};

struct line {
    double start, tilt; /* across = start + tilt * along, of the middle */
    int thickness;
};

static size_t pixel_of(const struct view *view, int along, int across)
{
    size_t width = (size_t)view->inked->width;
    return view->turned ? (size_t)along * width + (size_t)across : (size_t)across * width + (size_t)along;
}

static bool is_ink(const struct view *view, int along, int across)
{
    return across >= 0 && across < view->count && view->inked->ink[pixel_of(view, along, across)];
}

static double coverage_of(const struct view *view, double start, double tilt)
{
    int inked = 0, seen = 0;
    for (int along = 0; along < view->length; along += SAMPLE_STEP) {
        int across = (int)lround(start + tilt * along);
        seen++;
        inked += is_ink(view, along, across);
    }
    return (double)inked / seen;
}

/* The best tilt of a line that begins at `start`. */
static double best_tilt(const struct view *view, double start, double *ret_coverage)
{
    int steps = (int)(TILT_MAX * view->length);
    double best = 0, best_tilt = 0;
    for (int step = -steps; step <= steps; step++) {
        double tilt = (double)step / view->length;
        double coverage = coverage_of(view, start, tilt);
        if (coverage > best || (coverage >= best && fabs(tilt) < fabs(best_tilt))) {
            best = coverage;
            best_tilt = tilt;
        }
    }
    *ret_coverage = best;
    return best_tilt;
}

/* Lines that lie beside each other are one. */
static int find_lines(const struct view *view, struct line lines[LINES_MAX])
{
    int count = 0;
    double first = 0, tilt_of_best = 0, best = 0;
    int thickness = 0;
    for (int start = -(int)(TILT_MAX * view->length); start <= view->count + (int)(TILT_MAX * view->length);
         start++) {
        double coverage = 0, tilt = best_tilt(view, start, &coverage);
        if (coverage >= COVERAGE) {
            first = thickness++ ? first : start;
            if (coverage > best) {
                best = coverage;
                tilt_of_best = tilt;
            }
            continue;
        }
        if (thickness && count < LINES_MAX)
            lines[count++] = (struct line){first + (thickness - 1) / 2.0, tilt_of_best, thickness};
        thickness = 0;
        best = 0;
    }
    return count;
}

/* How much ink lies on the pixel's way across the line. */
static int run_across(const struct view *view, int along, int across, int limit)
{
    int run = 1;
    for (int i = 1; i <= limit && is_ink(view, along, across - i); i++)
        run++;
    for (int i = 1; i <= limit && is_ink(view, along, across + i); i++)
        run++;
    return run;
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The median, so that a stroke that runs along the line for a while does not count. */
static double usual_contrast(const struct view *view, const struct line *line)
{
    float contrasts[LENGTH_MAX / SAMPLE_STEP + 1];
    size_t count = 0;
    for (int along = 0; along < view->length && along < LENGTH_MAX; along += SAMPLE_STEP) {
        int across = (int)lround(line->start + line->tilt * along);
        if (is_ink(view, along, across))
            contrasts[count++] = view->inked->contrast[pixel_of(view, along, across)];
    }
    qsort(contrasts, count, sizeof *contrasts, compare_floats);
    return count ? (double)contrasts[count / 2] : 0;
}

/* Marks what is the line's: as thin as it is, and not much stronger. */
static void mark_line(const struct view *view, const struct line *line, uint8_t *marks)
{
    const struct inked *inked = view->inked;
    int reach = line->thickness / 2 + 2, thick = line->thickness + 2;
    double limit = fmax(1.4 * usual_contrast(view, line), 0.4 * (double)inked->strong);
    for (int along = 0; along < view->length; along++) {
        int middle = (int)lround(line->start + line->tilt * along);
        for (int across = middle - reach; across <= middle + reach; across++)
            if (is_ink(view, along, across) && run_across(view, along, across, thick) <= thick &&
                (double)inked->contrast[pixel_of(view, along, across)] < limit)
                marks[pixel_of(view, along, across)] = 1;
    }
}

static struct view view_of(const struct inked *inked, bool turned)
{
    return (struct view){inked, turned, turned ? inked->height : inked->width,
                         turned ? inked->width : inked->height};
}

int rulings_count(const struct inked *inked)
{
    struct line lines[LINES_MAX];
    struct view rows = view_of(inked, false), columns = view_of(inked, true);
    int count = find_lines(&rows, lines);
    return count + find_lines(&columns, lines);
}

int rulings_erase(struct inked *inked)
{
    struct line lines[LINES_MAX];
    size_t pixels = (size_t)inked->width * (size_t)inked->height;
    uint8_t *marks = calloc(pixels, 1);
    int all = 0;
    for (int turned = 0; turned < 2 && marks; turned++) {
        struct view view = view_of(inked, turned);
        int count = find_lines(&view, lines);
        for (int i = 0; i < count; i++)
            mark_line(&view, &lines[i], marks);
        all += count;
    }
    for (size_t i = 0; i < pixels && all; i++)
        inked->ink[i] &= !marks[i];
    free(marks);
    return all;
}
