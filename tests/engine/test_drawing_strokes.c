/* Strokes: they come out as MNIST would have the same digit, and cover what is under the pen. */
#include "tests/engine/canvas.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strokes_are_drawn_as_mnist_would_have_them),
        cmocka_unit_test(strokes_are_not_joined),
        cmocka_unit_test(line_covers_what_is_within_the_pens_radius),
        cmocka_unit_test(dot_is_drawn),
        cmocka_unit_test(strokes_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
