#include "server/json_pointer.h"

#include "server/input.h"

#include <stdio.h>
#include <string.h>

/* Takes the next token off `pointer`, unescaped; false when it is malformed or too long. */
static bool next_token(const char **pointer, char ret_token[JSON_POINTER_SIZE])
{
    const char *from = *pointer;
    size_t length = 0;
    if (*from++ != '/')
        return false;
    for (; *from && *from != '/'; from++) {
        char letter = *from;
        if (letter == '~') {
            from++;
            if (*from != '0' && *from != '1')
                return false;
            letter = *from == '0' ? '~' : '/';
        }
        if (length + 1 >= JSON_POINTER_SIZE)
            return false;
        ret_token[length++] = letter;
    }
    ret_token[length] = '\0';
    *pointer = from;
    return true;
}

static bool read_index(const json_t *list, const char *token, size_t *ret_index)
{
    int64_t index;
    if (!input_parse_integer(token, 0, (int64_t)json_array_size(list) - 1, &index))
        return false;
    *ret_index = (size_t)index;
    return true;
}

/* What is at `token`, made if need be; NULL when that cannot be. */
static json_t *step_into(json_t *place, const char *token)
{
    size_t index;
    if (json_is_array(place))
        return read_index(place, token, &index) ? json_array_get(place, index) : NULL;
    if (!json_is_object(place))
        return NULL;
    if (!json_object_get(place, token))
        json_object_set_new(place, token, json_object());
    return json_object_get(place, token);
}

bool json_pointer_set(json_t *document, const char *pointer, json_t *value)
{
    char token[JSON_POINTER_SIZE];
    size_t index;
    json_t *place = document;
    if (!next_token(&pointer, token))
        return false;
    while (*pointer) {
        place = step_into(place, token);
        if (!place || !next_token(&pointer, token))
            return false;
    }
    if (json_is_array(place))
        return read_index(place, token, &index) && json_array_set(place, index, value) == 0;
    return json_is_object(place) && json_object_set(place, token, value) == 0;
}

void json_pointer_join(char *ret_pointer, size_t size, const char *pointer, const char *key)
{
    size_t length = strlen(pointer);
    if (length + 2 > size)
        length = size - 2;
    memmove(ret_pointer, pointer, length);
    ret_pointer[length++] = '/';
    for (; *key && length + 2 < size; key++) {
        if (*key == '~' || *key == '/') {
            ret_pointer[length++] = '~';
            ret_pointer[length++] = *key == '~' ? '0' : '1';
        } else {
            ret_pointer[length++] = *key;
        }
    }
    ret_pointer[length] = '\0';
}
