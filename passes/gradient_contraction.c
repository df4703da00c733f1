/* Gradients of contractions: each is a contraction again. */
#include "passes/gradient.h"

#include <string.h>

/* y = x1 . x2 with labels l,r->y.  A label of an operand is in the result or
 * in the other operand, so dL/dx1 is the einsum y,r->l of dy and x2. */
NodeId gradient_dot(const Adjoint *a, int32_t operand)
{
    const DotAttr *dot = &a->node->attr.dot;
    Attr attr = {0};
    memcpy(attr.dot.left, dot->result, sizeof attr.dot.left);
    memcpy(attr.dot.right, operand == 0 ? dot->right : dot->left,
           sizeof attr.dot.right);
    memcpy(attr.dot.result, operand == 0 ? dot->left : dot->right,
           sizeof attr.dot.result);
    NodeId operands[2] = {a->dy, a->operands[1 - operand]};
    return graph_append(a->to, OP_DOT, operands, 2, attr, a->origin);
}

NodeId gradient_conv2d(const Adjoint *a, int32_t operand)
{
    Attr attr = a->node->attr;
    NodeId input[2] = {a->dy, a->operands[1]};
    NodeId filter[2] = {a->operands[0], a->dy};
    return operand == 0 ? graph_append(a->to, OP_CONV2D_GRADIENT_INPUT, input,
                                       2, attr, a->origin)
                        : graph_append(a->to, OP_CONV2D_GRADIENT_FILTER, filter,
                                       2, attr, a->origin);
}
