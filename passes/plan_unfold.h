/* Plan unfold: strategies stated once become every node's. */
#ifndef DNNC_PASSES_PLAN_UNFOLD_H
#define DNNC_PASSES_PLAN_UNFOLD_H

#include "ir/plan.h"
#include "passes/storage.h"

/* Fills train and eval of plan->stages from plan->strategies, in the order of
 * the graphs' nodes, each strategy parsed and legal; `train` and `eval` are the
 * graphs' storage, meshes are complete.  Diagnosed at their place in source
 * `source`: stages in no entry or in several, an entry for unequal meshes,
 * paths and patterns that name no node of these stages, and strategies that a
 * node's rule refuses.  False when there was any. */
bool plan_unfold(Arena *perm, Arena scratch, const GraphSet *set,
                 const NodeStorage *train, const NodeStorage *eval,
                 int32_t source, Diagnostics *diagnostics, Plan *plan);

#endif
