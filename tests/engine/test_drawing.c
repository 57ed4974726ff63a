/* Drawings: a picture that is like MNIST's comes through as it is; the same digit on any canvas, in any colours, comes
 * out as MNIST would have it; strokes too; and an empty picture is no digit. */
#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

/* ---- Pictures to draw from ---------------------------------------------------------------------------- */

struct canvas {
    int width, height;
    uint8_t *rgba;
};

static struct canvas canvas_create(int width, int height, const uint8_t colour[4])
{
    struct canvas canvas = {width, height, malloc((size_t)width * (size_t)height * 4)};
    assert_non_null(canvas.rgba);
    for (int i = 0; i < width * height; i++)
        memcpy(canvas.rgba + 4 * i, colour, 4);
    return canvas;
}

/* Lays `colour` over the pixel, `part` of it. */
static void canvas_mix(struct canvas *canvas, int x, int y, const uint8_t colour[4], double part)
{
    uint8_t *pixel = canvas->rgba + 4 * (y * canvas->width + x);
    for (int c = 0; c < 4; c++)
        pixel[c] = (uint8_t)lround(pixel[c] + (colour[c] - pixel[c]) * part);
}

/* A smooth seven, drawn as an ellipse's arc and a bar, about `size` pixels high, with its corner at (left, top). */
static double seven_at(double x, double y)
{
    double bar = fabs(y - 0.06), stem = fabs(x - (0.72 - 0.55 * y));
    double distance = 1;
    if (x >= 0.1 && x <= 0.75)
        distance = bar;
    if (y >= 0.06 && y <= 0.94 && stem < distance)
        distance = stem;
    return distance;
}

static void canvas_draw_seven(struct canvas *canvas, double left, double top, double size, double pen,
                              const uint8_t colour[4])
{
    for (int y = 0; y < canvas->height; y++)
        for (int x = 0; x < canvas->width; x++) {
            double part = (pen / 2 - seven_at((x + 0.5 - left) / size, (y + 0.5 - top) / size)) * size + 0.5;
            canvas_mix(canvas, x, y, colour, part < 0 ? 0 : part > 1 ? 1 : part);
        }
}

static const uint8_t black[4] = {0, 0, 0, 255}, white[4] = {255, 255, 255, 255}, clear[4] = {0, 0, 0, 0};

static void normalise(const struct canvas *canvas, enum drawing_mode mode, uint8_t image[IMAGE_PIXELS])
{
    struct error err = {0};
    enum status status = drawing_from_pixels(canvas->rgba, canvas->width, canvas->height, mode, image, &err);
    if (status != OK)
        fail_msg("%dx%d: %s", canvas->width, canvas->height, err.message);
}

/* ---- What MNIST is like ------------------------------------------------------------------------------- */

struct look {
    int left, top, right, bottom, strongest;
    double x, y; /* centre of mass, pixel centres at +0.5 */
};

static struct look look_at(const uint8_t image[IMAGE_PIXELS])
{
    struct look look = {IMAGE_SIDE, IMAGE_SIDE, 0, 0, 0, 0, 0};
    double sum = 0;
    for (int i = 0; i < IMAGE_PIXELS; i++) {
        int x = i % IMAGE_SIDE, y = i / IMAGE_SIDE, level = image[i];
        sum += level;
        look.x += level * (x + 0.5);
        look.y += level * (y + 0.5);
        if (level == 0)
            continue;
        look.left = x < look.left ? x : look.left;
        look.right = x + 1 > look.right ? x + 1 : look.right;
        look.top = y < look.top ? y : look.top;
        look.bottom = y + 1;
        look.strongest = level > look.strongest ? level : look.strongest;
    }
    look.x /= sum;
    look.y /= sum;
    return look;
}

static void assert_like_mnist(const uint8_t image[IMAGE_PIXELS], const char *what)
{
    struct look look = look_at(image);
    int width = look.right - look.left, height = look.bottom - look.top;
    int side = width > height ? width : height;
    if (side < 19 || side > 20 || look.strongest != 255 || look.x <= 14 || look.x > 15 || look.y <= 14 ||
        look.y > 15)
        fail_msg("%s: %dx%d pixels, centre of mass %.2f, %.2f, strongest %d", what, width, height, look.x,
                 look.y, look.strongest);
}

