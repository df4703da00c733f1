/* Stage bounds: what a stage costs at least, before it is solved for.
 *
 * The price of a stage is no less than the sum of
 *
 *   its layers     each alone, without memory limit, receives or sends: first
 *                  its work divided evenly over the devices; when asked to
 *                  refine, the bound of its own choice network (solver/)
 *   its receives   blocks divided evenly over the devices, over the link of
 *                  the boundary that they cross
 *
 * A bound for m microbatches holds for every multiple of m: a node's strategies
 * are fewer, and its work is the same in more pieces.
 */
#ifndef DNNC_PASSES_STAGE_BOUNDS_H
#define DNNC_PASSES_STAGE_BOUNDS_H

#include "passes/stage_tables.h"

typedef struct StageBounds StageBounds;

/* `base`, which may be NULL, has bounds for a divisor of the microbatches. */
StageBounds *stage_bounds_new(Arena *arena, StageTables *tables,
                              const StageBounds *base);

/* No price of the stage on the logical mesh is below this. */
int64_t stage_bound_of_shape(const StageBounds *bounds, const StagePlace *place,
                             int32_t shape);
/* The same on any logical mesh of the option, from what was known at the last
 * update. */
int64_t stage_bound(const StageBounds *bounds, const StagePlace *place);

/* Solves the layers of a range, each alone, on one logical mesh; false when
 * that was done before. */
bool stage_bounds_refine(StageBounds *bounds, int32_t first, int32_t end,
                         int32_t option, int32_t shape, Arena scratch);

/* Takes into account what was refined since, here and in the base. */
void stage_bounds_update(StageBounds *bounds);

/* Nodes of all networks solved so far. */
int64_t stage_bounds_nodes(const StageBounds *bounds);

#endif
