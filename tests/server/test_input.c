/* Input: JSON text is judged before it is parsed, and every fault of a request is named at its place. */
#include "server/input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- JSON text ---------------------------------------------------------------------------------------- */

static enum status parse(const char *text, struct error *err)
{
    json_t *json = NULL;
    enum status status = input_json_parse((const uint8_t *)text, strlen(text), &json, err);
    json_decref(json);
    return status;
}

static void json_is_parsed(void **state)
{
    (void)state;
    json_t *json;
    struct error err;
    const char *text = " {\"a\": [1, \"]]]]{{{{,,,,\\\"[\"]} ";
    assert_int_equal(input_json_parse((const uint8_t *)text, strlen(text), &json, &err), OK);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(json, "a"), 0)), 1);
    json_decref(json);
}

static void brackets_in_strings_do_not_count(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(parse("[\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"]", &err), OK);
    assert_int_equal(parse("[\"\\\\\",[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", &err), ERR_FORMAT);
    assert_non_null(strstr(err.message, "nested"));
}

static void what_is_no_json_is_refused_with_its_place(void **state)
{
    (void)state;
    static const char *const texts[] = {"",           "{",    "{\"a\":1",    "{\"a\":1}x",
                                        "{'a':1}",    "[1,]", "{\"a\":NaN}", "\"\xff\"",
                                        "{\"a\":01}", "]",    "\"\\",        "[1]]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct error err = {0};
        if (parse(texts[i], &err) != ERR_FORMAT || !strstr(err.message, "line 1, column"))
            fail_msg("%s: %s", texts[i], err.message);
    }
}

static void duplicate_key_is_refused_by_name(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(parse("{\"seed\":1,\"epochs\":2,\"seed\":3}", &err), ERR_FORMAT);
    assert_non_null(strstr(err.message, "duplicate"));
    assert_non_null(strstr(err.message, "seed"));
}

/* `depth` lists inside each other. */
static enum status parse_nested(int depth)
{
    char text[256] = "";
    memset(text, '[', (size_t)depth);
    memset(text + depth, ']', (size_t)depth);
    struct error err;
    return parse(text, &err);
}

static void depth_is_limited(void **state)
{
    (void)state;
    assert_int_equal(parse_nested(INPUT_JSON_DEPTH_MAX), OK);
    assert_int_equal(parse_nested(INPUT_JSON_DEPTH_MAX + 1), ERR_FORMAT);
}

/* A list of `count` zeros. */
static enum status parse_list(size_t count, struct error *err)
{
    char *text = malloc(2 * count + 2), *end = text;
    *end++ = '[';
    for (size_t i = 0; i < count; i++)
        end += sprintf(end, i ? ",0" : "0");
    strcpy(end, "]");
    enum status status = parse(text, err);
    free(text);
    return status;
}

static void number_of_values_is_limited(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(parse_list(INPUT_JSON_VALUES_MAX - 1, &err), OK);
    assert_int_equal(parse_list(INPUT_JSON_VALUES_MAX, &err), ERR_FORMAT);
    assert_non_null(strstr(err.message, "more than 32768 values"));
}

/* ---- Fields ------------------------------------------------------------------------------------------- */

struct values {
    const char *text, *name;
    bool flag;
    int64_t integer;
    double number;
    int choice;
};

static const char *const colours[] = {"red", "green", NULL};

static struct values read_values(const char *text, struct problems *problems)
{
    struct values values = {"default", "default", true, 7, 0.5, 1};
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    input_string(json, "/base", "text", &values.text, problems);
    input_boolean(json, "/base", "flag", &values.flag, problems);
    input_integer(json, "/base", "integer", -5, 100, &values.integer, problems);
    input_number(json, "/base", "number", 0, 1, &values.number, problems);
    input_choice(json, "/base", "choice", colours, &values.choice, problems);
    input_name(json, "/base", "name", &values.name, problems);
    values.text = strcmp(values.text, "default") == 0 ? "default" : "given";
    values.name = strcmp(values.name, "default") == 0 ? "default" : "given";
    json_decref(json);
    return values;
}

static void absent_fields_keep_their_defaults(void **state)
{
    (void)state;
    struct problems problems = {0};
    struct values values = read_values("{}", &problems);
    assert_int_equal(problems.count, 0);
    assert_string_equal(values.text, "default");
    assert_string_equal(values.name, "default");
    assert_true(values.flag);
    assert_int_equal(values.integer, 7);
    assert_true(values.number == 0.5);
    assert_int_equal(values.choice, 1);
}

static void fields_are_read(void **state)
{
    (void)state;
    struct problems problems = {0};
    struct values values = read_values("{\"text\":\"x\",\"flag\":false,\"integer\":-5,\"number\":1,"
                                       "\"choice\":\"red\",\"name\":\"my_model-2\"}",
                                       &problems);
    assert_int_equal(problems.count, 0);
    assert_string_equal(values.text, "given");
    assert_string_equal(values.name, "given");
    assert_false(values.flag);
    assert_int_equal(values.integer, -5);
    assert_true(values.number == 1);
    assert_int_equal(values.choice, 0);
}

static void every_fault_is_told_at_its_place(void **state)
{
    (void)state;
    struct problems problems = {0};
    read_values("{\"text\":1,\"flag\":\"yes\",\"integer\":\"ten\",\"number\":null,\"choice\":\"blue\","
                "\"name\":\"../x\"}",
                &problems);
    static const struct {
        const char *pointer, *text;
    } expected[] = {{"/base/text", "expected a string, got an integer"},
                    {"/base/flag", "expected true or false, got a string"},
                    {"/base/integer", "expected an integer, got a string"},
                    {"/base/number", "expected a number, got null"},
                    {"/base/choice", "\"blue\" is not one of red, green"},
                    {"/base/name", "\"../x\" is not a name"}};
    assert_int_equal(problems.count, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(problems.items[i].pointer, expected[i].pointer);
        assert_non_null(strstr(problems.items[i].message, expected[i].text));
    }
}

static void values_out_of_range_are_faults(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"integer\":101}",   "{\"integer\":-6}",
                                        "{\"integer\":1.5}",   "{\"integer\":9223372036854775807}",
                                        "{\"number\":1.0001}", "{\"number\":-1e300}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct problems problems = {0};
        struct values values = read_values(texts[i], &problems);
        assert_int_equal(problems.count, 1);
        assert_int_equal(values.integer, 7);
        assert_true(values.number == 0.5);
    }
}

