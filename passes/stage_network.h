/* Stage network: the strategies of one stage's nodes as a choice network.
 *
 *   nodes    what the stage computes: nodes of its layers, variables, and the
 *            inputs they read.  What is made where it is read (constants, world
 *            sums) takes no part
 *   edges    resharding between producer and reader, and between the new value
 *            of a variable and the variable
 *   usages   live blocks over the nodes in the order in which they run
 *
 * Copies that read another layer's value receive it when that layer is another
 * stage's; the transfer is theirs to pay.
 */
#ifndef DNNC_PASSES_STAGE_NETWORK_H
#define DNNC_PASSES_STAGE_NETWORK_H

#include "passes/axis_role.h"
#include "solver/choice.h"

/* A stage as its network sees it. */
typedef struct StageShape {
    int32_t first_layer, end_layer;
    Link up, down;     /* to the stages before and after */
    int64_t in_flight; /* microbatches between forward and backward */
    int64_t memory_bytes;
    /* By variable of the graph, or NULL: shardings that must be kept. */
    const Sharding *variables;
    const AxisRoles *roles; /* of a uniform plan's axes, or NULL */
    /* What arrives and what leaves is free, memory does not count: no price of
     * stages made of these layers is below the sum of theirs. */
    bool alone;
} StageShape;

/* What a node's memory counts as in reports. */
typedef enum MemoryClass {
    MEMORY_PARAMETER,
    MEMORY_OPTIMIZER,
    MEMORY_GRADIENT, /* accumulated over microbatches */
    MEMORY_SAVED,    /* from forward to backward */
    MEMORY_TRANSIENT,
    MEMORY_CLASS_COUNT
} MemoryClass;

typedef struct StageNode {
    NodeId id;
    const NodeOptions *options;
    MemoryClass memory;
} StageNode;

typedef struct StageNetwork {
    ChoiceProblem problem;
    StageNode *nodes;   /* [problem.n_nodes], in the order in which they run:
                           times are indices */
    bool *edge_repeats; /* [problem.n_edges]: once a microbatch */
    int32_t n_times;
} StageNetwork;

StageNetwork stage_network_new(Arena *arena, StrategyTable *table,
                               const StageShape *shape);

#endif
