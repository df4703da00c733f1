/* The textual IR: graph_parse(graph_print(g)) equals g, byte for byte.
 *
 *     graph mlp
 *     input %x : f32[32, 784]
 *     parameter %w "fc.weight" : f32[784, 10]
 *     %1 "fc.dot" = dot(%x, %w) {ik,kj->ij} : f32[32, 10]
 *     loss "loss" = %9
 *
 * The format is described in docs/ir.md.
 */
#ifndef DNNC_IR_GRAPH_TEXT_H
#define DNNC_IR_GRAPH_TEXT_H

#include "ir/graph.h"

Str graph_print(Arena *arena, const Graph *graph);
/* Parses source `source`; NULL after diagnostics. */
Graph *graph_parse(Arena *arena, int32_t source, Diagnostics *diagnostics);

#endif
