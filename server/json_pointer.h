/* JSON pointers (RFC 6901): places in a document. Any thread. */
#ifndef DIGITD_JSON_POINTER_H
#define DIGITD_JSON_POINTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define JSON_POINTER_SIZE 96 /* of the longest, and its NUL */

/* Puts a reference to `value` at `pointer`, making the objects on the way that are not there. A list must have the index
 * already. False: the pointer is malformed or leads nowhere, or there is no memory. */
bool json_pointer_set(json_t *document, const char *pointer, json_t *value);

/* Writes `pointer`/`key`, with ~ and / of the key escaped. Cut off where it is too long. */
void json_pointer_join(char *ret_pointer, size_t size, const char *pointer, const char *key);

#endif
