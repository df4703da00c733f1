/* Learning rate: its schedule as a value of the graph. */
#ifndef DNNC_PASSES_LEARNING_RATE_H
#define DNNC_PASSES_LEARNING_RATE_H

#include "ir/graph.h"
#include "ir/training.h"

/* Appends the rate at the step that scalar(step) names, an f32 scalar, under
 * the path "learning_rate"; a function of the step alone. */
NodeId learning_rate_append(Graph *graph, const Schedule *schedule,
                       NodeOrigin origin);

#endif
