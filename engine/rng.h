/* Random numbers by counter: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 *
 * There is no state. A number is addressed by (seed, stream, epoch, index), so that any thread can draw any of
 * them in any order, and a resumed run draws what an uninterrupted one would have drawn. Any thread. */
#ifndef ENGINE_RNG_H
#define ENGINE_RNG_H

#include "engine/engine.h"

/* What a number is drawn for; `lane` tells layers of one stream apart. */
enum rng_stream { RNG_INITIALISE = 1, RNG_SHUFFLE = 2, RNG_DROPOUT = 3, RNG_AUGMENT = 4 };

struct rng {
    uint64_t seed;
    uint32_t high; /* stream and lane */
    uint32_t epoch;
};

struct rng rng_at(uint64_t seed, enum rng_stream stream, unsigned lane, unsigned epoch);

/* The block of 128 bits number `index`. */
void rng_block(const struct rng *rng, uint64_t index, uint32_t ret_words[4]);

/* 64 bits number `index`. */
uint64_t rng_u64(const struct rng *rng, uint64_t index);

/* Fills values[count] uniformly from [-limit, limit). */
void rng_fill_uniform(const struct rng *rng, float limit, float *values, size_t count);

/* Writes a permutation of 0..count-1. */
void rng_permutation(const struct rng *rng, uint32_t *ret_order, size_t count);

#endif
