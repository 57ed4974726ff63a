/* Random numbers for made-up pictures: the same seed gives the same pictures. */
#ifndef TESTS_ACCURACY_DICE_H
#define TESTS_ACCURACY_DICE_H

#include <math.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

/* SplitMix64 (Steele, Lea and Flood, 2014). */
static inline uint64_t dice_bits(struct dice *dice)
{
    uint64_t z = dice->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* from <= x < to */
static inline double dice_between(struct dice *dice, double from, double to)
{
    return from + (to - from) * (double)(dice_bits(dice) >> 11) * 0x1p-53;
}

static inline int dice_below(struct dice *dice, int count)
{
    return (int)(dice_bits(dice) % (uint64_t)count);
}

/* Standard normal (Box and Muller). */
static inline double dice_normal(struct dice *dice)
{
    return sqrt(-2 * log(1 - dice_between(dice, 0, 1))) * cos(2 * M_PI * dice_between(dice, 0, 1));
}

#endif