/* Cosine of the angle between an image and another one, moved, as vectors: 1 for the same picture. */
static double likeness_moved(const uint8_t *a, const uint8_t *b, int dx, int dy)
{
    double aa = 0, bb = 0, ab = 0;
    for (int y = 1; y < IMAGE_SIDE - 1; y++)
        for (int x = 1; x < IMAGE_SIDE - 1; x++) {
            int p = a[y * IMAGE_SIDE + x], q = b[(y + dy) * IMAGE_SIDE + x + dx];
            aa += p * p;
            bb += q * q;
            ab += p * q;
        }
    return ab / sqrt(aa * bb);
}

/* The centre of mass falls on a whole pixel, so that the same drawing may lie one pixel off. */
static double likeness(const uint8_t *a, const uint8_t *b)
{
    double best = 0;
    for (int move = 0; move < 9; move++)
        best = fmax(best, likeness_moved(a, b, move % 3 - 1, move / 3 - 1));
    return best;
}

static void assert_alike(const uint8_t *image, const uint8_t *reference, double least, const char *what)
{
    double like = likeness(image, reference);
    if (like < least)
        fail_msg("%s: likeness %.3f", what, like);
}

/* The seven as MNIST would have it. */
static void make_reference(uint8_t image[IMAGE_PIXELS])
{
    struct canvas canvas = canvas_create(400, 400, black);
    canvas_draw_seven(&canvas, 50, 50, 300, 0.12, white);
    normalise(&canvas, DRAWING_DRAWING, image);
    free(canvas.rgba);
}

/* ---- Pictures ----------------------------------------------------------------------------------------- */

static void picture_like_mnist_comes_through_unchanged(void **state)
{
    (void)state;
    uint8_t reference[IMAGE_PIXELS], image[IMAGE_PIXELS];
    make_reference(reference);
    assert_like_mnist(reference, "reference");
    struct canvas canvas = canvas_create(IMAGE_SIDE, IMAGE_SIDE, black);
    for (int i = 0; i < IMAGE_PIXELS; i++)
        memset(canvas.rgba + 4 * i, reference[i], 3);
    normalise(&canvas, DRAWING_AUTO, image);
    assert_memory_equal(image, reference, IMAGE_PIXELS);
    normalise(&canvas, DRAWING_RAW, image);
    assert_memory_equal(image, reference, IMAGE_PIXELS);
    for (int i = 0; i < IMAGE_PIXELS; i++)
        memset(canvas.rgba + 4 * i, 255 - reference[i], 3);
    normalise(&canvas, DRAWING_AUTO, image);
    assert_memory_equal(image, reference, IMAGE_PIXELS);
    normalise(&canvas, DRAWING_DRAWING, image);
    for (int i = 0; i < IMAGE_PIXELS; i++)
        assert_in_range(image[i] - reference[i] + 3, 0, 6);
    free(canvas.rgba);
}

static void size_and_place_do_not_matter(void **state)
{
    (void)state;
    uint8_t reference[IMAGE_PIXELS], image[IMAGE_PIXELS];
    make_reference(reference);
    static const double sizes[] = {40, 80, 150, 250}, places[] = {0, 0.5, 1};
    for (size_t s = 0; s < 4; s++)
        for (size_t p = 0; p < 9; p++) {
            char what[64];
            struct canvas canvas = canvas_create(280, 260, white);
            double left = 2 + places[p % 3] * (276 - sizes[s]), top = 2 + places[p / 3] * (256 - sizes[s]);
            canvas_draw_seven(&canvas, left, top, sizes[s], 0.12, black);
            normalise(&canvas, DRAWING_AUTO, image);
            snprintf(what, sizeof what, "size %g at %g, %g", sizes[s], left, top);
            assert_like_mnist(image, what);
            assert_alike(image, reference, 0.93, what);
            free(canvas.rgba);
        }
}

