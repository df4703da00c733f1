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

/* Layers of a layered graph: one more than the greatest. */
int32_t layer_count(const Graph *graph);

/* Appends the graph's layers, named and with their forward nodes' paths, to
 * plan->layers. */
void layer_describe(const Graph *graph, Arena *arena, Plan *plan);

#endif
