#include "engine/alloc.h"

#include <stdlib.h>
#include <string.h>

void *aligned_new(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX - 64)
        return NULL;
    bytes = bytes ? (bytes + 63) & ~(size_t)63 : 64;
    void *memory = aligned_alloc(64, bytes);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}
