/* dataset_mix: what is trained on, what validates, and in which order. */
#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LARGE 40
#define SMALL 10

/* Image i of a dataset is filled with first + i, so that it can be told where it came from. */
static struct dataset *numbered(uint8_t first, size_t count, int label)
{
    uint8_t images[LARGE][IMAGE_PIXELS], labels[LARGE];
    struct dataset *dataset;
    for (size_t i = 0; i < count; i++)
        memset(images[i], (int)(first + i), IMAGE_PIXELS);
    memset(labels, label, sizeof labels);
    assert_int_equal(dataset_create(images[0], labels, count, &dataset, NULL), OK);
    return dataset;
}

/* 40 images 0..39 labelled 1, and 10 images 100..109 labelled 2, the latter three times. */
static struct dataset *mix(const struct train_config *config)
{
    struct dataset *large = numbered(0, LARGE, 1), *small = numbered(100, SMALL, 2), *mixed;
    const struct mix_part parts[] = {{large, LARGE, 1}, {small, SMALL, 3}};
    struct error err;
    if (dataset_mix(parts, 2, config, &mixed, &err))
        fail_msg("%s", err.message);
    dataset_unref(large);
    dataset_unref(small);
    return mixed;
}

static int first_pixel(const struct dataset *dataset, size_t index)
{
    return dataset_image(dataset, index)[0];
}

static void each_part_holds_out_its_last_images_and_trains_on_none_of_them(void **state)
{
    (void)state;
    struct train_config config = train_config_default();
    config.validation_split = 0.2;
    struct dataset *mixed = mix(&config);
    struct train_split split = dataset_split(mixed, &config);
    int seen[256] = {0};
    assert_int_equal(split.train, 32 + 3 * 8);
    assert_int_equal(split.validation, 8 + 2);
    assert_int_equal(dataset_count(mixed), split.train + split.validation);
    for (size_t i = 0; i < split.train; i++) {
        seen[first_pixel(mixed, i)]++;
        assert_int_equal(dataset_label(mixed, i), first_pixel(mixed, i) < 100 ? 1 : 2);
    }
    for (int i = 0; i < 256; i++)
        assert_int_equal(seen[i], i < 32 ? 1 : i >= 100 && i < 108 ? 3 : 0);
    for (size_t i = 0; i < split.validation; i++)
        assert_int_equal(first_pixel(mixed, split.train + i), i < 8 ? 32 + i : 108 + i - 8);
    dataset_unref(mixed);
}

static void parts_come_as_evenly_as_they_go(void **state)
{
    (void)state;
    struct train_config config = train_config_default();
    config.validation_split = 0.2;
    struct dataset *mixed = mix(&config);
    for (size_t begin = 0; begin + 7 <= 56; begin += 7) { /* of 56 images 24 are of the second part: 3 of 7 */
        int second = 0;
        for (size_t i = begin; i < begin + 7; i++)
            second += dataset_label(mixed, i) == 2;
        assert_int_equal(second, 3);
    }
    dataset_unref(mixed);
}

static void the_limit_holds_for_each_part_and_for_all(void **state)
{
    (void)state;
    struct train_config config = train_config_default();
    config.train_limit = 20;
    struct dataset *mixed = mix(&config);
    struct train_split split = dataset_split(mixed, &config);
    assert_int_equal(split.train, 20);
    assert_int_equal(split.validation, 2 + 1);
    assert_int_equal(first_pixel(mixed, 20), 18);
    assert_int_equal(first_pixel(mixed, 22), 109);
    dataset_unref(mixed);
}

static void the_same_parts_give_the_same_bytes(void **state)
{
    (void)state;
    struct train_config config = train_config_default();
    struct dataset *one = mix(&config), *other = mix(&config);
    assert_string_equal(dataset_digest(one), dataset_digest(other));
    dataset_unref(one);
    dataset_unref(other);
}

static void a_mix_of_too_many_images_is_refused(void **state)
{
    (void)state;
    struct train_config config = train_config_default();
    struct dataset *large = numbered(0, LARGE, 1), *mixed;
    struct mix_part parts[MIX_PARTS_MAX];
    for (size_t i = 0; i < MIX_PARTS_MAX; i++)
        parts[i] = (struct mix_part){large, LARGE, MIX_REPEAT_MAX};
    config.validation_split = 0;
    assert_int_equal(mix_split_of(&config, parts, MIX_PARTS_MAX).train, 320000);
    parts[0].count = (size_t)MIX_IMAGES_MAX;
    struct error err;
    assert_int_equal(dataset_mix(parts, MIX_PARTS_MAX, &config, &mixed, &err), ERR_ARGUMENT);
    dataset_unref(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_part_holds_out_its_last_images_and_trains_on_none_of_them),
        cmocka_unit_test(parts_come_as_evenly_as_they_go),
        cmocka_unit_test(the_limit_holds_for_each_part_and_for_all),
        cmocka_unit_test(the_same_parts_give_the_same_bytes),
        cmocka_unit_test(a_mix_of_too_many_images_is_refused),
    };
    return cmocka_run_group_tests_name("mix", tests, NULL, NULL);
}
