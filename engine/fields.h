/* Fields of plain structs as tables: one table says how a struct's fields are called in JSON, which values they may
 * have and where they lie, and so drives reading, checking and writing. Any thread.
 *
 * Every problem is reported with a JSON pointer (RFC 6901) to the field and with what was expected there. */
#ifndef ENGINE_FIELDS_H
#define ENGINE_FIELDS_H

#include "engine/engine.h"

#include <jansson.h>

#define POINTER_SIZE sizeof(((struct error *)0)->pointer)

enum field_type {
    FIELD_INT,    /* int */
    FIELD_INT64,  /* int64_t */
    FIELD_UINT64, /* uint64_t */
    FIELD_FLOAT,  /* float */
    FIELD_DOUBLE, /* double */
    FIELD_CHOICE, /* an enum that counts from 0: in JSON one of `choices` */
    FIELD_OTHER,  /* known by name only: the owner of the table reads, checks and writes it */
};

struct field {
    const char *name;
    enum field_type type;
    size_t offset;              /* in the struct */
    double min, max;            /* of numbers; whole numbers stay within 2^53 */
    bool above_min, below_max;  /* the bound itself is not allowed */
    const char *const *choices; /* NULL at the end */
    bool required;              /* in JSON */
};

/* Reads the members of `object` into the struct at `base`. Absent ones keep their value, unless they are required.
 * Whole numbers may be written as 10 or 10.0. Fields with a problem keep their value. */
void fields_read(const struct field *fields, size_t count, const json_t *object, const char *pointer,
                 void *base, struct problems *problems);

/* Reads one value (NULL: absent) at `pointer` in JSON into `slot`; false after adding a problem. */
bool field_read_value(const struct field *field, const json_t *value, const char *pointer, void *slot,
                      struct problems *problems);

/* Reports the values in the struct at `base` that the table does not allow; NaN is never allowed. */
void fields_check(const struct field *fields, size_t count, const void *base, const char *pointer,
                  struct problems *problems);

/* A new object of all fields; NULL without memory. */
json_t *fields_to_json(const struct field *fields, size_t count, const void *base);

/* Index of `name` in `names`, which ends with NULL; -1 if it is not there. */
int name_index(const char *const *names, const char *name);

/* `parent` + "/" + `name`, escaped. A name too long for a pointer gives the parent's. */
void pointer_to_member(char ret_pointer[POINTER_SIZE], const char *parent, const char *name);
void pointer_to_index(char ret_pointer[POINTER_SIZE], const char *parent, size_t index);

/* The beginning of a client's text, cut between UTF-8 characters, without control characters: fit for a message. */
#define EXCERPT_SIZE 52
const char *text_excerpt(const char *text, char ret_text[EXCERPT_SIZE]);

/* What was found in place of what was expected, in words: `a string "ten"`, `-1`, `null`; NULL is `nothing`. */
#define FOUND_SIZE 80
const char *describe_value(const json_t *value, char ret_text[FOUND_SIZE]);

/* The first problem's code among those added since there were `before`; OK if there are none. */
enum status problems_since(const struct problems *problems, size_t before);

#endif