static void colours_and_polarity_do_not_matter(void **state)
{
    (void)state;
    uint8_t reference[IMAGE_PIXELS], image[IMAGE_PIXELS];
    make_reference(reference);
    static const struct {
        const char *what;
        uint8_t paper[4], ink[4];
    } colours[] = {
        {"black on white", {255, 255, 255, 255}, {0, 0, 0, 255}},
        {"white on black", {0, 0, 0, 255}, {255, 255, 255, 255}},
        {"pale on dark", {60, 60, 60, 255}, {140, 140, 140, 255}},
        {"blue on yellow", {250, 240, 120, 255}, {20, 30, 180, 255}},
        {"yellow on blue", {20, 30, 120, 255}, {250, 240, 120, 255}},
        {"black on nothing", {0, 0, 0, 0}, {0, 0, 0, 255}},
        {"white on nothing", {255, 255, 255, 0}, {255, 255, 255, 255}},
        {"red on nothing", {0, 0, 0, 0}, {200, 0, 0, 255}},
    };
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++) {
        struct canvas canvas = canvas_create(300, 200, colours[i].paper);
        canvas_draw_seven(&canvas, 140, 20, 120, 0.12, colours[i].ink);
        normalise(&canvas, DRAWING_AUTO, image);
        assert_like_mnist(image, colours[i].what);
        assert_alike(image, reference, 0.93, colours[i].what);
        free(canvas.rgba);
    }
}

static void faint_noise_on_the_paper_does_not_move_the_digit(void **state)
{
    (void)state;
    uint8_t reference[IMAGE_PIXELS], image[IMAGE_PIXELS];
    make_reference(reference);
    struct canvas canvas = canvas_create(200, 200, white);
    for (int i = 0; i < 200 * 200; i++)
        memset(canvas.rgba + 4 * i, 255 - (int)((unsigned)i * 2654435761u >> 28), 3);
    canvas_draw_seven(&canvas, 120, 10, 70, 0.12, black);
    normalise(&canvas, DRAWING_AUTO, image);
    assert_alike(image, reference, 0.93, "noise");
    free(canvas.rgba);
}

static void thin_one_stays_thin(void **state)
{
    (void)state;
    uint8_t image[IMAGE_PIXELS];
    struct canvas canvas = canvas_create(280, 280, white);
    for (int y = 40; y < 240; y++)
        for (int x = 70; x < 84; x++)
            canvas_mix(&canvas, x, y, black, 1);
    normalise(&canvas, DRAWING_AUTO, image);
    struct look look = look_at(image);
    assert_int_equal(look.bottom - look.top, 20);
    assert_in_range(look.right - look.left, 1, 3);
    assert_like_mnist(image, "one");
    free(canvas.rgba);
}

/* An L of 12x20 pixels, its corner at (left, top). */
static void draw_l(struct canvas *canvas, int left, int top)
{
    for (int y = 0; y < 20; y++)
        for (int x = 0; x < 12; x++)
            if (x < 3 || y >= 17)
                canvas_mix(canvas, left + x, top + y, white, 1);
}

static void digit_of_20_pixels_is_only_moved(void **state)
{
    (void)state;
    /* The centre of mass of the L is (3.36, 12.64) from its corner: MNIST has that at (11, 2). */
    static const int places[][2] = {{11, 2}, {10, 2}, {12, 2}, {11, 1}, {11, 3}, {0, 0}, {16, 8}};
    uint8_t reference[IMAGE_PIXELS] = {0}, image[IMAGE_PIXELS];
    for (size_t p = 0; p < 7; p++) {
        struct canvas canvas = canvas_create(IMAGE_SIDE, IMAGE_SIDE, black);
        draw_l(&canvas, places[p][0], places[p][1]);
        normalise(&canvas, DRAWING_AUTO, image);
        for (int i = 0; i < IMAGE_PIXELS && p == 0; i++)
            reference[i] = canvas.rgba[4 * i];
        assert_memory_equal(image, reference, IMAGE_PIXELS);
        free(canvas.rgba);
    }
}

/* A cross in the middle of 28x28, its centre of mass where MNIST's are. */
static void cross_of_any_size_is_scaled_to_20_pixels(void **state)
{
    (void)state;
    static const int arms[] = {3, 7, 10, 12};
    for (size_t a = 0; a < 4; a++) {
        uint8_t image[IMAGE_PIXELS];
        struct canvas canvas = canvas_create(IMAGE_SIDE, IMAGE_SIDE, black);
        for (int i = -arms[a]; i <= arms[a]; i++) {
            canvas_mix(&canvas, 14 + i, 14, white, 1);
            canvas_mix(&canvas, 14, 14 + i, white, 1);
        }
        normalise(&canvas, DRAWING_AUTO, image);
        struct look look = look_at(image);
        assert_int_equal(look.right - look.left, 20);
        assert_int_equal(look.bottom - look.top, 20);
        free(canvas.rgba);
    }
}

