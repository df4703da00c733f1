/* Gradient: what one op contributes to the gradient of one of its operands.
 *
 * The gradient column of ir/ops.def names the rule of every op.  A rule is
 * called once for each operand that needs a gradient, so nothing is computed
 * that no parameter asks for.  With L the loss and dy = dL/d(result), it
 * appends dL/d(operand) as far as it goes through this use and returns it.
 *
 * Rules by kind: gradient_map.c (elementwise), gradient_index.c (moving data,
 * reductions, look-ups), gradient_contraction.c.
 */
#ifndef DNNC_PASSES_GRADIENT_H
#define DNNC_PASSES_GRADIENT_H

#include "ir/graph.h"

typedef struct Adjoint {
    Graph *to;
    const Node *node;  /* the op's node in the graph that is differentiated:
                          attribute and types only */
    const Type *types; /* of the operands */
    const NodeId *operands; /* in `to` */
    NodeId result;          /* the op's value, in `to` */
    NodeId dy;              /* the result's gradient, in `to` */
    NodeOrigin origin;      /* backward region, for every node appended */
} Adjoint;

/* None (a zeroed NodeId): the operand has no useful derivative. */
typedef NodeId GradientRule(const Adjoint *a, int32_t operand);

#define OP(NAME, text, operands, attr, rule, gradient, work, linear, traits) \
    GradientRule gradient_##gradient;
#include "ir/ops.def"
#undef OP

#endif
