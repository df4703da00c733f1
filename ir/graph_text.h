/* The textual IR: graph_parse(graph_print(g)) equals g, byte for byte.
 *
 *     graph "mlp"
 *     input 0 "x" : f32[32, 784]
 *     parameter 0 "fc.weight" : f32[784, 10]
 *     %1 "x" = input {0} : f32[32, 784]
 *     %2 "fc.weight" = variable {0} : f32[784, 10]
 *     %3 "fc.dot" = dot(%1, %2) {ik,kj->ij} : f32[32, 10]
 *     loss "loss" = %9
 *
 * The format is described in docs/ir.md.
 */
#ifndef DNNC_IR_GRAPH_TEXT_H
#define DNNC_IR_GRAPH_TEXT_H

#include "ir/graph.h"

Str graph_print(Arena *arena, const Graph *graph);
/* Parses source `source` of `diagnostics`; NULL after a diagnostic (the first
 * mistake ends it: the text is a machine's).  Node and row spans are their
 * lines.  What is more than well-formed is graph_verify's to say. */
Graph *graph_parse(Arena *arena, int32_t source, Diagnostics *diagnostics);

#endif