static void digit_that_fills_its_picture_is_read(void **state)
{
    (void)state;
    uint8_t image[IMAGE_PIXELS];
    struct canvas canvas = canvas_create(16, 16, black);
    canvas_draw_seven(&canvas, -1, -0.5, 18, 0.14, white);
    normalise(&canvas, DRAWING_AUTO, image);
    assert_like_mnist(image, "16x16");
    free(canvas.rgba);
}

static void extreme_sides_are_read(void **state)
{
    (void)state;
    static const int sides[][2] = {{1, 2}, {2, 1}, {1024, 1}, {1, 1024}, {1024, 1024}};
    for (size_t i = 0; i < 5; i++) {
        uint8_t image[IMAGE_PIXELS];
        struct canvas canvas = canvas_create(sides[i][0], sides[i][1], black);
        canvas_mix(&canvas, sides[i][0] - 1, sides[i][1] - 1, white, 1);
        normalise(&canvas, DRAWING_AUTO, image);
        assert_int_equal(look_at(image).strongest, 255);
        free(canvas.rgba);
    }
}

static void empty_picture_has_no_ink(void **state)
{
    (void)state;
    static const uint8_t grey[4] = {100, 100, 100, 255}, glass[4] = {200, 10, 10, 0};
    const uint8_t *const papers[] = {black, white, grey, clear, glass};
    for (size_t i = 0; i < 5; i++) {
        struct canvas canvas = canvas_create(IMAGE_SIDE, IMAGE_SIDE, papers[i]);
        uint8_t image[IMAGE_PIXELS];
        memset(image, 99, sizeof image);
        assert_int_equal(drawing_from_pixels(canvas.rgba, 28, 28, DRAWING_AUTO, image, NULL), ERR_NO_INK);
        assert_int_equal(drawing_from_pixels(canvas.rgba, 28, 28, DRAWING_DRAWING, image, NULL), ERR_NO_INK);
        assert_int_equal(image[0], 99);
        free(canvas.rgba);
    }
    struct canvas canvas = canvas_create(IMAGE_SIDE, IMAGE_SIDE, black);
    uint8_t image[IMAGE_PIXELS];
    assert_int_equal(drawing_from_pixels(canvas.rgba, 28, 28, DRAWING_RAW, image, NULL), ERR_NO_INK);
    free(canvas.rgba);
}

static void raw_takes_only_28x28_and_changes_nothing(void **state)
{
    (void)state;
    struct error err;
    uint8_t image[IMAGE_PIXELS];
    struct canvas canvas = canvas_create(29, 28, white);
    assert_int_equal(drawing_from_pixels(canvas.rgba, 29, 28, DRAWING_RAW, image, &err), ERR_SHAPE);
    assert_non_null(strstr(err.message, "29x28"));
    for (int i = 0; i < IMAGE_PIXELS; i++)
        memset(canvas.rgba + 4 * i, i % 256, 3);
    normalise(&(struct canvas){28, 28, canvas.rgba}, DRAWING_RAW, image);
    for (int i = 0; i < IMAGE_PIXELS; i++)
        assert_int_equal(image[i], i % 256);
    free(canvas.rgba);
}

static void sides_out_of_range_are_refused(void **state)
{
    (void)state;
    uint8_t image[IMAGE_PIXELS], pixel[4] = {0};
    static const int sides[][2] = {{0, 5}, {5, 0}, {-1, 5}, {1025, 1}, {1, 1025}};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(drawing_from_pixels(pixel, sides[i][0], sides[i][1], DRAWING_AUTO, image, NULL),
                         ERR_ARGUMENT);
}

static void modes_have_names(void **state)
{
    (void)state;
    static const enum drawing_mode modes[] = {DRAWING_AUTO, DRAWING_RAW, DRAWING_DRAWING};
    enum drawing_mode mode;
    for (size_t i = 0; i < 3; i++) {
        assert_true(drawing_mode_from_name(drawing_mode_name(modes[i]), &mode));
        assert_int_equal(mode, modes[i]);
    }
    assert_false(drawing_mode_from_name("Auto", &mode));
    assert_false(drawing_mode_from_name("", &mode));
}

