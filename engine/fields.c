#include "engine/fields.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECTATION_SIZE 256

/* ---- Words -------------------------------------------------------------------------------------- */

const char *text_excerpt(const char *text, char ret_text[EXCERPT_SIZE])
{
    static const char ellipsis[] = "…";
    const size_t longest = EXCERPT_SIZE - sizeof ellipsis;
    size_t length = strlen(text), kept = length;
    if (length > longest)
        for (kept = longest; kept > 0 && ((unsigned char)text[kept] & 0xC0) == 0x80;)
            kept--;
    for (size_t i = 0; i < kept; i++)
        ret_text[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
    strcpy(ret_text + kept, kept < length ? ellipsis : "");
    return ret_text;
}

const char *describe_value(const json_t *value, char ret_text[FOUND_SIZE])
{
    char text[EXCERPT_SIZE];
    if (!value)
        return "nothing";
    switch (json_typeof(value)) {
    case JSON_STRING:
        snprintf(ret_text, FOUND_SIZE, "a string \"%s\"", text_excerpt(json_string_value(value), text));
        break;
    case JSON_INTEGER:
        snprintf(ret_text, FOUND_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        snprintf(ret_text, FOUND_SIZE, "%.16g", json_real_value(value));
        break;
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_NULL:
        return "null";
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    }
    return ret_text;
}

/* "relu, sigmoid, tanh" */
static void list_names(const char *const *names, char *ret_text, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; names[i] && used < size; i++)
        used += (size_t)snprintf(ret_text + used, size - used, "%s%s", i ? ", " : "", names[i]);
}

static bool is_whole(const struct field *field)
{
    return field->type == FIELD_INT || field->type == FIELD_INT64 || field->type == FIELD_UINT64;
}

/* What a field may be: "a whole number from 1 to 1000", "a number above 0 and at most 10", "one of …". */
static const char *describe_field(const struct field *field, char ret_text[EXPECTATION_SIZE])
{
    const char *noun = is_whole(field) ? "a whole number" : "a number";
    if (field->type == FIELD_CHOICE) {
        int used = snprintf(ret_text, EXPECTATION_SIZE, "one of ");
        list_names(field->choices, ret_text + used, EXPECTATION_SIZE - (size_t)used);
    } else if (field->above_min || field->below_max) {
        snprintf(ret_text, EXPECTATION_SIZE, "%s %s %.16g and %s %.16g", noun,
                 field->above_min ? "above" : "from", field->min, field->below_max ? "below" : "at most",
                 field->max);
    } else {
        snprintf(ret_text, EXPECTATION_SIZE, "%s from %.16g to %.16g", noun, field->min, field->max);
    }
    return ret_text;
}

int name_index(const char *const *names, const char *name)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

/* ---- Pointers and problems ----------------------------------------------------------------------- */

void pointer_to_member(char ret_pointer[POINTER_SIZE], const char *parent, const char *name)
{
    int used = snprintf(ret_pointer, POINTER_SIZE, "%s", parent);
    size_t start = (size_t)used, at = start;
    if (start + 2 > POINTER_SIZE)
        return;
    ret_pointer[at++] = '/';
    for (; *name && at + 3 <= POINTER_SIZE; name++) {
        if (*name == '~' || *name == '/')
            ret_pointer[at++] = '~';
        ret_pointer[at++] = *name == '~' ? '0' : *name == '/' ? '1' : *name;
    }
    ret_pointer[*name ? start : at] = '\0';
}

void pointer_to_index(char ret_pointer[POINTER_SIZE], const char *parent, size_t index)
{
    char name[24];
    snprintf(name, sizeof name, "%zu", index);
    pointer_to_member(ret_pointer, parent, name);
}

enum status problems_since(const struct problems *problems, size_t before)
{
    if (problems->count == before)
        return OK;
    return before < PROBLEMS_KEPT ? problems->items[before].code : ERR_ARGUMENT;
}

static void add_mismatch(const struct field *field, const char *pointer, const char *found,
                         struct problems *problems)
{
    char expected[EXPECTATION_SIZE];
    problems_add(problems, ERR_ARGUMENT, pointer, "%s: expected %s, found %s", field->name,
                 describe_field(field, expected), found);
}

/* ---- Values -------------------------------------------------------------------------------------- */

static bool in_range(const struct field *field, double value)
{
    return (field->above_min ? value > field->min : value >= field->min) &&
           (field->below_max ? value < field->max : value <= field->max);
}

/* The number in a struct, as a double: exact, since whole numbers stay within 2^53. */
static double load_number(const struct field *field, const void *slot)
{
    switch (field->type) {
    case FIELD_INT:
        return *(const int *)slot;
    case FIELD_INT64:
        return (double)*(const int64_t *)slot;
    case FIELD_UINT64:
        return (double)*(const uint64_t *)slot;
    case FIELD_FLOAT:
        return *(const float *)slot;
    default:
        return *(const double *)slot;
    }
}

static void store_number(const struct field *field, void *slot, double value)
{
    switch (field->type) {
    case FIELD_INT:
        *(int *)slot = (int)value;
        break;
    case FIELD_INT64:
        *(int64_t *)slot = (int64_t)value;
        break;
    case FIELD_UINT64:
        *(uint64_t *)slot = (uint64_t)value;
        break;
    case FIELD_FLOAT:
        *(float *)slot = (float)value;
        break;
    default:
        *(double *)slot = value;
        break;
    }
}

static bool read_choice(const struct field *field, const json_t *value, void *slot)
{
    int index = json_is_string(value) ? name_index(field->choices, json_string_value(value)) : -1;
    if (index >= 0)
        *(int *)slot = index;
    return index >= 0;
}

static bool read_number(const struct field *field, const json_t *value, void *slot)
{
    if (!json_is_number(value))
        return false;
    double number = json_number_value(value);
    if (field->type == FIELD_FLOAT)
        number = (float)number; /* 0.99999999999 becomes 1 there, which may be out of range */
    if (!in_range(field, number) || (is_whole(field) && number != trunc(number)))
        return false;
    store_number(field, slot, number);
    return true;
}

bool field_read_value(const struct field *field, const json_t *value, const char *pointer, void *slot,
                      struct problems *problems)
{
    char found[FOUND_SIZE];
    bool good =
        field->type == FIELD_CHOICE ? read_choice(field, value, slot) : read_number(field, value, slot);
    if (!good)
        add_mismatch(field, pointer, describe_value(value, found), problems);
    return good;
}

static const struct field *find_field(const struct field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static void add_unknown(const struct field *fields, size_t count, const char *name, const char *pointer,
                        struct problems *problems)
{
    char known[EXPECTATION_SIZE] = "", text[EXCERPT_SIZE];
    size_t used = 0;
    for (size_t i = 0; i < count && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", fields[i].name);
    problems_add(problems, ERR_ARGUMENT, pointer, "%s: unknown field; known here: %s",
                 text_excerpt(name, text), known);
}

void fields_read(const struct field *fields, size_t count, const json_t *object, const char *pointer,
                 void *base, struct problems *problems)
{
    char place[POINTER_SIZE];
    const char *name;
    json_t *value;
    /* jansson's iteration takes an object that is not const, and changes nothing */
    json_object_foreach((json_t *)object, name, value)
    {
        const struct field *field = find_field(fields, count, name);
        pointer_to_member(place, pointer, name);
        if (!field)
            add_unknown(fields, count, name, place, problems);
        else if (field->type != FIELD_OTHER)
            (void)field_read_value(field, value, place, (char *)base + field->offset, problems);
    }
    for (size_t i = 0; i < count; i++) {
        if (!fields[i].required || json_object_get(object, fields[i].name))
            continue;
        pointer_to_member(place, pointer, fields[i].name);
        (void)field_read_value(&fields[i], NULL, place, NULL, problems);
    }
}

/* Whether the struct's value is one that the field may have; if not, what it is, in words. */
static bool value_is_allowed(const struct field *field, const void *slot, char ret_found[FOUND_SIZE])
{
    if (field->type == FIELD_CHOICE) {
        int index = *(const int *)slot, choices = 0;
        while (field->choices[choices])
            choices++;
        snprintf(ret_found, FOUND_SIZE, "number %d", index);
        return index >= 0 && index < choices;
    }
    double number = load_number(field, slot);
    snprintf(ret_found, FOUND_SIZE, "%.16g", number);
    return in_range(field, number);
}

void fields_check(const struct field *fields, size_t count, const void *base, const char *pointer,
                  struct problems *problems)
{
    for (size_t i = 0; i < count; i++) {
        char place[POINTER_SIZE], found[FOUND_SIZE];
        if (fields[i].type == FIELD_OTHER ||
            value_is_allowed(&fields[i], (const char *)base + fields[i].offset, found))
            continue;
        pointer_to_member(place, pointer, fields[i].name);
        add_mismatch(&fields[i], place, found, problems);
    }
}

/* The shortest decimal that reads back as the same float: 0.4, where a double would say 0.4000000059604645. */
static json_t *float_to_json(float value)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    return json_real(strtod(text, NULL));
}

static json_t *value_to_json(const struct field *field, const void *slot)
{
    switch (field->type) {
    case FIELD_CHOICE:
        return json_string(field->choices[*(const int *)slot]);
    case FIELD_FLOAT:
        return float_to_json(*(const float *)slot);
    case FIELD_DOUBLE:
        return json_real(*(const double *)slot);
    default:
        return json_integer((json_int_t)load_number(field, slot));
    }
}

json_t *fields_to_json(const struct field *fields, size_t count, const void *base)
{
    json_t *object = json_object();
    for (size_t i = 0; object && i < count; i++) {
        if (fields[i].type == FIELD_OTHER)
            continue;
        const void *slot = (const char *)base + fields[i].offset;
        if (json_object_set_new(object, fields[i].name, value_to_json(&fields[i], slot)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}
