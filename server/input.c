#include "server/input.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http.h"
#include "server/names.h"
#include "server/problem.h"

/* ---- JSON text -------------------------------------------------------------------------------------- */

/* jansson allocates up to a hundred bytes a value and recurses by depth: both are counted before it runs. Strings
 * are skipped; everything else is left to the parser to judge. */
static enum status check_extent(const uint8_t *text, size_t size, size_t values_max, struct error *err)
{
    size_t depth = 0, values = 1;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        uint8_t c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
            continue;
        }
        in_string = c == '"';
        values += c == ',' || c == '[' || c == '{';
        if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && depth > 0)
            depth--;
        if (depth > INPUT_JSON_DEPTH_MAX)
            return error_set(err, ERR_FORMAT, "JSON is nested deeper than %d levels", INPUT_JSON_DEPTH_MAX);
        if (values > values_max)
            return error_set(err, ERR_FORMAT, "JSON holds more than %zu values", values_max);
    }
    return OK;
}

enum status input_json_parse(const uint8_t *text, size_t size, json_t **ret_json, struct error *err)
{
    return input_json_parse_upto(text, size, INPUT_JSON_VALUES_MAX, ret_json, err);
}

enum status input_json_parse_upto(const uint8_t *text, size_t size, size_t values_max, json_t **ret_json,
                                  struct error *err)
{
    enum status status = check_extent(text, size, values_max, err);
    if (status != OK)
        return status;
    json_error_t reason;
    json_t *json = json_loadb((const char *)text, size, JSON_REJECT_DUPLICATES, &reason);
    if (!json && json_error_code(&reason) == json_error_out_of_memory)
        return error_set(err, ERR_MEMORY, "no memory to read the JSON");
    if (!json)
        return error_set(err, ERR_FORMAT, "not valid JSON at line %d, column %d: %s", reason.line,
                         reason.column, reason.text);
    *ret_json = json;
    return OK;
}

json_t *input_json_body(struct request *request, bool empty_is_object)
{
    size_t size;
    const uint8_t *text = request_body(request, &size);
    if (size == 0 && empty_is_object)
        return json_object();
    if (size == 0) {
        reply_problem(request, PROBLEM_MALFORMED, "The body is empty; a JSON object is expected.");
        return NULL;
    }
    json_t *json;
    struct error err;
    if (input_json_parse(text, size, &json, &err) != OK) {
        reply_error(request, &err);
        return NULL;
    }
    if (!json_is_object(json)) {
        json_decref(json);
        reply_problem(request, PROBLEM_MALFORMED, "The body is JSON, but not an object.");
        return NULL;
    }
    return json;
}

/* ---- Fields ----------------------------------------------------------------------------------------- */

static const char *type_name(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object",   [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "an integer", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",        [JSON_NULL] = "null"};
    return names[json_typeof(value)];
}

/* Adds a problem at <pointer>/<field>, with the field's name escaped as RFC 6901 asks. */
static void PRINTF_LIKE(4, 5)
    add_problem(struct problems *problems, const char *pointer, const char *field, const char *format, ...)
{
    char path[sizeof problems->items[0].pointer];
    size_t length = (size_t)snprintf(path, sizeof path, "%.*s/", (int)sizeof path - 2, pointer);
    for (; *field && length + 2 < sizeof path; field++) {
        bool escaped = *field == '~' || *field == '/';
        path[length++] = escaped ? '~' : *field;
        if (escaped)
            path[length++] = *field == '~' ? '0' : '1';
    }
    path[length] = '\0';
    char message[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    problems_add(problems, ERR_ARGUMENT, path, "%s", message);
}

/* The field's value if it is there; null counts as a value of the wrong type. */
static const json_t *field_of_type(const json_t *object, const char *pointer, const char *field,
                                   bool (*is_type)(const json_t *), const char *expected,
                                   struct problems *problems)
{
    const json_t *value = json_object_get(object, field);
    if (value && !is_type(value)) {
        add_problem(problems, pointer, field, "expected %s, got %s", expected, type_name(value));
        return NULL;
    }
    return value;
}

static bool is_string(const json_t *value)
{
    return json_is_string(value);
}

static bool is_boolean(const json_t *value)
{
    return json_is_boolean(value);
}

static bool is_integer(const json_t *value)
{
    return json_is_integer(value);
}

static bool is_number(const json_t *value)
{
    return json_is_number(value);
}

void input_string(const json_t *object, const char *pointer, const char *field, const char **value,
                  struct problems *problems)
{
    const json_t *json = field_of_type(object, pointer, field, is_string, "a string", problems);
    if (json)
        *value = json_string_value(json);
}

void input_boolean(const json_t *object, const char *pointer, const char *field, bool *value,
                   struct problems *problems)
{
    const json_t *json = field_of_type(object, pointer, field, is_boolean, "true or false", problems);
    if (json)
        *value = json_is_true(json);
}

void input_integer(const json_t *object, const char *pointer, const char *field, int64_t min, int64_t max,
                   int64_t *value, struct problems *problems)
{
    const json_t *json = field_of_type(object, pointer, field, is_integer, "an integer", problems);
    if (!json)
        return;
    int64_t number = json_integer_value(json);
    if (number < min || number > max)
        add_problem(problems, pointer, field, "%" PRId64 " is outside %" PRId64 "..%" PRId64, number, min,
                    max);
    else
        *value = number;
}

void input_number(const json_t *object, const char *pointer, const char *field, double min, double max,
                  double *value, struct problems *problems)
{
    const json_t *json = field_of_type(object, pointer, field, is_number, "a number", problems);
    if (!json)
        return;
    double number = json_number_value(json);
    if (!(number >= min && number <= max))
        add_problem(problems, pointer, field, "%g is outside %g..%g", number, min, max);
    else
        *value = number;
}

/* "auto, raw, drawing" */
static void join_names(const char *const *names, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; names[i] && length < size; i++)
        length += (size_t)snprintf(text + length, size - length, "%s%s", i ? ", " : "", names[i]);
}

