/* Memory for numbers: aligned to a cache line, sizes checked for overflow, zeroed. Any thread. */
#ifndef ENGINE_ALLOC_H
#define ENGINE_ALLOC_H

#include "engine/engine.h"

/* count * size zeroed bytes, 64-byte aligned; free() releases them. NULL without memory or on overflow. */
void *aligned_new(size_t count, size_t size) MUST_CHECK;

/* `count` rounded up to a multiple of 16, the floats in a cache line. */
static inline size_t round_up_16(size_t count)
{
    return (count + 15) & ~(size_t)15;
}

#endif