/* ---- MNIST itself -------------------------------------------------------------------------------------- */

/* Real digits, if the folder of datasets is known. */
static void digits_of_mnist_come_through(void **state)
{
    (void)state;
    char folder[512];
    const char *data_dir = getenv("DIGITD_DATA_DIR");
    struct dataset *data;
    struct error err;
    snprintf(folder, sizeof folder, "%s/mnist", data_dir ? data_dir : "data/datasets");
    if (dataset_load(folder, SPLIT_TEST, &data, &err) != OK)
        fail_msg("%s", err.message);
    struct canvas canvas = canvas_create(IMAGE_SIDE, IMAGE_SIDE, black);
    size_t unchanged = 0, close = 0;
    for (size_t n = 0; n < 10000; n++) {
        const uint8_t *digit = dataset_image(data, n);
        uint8_t image[IMAGE_PIXELS];
        for (int i = 0; i < IMAGE_PIXELS; i++)
            memset(canvas.rgba + 4 * i, digit[i], 3);
        normalise(&canvas, DRAWING_AUTO, image);
        unchanged += memcmp(image, digit, IMAGE_PIXELS) == 0;
        normalise(&canvas, DRAWING_DRAWING, image);
        int worst = 0;
        for (int i = 0; i < IMAGE_PIXELS; i++)
            worst = abs(image[i] - digit[i]) > worst ? abs(image[i] - digit[i]) : worst;
        close += worst <= 3;
    }
    dataset_unref(data);
    free(canvas.rgba);
    assert_in_range(unchanged, 9990, 10000);
    assert_in_range(close, 9900, 10000);
}

/* ---- Strokes ------------------------------------------------------------------------------------------- */

static const struct stroke_point seven[] = {{10, 6, true}, {75, 6, false}, {69, 6, true}, {20.3f, 94, false}};

static void strokes_are_drawn_as_mnist_would_have_them(void **state)
{
    (void)state;
    static const struct {
        float scale, x, y;
    } fits[] = {{1, 0, 0}, {0.001f, 5, -5}, {1000, -1e6f, 1e6f}, {2.8f, 30, 40}};
    uint8_t reference[IMAGE_PIXELS], image[IMAGE_PIXELS];
    make_reference(reference);
    for (size_t f = 0; f < 4; f++) {
        struct stroke_point points[4];
        for (size_t i = 0; i < 4; i++)
            points[i] = (struct stroke_point){seven[i].x * fits[f].scale + fits[f].x,
                                              seven[i].y * fits[f].scale + fits[f].y, seven[i].starts_stroke};
        char what[32];
        snprintf(what, sizeof what, "scale %g", (double)fits[f].scale);
        assert_int_equal(drawing_from_strokes(points, 4, image, NULL), OK);
        assert_like_mnist(image, what);
        assert_alike(image, reference, 0.9, what);
    }
}

static void strokes_are_not_joined(void **state)
{
    (void)state;
    const struct stroke_point apart[] = {{0, 0, true}, {0, 10, false}, {10, 0, true}, {10, 10, false}},
                              joined[] = {{0, 0, true}, {0, 10, false}, {10, 0, false}, {10, 10, false}};
    uint8_t two[IMAGE_PIXELS], zigzag[IMAGE_PIXELS];
    assert_int_equal(drawing_from_strokes(apart, 4, two, NULL), OK);
    assert_int_equal(drawing_from_strokes(joined, 4, zigzag, NULL), OK);
    assert_int_equal(two[14 * IMAGE_SIDE + 14], 0);
    assert_true(zigzag[14 * IMAGE_SIDE + 14] > 100);
}

/* The raster against a twin that asks for each sample how far it is from the line. */
static double twin_coverage(const struct stroke_point *a, const struct stroke_point *b, int cell_x,
                            int cell_y)
{
    int covered = 0;
    for (int i = 0; i < 64; i++) {
        double x = cell_x + (i % 8 + 0.5) / 8, y = cell_y + (i / 8 + 0.5) / 8;
        double dx = (double)b->x - (double)a->x, dy = (double)b->y - (double)a->y,
               length2 = dx * dx + dy * dy;
        double t = length2 > 0 ? ((x - (double)a->x) * dx + (y - (double)a->y) * dy) / length2 : 0;
        t = t < 0 ? 0 : t > 1 ? 1 : t;
        covered += hypot(x - (double)a->x - t * dx, y - (double)a->y - t * dy) <= 1.1;
    }
    return covered / 64.0;
}

