/* Stage class: layers, and ranges of layers, that look alike to the planner. */
#ifndef DNNC_PASSES_STAGE_CLASS_H
#define DNNC_PASSES_STAGE_CLASS_H

#include "passes/storage.h"

typedef struct StageClasses {
    int32_t n_layers, count;
    int32_t *of; /* [first][end]: end in (first, n_layers] */
} StageClasses;

/* Ranges with the same class have the same choice networks on every mesh. */
StageClasses stage_classes_of(const Graph *graph, const NodeStorage *storage,
                              int32_t n_layers, Arena *arena, Arena scratch);

static inline int32_t stage_class(const StageClasses *classes, int32_t first,
                                  int32_t end)
{
    return classes->of[first * (classes->n_layers + 1) + end];
}

/* By layer: equal for layers whose nodes are alike one by one, in order, and
 * read each other alike; what they read of other layers may differ. */
int32_t *layer_kinds(const Graph *graph, const NodeStorage *storage,
                     int32_t n_layers, Arena *arena, Arena scratch);

#endif
