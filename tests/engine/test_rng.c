/* Random numbers: the published answers of Philox, and what is built on them. */
#include "engine/rng.h"
#include "tests/engine/check.h"

#include <math.h>
#include <stdio.h>

/* From the known-answer tests of Random123 1.09, philox4x32-10. */
static void blocks_match_the_published_answers(void **state)
{
    (void)state;
    static const struct {
        struct rng rng;
        uint64_t index;
        uint32_t words[4];
    } cases[] = {
        {{0, 0, 0}, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{UINT64_MAX, UINT32_MAX, UINT32_MAX}, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x299f31d0a4093822, 0x03707344, 0x13198a2e},
         0x85a308d3243f6a88,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t words[4];
        rng_block(&cases[i].rng, cases[i].index, words);
        assert_memory_equal(words, cases[i].words, sizeof words);
    }
}

static void streams_lanes_epochs_and_seeds_differ(void **state)
{
    (void)state;
    struct rng rngs[] = {rng_at(1, RNG_SHUFFLE, 0, 0), rng_at(2, RNG_SHUFFLE, 0, 0),
                         rng_at(1, RNG_DROPOUT, 0, 0), rng_at(1, RNG_SHUFFLE, 1, 0),
                         rng_at(1, RNG_SHUFFLE, 0, 1)};
    for (size_t i = 1; i < sizeof rngs / sizeof *rngs; i++)
        assert_true(rng_u64(&rngs[0], 5) != rng_u64(&rngs[i], 5));
}

static void uniform_floats_fill_their_interval(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    float *values = random_floats(3, COUNT, 0.25f);
    double sum = 0, square = 0;
    for (int i = 0; i < COUNT; i++) {
        assert_true(values[i] >= -0.25f && values[i] < 0.25f);
        sum += (double)values[i];
        square += (double)values[i] * (double)values[i];
    }
    assert_true(fabs(sum / COUNT) < 0.002);
    assert_true(fabs(square / COUNT - 0.25 * 0.25 / 3) < 0.0005);
    free(values);
}

static void a_permutation_holds_each_index_once(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    uint32_t first[COUNT], second[COUNT];
    int seen[COUNT] = {0}, moved = 0, differ = 0;
    struct rng rng = rng_at(1, RNG_SHUFFLE, 0, 1);
    rng_permutation(&rng, first, COUNT);
    rng.epoch = 2;
    rng_permutation(&rng, second, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_true(first[i] < COUNT);
        seen[first[i]]++;
        moved += first[i] != i;
        differ += first[i] != second[i];
    }
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(seen[i], 1);
    assert_true(moved > COUNT * 9 / 10 && differ > COUNT * 9 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_match_the_published_answers),
        cmocka_unit_test(streams_lanes_epochs_and_seeds_differ),
        cmocka_unit_test(uniform_floats_fill_their_interval),
        cmocka_unit_test(a_permutation_holds_each_index_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
