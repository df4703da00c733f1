/* Fuse: cover a local graph with kernels.
 *
 * A kernel has one stored result, its root.  A value that only one kernel
 * reads is computed inside it; what costs nothing (constants, index
 * arithmetic) or little (a cheap function of one value) is computed inside
 * each of its readers.  Contractions are a library's.  A reduction is stored,
 * unless it folds rows (the last dimensions) and its one kernel goes on row by
 * row, as softmax and layer normalization do: code generation runs it once a
 * row, so nothing expensive is computed twice.
 */
#ifndef DNNC_PASSES_FUSE_H
#define DNNC_PASSES_FUSE_H

#include "ir/kernel.h"
#include "passes/contraction.h"
#include "passes/local.h"

typedef struct Fusion {
    /* storage[i]: the node whose buffer holds node i: itself, the value it is
     * a reshape of, or none where node i is never stored. */
    NodeId *storage;
    bool *live;                 /* by node */
    VECTOR(KernelBody) kernels; /* in the order of their roots */
    int32_t *kernel_of;         /* by node: the kernel of which it is the
                                   root, or -1 */
} Fusion;

/* Everything lives in `arena`. */
Fusion fuse(const LocalGraph *local, Arena *arena);

/* Kernels as text, for golden tests:
 *     kernel "fc.relu" <- "fc.dot", "fc.bias": broadcast add max */
Str fusion_print(const LocalGraph *local, const Fusion *fusion, Arena *arena);

/* The call of a fused OP_DOT: transposes of its operands are strides. */
DotCall fused_dot_call(const Graph *graph, NodeId id);

#endif