static int index_of_name(const char *const *names, const char *text)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    return -1;
}

void input_choice(const json_t *object, const char *pointer, const char *field, const char *const *names,
                  int *value, struct problems *problems)
{
    const char *text = NULL;
    input_string(object, pointer, field, &text, problems);
    if (!text)
        return;
    int index = index_of_name(names, text);
    if (index >= 0) {
        *value = index;
        return;
    }
    char choices[160];
    join_names(names, choices, sizeof choices);
    add_problem(problems, pointer, field, "\"%.40s\" is not one of %s", text, choices);
}

void input_name(const json_t *object, const char *pointer, const char *field, const char **value,
                struct problems *problems)
{
    const char *text = NULL;
    input_string(object, pointer, field, &text, problems);
    if (text && !name_is_valid(text))
        add_problem(problems, pointer, field, "\"%.64s\" is not a name: " NAME_RULE, text);
    else if (text)
        *value = text;
}

void input_known_fields(const json_t *object, const char *pointer, const char *const *names,
                        struct problems *problems)
{
    const char *field;
    json_t *value;
    json_object_foreach((json_t *)object, field, value) if (index_of_name(names, field) < 0)
    {
        char known[160];
        join_names(names, known, sizeof known);
        add_problem(problems, pointer, field, "unknown field; known are %s", known);
    }
}

/* ---- Query parameters ------------------------------------------------------------------------------- */

bool input_parse_integer(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
    const char *digits = text + (*text == '-');
    if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0')
        return false;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno != 0 || value < min || value > max)
        return false;
    *ret_value = value;
    return true;
}

json_t *input_number_or_text(const char *text)
{
    char *end;
    double number = strtod(text, &end);
    if (*text && !*end && !isspace((unsigned char)*text) && isfinite(number))
        return json_real(number);
    json_t *json = json_string(text); /* NULL when it is no UTF-8 */
    return json ? json : json_null();
}

void input_query_integer(const struct request *request, const char *name, int64_t min, int64_t max,
                         int64_t *value, struct problems *problems)
{
    const char *text = request_query(request, name);
    char pointer[32];
    snprintf(pointer, sizeof pointer, "?%s", name);
    if (text && !input_parse_integer(text, min, max, value))
        problems_add(problems, ERR_ARGUMENT, pointer, "\"%.40s\" is not an integer in %" PRId64 "..%" PRId64,
                     text, min, max);
}

void input_query_choice(const struct request *request, const char *name, const char *const *names, int *value,
                        struct problems *problems)
{
    const char *text = request_query(request, name);
    int index = text ? index_of_name(names, text) : -1;
    if (index >= 0)
        *value = index;
    if (!text || index >= 0)
        return;
    char pointer[32], choices[160];
    snprintf(pointer, sizeof pointer, "?%s", name);
    join_names(names, choices, sizeof choices);
    problems_add(problems, ERR_ARGUMENT, pointer, "\"%.40s\" is not one of %s", text, choices);
}

void input_query_name(const struct request *request, const char *name, const char **value,
                      struct problems *problems)
{
    const char *text = request_query(request, name);
    char pointer[32];
    snprintf(pointer, sizeof pointer, "?%s", name);
    if (text && !name_is_valid(text))
        problems_add(problems, ERR_ARGUMENT, pointer, "\"%.64s\" is not a name: " NAME_RULE, text);
    else if (text)
        *value = text;
}
