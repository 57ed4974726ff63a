/* What a sweep asks for, and the combinations that it makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/json_pointer.h"
#include "server/sweep_plan.h"
#include "server/sweep_request.h"

static struct sweep_request read_right(const char *text)
{
    struct sweep_request request;
    struct problems problems = {0};
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    if (sweep_request_from_json(json, &request, &problems))
        fail_msg("%s: %s", problems.items[0].pointer, problems.items[0].message);
    json_decref(json);
    return request;
}

/* A fault of the request, at this pointer, whose message has these words. */
static void assert_wrong(const char *text, const char *pointer, const char *words)
{
    struct sweep_request request;
    struct problems problems = {0};
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    assert_int_equal(sweep_request_from_json(json, &request, &problems), ERR_ARGUMENT);
    json_decref(json);
    sweep_request_clear(&request);
    for (size_t i = 0; i < problems.count; i++)
        if (strcmp(problems.items[i].pointer, pointer) == 0 && strstr(problems.items[i].message, words))
            return;
    fail_msg("%s: nothing about \"%s\" at %s, but %s: %s", text, words, pointer, problems.items[0].pointer,
             problems.items[0].message);
}

/* ---- Faults ---------------------------------------------------------------------------------------- */

static void each_fault_is_told_with_its_place(void **state)
{
    (void)state;
    assert_wrong("{}", "/parameters", "1 to 16");
    assert_wrong("{\"parameters\":{}}", "/parameters", "1 to 16");
    assert_wrong("{\"preset\":\"everything\"}", "/preset", "architecture");
    assert_wrong("{\"parameters\":{\"/name\":[\"a\"]}}", "/parameters/~1name", "JSON pointer");
    assert_wrong("{\"parameters\":{\"/models\":[1]}}", "/parameters/~1models", "JSON pointer");
    assert_wrong("{\"parameters\":{\"training\":[1]}}", "/parameters/training", "JSON pointer");
    assert_wrong("{\"parameters\":{\"/training/epochs\":[]}}", "/parameters/~1training~1epochs", "list");
    assert_wrong("{\"parameters\":{\"/training/epochs\":3}}", "/parameters/~1training~1epochs", "list");
    assert_wrong("{\"parameters\":{\"/training/epochs\":{\"min\":1,\"max\":2}}}",
                 "/parameters/~1training~1epochs", "random");
    assert_wrong("{\"parameters\":{\"/training/epochs\":{\"min\":1}},\"method\":\"random\"}",
                 "/parameters/~1training~1epochs", "max is missing");
    assert_wrong("{\"parameters\":{\"/training/epochs\":{\"min\":2,\"max\":2}},\"method\":\"random\"}",
                 "/parameters/~1training~1epochs", "below");
    assert_wrong("{\"parameters\":{\"/training/"
                 "epochs\":{\"min\":0,\"max\":2,\"scale\":\"log\"}},\"method\":\"random\"}",
                 "/parameters/~1training~1epochs", "above 0");
    assert_wrong("{\"parameters\":{\"/training/epochs\":[1,2]},\"method\":\"halving\"}",
                 "/parameters/~1training~1epochs", "halving itself");
    assert_wrong("{\"preset\":\"activations\",\"trials\":3}", "/trials", "every combination");
    assert_wrong("{\"preset\":\"activations\",\"base\":{\"promotion\":\"always\"}}", "/base/promotion",
                 "promote");
    assert_wrong("{\"preset\":\"activations\",\"seeds\":[1,1]}", "/seeds", "twice");
    assert_wrong("{\"preset\":\"activations\",\"seeds\":[-1]}", "/seeds", "2^53");
    assert_wrong("{\"preset\":\"activations\",\"seeds\":21}", "/seeds", "20");
    assert_wrong("{\"parameters\":{\"/training/seed\":[1,2]},\"seeds\":2}", "/seeds", "parameter already");
    assert_wrong("{\"preset\":\"activations\",\"colour\":1}", "/colour", "unknown");
}

/* ---- Combinations ---------------------------------------------------------------------------------- */

static void the_architecture_preset_has_64_different_combinations(void **state)
{
    (void)state;
    struct sweep_request request = read_right("{\"preset\":\"architecture\"}");
    assert_int_equal(sweep_request_combinations(&request), 64);
    json_t *all[64];
    for (size_t i = 0; i < 64; i++) {
        all[i] = sweep_request_settings(&request, i);
        assert_int_equal(json_object_size(all[i]), 6);
        for (size_t j = 0; j < i; j++)
            assert_false(json_equal(all[i], all[j]));
    }
    for (size_t i = 0; i < 64; i++)
        json_decref(all[i]);
    sweep_request_clear(&request);
}

static void fields_replace_those_of_a_preset_one_by_one(void **state)
{
    (void)state;
    struct sweep_request request =
        read_right("{\"preset\":\"activations\",\"name\":\"mine\",\"base\":{\"training\":{\"epochs\":2}}}");
    assert_string_equal(request.name, "mine");
    assert_non_null(json_object_get(json_object_get(request.base, "model"), "blocks"));
    assert_non_null(json_object_get(request.base, "training"));
    assert_int_equal(sweep_request_combinations(&request), 3);
    sweep_request_clear(&request);
}