static int worst_difference(const struct stroke_point line[2], const uint8_t *image, int left, int top)
{
    int worst = 0;
    for (int y = 0; y < 20; y++)
        for (int x = 0; x < 20; x++) {
            int expected = (int)lround(255 * twin_coverage(&line[0], &line[1], x, y));
            int difference = abs(image[(top + y) * IMAGE_SIDE + left + x] - expected);
            worst = difference > worst ? difference : worst;
        }
    return worst;
}

static void line_covers_what_is_within_the_pens_radius(void **state)
{
    (void)state;
    /* In the units of the 20x20 box, so that fitting changes nothing: the longer side is 17.8. */
    static const struct stroke_point lines[][2] = {{{1.1f, 3, true}, {18.9f, 17, false}},
                                                   {{1.1f, 10, true}, {18.9f, 10, false}},
                                                   {{10, 1.1f, true}, {10, 18.9f, false}},
                                                   {{14, 1.1f, true}, {6, 18.9f, false}}};
    for (size_t l = 0; l < 4; l++) {
        uint8_t image[IMAGE_PIXELS];
        assert_int_equal(drawing_from_strokes(lines[l], 2, image, NULL), OK);
        int worst = 255;
        for (int left = 4; left <= 5; left++) /* the centre of mass is where one becomes the other */
            for (int top = 4; top <= 5; top++) {
                int here = worst_difference(lines[l], image, left, top);
                worst = here < worst ? here : worst;
            }
        if (worst > 8) /* two samples of 64 at the very edge */
            fail_msg("line %zu: %d levels apart", l, worst);
    }
}

static void dot_is_drawn(void **state)
{
    (void)state;
    uint8_t image[IMAGE_PIXELS];
    const struct stroke_point dot = {3, 4, true};
    assert_int_equal(drawing_from_strokes(&dot, 1, image, NULL), OK);
    struct look look = look_at(image);
    assert_in_range(look.right - look.left, 2, 4);
}

static void strokes_that_cannot_be_are_refused(void **state)
{
    (void)state;
    uint8_t image[IMAGE_PIXELS];
    struct error err;
    assert_int_equal(drawing_from_strokes(NULL, 0, image, &err), ERR_NO_INK);
    const float wrong[] = {INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < 3; i++) {
        const struct stroke_point points[] = {{0, 0, true}, {1, wrong[i], false}};
        assert_int_equal(drawing_from_strokes(points, 2, image, &err), ERR_ARGUMENT);
        assert_non_null(strstr(err.message, "point 1"));
    }
    const struct stroke_point huge[] = {{-3e38f, -3e38f, true}, {3e38f, 3e38f, false}};
    assert_int_equal(drawing_from_strokes(huge, 2, image, &err), OK);
    assert_like_mnist(image, "huge");
}

/* ---- What hides the ink --------------------------------------------------------------------------------- */

/* A ring with eight sides: the four along the border are the longer ones. */
static void draw_ring(struct canvas *canvas, double radius, double pen, const uint8_t colour[4])
{
    for (int y = 0; y < canvas->height; y++)
        for (int x = 0; x < canvas->width; x++) {
            double u = fabs(x + 0.5 - canvas->width / 2.0), v = fabs(y + 0.5 - canvas->height / 2.0);
            double part = pen / 2 - fabs(fmax(fmax(u, v), 0.68 * (u + v)) - radius) + 0.5;
            canvas_mix(canvas, x, y, colour, part < 0 ? 0 : part > 1 ? 1 : part);
        }
}

