/* Layer: runs of forward nodes, the units that stages are made of.
 *
 * passes/cluster.c gives the train graph its layers, passes/align.c the same
 * to eval.  Here is what both, the planner and the reports ask of them.
 */
#ifndef DNNC_PASSES_LAYER_H
#define DNNC_PASSES_LAYER_H

#include "ir/plan.h"

/* Whether every stage computes the node for itself: leaves but variables, sums
 * over the world, and what follows from these (inputs excepted) alone.
 * `is_free` holds the answers for all earlier nodes. */
bool layer_is_free(const Graph *graph, const Node *node, const bool *is_free);

/* By node: the nodes that layers are made of: forward nodes that depend on an
 * input, but for copies.  Everything else follows them. */
bool *layer_items(const Graph *graph, Arena *arena);

/* By node: the layer in which `plan` names it, LAYER_NONE where is_item is
 * false.  A node that the plan names not at all, twice or against the flow of
 * data is diagnosed, and NULL returned. */
int32_t *layer_of_plan(const Graph *graph, const Plan *plan,
                       const bool *is_item, Diagnostics *diagnostics,
                       Arena *arena);

/* Layers of a layered graph: one more than the greatest, and one where there is
 * none because nothing that is trained reads an input. */
int32_t layer_count(const Graph *graph);

/* Appends the graph's layers, named and with their forward nodes' paths, to
 * plan->layers. */
void layer_describe(const Graph *graph, Arena *arena, Plan *plan);

#endif
