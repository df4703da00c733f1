/* Rule: the index rule of a node, and what follows from it.
 *
 * A rule names the loop dimensions (*factors*) of an op.  Each dimension of
 * operands and result is an ordered product of factors, major first:
 *
 *     dot       [b,i,k],[b,k,j] -> [b,i,j]
 *     reshape   [b,(h k)] -> [b,h,k]
 *     gather    [v,d],[n] -> [n,d]        v indexed
 *
 * A *strategy* assigns each mesh axis to one factor, to one linear group, or
 * to nothing.  From it, and from nothing else, follow the shardings of
 * operands and result.  A factor split over an axis
 *   parallel   splits every dimension it occurs in
 *   sum        splits operands; the result is partial over the axis
 *   indexed    splits the table: look-ups outside give 0 (gather: partial
 *              result) and updates outside are dropped (scatter: split result)
 *   whole      may not be split
 * A linear group (LINEAR in ops.def) given to an axis makes those operands and
 * the result partial over it.  (An axis given to nothing leaves all
 * replicated over it.)
 *
 * A dimension made of several factors may be split only through its first
 * (major) factor, and only evenly.
 */
#ifndef DNNC_IR_RULE_H
#define DNNC_IR_RULE_H

#include "ir/graph.h"
#include "ir/sharding.h"

enum {
    FACTORS_MAX = 16,
    FACTORS_PER_DIM_MAX = RANK_MAX, /* a reshape of all dimensions into one */
    OPERANDS_RULE_MAX = 3, /* world_sum has no factors and any operands */
};

typedef enum FactorKind {
    FACTOR_PARALLEL,
    FACTOR_SUM,
    FACTOR_INDEXED,
    FACTOR_WHOLE,
} FactorKind;

typedef struct Factor {
    char name[4]; /* unique in the rule: dot uses its labels, others a, b, .. */
    FactorKind kind;
    bool derived; /* not a loop of its own: its index follows from others
                     (a pixel from output and kernel position, a table row
                     from the data); always whole or indexed */
    int64_t extent;
} Factor;

typedef struct DimRule {
    int32_t n; /* 0: extent 1, no factor */
    int8_t factor[FACTORS_PER_DIM_MAX]; /* major first */
} DimRule;

typedef struct Rule {
    int32_t n_factors;
    Factor factor[FACTORS_MAX];
    int32_t n_operands;
    DimRule operand[OPERANDS_RULE_MAX][RANK_MAX];
    DimRule result[RANK_MAX];
    ReduceOp sum_operator; /* how FACTOR_SUM parts combine */
} Rule;

/* What one axis does in a strategy. */
enum {
    ASSIGN_NONE = 0,
    ASSIGN_FACTOR = 1,   /* ASSIGN_FACTOR + i: factor i */
    ASSIGN_LINEAR = 100, /* ASSIGN_LINEAR + g: linear group g is partial */
};
typedef struct Strategy {
    uint8_t assign[MESH_AXES_MAX];
} Strategy;

/* Result type of an op on operand types; false when they do not fit.  `type`
 * holds the wanted type on entry for ops that need it (leaves, broadcast,
 * reshape) and the result's on return. */
bool rule_infer(Op op, const Attr *attr, const Type *operands,
                int32_t n_operands, Type *type);

/* The rule of a node.  Every node of a verified graph in logical form has
 * one. */
Rule rule_of(const Graph *graph, NodeId id);

/* Operand and result shardings of `strategy`.  `operands` has n_operands
 * entries of the node (world_sum: partial on linear axes).  False when the
 * strategy is illegal on this mesh (a factor not splittable, padding above
 * 1/8, an axis of the mesh given twice, a group that does not exist). */
bool rule_shardings(const Graph *graph, NodeId id, const Rule *rule,
                    const LogicalMesh *mesh, const Strategy *strategy,
                    Sharding *operands, Sharding *result);

/* Every legal strategy of the device axes for a node whose microbatch
 * assignment is fixed to `time`, in a fixed order (replicated first).
 * Returns how many; *out is in the arena. */
int64_t rule_strategies(const Graph *graph, NodeId id, const Rule *rule,
                        const LogicalMesh *mesh, uint8_t time,
                        Arena *arena, Strategy **out);

/* Floating-point operations of one device (in one microbatch where axis 0 is
 * split): work x the points of the local index space, a loop for each factor
 * that is not derived. */
double rule_flops(const Graph *graph, NodeId id, const Rule *rule,
                  const LogicalMesh *mesh, const Strategy *strategy);

/* The microbatch analysis: time[i] is what axis 0 does in node i (a Strategy
 * entry).  Inputs are split on dimension 0; every other node follows its
 * operands: split if any operand is split, partial if its group is partial
 * sums, else per step.  A per-step operand of a split node is simply read each
 * microbatch; a partial operand where the op is not linear is accumulated
 * first (becomes per step), and so is every operand of an update node.  A value
 * made of leaves alone (a dropout mask) that all users read split is split
 * too.  What must be read in each microbatch but is known only after the last
 * (the user's model mixes samples of the batch), an update that is split, and a
 * batch that the count does not divide, is diagnosed and false returned.
 *
 * n_microbatches == 1 makes everything per step. */
bool rule_microbatch(const Graph *graph, int64_t n_microbatches, Arena *arena,
                     uint8_t **time, Diagnostics *diagnostics);

/* "x=b, y=k"; "x=partial(0)"; replicated is "replicated".  parse is the
 * inverse; it needs the rule for factor names. */
Str strategy_print(Arena *arena, const LogicalMesh *mesh, const Rule *rule,
                   const Strategy *strategy);
bool strategy_parse(Str text, const LogicalMesh *mesh, const Rule *rule,
                    Strategy *out);

#endif
