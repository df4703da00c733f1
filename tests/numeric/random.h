/* Random: the tests' own stream of random numbers, the same on every run. */
#ifndef DNNC_TESTS_NUMERIC_RANDOM_H
#define DNNC_TESTS_NUMERIC_RANDOM_H

#include "support/philox.h"

#include <stdbool.h>

typedef struct Random {
    uint64_t seed;
    uint32_t drawn;
} Random;

static inline uint32_t random_word(Random *r)
{
    return philox(r->seed, r->drawn++, 0, 0, 0).word[0];
}

/* Uniform in [low, high], both included. */
static inline int64_t random_between(Random *r, int64_t low, int64_t high)
{
    return low + (int64_t)(random_word(r) % (uint64_t)(high - low + 1));
}

static inline bool random_chance(Random *r, int64_t percent)
{
    return random_between(r, 1, 100) <= percent;
}

/* Uniform in [low, high). */
static inline double random_real(Random *r, double low, double high)
{
    return low + (high - low) * (double)philox_uniform(random_word(r));
}

#endif
