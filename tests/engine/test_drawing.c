/* Drawings: a picture that is like MNIST's comes through as it is; the same digit on any canvas, in any colours, comes
 * out as MNIST would have it; and an empty picture is no digit. */
#include "tests/engine/canvas.h"

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
