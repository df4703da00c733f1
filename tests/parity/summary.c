/* The norm, and a product that notices exchanged elements. */
#include "tests/parity/summary.h"

#include <math.h>

static uint32_t mix(uint32_t h)
{
    h ^= h >> 16;
    h *= 0x7feb352dU;
    h ^= h >> 15;
    h *= 0x846ca68bU;
    return h ^ h >> 16;
}

Summary summary_of(const float *elements, int64_t n)
{
    Summary s = {0, 0};
    for (int64_t i = 0; i < n; i++) {
        double x = (double)elements[i];
        s.norm += x * x;
        s.product += x * ((double)mix((uint32_t)i + 1) * 0x1p-31 - 1);
    }
    s.norm = sqrt(s.norm);
    return s;
}
