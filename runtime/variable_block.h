/* Variable blocks: what one device holds of a variable, and its digest.
 *
 * A digest is the sum over elements of a mix of (index in the whole tensor,
 * bits).  Sums do not care about order, so the digests of the blocks of any
 * sharding add up to the digest of the whole tensor.
 */
#ifndef DNNC_RUNTIME_VARIABLE_BLOCK_H
#define DNNC_RUNTIME_VARIABLE_BLOCK_H

#include "runtime/rectangle.h"
#include "runtime/worker.h"

typedef struct VariableBlock {
    bool is_here;  /* this device's stage owns the variable */
    bool is_first; /* and no lower device holds the same block */
    int64_t begin[RANK_MAX], length[RANK_MAX]; /* in the whole tensor */
    Shape stored; /* the block's shape in memory, padding included */
    char *address;
} VariableBlock;

VariableBlock variable_block(Worker *worker, int32_t variable);

/* What `count` elements contribute to a digest; `at` is the first one's index
 * in the whole tensor. */
uint64_t digest_elements(const void *elements, int64_t at, int64_t count);

/* The block's part of the variable's digest. */
Status variable_block_digest(Worker *worker, int32_t variable,
                             uint64_t *out) MUST_USE;

#endif
