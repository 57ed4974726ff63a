/* Reading what clients send: JSON bodies, their fields, query parameters.
 *
 * The field readers share one shape. An absent field leaves `value` as it is, so put the default there first;
 * a field of the wrong type or out of range adds a problem whose pointer is <pointer>/<field>. Read everything,
 * then look at `problems->count` once: a client gets all that is wrong with a request at once. */
#ifndef DIGITD_INPUT_H
#define DIGITD_INPUT_H

#include <jansson.h>

#include "engine/engine.h"

struct request;

/* What a JSON text may hold before it is parsed at all. */
#define INPUT_JSON_DEPTH_MAX  32
#define INPUT_JSON_VALUES_MAX 32768

/* Parses one JSON object or array: no duplicate keys, nothing after it, depth and number of values capped.
 * ERR_FORMAT, with line and column in the message. */
MUST_CHECK enum status input_json_parse(const uint8_t *text, size_t size, json_t **ret_json,
                                        struct error *err);

/* The same with another cap on the number of values. */
MUST_CHECK enum status input_json_parse_upto(const uint8_t *text, size_t size, size_t values_max,
                                             json_t **ret_json, struct error *err);

/* The request's body as a JSON object, a new reference. On failure the reply is written (400) and NULL returned.
 * With `empty_is_object` an empty body reads as {}. */
json_t *input_json_body(struct request *request, bool empty_is_object);

void input_string(const json_t *object, const char *pointer, const char *field, const char **value,
                  struct problems *problems);
void input_boolean(const json_t *object, const char *pointer, const char *field, bool *value,
                   struct problems *problems);
void input_integer(const json_t *object, const char *pointer, const char *field, int64_t min, int64_t max,
                   int64_t *value, struct problems *problems);
void input_number(const json_t *object, const char *pointer, const char *field, double min, double max,
                  double *value, struct problems *problems);

/* One of `names` (NULL-terminated); `value` is its index. */
void input_choice(const json_t *object, const char *pointer, const char *field, const char *const *names,
                  int *value, struct problems *problems);

/* A name as models, datasets and aliases have (names.h). */
void input_name(const json_t *object, const char *pointer, const char *field, const char **value,
                struct problems *problems);

/* Adds a problem for every field of `object` that `names` (NULL-terminated) does not list. */
void input_known_fields(const json_t *object, const char *pointer, const char *const *names,
                        struct problems *problems);

/* Query parameters; problems have the pointer "?name". */
void input_query_integer(const struct request *request, const char *name, int64_t min, int64_t max,
                         int64_t *value, struct problems *problems);
void input_query_choice(const struct request *request, const char *name, const char *const *names, int *value,
                        struct problems *problems);
void input_query_name(const struct request *request, const char *name, const char **value,
                      struct problems *problems);

/* The JSON number that a text is, or the text itself, for the reader of a field to say what it expected there. A new
 * reference; NULL without memory. */
json_t *input_number_or_text(const char *text);

/* Decimal digits only, no sign but '-', no space; false outside min..max. */
bool input_parse_integer(const char *text, int64_t min, int64_t max, int64_t *ret_value);

#endif
