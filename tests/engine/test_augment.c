/* Augmentation: what each range does to an image, and that it repeats itself. */
#include "engine/augment.h"
#include "tests/engine/check.h"

#include <math.h>
#include <string.h>

/* A vertical bar of 4 x 16 pixels in the middle. */
static void draw_bar(uint8_t image[IMAGE_PIXELS])
{
    memset(image, 0, IMAGE_PIXELS);
    for (int row = 6; row < 22; row++)
        for (int column = 12; column < 16; column++)
            image[row * IMAGE_SIDE + column] = 255;
}

struct measure {
    double ink, x, y, xx, yy, xy; /* sum, centre, second moments about it */
};

static struct measure measure(const float *image)
{
    struct measure m = {0};
    for (int i = 0; i < IMAGE_PIXELS; i++) {
        m.ink += (double)image[i];
        m.x += (double)image[i] * (i % IMAGE_SIDE);
        m.y += (double)image[i] * (i / IMAGE_SIDE);
    }
    m.x /= m.ink;
    m.y /= m.ink;
    for (int i = 0; i < IMAGE_PIXELS; i++) {
        double dx = i % IMAGE_SIDE - m.x, dy = i / IMAGE_SIDE - m.y;
        m.xx += (double)image[i] * dx * dx / m.ink;
        m.yy += (double)image[i] * dy * dy / m.ink;
        m.xy += (double)image[i] * dx * dy / m.ink;
    }
    return m;
}

/* The least and largest of each measure over many variants. */
struct range {
    struct measure least, most;
};

static struct range range_of(const struct augmentation *augmentation)
{
    uint8_t image[IMAGE_PIXELS];
    float variant[IMAGE_PIXELS];
    struct range range = {{INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY},
                          {-INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY}};
    draw_bar(image);
    for (uint64_t i = 0; i < 300; i++) {
        augment_image(augmentation, 1, 1, i, image, variant);
        struct measure m = measure(variant);
        const double *value = &m.ink;
        double *least = &range.least.ink, *most = &range.most.ink;
        for (int j = 0; j < 6; j++) {
            least[j] = fmin(least[j], value[j]);
            most[j] = fmax(most[j], value[j]);
        }
        for (int j = 0; j < IMAGE_PIXELS; j++)
            assert_true(variant[j] >= 0 && variant[j] <= 1.000001f);
    }
    return range;
}

static void closed_ranges_leave_the_image_as_it_is(void **state)
{
    (void)state;
    struct augmentation none = {0};
    uint8_t image[IMAGE_PIXELS];
    float variant[IMAGE_PIXELS];
    assert_false(augmentation_is_on(&none));
    for (int i = 0; i < IMAGE_PIXELS; i++)
        image[i] = (uint8_t)(i * 7);
    augment_image(&none, 1, 1, 5, image, variant);
    for (int i = 0; i < IMAGE_PIXELS; i++)
        assert_true(fabs((double)variant[i] - image[i] / 255.0) < 1e-6);
}

static void shift_moves_the_centre_within_its_range(void **state)
{
    (void)state;
    struct range range = range_of(&(struct augmentation){.shift = 3});
    assert_true(range.least.x > 13.5 - 3.01 && range.least.x < 13.5 - 2.7);
    assert_true(range.most.x < 13.5 + 3.01 && range.most.x > 13.5 + 2.7);
    assert_true(range.least.y > 13.5 - 3.01 && range.most.y < 13.5 + 3.01 && range.most.y > 13.5 + 2.7);
    assert_true(fabs(range.most.ink - range.least.ink) < 1e-3);
}

static void rotation_turns_about_the_centre_within_its_range(void **state)
{
    (void)state;
    struct range range = range_of(&(struct augmentation){.rotation = 20});
    assert_true(range.least.x > 13.3 && range.most.x < 13.7 && range.least.y > 13.3 && range.most.y < 13.7);
    double angle_most = 0.5 * atan2(2 * range.most.xy, range.most.yy - range.least.xx) * 180 / M_PI;
    assert_true(range.least.xy < -4 && range.most.xy > 4);
    assert_true(angle_most > 15 && angle_most < 23);
}

static void scale_stretches_each_axis_within_its_range(void **state)
{
    (void)state;
    struct range range = range_of(&(struct augmentation){.scale = 0.2});
    double length = sqrt((16 * 16 - 1) / 12.0);
    assert_true(sqrt(range.most.yy) < length * 1.22 && sqrt(range.most.yy) > length * 1.15);
    assert_true(sqrt(range.least.yy) > length * 0.78 && sqrt(range.least.yy) < length * 0.85);
    assert_true(range.most.ink / range.least.ink > 1.5); /* the axes move apart from each other */
}

static void shear_slants_without_changing_the_height(void **state)
{
    (void)state;
    struct range range = range_of(&(struct augmentation){.shear = 0.3});
    assert_true(range.least.xy < -5 && range.most.xy > 5);
    assert_true(range.most.yy - range.least.yy < 0.2);
}

static void thickness_adds_and_takes_ink(void **state)
{
    (void)state;
    struct range range = range_of(&(struct augmentation){.thickness = 1});
    double ink = 4 * 16;
    assert_true(range.least.ink < ink - 30 && range.least.ink >= 2 * 14 - 0.01);
    assert_true(range.most.ink > ink + 30 && range.most.ink <= ink + 40 + 0.01);
}

static void elastic_bends_and_nearly_keeps_the_ink(void **state)
{
    (void)state;
    struct range range = range_of(&(struct augmentation){.elastic = 2});
    assert_true(range.least.x > 13.5 - 2 && range.most.x < 13.5 + 2 && range.most.x - range.least.x > 1);
    assert_true(range.least.ink > 64 * 0.5 && range.most.ink < 64 * 1.6);
}

static void variants_repeat_by_address_and_differ_otherwise(void **state)
{
    (void)state;
    struct augmentation all = {10, 2, 0.1, 0.1, 1, 0.5};
    uint8_t image[IMAGE_PIXELS], first[IMAGE_PIXELS], other[IMAGE_PIXELS];
    draw_bar(image);
    augment_preview(&all, 1, 1, 7, image, first);
    augment_preview(&all, 1, 1, 7, image, other);
    assert_memory_equal(first, other, sizeof first);
    augment_preview(&all, 1, 1, 8, image, other);
    assert_memory_not_equal(first, other, sizeof first);
    augment_preview(&all, 1, 2, 7, image, other);
    assert_memory_not_equal(first, other, sizeof first);
    augment_preview(&all, 2, 1, 7, image, other);
    assert_memory_not_equal(first, other, sizeof first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_ranges_leave_the_image_as_it_is),
        cmocka_unit_test(shift_moves_the_centre_within_its_range),
        cmocka_unit_test(rotation_turns_about_the_centre_within_its_range),
        cmocka_unit_test(scale_stretches_each_axis_within_its_range),
        cmocka_unit_test(shear_slants_without_changing_the_height),
        cmocka_unit_test(thickness_adds_and_takes_ink),
        cmocka_unit_test(elastic_bends_and_nearly_keeps_the_ink),
        cmocka_unit_test(variants_repeat_by_address_and_differ_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
