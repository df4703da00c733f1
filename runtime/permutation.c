/* A Feistel network over the smallest even power of two >= n, walked until it
 * lands inside [0, n) (Black and Rogaway, "Ciphers with arbitrary finite
 * domains", 2002).  The walk takes at most four steps on average: the domain is
 * at most four times n. */
#include "runtime/permutation.h"

#include "support/philox.h"

#include <assert.h>

enum { ROUNDS = 6, STREAM = 0x5eed0001 };

static uint64_t feistel(uint64_t seed, int64_t epoch, int half_bits,
                        uint64_t value)
{
    uint64_t mask = (UINT64_C(1) << half_bits) - 1;
    uint64_t left = value >> half_bits, right = value & mask;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        PhiloxWords w = philox(seed ^ (uint64_t)epoch << 32, (uint32_t)right,
                               (uint32_t)epoch, STREAM, round);
        uint64_t mixed = left ^ (w.word[0] & mask);
        left = right;
        right = mixed;
    }
    return left << half_bits | right;
}

int64_t permutation_at(uint64_t seed, int64_t epoch, int64_t n,
                       int64_t position)
{
    assert(n >= 1 && position >= 0 && position < n);
    int half_bits = 1;
    while (half_bits < 31 && (UINT64_C(1) << 2 * half_bits) < (uint64_t)n)
        half_bits++;
    uint64_t value = (uint64_t)position;
    do
        value = feistel(seed, epoch, half_bits, value);
    while (value >= (uint64_t)n);
    return (int64_t)value;
}
