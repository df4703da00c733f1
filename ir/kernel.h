/* Kernel bodies: what each RUN computes, for the compiler's eyes.
 *
 * After partitioning, a stage is a set of *local graphs* (one per graph of the
 * GraphSet) whose shapes are one device's and whose communication is explicit.
 * Fusion covers each local graph with kernels.  A kernel is a connected set
 * of nodes with one result that is stored; nodes inside are recomputed where
 * they are used and never stored.
 */
#ifndef DNNC_IR_KERNEL_H
#define DNNC_IR_KERNEL_H

#include "ir/graph.h"
#include "ir/program.h"

typedef struct KernelBody {
    const Graph *graph;    /* the local graph */
    NodeId root;           /* its value is the result */
    VECTOR(NodeId) nodes;  /* topological order, root last */
    VECTOR(NodeId) operands; /* values read from buffers, in buffer order */
    bool accumulates; /* root is OP_ACCUMULATE: the result is folded into what
                         is there, unless the microbatch coordinate is 0 */
} KernelBody;

/* What the compiler knows about a program beside the program itself.
 * bodies[stage][kernel] belongs to program->stages[stage].kernels[kernel];
 * code numbers of KERNEL_CODE kernels index `code`, shared by all stages:
 * equal bodies have one number. */
typedef struct StageBodies {
    LogicalMesh mesh;
    VECTOR(KernelBody) kernels;
} StageBodies;
typedef struct ProgramCode {
    VECTOR(StageBodies) stages;
    int32_t n_code; /* distinct emitted functions */
} ProgramCode;

#endif
