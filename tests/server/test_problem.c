/* Problem details: one well-formed JSON object for whatever went wrong. */
#include "server/problem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

static const char *text_at(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static void every_kind_has_status_slug_and_title(void **state)
{
    (void)state;
    for (int i = 0; i < PROBLEM_COUNT; i++) {
        enum problem problem = (enum problem)i;
        assert_in_range(problem_status(problem), 400, 599);
        assert_non_null(problem_title(problem));
        assert_int_equal(strspn(problem_slug(problem), "abcdefghijklmnopqrstuvwxyz-"),
                         strlen(problem_slug(problem)));
        for (int other = 0; other < i; other++)
            assert_string_not_equal(problem_slug(problem), problem_slug((enum problem)other));
    }
}

static void detail_is_repeated_as_error(void **state)
{
    (void)state;
    json_t *json = problem_to_json(PROBLEM_BUSY, "Too many.", "/api/v1/jobs", NULL);
    assert_string_equal(text_at(json, "type"), "/problems/busy");
    assert_string_equal(text_at(json, "title"), problem_title(PROBLEM_BUSY));
    assert_int_equal(json_integer_value(json_object_get(json, "status")), 429);
    assert_string_equal(text_at(json, "detail"), "Too many.");
    assert_string_equal(text_at(json, "error"), "Too many.");
    assert_string_equal(text_at(json, "instance"), "/api/v1/jobs");
    assert_null(json_object_get(json, "errors"));
    json_decref(json);
}

static void errors_tell_fields_from_query_parameters(void **state)
{
    (void)state;
    struct problems problems = {0};
    problems_add(&problems, ERR_ARGUMENT, "/training/epochs", "too many");
    problems_add(&problems, ERR_ARGUMENT, "?limit", "too large");
    json_t *json = problem_to_json(PROBLEM_INVALID, "Two things.", "/", &problems);
    const json_t *errors = json_object_get(json, "errors");
    assert_int_equal(json_array_size(errors), 2);
    assert_string_equal(text_at(json_array_get(errors, 0), "pointer"), "/training/epochs");
    assert_string_equal(text_at(json_array_get(errors, 0), "detail"), "too many");
    assert_string_equal(text_at(json_array_get(errors, 1), "parameter"), "limit");
    assert_null(json_object_get(json_array_get(errors, 1), "pointer"));
    json_decref(json);
}

static void only_the_problems_that_were_kept_are_listed(void **state)
{
    (void)state;
    struct problems problems = {0};
    for (int i = 0; i < PROBLEMS_KEPT + 5; i++)
        problems_add(&problems, ERR_ARGUMENT, "/x", "wrong");
    json_t *json = problem_to_json(PROBLEM_INVALID, "Many things.", "/", &problems);
    assert_int_equal(json_array_size(json_object_get(json, "errors")), PROBLEMS_KEPT);
    json_decref(json);
}

static void text_that_is_no_utf8_does_not_spoil_the_object(void **state)
{
    (void)state;
    struct problems problems = {0};
    problems_add(&problems, ERR_ARGUMENT, "/\xff", "caf\xe9");
    json_t *json = problem_to_json(PROBLEM_NOT_FOUND, "no \xc3\x28 here", "/caf\xe9", &problems);
    assert_string_equal(text_at(json, "detail"), "no ?( here");
    assert_string_equal(text_at(json, "instance"), "/caf?");
    assert_string_equal(text_at(json_array_get(json_object_get(json, "errors"), 0), "pointer"), "/?");
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_status_slug_and_title),
        cmocka_unit_test(detail_is_repeated_as_error),
        cmocka_unit_test(errors_tell_fields_from_query_parameters),
        cmocka_unit_test(only_the_problems_that_were_kept_are_listed),
        cmocka_unit_test(text_that_is_no_utf8_does_not_spoil_the_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
