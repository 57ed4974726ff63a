#include "engine/rng.h"

#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u

struct rng rng_at(uint64_t seed, enum rng_stream stream, unsigned lane, unsigned epoch)
{
    return (struct rng){.seed = seed, .high = (uint32_t)stream << 16 | (lane & 0xFFFF), .epoch = epoch};
}

void rng_block(const struct rng *rng, uint64_t index, uint32_t ret_words[4])
{
    uint32_t key0 = (uint32_t)rng->seed, key1 = (uint32_t)(rng->seed >> 32);
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32), c2 = rng->epoch, c3 = rng->high;
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)PHILOX_M0 * c0, p1 = (uint64_t)PHILOX_M1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ key0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ key1;
        c3 = (uint32_t)p0;
        key0 += PHILOX_W0;
        key1 += PHILOX_W1;
    }
    ret_words[0] = c0;
    ret_words[1] = c1;
    ret_words[2] = c2;
    ret_words[3] = c3;
}

uint64_t rng_u64(const struct rng *rng, uint64_t index)
{
    uint32_t words[4];
    rng_block(rng, index >> 1, words);
    return index & 1 ? (uint64_t)words[3] << 32 | words[2] : (uint64_t)words[1] << 32 | words[0];
}

void rng_fill_uniform(const struct rng *rng, float limit, float *values, size_t count)
{
    uint32_t words[4];
    for (size_t i = 0; i < count; i++) {
        if (i % 4 == 0)
            rng_block(rng, i / 4, words);
        float unit = (float)(words[i % 4] >> 8) * 0x1p-24f;
        values[i] = (2.0f * unit - 1.0f) * limit;
    }
}

/* Fisher-Yates; the bound is reached by the high half of a 128-bit product, whose bias is below 2^-32. */
void rng_permutation(const struct rng *rng, uint32_t *ret_order, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ret_order[i] = (uint32_t)i;
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)(((unsigned __int128)rng_u64(rng, i) * i) >> 64);
        uint32_t swap = ret_order[i - 1];
        ret_order[i - 1] = ret_order[j];
        ret_order[j] = swap;
    }
}