static void colours_of_one_brightness_are_told_apart(void **state)
{
    (void)state;
    const uint8_t red[4] = {200, 60, 60, 255}, green[4] = {40, 140, 40, 255};
    uint8_t wanted[IMAGE_PIXELS], found[IMAGE_PIXELS];
    struct canvas plain = canvas_create(200, 200, white), coloured = canvas_create(200, 200, green);
    canvas_draw_seven(&plain, 60, 50, 90, 0.1, black);
    canvas_draw_seven(&coloured, 60, 50, 90, 0.1, red);
    normalise(&plain, DRAWING_AUTO, wanted);
    normalise(&coloured, DRAWING_AUTO, found);
    assert_true(likeness_moved(wanted, found, 0, 0) > 0.98);
    free(plain.rgba);
    free(coloured.rgba);
}

static void light_ink_on_a_light_ground_is_ink(void **state)
{
    (void)state;
    const uint8_t grey[4] = {150, 150, 150, 255};
    uint8_t wanted[IMAGE_PIXELS], found[IMAGE_PIXELS];
    struct canvas plain = canvas_create(200, 200, black), pale = canvas_create(200, 200, grey);
    canvas_draw_seven(&plain, 60, 50, 90, 0.1, white);
    canvas_draw_seven(&pale, 60, 50, 90, 0.1, white);
    normalise(&plain, DRAWING_AUTO, wanted);
    normalise(&pale, DRAWING_AUTO, found);
    assert_true(likeness_moved(wanted, found, 0, 0) > 0.98);
    free(plain.rgba);
    free(pale.rgba);
}

/* A ring in a picture cut to its edges covers most of the border, and is stretched to the square. */
static void digit_that_covers_the_border_is_no_ground(void **state)
{
    (void)state;
    uint8_t image[IMAGE_PIXELS];
    struct canvas ring = canvas_create(16, 16, black);
    draw_ring(&ring, 7, 2.2, white);
    normalise(&ring, DRAWING_AUTO, image);
    struct look look = look_at(image);
    assert_true(image[14 * IMAGE_SIDE + 14] < 64); /* the hole */
    assert_true(look.right - look.left < look.bottom - look.top - 3);
    free(ring.rgba);
}

/* A pen of a hundredth of the digit's height would leave next to nothing in 20 pixels. */
static void thin_strokes_are_drawn_thicker(void **state)
{
    (void)state;
    uint8_t thin[IMAGE_PIXELS], usual[IMAGE_PIXELS];
    struct canvas a = canvas_create(400, 400, white), b = canvas_create(400, 400, white);
    canvas_draw_seven(&a, 50, 50, 300, 0.01, black);
    canvas_draw_seven(&b, 50, 50, 300, 0.08, black);
    normalise(&a, DRAWING_AUTO, thin);
    normalise(&b, DRAWING_AUTO, usual);
    assert_like_mnist(thin, "a thin seven");
    double alike = likeness(thin, usual);
    if (alike < 0.9)
        fail_msg("likeness %.3f", alike);
    free(a.rgba);
    free(b.rgba);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picture_like_mnist_comes_through_unchanged),
        cmocka_unit_test(size_and_place_do_not_matter),
        cmocka_unit_test(colours_and_polarity_do_not_matter),
        cmocka_unit_test(faint_noise_on_the_paper_does_not_move_the_digit),
        cmocka_unit_test(thin_one_stays_thin),
        cmocka_unit_test(digit_of_20_pixels_is_only_moved),
        cmocka_unit_test(cross_of_any_size_is_scaled_to_20_pixels),
        cmocka_unit_test(digit_that_fills_its_picture_is_read),
        cmocka_unit_test(extreme_sides_are_read),
        cmocka_unit_test(colours_of_one_brightness_are_told_apart),
        cmocka_unit_test(light_ink_on_a_light_ground_is_ink),
        cmocka_unit_test(digit_that_covers_the_border_is_no_ground),
        cmocka_unit_test(thin_strokes_are_drawn_thicker),
        cmocka_unit_test(empty_picture_has_no_ink),
        cmocka_unit_test(raw_takes_only_28x28_and_changes_nothing),
        cmocka_unit_test(sides_out_of_range_are_refused),
        cmocka_unit_test(modes_have_names),
        cmocka_unit_test(digits_of_mnist_come_through),
        cmocka_unit_test(strokes_are_drawn_as_mnist_would_have_them),
        cmocka_unit_test(strokes_are_not_joined),
        cmocka_unit_test(line_covers_what_is_within_the_pens_radius),
        cmocka_unit_test(dot_is_drawn),
        cmocka_unit_test(strokes_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