static void unknown_fields_are_faults_with_escaped_names(void **state)
{
    (void)state;
    struct problems problems = {0};
    json_t *json = json_loads("{\"red\":1,\"a/b~c\":2}", 0, NULL);
    input_known_fields(json, "", colours, &problems);
    json_decref(json);
    assert_int_equal(problems.count, 1);
    assert_string_equal(problems.items[0].pointer, "/a~1b~0c");
    assert_non_null(strstr(problems.items[0].message, "known are red, green"));
}

static void long_field_name_is_cut_and_harmless(void **state)
{
    (void)state;
    struct problems problems = {0};
    char name[400];
    memset(name, '/', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    json_t *json = json_pack("{s:i}", name, 1);
    input_known_fields(json, name, colours, &problems);
    json_decref(json);
    assert_int_equal(problems.count, 1);
    assert_true(strlen(problems.items[0].pointer) < sizeof problems.items[0].pointer);
}

static void integers_in_text_are_digits_only(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "", "-", "+1", " 1", "1 ", "1.0", "0x1", "one", "99999999999999999999", "11"};
    int64_t value = 5;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (input_parse_integer(wrong[i], -10, 10, &value))
            fail_msg("\"%s\" was read as %d", wrong[i], (int)value);
    assert_int_equal(value, 5);
    assert_true(input_parse_integer("-10", -10, 10, &value));
    assert_int_equal(value, -10);
    assert_true(input_parse_integer("007", -10, 10, &value));
    assert_int_equal(value, 7);
}

static void text_is_a_number_if_all_of_it_is(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "-", " 1", "1 ", "1x", "ten", "nan", "inf", "1e999"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *json = input_number_or_text(texts[i]);
        assert_string_equal(json_string_value(json), texts[i]);
        json_decref(json);
    }
    static const char *const numbers[] = {"0", "-2.5", "1e-3", "9007199254740991"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        json_t *json = input_number_or_text(numbers[i]);
        assert_true(json_is_number(json));
        assert_true(json_number_value(json) == strtod(numbers[i], NULL));
        json_decref(json);
    }
    json_t *json = input_number_or_text("\xff");
    assert_true(json_is_null(json));
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_parsed),
        cmocka_unit_test(brackets_in_strings_do_not_count),
        cmocka_unit_test(what_is_no_json_is_refused_with_its_place),
        cmocka_unit_test(duplicate_key_is_refused_by_name),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(number_of_values_is_limited),
        cmocka_unit_test(absent_fields_keep_their_defaults),
        cmocka_unit_test(fields_are_read),
        cmocka_unit_test(every_fault_is_told_at_its_place),
        cmocka_unit_test(values_out_of_range_are_faults),
        cmocka_unit_test(unknown_fields_are_faults_with_escaped_names),
        cmocka_unit_test(long_field_name_is_cut_and_harmless),
        cmocka_unit_test(integers_in_text_are_digits_only),
        cmocka_unit_test(text_is_a_number_if_all_of_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
