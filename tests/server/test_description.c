/* api_spec/openapi.yaml, as it is embedded in the program, says the same as the program's tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "engine/engine.h"
#include "server/assets.h"
#include "server/problem.h"
#include "server/routes.h"

static json_t *spec;

static int load_spec(void **state)
{
    (void)state;
    const struct asset *asset = asset_find("/openapi.json");
    if (asset)
        spec = json_loadb((const char *)asset->plain, asset->plain_size, JSON_REJECT_DUPLICATES, NULL);
    return spec ? 0 : -1;
}

static int free_spec(void **state)
{
    (void)state;
    json_decref(spec);
    return 0;
}

/* ---- Reading the description ---------------------------------------------------------------------- */

static const char *const method_keys[] = {
    [HTTP_GET] = "get", [HTTP_POST] = "post", [HTTP_PUT] = "put", [HTTP_DELETE] = "delete"};
#define METHODS (sizeof method_keys / sizeof *method_keys)

/* What {"$ref": "#/components/…"} stands for. */
static json_t *resolve(json_t *json)
{
    const char *reference = json_string_value(json_object_get(json, "$ref"));
    if (!reference)
        return json;
    char path[256];
    assert_in_range(snprintf(path, sizeof path, "%s", reference), 1, sizeof path - 1);
    json = spec;
    for (char *rest = path + strlen("#/"), *key; (key = strsep(&rest, "/"));)
        json = json_object_get(json, key);
    if (!json)
        fail_msg("%s leads nowhere", reference);
    return json;
}

static json_t *operation_of(const struct route *route)
{
    json_t *path = json_object_get(json_object_get(spec, "paths"), route->pattern);
    return json_object_get(path, method_keys[route->method]);
}

/* Parameters that live in `place` ("query", "path"), of the path and of the operation; a new list of names. */
static json_t *parameter_names(const struct route *route, const char *place)
{
    json_t *path = json_object_get(json_object_get(spec, "paths"), route->pattern), *parameter,
           *names = json_array();
    json_t *lists[] = {json_object_get(path, "parameters"),
                       json_object_get(operation_of(route), "parameters")};
    for (size_t i = 0; i < 2; i++) {
        size_t index;
        json_array_foreach(lists[i], index, parameter)
        {
            parameter = resolve(parameter);
            if (strcmp(json_string_value(json_object_get(parameter, "in")), place) == 0)
                json_array_append(names, json_object_get(parameter, "name"));
        }
    }
    return names;
}

static json_t *body_of(const struct route *route)
{
    return resolve(json_object_get(operation_of(route), "requestBody"));
}

static json_t *schema(const char *name)
{
    json_t *schemas = json_object_get(json_object_get(spec, "components"), "schemas"),
           *found = json_object_get(schemas, name);
    assert_non_null(found);
    return found;
}

static json_t *property(json_t *of, const char *name)
{
    return json_object_get(json_object_get(of, "properties"), name);
}

static bool is_catch_all(const struct route *route)
{
    return strcmp(route->pattern, "/*") == 0;
}

/* ---- Routes ------------------------------------------------------------------------------------- */

/* `described` holds the same strings as `known`, which NULL or `max` strings end, in any order. */
static void assert_same_strings(const char *pattern, const char *what, json_t *described,
                                const char *const *known, size_t max)
{
    size_t count = 0, index;
    json_t *name;
    while (count < max && known[count])
        count++;
    json_array_foreach(described, index, name)
    {
        bool found = false;
        for (size_t i = 0; i < count; i++)
            found = found || strcmp(known[i], json_string_value(name)) == 0;
        if (!found)
            fail_msg("%s: the description has %s %s, the program has not", pattern, what,
                     json_string_value(name));
    }
    if (json_array_size(described) != count)
        fail_msg("%s: the program has %zu %s, the description %zu", pattern, count, what,
                 json_array_size(described));
}

static void each_route_is_described(void **state)
{
    (void)state;
    const struct route *route;
    for (size_t i = 0; (route = routes_at(i)); i++)
        if (!is_catch_all(route) && !operation_of(route))
            fail_msg("%s %s is not described", method_keys[route->method], route->pattern);
}

static void each_description_has_a_route(void **state)
{
    (void)state;
    const char *path;
    json_t *operations;
    json_object_foreach(json_object_get(spec, "paths"), path, operations)
    {
        for (size_t method = 0; method < METHODS; method++) {
            struct route_params params;
            char allow[ROUTE_ALLOW_SIZE];
            if (!method_keys[method] || !json_object_get(operations, method_keys[method]))
                continue;
            const struct route *route = routes_find((enum http_method)method, path, &params, allow);
            if (!route || (is_catch_all(route) ? !asset_find(path) : strcmp(route->pattern, path) != 0))
                fail_msg("%s %s has no route", method_keys[method], path);
        }
    }
}

