/* Verify: what is legal in each form of a graph, as a checkable list.
 *
 *   FORM_MODEL   typed, one forward region; composites allowed
 *   FORM_PRIMITIVE  no composites
 *   FORM_GRADIENT  backward region present: every parameter has an
 *                OUTPUT_GRADIENT
 *   FORM_TRAIN   every parameter has an OUTPUT_UPDATE, and no gradient is an
 *                output any more
 *   FORM_LAYERED each forward, backward and update node has a layer
 *   FORM_LOCAL   shapes are one device's; communication is explicit
 *
 * Every form promises what the one before does.
 */
#ifndef DNNC_IR_VERIFY_H
#define DNNC_IR_VERIFY_H

#include "ir/graph.h"

typedef enum GraphForm {
    FORM_MODEL,
    FORM_PRIMITIVE,
    FORM_GRADIENT,
    FORM_TRAIN,
    FORM_LAYERED,
    FORM_LOCAL,
} GraphForm;

/* An empty string when the graph is legal, else the first violation:
 * "node 'block.0.up.dot': operand 1 comes later". */
Str graph_verify(const Graph *graph, GraphForm form, Arena *arena);

#endif
