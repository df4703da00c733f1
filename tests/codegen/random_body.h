/* Random bodies: small graphs as fusion could make them, for comparing
 * generated code with the interpreter. */
#ifndef DNNC_TESTS_CODEGEN_RANDOM_BODY_H
#define DNNC_TESTS_CODEGEN_RANDOM_BODY_H

#include "ir/interpret.h"

/* A graph of up to `n_ops` random ops that emitted code computes, over a few
 * inputs; *root is the last.  `mesh` is for shard_start and shard_slice. */
Graph *random_body(Arena *arena, uint64_t seed, int32_t n_ops,
                   const LogicalMesh *mesh, NodeId *root);

/* Values for the graph's inputs: f32 about 1, i32 small and partly outside
 * tables. */
Tensor *random_inputs(Arena *arena, const Graph *graph, uint64_t seed);

#endif
