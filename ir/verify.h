/* Verify: what is legal in each form of a graph, as a checkable list.
 *
 *   FORM_MODEL   typed, one forward region; composites allowed
 *   FORM_PRIMITIVE  no composites
 *   FORM_GRADIENT  backward region present: every parameter has an
 *                OUTPUT_GRADIENT
 *   FORM_TRAIN   every parameter has an OUTPUT_UPDATE, and no gradient is an
 *                output any more
 *   FORM_LAYERED each forward, backward and update node has a layer
 *   FORM_LOCAL   one stage's part: shapes are one device's, communication is
 *                explicit, and what other stages own is absent
 *
 * In every form operands come before users and in no later region, types are
 * what ir/infer.c says, paths name their nodes, table rows exist and fit, a
 * loss or metric is a world_sum.  Every form promises what the one before
 * does, but the local one, which is partial: no output is promised there.
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
