/* Base64 (RFC 4648) into memory of malloc, by nettle. Any thread. */
#ifndef DIGITD_BASE64_H
#define DIGITD_BASE64_H

#include "engine/engine.h"

/* NULL without memory. */
char *base64_encode(const uint8_t *data, size_t size);

/* ERR_FORMAT: a character that does not belong there, or a wrong length. White space is skipped. */
MUST_CHECK enum status base64_decode(const char *text, size_t length, uint8_t **ret_data, size_t *ret_size,
                                     struct error *err);

#endif
