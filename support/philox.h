/* Philox4x32-10: the counter-based generator behind every random number.
 *
 * Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11.  A
 * random value is a pure function of (seed, stream, step, element), so initial
 * weights and dropout masks depend neither on the plan nor on a resume:
 *
 *     key     = (seed low, seed high)
 *     counter = (element low, element high, stream, step)
 *
 * The interpreter, the generated code and the runtime must agree bit by bit;
 * this header is the definition they share.
 */
#ifndef DNNC_SUPPORT_PHILOX_H
#define DNNC_SUPPORT_PHILOX_H

#include <stdint.h>

enum { PHILOX_ROUNDS = 10 };
#define PHILOX_MULTIPLIER_0 0xD2511F53u
#define PHILOX_MULTIPLIER_1 0xCD9E8D57u
#define PHILOX_WEYL_0 0x9E3779B9u
#define PHILOX_WEYL_1 0xBB67AE85u

typedef struct PhiloxWords {
    uint32_t word[4];
} PhiloxWords;

static inline PhiloxWords philox(uint64_t seed, uint32_t element_low,
                                 uint32_t element_high, uint32_t stream,
                                 uint32_t step)
{
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    PhiloxWords c = {{element_low, element_high, stream, step}};
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)PHILOX_MULTIPLIER_0 * c.word[0];
        uint64_t p1 = (uint64_t)PHILOX_MULTIPLIER_1 * c.word[2];
        c = (PhiloxWords){{(uint32_t)(p1 >> 32) ^ c.word[1] ^ key0,
                           (uint32_t)p1,
                           (uint32_t)(p0 >> 32) ^ c.word[3] ^ key1,
                           (uint32_t)p0}};
        key0 += PHILOX_WEYL_0;
        key1 += PHILOX_WEYL_1;
    }
    return c;
}

/* Uniform in [0, 1): the upper 24 bits of a word, exact in f32. */
static inline float philox_uniform(uint32_t word)
{
    return (float)(word >> 8) * 0x1p-24f;
}

#endif
