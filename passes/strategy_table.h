/* Strategy table: every choice of every node of a graph on one logical mesh,
 * with its shardings and prices.
 *
 * The table knows nothing of stages: a stage's choice network (passes/
 * network.h) borrows its arrays.  Nodes that look alike share one entry, and
 * so do the resharding matrices between them.
 */
#ifndef DNNC_PASSES_STRATEGY_TABLE_H
#define DNNC_PASSES_STRATEGY_TABLE_H

#include "ir/mesh.h"
#include "ir/rule.h"
#include "passes/reshard.h"
#include "passes/storage.h"

/* Prices are the ticks (a power of ten of nanoseconds) of a whole step: of one
 * run, times the microbatches where the node runs once a microbatch.  A price
 * of CHOICE_FORBIDDEN (solver/choice.h) means never.
 *
 * A copy has each strategy twice: first as a value of its own, then as an
 * alias of its operand, which must be sharded alike. */
typedef struct NodeOptions {
    int32_t number; /* equal for nodes that share the entry */
    int32_t n;      /* choices; the first is replicated */
    int32_t n_operands;
    int32_t first_alias;        /* == n but for copies */
    int64_t runs;               /* a step: the microbatches or 1 */
    const Strategy *strategies; /* [n] */
    const Sharding *results;    /* [n] */
    const Sharding *operands;   /* [n][n_operands] */
    const int64_t *price;       /* [n] of computing */
    const int64_t *bytes;       /* [n] of a block of the result, rounded up */
} NodeOptions;

typedef struct StrategyTable {
    Arena *arena;
    const Graph *graph;
    const NodeStorage *storage; /* by node */
    LogicalMesh mesh;
    DeviceType device;
    int64_t tick_nanoseconds; /* the unit of prices */
    Resharder *resharder;
    const NodeOptions **options; /* by node; NULL: not asked for yet */
    VECTOR(const NodeOptions *) kinds;
    Map kind_of; /* what determines options -> kinds */
    Map matrices;
    VECTOR(const int64_t *) matrix;
} StrategyTable;

/* `storage` belongs to mesh->axis[0].size microbatches. */
StrategyTable *strategy_table_new(Arena *arena, const Graph *graph,
                                  const NodeStorage *storage,
                                  const LogicalMesh *mesh,
                                  const DeviceType *device,
                                  int64_t tick_nanoseconds);

/* The price of something that takes `nanoseconds`, `runs` times a step. */
int64_t strategy_price(const StrategyTable *table, int64_t nanoseconds,
                       int64_t runs);

/* What the options of a node depend on beside the mesh, as bytes: nodes of
 * equal kinds have equal options. */
Str strategy_kind(const Graph *graph, const NodeStorage *storage, NodeId id,
                  Arena *arena);

const NodeOptions *strategy_options(StrategyTable *table, NodeId id);

/* The price of bringing operand `k` of `reader` from the producer's result to
 * what the reader wants: [n of producer][n of reader]. */
const int64_t *strategy_edge(StrategyTable *table, NodeId reader, int32_t k);

/* The same from the new value of a variable to the variable's own sharding:
 * [n of value][n of variable]. */
const int64_t *strategy_update_edge(StrategyTable *table, NodeId value,
                                    NodeId variable);

/* The price of finishing partial sums before the value leaves its stage,
 * `runs` times a step. */
int64_t strategy_send_price(StrategyTable *table, NodeId id, int32_t choice,
                            int64_t runs);

#endif
