/* Permutation: the order of an epoch's samples, as a function.
 *
 * A bijection of [0, n) keyed by (seed, epoch): any position's sample is found
 * without a table, so the order depends on nothing but the key and a resumed
 * run needs no state beside the number of samples consumed.
 */
#ifndef DNNC_RUNTIME_PERMUTATION_H
#define DNNC_RUNTIME_PERMUTATION_H

#include <stdint.h>

/* The image of `position` in [0, n), n >= 1. */
int64_t permutation_at(uint64_t seed, int64_t epoch, int64_t n,
                       int64_t position);

#endif
