/* Stage model: every choice of every node of one stage, with prices and memory
 * written down from the definitions in docs/planner.md.
 *
 * Taken as given are the index rules and shardings of ir/ and the price of
 * moving one value from one sharding to another (passes/reshard.h); nothing of
 * the planner's tables, networks or liveness is used. */
#ifndef DNNC_TESTS_PLAN_STAGE_MODEL_H
#define DNNC_TESTS_PLAN_STAGE_MODEL_H

#include "ir/mesh.h"
#include "passes/reshard.h"
#include "timing.h"

enum { STAGE_NODES_MAX = 48, OPERANDS_MAX = OPERANDS_RULE_MAX };

/* At least this: never. */
#define NEVER INT64_C(100000000000000000)

/* What a node may do on one logical mesh.  A copy has every strategy twice:
 * as a value of its own, and from `first_alias` on as another name of its
 * operand. */
typedef struct Choices {
    int32_t n, first_alias;
    const Strategy *strategy; /* [n] */
    Sharding *result;         /* [n] */
    Sharding *operand;        /* [n][n_operands] */
    int64_t *price;           /* [n] nanoseconds of computing in a step */
    int64_t *bytes;           /* [n] of a block of the result */
} Choices;

/* A graph on one logical mesh; filled in when asked for. */
typedef struct MeshModel {
    Arena *arena;
    const Graph *graph;
    const Timing *timing;
    LogicalMesh mesh;
    DeviceType device;
    Resharder *resharder;
    Choices *choices;    /* by node; n == 0: not asked for yet */
    const int64_t **way; /* [node][operand]; NULL: not asked for yet */
} MeshModel;

MeshModel *mesh_model_new(Arena *arena, const Graph *graph,
                          const Timing *timing, const LogicalMesh *mesh,
                          const DeviceType *device);

typedef struct StageSpan {
    int32_t first_layer, end_layer;
    Link up, down;     /* towards the stages before and after */
    int64_t in_flight; /* microbatches between forward and backward */
} StageSpan;

typedef struct StageModel {
    int32_t n; /* nodes, in the order in which they run */
    NodeId id[STAGE_NODES_MAX];
    const Choices *choices[STAGE_NODES_MAX];
    int64_t *price[STAGE_NODES_MAX];                 /* [choice] */
    int64_t *pair[STAGE_NODES_MAX][STAGE_NODES_MAX]; /* [u][v], u < v:
                                        [choice of u][choice of v], or NULL */
    int64_t *usage[STAGE_NODES_MAX]; /* [choice][n]: bytes while each node
                                        runs */
} StageModel;

/* In `arena`, which may be given back before the mesh model. */
StageModel *stage_model_new(Arena *arena, MeshModel *mesh,
                            const StageSpan *span);

/* Price and peak bytes of one choice for each node. */
int64_t stage_model_price(const StageModel *model, const int32_t *choice);
int64_t stage_model_peak(const StageModel *model, const int32_t *choice);

#endif
