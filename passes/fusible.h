/* Fusible: what an op is to fusion.
 *
 * Fusion (passes/fuse.c) decides by these which values of a local graph have
 * buffers; the planner's picture of memory (passes/storage.c) decides by the
 * same which values of the whole graph will.
 */
#ifndef DNNC_PASSES_FUSIBLE_H
#define DNNC_PASSES_FUSIBLE_H

#include "ir/graph.h"

/* A kernel of its own, whatever reads it. */
bool fusible_is_root(Op op);
/* Folds the last dimensions: one result element a row. */
bool fusible_folds_rows(const Graph *graph, const Node *node);
/* Reads its operand row by row while it makes its own rows.  Generated code
 * computes what belongs to a row once, before the loop over the row. */
bool fusible_keeps_rows(const Graph *graph, const Node *node);
/* Reads whole buffers: nothing is computed inside it. */
bool fusible_reads_buffer(Op op, int32_t operand);
/* Reads an element of its operand many times. */
bool fusible_repeats(const Graph *graph, const Node *node);

enum { FUSIBLE_NOT_LIGHT = 0 };

typedef struct FusibleWork {
    /* Free wherever it stands: constants, and cheap functions of them. */
    bool *trivial;
    /* What it takes to compute a cheap function of one value (and of smaller
     * ones): reading that value and this many operations, FUSIBLE_NOT_LIGHT
     * when it is no such function.  Storing it would cost more. */
    int32_t *light;
} FusibleWork;

/* By node of the graph, in `arena`. */
FusibleWork fusible_work(const Graph *graph, Arena *arena);

/* Readers may each compute it. */
bool fusible_may_be_repeated(const FusibleWork *work, const Graph *graph,
                             NodeId id);
/* Constants, index arithmetic that makes nothing smaller, and cheap functions
 * of one value: another segment reads what it is made of rather than a stored
 * copy. */
bool fusible_is_view(const FusibleWork *work, const Graph *graph, NodeId id);

#endif
