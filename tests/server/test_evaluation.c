/* Which mistakes are kept, and what a client is told, held against a plain way to find them. */
#include "server/evaluation.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IMAGES 5000

static uint32_t dice_state;

static uint32_t dice(uint32_t sides)
{
    dice_state = dice_state * 1664525 + 1013904223;
    return (dice_state >> 8) % sides;
}

/* Of `wrong` in a hundred the answer is not the label; few different confidences, so that many are equal. */
static struct evaluated_image *make_images(uint32_t wrong, int labels)
{
    struct evaluated_image *images = calloc(IMAGES, sizeof *images);
    dice_state = wrong;
    for (int i = 0; i < IMAGES; i++) {
        struct evaluated_image *image = &images[i];
        image->label = image->predicted = (int)dice((uint32_t)labels);
        if (dice(100) < wrong)
            image->predicted = (int)dice(CLASSES);
        float confidence = (float)(10 + dice(30)) / 40;
        for (int j = 0; j < CLASSES; j++)
            image->probabilities[j] = (1 - confidence) / 9;
        image->probabilities[image->predicted] = confidence;
    }
    return images;
}

static bool is_mistake(const struct evaluated_image *image)
{
    return image->label != image->predicted;
}

/* Whether mistake `a` is worse than `b`. */
static bool is_worse(const struct evaluated_image *images, size_t a, size_t b)
{
    float first = images[a].probabilities[images[a].predicted];
    float second = images[b].probabilities[images[b].predicted];
    return first > second || (!(first < second) && a < b);
}

/* How many mistakes are worse than `index`, of the same pair of digits if `same`. */
static size_t worse_than(const struct evaluated_image *images, size_t index, bool same)
{
    size_t count = 0;
    for (size_t i = 0; i < IMAGES; i++)
        count += is_mistake(&images[i]) && is_worse(images, i, index) &&
                 (!same ||
                  (images[i].label == images[index].label && images[i].predicted == images[index].predicted));
    return count;
}

/* By definition: the worst of its pair, or one of the worst others for which there is room. */
static size_t naive_mistakes(const struct evaluated_image *images, bool *ret_kept)
{
    size_t count = 0, privileged = 0;
    size_t *places = malloc(IMAGES * sizeof *places);
    for (size_t i = 0; i < IMAGES; i++) {
        places[i] = is_mistake(&images[i]) ? worse_than(images, i, true) : SIZE_MAX;
        privileged += places[i] < MISTAKES_CELL_MIN;
    }
    for (size_t i = 0; i < IMAGES; i++) {
        size_t worse_others = 0;
        for (size_t j = 0; j < IMAGES && is_mistake(&images[i]); j++)
            worse_others +=
                is_mistake(&images[j]) && places[j] >= MISTAKES_CELL_MIN && is_worse(images, j, i);
        ret_kept[i] = places[i] < MISTAKES_CELL_MIN ||
                      (is_mistake(&images[i]) && worse_others < MISTAKES_MAX - privileged);
        count += ret_kept[i];
    }
    free(places);
    return count;
}

static void check_mistakes(uint32_t wrong, int labels, bool all)
{
    struct evaluated_image *images = make_images(wrong, labels);
    bool *expected = calloc(IMAGES, sizeof *expected);
    size_t expected_count = naive_mistakes(images, expected), count = SIZE_MAX;
    size_t *found = evaluation_mistakes(images, IMAGES, &count);
    assert_non_null(found);
    assert_int_equal(count, expected_count);
    assert_true(all ? count < MISTAKES_MAX : count == MISTAKES_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_true(expected[found[i]]);
        assert_true(i == 0 || is_worse(images, found[i - 1], found[i]));
    }
    free(found);
    free(expected);
    free(images);
}

static void the_mistakes_kept_are_those_of_the_twin(void **state)
{
    (void)state;
    check_mistakes(0, 10, true);
    check_mistakes(2, 10, true);
    check_mistakes(15, 10, false);
    check_mistakes(95, 10, false);
    check_mistakes(95, 2, false); /* few pairs of digits */
}

static void a_mistake_that_is_no_number_comes_first(void **state)
{
    (void)state;
    struct evaluated_image images[3] = {
        {.label = 1, .predicted = 0}, {.label = 2, .predicted = 0}, {.label = 3, .predicted = 0}};
    images[0].probabilities[0] = 0.5f;
    images[1].probabilities[0] = NAN;
    images[2].probabilities[0] = 0.7f;
    size_t count;
    size_t *found = evaluation_mistakes(images, 3, &count);
    assert_int_equal(count, 3);
    assert_int_equal(found[0], 1);
    assert_int_equal(found[1], 2);
    assert_int_equal(found[2], 0);
    free(found);
}

/* ---- What a client is told ------------------------------------------------------------------------- */

static json_t *show(const struct evaluation_record *record, int label, int predicted, size_t limit)
{
    const struct mistake_filter filter = {label, predicted, limit};
    json_t *json = evaluation_to_json("digits", 3, record, &filter);
    assert_non_null(json);
    return json;
}

static void assert_shows(const struct evaluation_record *record, int label, int predicted, size_t limit,
                         const char *expected)
{
    char found[64] = "";
    size_t i;
    json_t *mistake, *json = show(record, label, predicted, limit);
    json_array_foreach(json_object_get(json, "mistakes"), i, mistake)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%d", i ? " " : "",
                 (int)json_integer_value(json_object_get(mistake, "index")));
    assert_string_equal(found, expected);
    json_decref(json);
}

static void mistakes_are_told_by_digits_and_up_to_a_limit(void **state)
{
    (void)state;
    char details[] = "{\"confusion\":[],\"classes\":[],\"calibration\":{},\"mistakes\":["
                     "{\"index\":7,\"label\":4,\"predicted\":9},{\"index\":2,\"label\":9,\"predicted\":4},"
                     "{\"index\":5,\"label\":4,\"predicted\":1},{\"index\":0,\"label\":4,\"predicted\":9}]}";
    struct evaluation_record record = {.dataset = "mnist",
                                       .split = SPLIT_TEST,
                                       .images = 10,
                                       .accuracy = 0.6,
                                       .loss = NAN,
                                       .details = details};
    assert_shows(&record, -1, -1, 500, "7 2 5 0");
    assert_shows(&record, -1, -1, 2, "7 2");
    assert_shows(&record, -1, -1, 0, "");
    assert_shows(&record, 4, -1, 500, "7 5 0");
    assert_shows(&record, 4, -1, 2, "7 5");
    assert_shows(&record, -1, 4, 500, "2");
    assert_shows(&record, 4, 9, 500, "7 0");
    assert_shows(&record, 0, 9, 500, "");
    json_t *json = show(&record, -1, -1, 500);
    assert_true(json_is_null(json_object_get(json, "loss"))); /* it diverged: JSON has no such number */
    assert_string_equal(json_string_value(json_object_get(json, "split")), "test");
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mistakes_kept_are_those_of_the_twin),
        cmocka_unit_test(a_mistake_that_is_no_number_comes_first),
        cmocka_unit_test(mistakes_are_told_by_digits_and_up_to_a_limit),
    };
    return cmocka_run_group_tests_name("evaluation", tests, NULL, NULL);
}
