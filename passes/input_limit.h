/* Input limits: which values an integer input may have. */
#ifndef DNNC_PASSES_INPUT_LIMIT_H
#define DNNC_PASSES_INPUT_LIMIT_H

#include "ir/graph.h"

/* By input of a graph of FORM_MODEL: the rows of the smallest table that it
 * looks up or the least number of classes that it counts; its values lie in
 * [0, limit).  0: nothing is said. */
int64_t *input_limits(Arena *arena, const Graph *graph);

#endif
