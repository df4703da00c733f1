/* Local: building local graphs, one device's part of a model.
 *
 * A local graph's shapes are blocks and its communication is explicit
 * (docs/architecture.md, 3.7).  Beside the graph stand the segment of every
 * node and what connects the graph to the rest of the program.
 */
#ifndef DNNC_PASSES_LOCAL_H
#define DNNC_PASSES_LOCAL_H

#include "ir/graph.h"
#include "ir/program.h"
#include "ir/rule.h"

/* `value` leaves for another stage, when its segment gets to `position` (the
 * node count at that time). */
typedef struct LocalSend {
    NodeId value;
    int32_t transfer;
    SegmentKind segment;
    int32_t position;
} LocalSend;

typedef struct LocalWorldSum {
    NodeId node; /* its OP_WORLD_SUM */
    int32_t world_sum;
} LocalWorldSum;

/* The block that a variable holds from here on (update, init). */
typedef struct LocalWrite {
    NodeId value;
    int32_t variable;
} LocalWrite;

typedef struct LocalInput {
    NodeId node; /* its OP_INPUT */
    Sharding sharding;
} LocalInput;

typedef struct LocalOutput {
    NodeId value;
    int32_t output; /* program->outputs */
} LocalOutput;

typedef struct LocalGraph {
    Graph *graph;
    VECTOR(SegmentKind) segments; /* by node */
    VECTOR(LocalSend) sends;
    VECTOR(LocalWorldSum) world_sums;
    VECTOR(LocalWrite) writes;
    VECTOR(LocalInput) inputs;
    VECTOR(LocalOutput) outputs;
} LocalGraph;

/* Where nodes are being appended. */
typedef struct LocalBuilder {
    LocalGraph *local;
    const LogicalMesh *mesh;
    SegmentKind segment;
    NodeOrigin origin; /* of the nodes to come */
} LocalBuilder;

/* Nodes appended from now on belong to `segment` and come from `origin`.
 * Also settles the segment of those appended before, so it is called once
 * more at the end. */
void local_at(LocalBuilder *b, SegmentKind segment, NodeOrigin origin);
/* An origin whose path has one more part. */
NodeOrigin local_origin(const LocalBuilder *b, const char *part);

/* -- local_value.c: small formulas ----------------------------------------- */

/* i32 of `shape`: the global index along `dim`, which has `extent` elements
 * split over `axes`. */
NodeId local_index(LocalBuilder *b, const Shape *shape, int32_t dim,
                   uint8_t axes, int64_t extent);
/* x where the global index along `dim` is below `limit` (an i32 scalar), else
 * the identity of `operator`. */
NodeId local_mask(LocalBuilder *b, NodeId x, int32_t dim, uint8_t axes,
                  int64_t extent, NodeId limit, ReduceOp operator);
/* A replicated value as a partial one: x on coordinate 0 of `axes`, the
 * identity elsewhere. */
NodeId local_to_partial(LocalBuilder *b, NodeId x, uint8_t axes,
                        ReduceOp operator);
/* This device's block of dimension `dim` (in global terms of `extent`
 * elements, already split over `outer`), cut over `axes`. */
NodeId local_slice(LocalBuilder *b, NodeId x, int32_t dim, uint8_t axes,
                   uint8_t outer, int64_t extent);

/* -- local_op.c ------------------------------------------------------------ */

/* How many samples of the batch count: what evaluation masks. */
typedef struct SampleMask {
    const int8_t *dim; /* by node: its sample dimension, or -1 */
    int64_t batch;
    bool masks; /* false: all samples count (training) */
} SampleMask;

/* sample[i]: the dimension of node i that runs over samples (through its
 * major factor), or -1.  Lives in `arena`. */
int8_t *local_sample_dims(const Graph *graph, const Rule *rules, Arena *arena);

/* Node `id` of the global `graph` on this device.  `operands` are local
 * values in the shardings that the strategy asks for; `result` is what it
 * gives. */
NodeId local_op(LocalBuilder *b, const Graph *graph, NodeId id,
                const Rule *rule, const NodeId *operands,
                const Sharding *operand_shardings, const Sharding *result,
                const SampleMask *samples);

/* -- local_reshard.c ------------------------------------------------------- */

/* The local value `x` of a value of `type`, sharded `from`, in the sharding
 * `to`; time may be split or made partial but not the other way round. */
NodeId local_reshard(LocalBuilder *b, NodeId x, const Type *type,
                     const Sharding *from, const Sharding *to);

#endif