#define DRAWN                                                                                                \
    "{\"method\":\"random\",\"trials\":50,\"seed\":%d,\"parameters\":{"                                      \
    "\"/training/learning_rate\":{\"min\":0.0001,\"max\":0.1,\"scale\":\"log\"},"                            \
    "\"/model/blocks/filters\":{\"min\":4,\"max\":6},\"/training/batch_size\":[16,32]}}"

static json_t *draw_all(int seed)
{
    char text[512];
    snprintf(text, sizeof text, DRAWN, seed);
    struct sweep_request request = read_right(text);
    json_t *all = json_array();
    for (size_t i = 0; i < sweep_request_combinations(&request); i++)
        json_array_append_new(all, sweep_request_settings(&request, i));
    sweep_request_clear(&request);
    return all;
}

static void draws_are_those_of_their_seed_and_within_their_range(void **state)
{
    (void)state;
    json_t *once = draw_all(7), *again = draw_all(7), *other = draw_all(8), *settings;
    size_t i;
    int low = 0, filters[7] = {0};
    assert_true(json_equal(once, again));
    assert_false(json_equal(once, other));
    json_array_foreach(once, i, settings)
    {
        double rate = json_number_value(json_object_get(settings, "/training/learning_rate"));
        json_int_t units = json_integer_value(json_object_get(settings, "/model/blocks/filters"));
        assert_true(rate >= 0.0001 && rate <= 0.1);
        assert_in_range(units, 4, 6);
        low += rate < 0.00316; /* the middle of the log scale */
        filters[units]++;
    }
    assert_in_range(low, 15, 35); /* of 50: 25 are expected */
    assert_true(filters[4] && filters[5] && filters[6]);
    json_decref(once);
    json_decref(again);
    json_decref(other);
}

static void a_request_reads_the_same_when_it_is_written_out(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"preset\":\"activations\",\"seeds\":3,\"promote\":\"if_better\",\"keep\":2}",
        "{\"method\":\"halving\",\"factor\":4,\"min_epochs\":2,\"trials\":9,\"seed\":5,"
        "\"parameters\":{\"/training/learning_rate\":[0.1,0.2]}}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct sweep_request request = read_right(texts[i]);
        json_t *written = sweep_request_to_json(&request);
        char *text = json_dumps(written, 0);
        struct sweep_request again = read_right(text);
        json_t *rewritten = sweep_request_to_json(&again);
        assert_true(json_equal(written, rewritten));
        json_decref(written);
        json_decref(rewritten);
        free(text);
        sweep_request_clear(&request);
        sweep_request_clear(&again);
    }
}

/* ---- Successive halving ------------------------------------------------------------------------------ */

static void rungs_grow_by_the_factor_up_to_the_last_epoch(void **state)
{
    (void)state;
    struct sweep_request request = read_right(
        "{\"method\":\"halving\",\"min_epochs\":2,\"parameters\":{\"/training/learning_rate\":[0.1,0.2]}}");
    static const int expected[] = {2, 6, 18, 20, 20};
    for (int rung = 0; rung < 5; rung++)
        assert_int_equal(sweep_rung_epochs(&request, 20, rung), expected[rung]);
    assert_int_equal(sweep_rung_survivors(&request, 9), 3);
    assert_int_equal(sweep_rung_survivors(&request, 4), 2);
    assert_int_equal(sweep_rung_survivors(&request, 1), 1);
    sweep_request_clear(&request);
}

/* ---- JSON pointers ----------------------------------------------------------------------------------- */

static void pointers_lead_into_objects_and_lists(void **state)
{
    (void)state;
    json_t *document = json_pack("{s:[{s:i}, {}], s:i}", "list", "a", 1, "number", 7),
           *value = json_integer(5);
    assert_true(json_pointer_set(document, "/list/0/a", value));
    assert_true(json_pointer_set(document, "/list/1/new/deep", value));
    assert_true(json_pointer_set(document, "/x~1y/m~0n", value));
    assert_false(json_pointer_set(document, "/list/2/a", value));
    assert_false(json_pointer_set(document, "/list/-", value));
    assert_false(json_pointer_set(document, "/number/a", value));
    assert_false(json_pointer_set(document, "number", value));
    assert_false(json_pointer_set(document, "/bad~2", value));
    json_t *expected = json_pack("{s:[{s:i}, {s:{s:i}}], s:i, s:{s:i}}", "list", "a", 5, "new", "deep", 5,
                                 "number", 7, "x/y", "m~n", 5);
    assert_true(json_equal(document, expected));
    json_decref(document);
    json_decref(expected);
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_is_told_with_its_place),
        cmocka_unit_test(the_architecture_preset_has_64_different_combinations),
        cmocka_unit_test(fields_replace_those_of_a_preset_one_by_one),
        cmocka_unit_test(draws_are_those_of_their_seed_and_within_their_range),
        cmocka_unit_test(a_request_reads_the_same_when_it_is_written_out),
        cmocka_unit_test(rungs_grow_by_the_factor_up_to_the_last_epoch),
        cmocka_unit_test(pointers_lead_into_objects_and_lists),
    };
    return cmocka_run_group_tests_name("sweep_request", tests, NULL, NULL);
}
