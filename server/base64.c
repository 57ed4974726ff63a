#include "server/base64.h"

#include <nettle/base64.h>
#include <stdlib.h>

char *base64_encode(const uint8_t *data, size_t size)
{
    size_t length = BASE64_ENCODE_RAW_LENGTH(size);
    char *text = malloc(length + 1);
    if (!text)
        return NULL;
    base64_encode_raw(text, size, data);
    text[length] = '\0';
    return text;
}

enum status base64_decode(const char *text, size_t length, uint8_t **ret_data, size_t *ret_size,
                          struct error *err)
{
    uint8_t *data = malloc(BASE64_DECODE_LENGTH(length) + 1);
    if (!data)
        return error_set(err, ERR_MEMORY, "no memory to decode base64");
    struct base64_decode_ctx context;
    base64_decode_init(&context);
    if (!base64_decode_update(&context, ret_size, data, length, text) || !base64_decode_final(&context)) {
        free(data);
        return error_set(err, ERR_FORMAT, "it is not base64");
    }
    *ret_data = data;
    return OK;
}
