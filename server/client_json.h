/* What a server's JSON says, as people read it: for tables and summaries of the commands that talk to a server. Pointers are
 * those of RFC 6901 without escapes and without indices. Texts are valid as long as the JSON or the buffer is. */
#ifndef DIGITD_CLIENT_JSON_H
#define DIGITD_CLIENT_JSON_H

#include "server/format.h"

#include <jansson.h>

#define CLIENT_NOTHING "-"

/* NULL when there is no such value. */
const json_t *client_at(const json_t *json, const char *pointer);

/* CLIENT_NOTHING when there is no such text. */
const char *client_text_at(const json_t *json, const char *pointer);

/* NaN when there is no such number. */
double client_number_at(const json_t *json, const char *pointer);

/* "98.45 %", "889,834", "1:05", "3.4 MiB"; CLIENT_NOTHING when there is no such number. */
const char *client_percent_at(const json_t *json, const char *pointer, char ret_text[FORMAT_SIZE]);
const char *client_count_at(const json_t *json, const char *pointer, char ret_text[FORMAT_SIZE]);
const char *client_duration_at(const json_t *json, const char *pointer, char ret_text[FORMAT_SIZE]);
const char *client_bytes_at(const json_t *json, const char *pointer, char ret_text[FORMAT_SIZE]);

/* A moment in local time, "2026-01-31 09:30". */
const char *client_time_at(const json_t *json, const char *pointer, char ret_text[FORMAT_SIZE]);

/* A line of a summary: the name, and the text in its column. */
void client_print_field(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
