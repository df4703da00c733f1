/* The interpreter's evaluators, one function a family of ops (private to
 * ir/interpret*.c).
 *
 * An evaluator reads e->operands and writes every element of e->result, which
 * node_interpret has allocated with the node's type.  What each op means is
 * written once, in docs/ir.md; the comments here say the corner cases. */
#ifndef DNNC_IR_INTERPRET_OP_H
#define DNNC_IR_INTERPRET_OP_H

#include "ir/interpret.h"

typedef struct Evaluation {
    const Node *node;
    const Tensor *operands;
    const Environment *environment;
    Tensor result;
    Arena scratch;
} Evaluation;

/* Elementwise (interpret_map.c). */
void evaluate_unary(const Evaluation *e);
void evaluate_binary(const Evaluation *e);
void evaluate_compare(const Evaluation *e);
void evaluate_select(const Evaluation *e);
void evaluate_random(const Evaluation *e);

/* Moving data (interpret_move.c). */
void evaluate_broadcast(const Evaluation *e);
void evaluate_reshape(const Evaluation *e);
void evaluate_transpose(const Evaluation *e);
void evaluate_slice(const Evaluation *e);
void evaluate_pad(const Evaluation *e);
void evaluate_shard_slice(const Evaluation *e);
void evaluate_unfold(const Evaluation *e);
void evaluate_gather(const Evaluation *e);

/* Sums and maxima (interpret_fold.c). */
void evaluate_reduce(const Evaluation *e);
void evaluate_argmax(const Evaluation *e);
void evaluate_dot(const Evaluation *e);
void evaluate_conv2d(const Evaluation *e);
void evaluate_conv2d_gradient_input(const Evaluation *e);
void evaluate_conv2d_gradient_filter(const Evaluation *e);
void evaluate_fold(const Evaluation *e);
void evaluate_scatter_add(const Evaluation *e);
void evaluate_world_sum(const Evaluation *e);

/* The next index of `shape` in row-major order; false after the last, when
 * `index` is back at zero.  (A scalar has one index.) */
static inline bool index_next(const Shape *shape, int64_t *index)
{
    for (int32_t d = shape->rank - 1; d >= 0; d--) {
        if (++index[d] < shape->extent[d])
            return true;
        index[d] = 0;
    }
    return false;
}

/* Row-major offset. */
static inline int64_t index_offset(const Shape *shape, const int64_t *index)
{
    int64_t offset = 0;
    for (int32_t d = 0; d < shape->rank; d++)
        offset = offset * shape->extent[d] + index[d];
    return offset;
}

#endif