static void query_parameters_are_the_same(void **state)
{
    (void)state;
    const struct route *route;
    for (size_t i = 0; (route = routes_at(i)); i++) {
        json_t *names = parameter_names(route, "query");
        assert_same_strings(route->pattern, "query parameters", names, route->query, ROUTE_QUERY_MAX);
        json_decref(names);
    }
}

static void path_parameters_are_the_same(void **state)
{
    (void)state;
    const struct route *route;
    for (size_t i = 0; (route = routes_at(i)); i++) {
        struct route_params params = {0};
        char allow[ROUTE_ALLOW_SIZE], names[ROUTE_PARAMS_MAX][ROUTE_PARAM_SIZE];
        const char *known[ROUTE_PARAMS_MAX] = {0};
        routes_find(route->method, route->pattern, &params, allow);
        for (size_t k = 0; k < params.count; k++) {
            snprintf(names[k], sizeof names[k], "%.*s", (int)strcspn(params.names[k], "}"), params.names[k]);
            known[k] = names[k];
        }
        json_t *described = parameter_names(route, "path");
        assert_same_strings(route->pattern, "path parameters", described, known, ROUTE_PARAMS_MAX);
        json_decref(described);
    }
}

static void bodies_have_the_same_media_types(void **state)
{
    (void)state;
    const struct route *route;
    for (size_t i = 0; (route = routes_at(i)); i++) {
        json_t *body = body_of(route), *names = json_array(), *content;
        const char *media_type;
        if ((body != NULL) != (route->body_max > 0))
            fail_msg("%s: only one of route and description has a body", route->pattern);
        json_object_foreach(json_object_get(body, "content"), media_type, content)
        {
            json_array_append_new(names, json_string(media_type));
        }
        assert_same_strings(route->pattern, "media types", names, route->media_types, ROUTE_TYPES_MAX);
        json_decref(names);
    }
}

/* ---- Values ---------------------------------------------------------------------------------------- */

#define NAMES_MAX 32

static void presets_are_the_same(void **state)
{
    (void)state;
    const char *known[NAMES_MAX] = {0};
    for (size_t i = 0; i < NAMES_MAX && model_preset_name(i); i++)
        known[i] = model_preset_name(i);
    json_t *form = json_array_get(json_object_get(schema("model_spec"), "oneOf"), 0);
    json_t *described = json_object_get(property(form, "preset"), "enum");
    assert_same_strings("model_spec", "presets", described, known, NAMES_MAX);
}

static void recipes_are_the_same(void **state)
{
    (void)state;
    const char *known[NAMES_MAX] = {0};
    for (size_t i = 0; i < NAMES_MAX && recipe_name(i); i++)
        known[i] = recipe_name(i);
    json_t *described = json_object_get(schema("recipe_name"), "enum");
    assert_same_strings("recipe_name", "recipes", described, known, NAMES_MAX);
}

static void problem_types_are_the_same(void **state)
{
    (void)state;
    char types[PROBLEM_COUNT][64];
    const char *known[PROBLEM_COUNT];
    for (int i = 0; i < PROBLEM_COUNT; i++) {
        snprintf(types[i], sizeof types[i], "/problems/%s", problem_slug((enum problem)i));
        known[i] = types[i];
    }
    json_t *described = json_object_get(property(schema("problem"), "type"), "enum");
    assert_same_strings("problem", "types", described, known, PROBLEM_COUNT);
}

/* Each property of `described` has the value that `actual` has as its default, and there are no others. */
static void assert_same_defaults(const char *what, json_t *described, json_t *actual)
{
    const char *name;
    json_t *value;
    json_object_foreach(actual, name, value)
    {
        json_t *fallback = json_object_get(property(described, name), "default");
        if (json_is_object(value))
            assert_same_defaults(name, schema(name), value);
        else if (json_is_number(value) ? json_number_value(value) != json_number_value(fallback)
                                       : !json_equal(value, fallback))
            fail_msg("%s: the default of %s is another in the description", what, name);
    }
    assert_int_equal(json_object_size(json_object_get(described, "properties")), json_object_size(actual));
}

static void training_has_the_same_fields_and_defaults(void **state)
{
    (void)state;
    const struct train_config config = train_config_default();
    json_t *actual = train_config_to_json(&config);
    assert_same_defaults("training", schema("training"), actual);
    json_decref(actual);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_route_is_described),
        cmocka_unit_test(each_description_has_a_route),
        cmocka_unit_test(query_parameters_are_the_same),
        cmocka_unit_test(path_parameters_are_the_same),
        cmocka_unit_test(bodies_have_the_same_media_types),
        cmocka_unit_test(presets_are_the_same),
        cmocka_unit_test(recipes_are_the_same),
        cmocka_unit_test(problem_types_are_the_same),
        cmocka_unit_test(training_has_the_same_fields_and_defaults),
    };
    return cmocka_run_group_tests(tests, load_spec, free_spec);
}
