/* Mini-buckets: the least that later nodes' choices can add to a sum over nodes
 * and pairs, from below.
 *
 * Dechter and Rish, "Mini-buckets: a general scheme for bounded inference", J.
 * ACM 2003.  Nodes are minimised out from the last to the first; what would
 * need too large a table is minimised apart, which makes the sum of the minima
 * no greater. */
#ifndef DNNC_TESTS_PLAN_MINI_BUCKETS_H
#define DNNC_TESTS_PLAN_MINI_BUCKETS_H

#include "stage_model.h"
#include "support/vector.h"

enum { BUCKET_NODES_MAX = 4 };

/* A function of some nodes' choices, in ascending order:
 * table[choice of the first]..[choice of the last]. */
typedef struct Bucket {
    int32_t n, node[BUCKET_NODES_MAX];
    const int64_t *table;
} Bucket;

typedef struct Buckets {
    VECTOR(Bucket) list;
} Buckets;

typedef struct MiniBuckets {
    const StageModel *model;
    Buckets *rest;     /* by node v: of nodes after v; v is the last named */
    int64_t *constant; /* by node v: of v and what follows, naming none */
} MiniBuckets;

/* For the sum of own[v][choice] over nodes and the model's pairs. */
MiniBuckets mini_buckets_new(Arena *arena, const StageModel *model,
                             int64_t *const *own);

/* At least this is what nodes after v add, given choice[0..v]. */
int64_t mini_buckets_rest(const MiniBuckets *buckets, int32_t v,
                          const int32_t *choice);

#endif
