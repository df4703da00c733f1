/* Random op: a random legal instance of any row of ir/ops.def, as a graph of
 * the op and its operands' leaves, with values for them.
 *
 * What is tested from the table (forward values, gradients, kernels, texts) is
 * tested on these.
 */
#ifndef DNNC_TESTS_NUMERIC_RANDOM_OP_H
#define DNNC_TESTS_NUMERIC_RANDOM_OP_H

#include "ir/interpret.h"
#include "tests/numeric/random.h"

typedef struct OpInstance {
    Graph *graph;     /* a variable for each operand, then the op; no outputs.
                     f32 operands are parameters, i32 ones state. */
    NodeId node;      /* the op's (a leaf op is the graph's only node) */
    Tensor *operands; /* by operand */
    Environment environment; /* holds them as variables; a random seed, step,
                                mesh and coordinates */
} OpInstance;

/* Every op has instances; the collectives', accumulate's and receive's cannot
 * be evaluated alone.
 *
 * A smooth one is fit for finite differences: operands are f32 where the op
 * lets them, at most 48 elements, at least 0.015 away from where the op has no
 * derivative and from each other, indices inside.  (select's condition is 0 or
 * 1 and is not to be varied.)  Otherwise zeros, ties, indices outside and i32
 * operands come too. */
OpInstance random_op(Random *random, Op op, bool smooth, Arena *arena);
/* Whether node_interpret evaluates the op. */
bool op_is_evaluated(Op op);

/* A random tensor: f32 in [-2, 2] or i32 in [-3, 9]. */
Tensor random_tensor(Random *random, Type type, Arena *arena);

#endif
