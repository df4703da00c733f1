/* Stage tie: a stage's network in which equal layers choose alike.
 *
 * The inner layers of a stage that are of one kind (passes/stage_class.h) are
 * folded into one: a node of the folded network stands for its twins in all of
 * them, with the sum of their prices and edges and all of their intervals.  An
 * assignment of it is one of the stage's at the same price and memory, so its
 * best is a plan, if not always the best; and it is as large as the stage's
 * different layers, not as its layers.
 */
#ifndef DNNC_PASSES_STAGE_TIE_H
#define DNNC_PASSES_STAGE_TIE_H

#include "passes/stage_network.h"

typedef struct TiedNetwork {
    ChoiceProblem problem;
    int32_t *of; /* by node of the network: the problem's */
} TiedNetwork;

/* `layer_kind` is by layer of the graph.  False when no two layers are alike.
 */
bool stage_tie(Arena *arena, const StageNetwork *network, const Graph *graph,
               const int32_t *layer_kind, const StageShape *shape,
               TiedNetwork *out);

#endif
