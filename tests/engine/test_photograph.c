/* Photographs of pen on paper: uneven light, shadows, rulings, noise and specks leave the same digit; what else is in
 * the picture does not move it; and bare paper has no ink. */
#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#define WIDTH  320
#define HEIGHT 240

/* What to photograph. */
struct scene {
    double slope;   /* of the light, from one side to the other */
    double shadow;  /* how much darker one half is */
    double noise;   /* levels, at most */
    double rulings; /* pixels from line to line; 0: none */
    bool squared, specks, chalk, hand, no_digit;
};

/* A five whose bar does not touch the rest. */
static double distance_to_five(double x, double y)
{
    double bar = hypot(fmax(0, fabs(x - 195) - 22), y - 70);
    double stem = hypot(x - 160, fmax(0, fabs(y - 100) - 20));
    double bow = x > 158 ? fabs(hypot(x - 165, y - 150) - 32) : 100;
    return fmin(bar, fmin(stem, bow));
}

static double distance_to_ruling(double at, double spacing)
{
    return fabs(at - spacing * round(at / spacing));
}

static double ink_at(const struct scene *scene, int x, int y)
{
    double ink = 0;
    if (scene->rulings > 0 && (distance_to_ruling(y + 0.02 * x, scene->rulings) < 1 ||
                               (scene->squared && distance_to_ruling(x - 0.02 * y, scene->rulings) < 1)))
        ink = 0.35;
    if (!scene->no_digit)
        ink = fmax(ink, 0.8 * fmin(1, fmax(0, 4 - distance_to_five(x, y))));
    if (scene->specks && (hypot(x - 40, y - 200) < 2.5 || hypot(x - 290, y - 20) < 2))
        ink = 0.8;
    if (scene->hand && hypot(x - 330, y - 250) < 70)
        ink = 0.7;
    return ink;
}

/* -1..1, always the same. */
static double noise_at(int x, int y)
{
    uint32_t bits = (uint32_t)x * 0x9e3779b1U ^ (uint32_t)y * 0x85ebca6bU;
    bits = (bits ^ bits >> 15) * 0x2c1b3c6dU;
    bits = (bits ^ bits >> 12) * 0x297a2d39U;
    return (double)(bits >> 8) / (1 << 23) - 1;
}

static enum status photograph(const struct scene *scene, uint8_t image[IMAGE_PIXELS], struct error *err)
{
    static uint8_t rgba[HEIGHT][WIDTH][4];
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            double light = 215 * (1 + scene->slope * ((double)x / WIDTH - 0.5));
            light *= 1 - scene->shadow / (1 + exp(-(x - y - 20) / 8.0));
            double level = light * (1 - ink_at(scene, x, y)) + scene->noise * noise_at(x, y);
            level = fmin(255, fmax(0, scene->chalk ? 255 - level : level));
            memset(rgba[y][x], (int)lround(level), 3);
            rgba[y][x][3] = 255;
        }
    return drawing_from_pixels(rgba[0][0], WIDTH, HEIGHT, DRAWING_AUTO, image, err);
}

/* Cosine of the angle between two images as vectors. */
static double likeness(const uint8_t a[IMAGE_PIXELS], const uint8_t b[IMAGE_PIXELS])
{
    double aa = 0, bb = 0, ab = 0;
    for (int i = 0; i < IMAGE_PIXELS; i++) {
        aa += a[i] * a[i];
        bb += b[i] * b[i];
        ab += a[i] * b[i];
    }
    return ab / sqrt(aa * bb);
}

static void assert_same_digit(const struct scene *scene)
{
    const struct scene plain = {0};
    uint8_t wanted[IMAGE_PIXELS], found[IMAGE_PIXELS];
    struct error err = {0};
    if (photograph(&plain, wanted, &err) != OK || photograph(scene, found, &err) != OK)
        fail_msg("%s", err.message);
    double alike = likeness(wanted, found);
    if (alike < 0.95)
        fail_msg("slope %g, shadow %g, rulings %g%s: likeness %.3f", scene->slope, scene->shadow,
                 scene->rulings, scene->squared ? " squared" : "", alike);
}

static void uneven_light_and_noise_leave_the_digit(void **state)
{
    (void)state;
    assert_same_digit(&(struct scene){.slope = 0.5, .noise = 6});
    assert_same_digit(&(struct scene){.shadow = 0.4, .noise = 3});
    assert_same_digit(&(struct scene){.slope = -0.4, .shadow = 0.3, .noise = 10});
    assert_same_digit(&(struct scene){.slope = 0.4, .noise = 4, .chalk = true});
}

static void rulings_are_taken_away(void **state)
{
    (void)state;
    assert_same_digit(&(struct scene){.slope = 0.3, .noise = 4, .rulings = 40});
    assert_same_digit(&(struct scene){.slope = 0.3, .noise = 4, .rulings = 60, .squared = true});
    assert_same_digit(&(struct scene){.rulings = 45});                  /* a clean scan */
    assert_same_digit(&(struct scene){.rulings = 50, .squared = true}); /* of either paper */
}

static void what_else_lies_there_is_left_out(void **state)
{
    (void)state;
    assert_same_digit(&(struct scene){.slope = 0.2, .noise = 3, .specks = true});
    assert_same_digit(&(struct scene){.slope = 0.2, .noise = 3, .hand = true});
}

static void a_bar_that_does_not_touch_stays(void **state)
{
    (void)state;
    uint8_t image[IMAGE_PIXELS];
    struct error err = {0};
    assert_int_equal(photograph(&(struct scene){.slope = 0.3, .noise = 4}, image, &err), OK);
    int above = 0;
    for (int y = 4; y < 8; y++)
        for (int x = 15; x < 24; x++)
            above += image[y * IMAGE_SIDE + x] > 128;
    assert_true(above >= 6);
}

static void bare_paper_has_no_ink(void **state)
{
    (void)state;
    const struct scene scenes[] = {{.no_digit = true, .slope = 0.4, .noise = 6},
                                   {.no_digit = true, .shadow = 0.2, .noise = 8},
                                   {.no_digit = true, .slope = 0.2, .noise = 20}};
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        uint8_t image[IMAGE_PIXELS];
        struct error err = {0};
        if (photograph(&scenes[i], image, &err) != ERR_NO_INK)
            fail_msg("scene %zu: something was found", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uneven_light_and_noise_leave_the_digit),
        cmocka_unit_test(rulings_are_taken_away),
        cmocka_unit_test(what_else_lies_there_is_left_out),
        cmocka_unit_test(a_bar_that_does_not_touch_stays),
        cmocka_unit_test(bare_paper_has_no_ink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
