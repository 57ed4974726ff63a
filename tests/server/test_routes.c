/* Routes: which handler a method and a path lead to. */
#include "server/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static handler one, two, three, rest;

static void one(struct app *app, struct request *request)
{
    (void)app, (void)request;
}

static void two(struct app *app, struct request *request)
{
    (void)app, (void)request;
}

static void three(struct app *app, struct request *request)
{
    (void)app, (void)request;
}

static void rest(struct app *app, struct request *request)
{
    (void)app, (void)request;
}

static const struct route table[] = {
    {HTTP_GET, "/jobs", one, .lane = LANE_EVENT},
    {HTTP_POST, "/jobs", two, .lane = LANE_EVENT},
    {HTTP_GET, "/jobs/{id}", three, .lane = LANE_EVENT},
    {HTTP_DELETE, "/jobs/{id}", two, .lane = LANE_EVENT},
    {HTTP_GET, "/models/{model}/versions/{version}/weights.safetensors", two, .lane = LANE_EVENT},
    {HTTP_GET, "/images/{split}/{index}.png", one, .lane = LANE_EVENT},
    {HTTP_GET, "/*", rest, .lane = LANE_EVENT},
    {.pattern = NULL},
};

static struct route_params params;
static char allow[ROUTE_ALLOW_SIZE];

static handler *find(enum http_method method, const char *path)
{
    const struct route *route = routes_find_in(table, method, path, &params, allow);
    return route ? route->handle : NULL;
}

static void method_and_path_choose_the_handler(void **state)
{
    (void)state;
    assert_ptr_equal(find(HTTP_GET, "/jobs"), one);
    assert_ptr_equal(find(HTTP_POST, "/jobs"), two);
    assert_ptr_equal(find(HTTP_GET, "/jobs/job_1"), three);
    assert_ptr_equal(find(HTTP_DELETE, "/jobs/job_1"), two);
}

static void head_goes_where_get_goes(void **state)
{
    (void)state;
    assert_ptr_equal(find(HTTP_HEAD, "/jobs"), one);
    assert_ptr_equal(find(HTTP_HEAD, "/elsewhere"), rest);
}

static void parameters_are_captured(void **state)
{
    (void)state;
    assert_ptr_equal(find(HTTP_GET, "/models/digits/versions/12/weights.safetensors"), two);
    assert_int_equal(params.count, 2);
    assert_string_equal(params.values[0], "digits");
    assert_string_equal(params.values[1], "12");
    assert_memory_equal(params.names[0], "model}", 6);
    assert_memory_equal(params.names[1], "version}", 8);
}

static void parameter_ends_where_the_ending_of_its_segment_begins(void **state)
{
    (void)state;
    assert_ptr_equal(find(HTTP_GET, "/images/train/12.png"), one);
    assert_int_equal(params.count, 2);
    assert_string_equal(params.values[0], "train");
    assert_string_equal(params.values[1], "12");
    assert_ptr_equal(find(HTTP_GET, "/images/train/a.png.png"), one);
    assert_string_equal(params.values[1], "a.png");
    assert_ptr_equal(find(HTTP_GET, "/images/train/.png"), rest);
    assert_ptr_equal(find(HTTP_GET, "/images/train/12"), rest);
    assert_ptr_equal(find(HTTP_GET, "/images/train/12.jpg"), rest);
    assert_ptr_equal(find(HTTP_GET, "/images/train/12.png/"), rest);
    assert_ptr_equal(find(HTTP_GET, "/images/train/png"), rest);
}

static void parameter_is_one_segment_that_is_not_empty(void **state)
{
    (void)state;
    assert_ptr_equal(find(HTTP_GET, "/jobs/"), rest);
    assert_ptr_equal(find(HTTP_GET, "/jobs/a/b"), rest);
    assert_ptr_equal(find(HTTP_GET, "/models//versions/1/weights.safetensors"), rest);
    assert_ptr_equal(find(HTTP_GET, "/models/x/versions/1/weights"), rest);
}

static void parameter_that_is_too_long_does_not_match(void **state)
{
    (void)state;
    char path[200] = "/jobs/";
    memset(path + 6, 'x', ROUTE_PARAM_SIZE - 1);
    assert_ptr_equal(find(HTTP_GET, path), three);
    memset(path + 6, 'x', ROUTE_PARAM_SIZE);
    assert_ptr_equal(find(HTTP_GET, path), rest);
}

static void wrong_method_tells_which_are_right(void **state)
{
    (void)state;
    assert_null(find(HTTP_PUT, "/jobs"));
    assert_string_equal(allow, "GET, HEAD, POST");
    assert_null(find(HTTP_POST, "/jobs/job_1"));
    assert_string_equal(allow, "GET, HEAD, DELETE");
    assert_null(find(HTTP_OTHER, "/models/x/versions/1/weights.safetensors"));
    assert_string_equal(allow, "GET, HEAD");
}

static void catch_all_hides_no_wrong_method(void **state)
{
    (void)state;
    const struct route only_post[] = {{HTTP_POST, "/predict", one, .lane = LANE_EVENT},
                                      {HTTP_GET, "/*", rest, .lane = LANE_EVENT},
                                      {.pattern = NULL}};
    assert_null(routes_find_in(only_post, HTTP_GET, "/predict", &params, allow));
    assert_string_equal(allow, "POST");
}

static void unknown_path_allows_nothing(void **state)
{
    (void)state;
    assert_null(find(HTTP_POST, "/elsewhere"));
    assert_string_equal(allow, "");
}

/* The server's own table keeps to what admission relies on. */
static void every_route_of_the_server_is_sound(void **state)
{
    (void)state;
    size_t count = 0;
    for (const struct route *route; (route = routes_at(count)); count++) {
        assert_int_equal(route->pattern[0], '/');
        assert_non_null(route->handle);
        bool writes = route->method == HTTP_POST || route->method == HTTP_PUT;
        if (!writes)
            assert_int_equal(route->body_max, 0);
        if (route->media_types[0])
            assert_true(route->body_max > 0);
        if (route->body_max)
            assert_non_null(route->media_types[0]);
    }
    assert_true(count > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(method_and_path_choose_the_handler),
        cmocka_unit_test(head_goes_where_get_goes),
        cmocka_unit_test(parameters_are_captured),
        cmocka_unit_test(parameter_ends_where_the_ending_of_its_segment_begins),
        cmocka_unit_test(parameter_is_one_segment_that_is_not_empty),
        cmocka_unit_test(parameter_that_is_too_long_does_not_match),
        cmocka_unit_test(wrong_method_tells_which_are_right),
        cmocka_unit_test(catch_all_hides_no_wrong_method),
        cmocka_unit_test(unknown_path_allows_nothing),
        cmocka_unit_test(every_route_of_the_server_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
