/* Plan check: a parsed plan against the graphs and the cluster. */
#ifndef DNNC_PASSES_PLAN_CHECK_H
#define DNNC_PASSES_PLAN_CHECK_H

#include "passes/plan.h"

/* Completes a plan that was read from source `source` (0: none): strategies
 * from their texts, links of logical meshes, and seconds and memory as they
 * follow from the choices.  The graphs' layers are the plan's (passes/
 * cluster.c).  A node without a choice is replicated.  Everything that cannot
 * be done is diagnosed by name: stages that do not cover the layers, submeshes
 * outside the cluster, astride hosts or overlapping, meshes that are not the
 * submesh, unknown nodes, nodes of other stages, strategies that the node's
 * rule refuses, and memory that is not there.  False when there was any. */
bool plan_check(Arena *perm, Arena scratch, const GraphSet *set,
                const Mesh *mesh, int32_t source, const PlanOptions *options,
                Diagnostics *diagnostics, Plan *plan);

#endif
