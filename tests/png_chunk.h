/* A chunk of a PNG file, for tests that write files which no encoder writes. */
#ifndef TESTS_PNG_CHUNK_H
#define TESTS_PNG_CHUNK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

/* Writes length, type, data and checksum to `target`; returns their bytes. */
static inline size_t add_chunk(uint8_t *target, const char *type, const uint8_t *data, size_t size)
{
    for (int i = 0; i < 4; i++)
        target[i] = (uint8_t)(size >> (24 - 8 * i));
    memcpy(target + 4, type, 4);
    memcpy(target + 8, data, size);
    uint32_t crc = (uint32_t)crc32(0, target + 4, (uInt)size + 4);
    for (int i = 0; i < 4; i++)
        target[8 + size + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    return size + 12;
}

#endif
