/* Reshard: the cheapest way from one sharding of a value to another.
 *
 * A path is a sequence of steps, each of which changes one axis (a permute
 * exchanges two).  The planner prices edges by it and the partitioner emits
 * exactly its steps, so what is planned is what runs.
 *
 *     accumulate      partial over microbatches -> per step; always first, and
 *                     what follows it runs once a step
 *     slice           replicated over the axis -> split: local
 *     to_partial      replicated over the axis -> partial sum: local (the
 *                     member with coordinate 0 keeps the value)
 *     all_gather      split -> replicated
 *     reduce_scatter  partial -> split
 *     all_reduce      partial -> replicated
 *     all_to_all      split of `dim` -> split of `dim2`
 *     permute         axes of equal size exchange their coordinates
 *
 * Blocks of a dimension nest in the order of the axes, so only the last axis
 * of a dimension's mask can be added or taken away by these.  The microbatch
 * axis is sliced (a per-step value read in every microbatch) or accumulated,
 * and otherwise left alone.
 */
#ifndef DNNC_PASSES_RESHARD_H
#define DNNC_PASSES_RESHARD_H

#include "ir/sharding.h"
#include "support/arena.h"

typedef enum ReshardKind {
    RESHARD_ACCUMULATE,
    RESHARD_SLICE,
    RESHARD_TO_PARTIAL,
    RESHARD_ALL_GATHER,
    RESHARD_REDUCE_SCATTER,
    RESHARD_ALL_REDUCE,
    RESHARD_ALL_TO_ALL,
    RESHARD_PERMUTE,
    RESHARD_KIND_COUNT
} ReshardKind;

typedef struct ReshardStep {
    ReshardKind kind;
    int32_t axis;
    int32_t axis2;  /* permute: the other axis */
    int32_t dim;    /* slice, all_gather, reduce_scatter; all_to_all: from */
    int32_t dim2;   /* all_to_all: to */
    Sharding after; /* the value's sharding when the step is done */
} ReshardStep;

/* There is no way: the microbatch axis would have to be gathered. */
#define RESHARD_IMPOSSIBLE INT64_MAX

/* "all_gather" etc. */
const char *reshard_kind_name(ReshardKind kind);

/* Shortest paths on one logical mesh, computed when first asked for. */
typedef struct Resharder Resharder;
Resharder *resharder_new(Arena *arena, const LogicalMesh *mesh);

/* Nanoseconds of the cheapest path between two shardings that fit `type`;
 * among equals the fewest steps.  RESHARD_IMPOSSIBLE, see above. */
int64_t reshard_nanoseconds(Resharder *resharder, const Type *type,
                            const Sharding *from, const Sharding *to);

/* The same to each of `n` shardings, in price[n]. */
void reshard_prices(Resharder *resharder, const Type *type,
                    const Sharding *from, const Sharding *to, int32_t n,
                    int64_t *price);

/* The same path: *steps (in `arena`) has the number of steps returned, 0 when
 * the shardings are equal; -1 when impossible. */
int64_t reshard_path(const LogicalMesh *mesh, const Type *type,
                     const Sharding *from, const Sharding *to, Arena *arena,
                     ReshardStep **steps);

/* What one step costs, and the bytes each device sends for it; `before` is the
 * sharding that the step finds. */
int64_t reshard_step_nanoseconds(const LogicalMesh *mesh, const Type *type,
                                 const Sharding *before,
                                 const ReshardStep *step);
int64_t reshard_step_bytes(const LogicalMesh *mesh, const Type *type,
                           const Sharding *before, const ReshardStep *step);

#endif
