/* Gradients of elementwise ops.  y is the op's value; x, x1, x2 its operands.
 *
 * At a kink the derivative is the one that PyTorch takes where the op is used
 * as there: abs has 0 at 0; max and min give all of dy to their *second*
 * operand when both are equal, so relu written max(x, 0) has 0 at 0.
 */
#include "passes/gradient.h"

static NodeId unary(const Adjoint *a, Op op, NodeId x)
{
    return graph_unary(a->to, op, x, a->origin);
}

static NodeId binary(const Adjoint *a, Op op, NodeId x1, NodeId x2)
{
    return graph_binary(a->to, op, x1, x2, a->origin);
}

static NodeId number(const Adjoint *a, double value)
{
    return graph_constant(a->to, value, a->node->type, a->origin);
}

static NodeId times_dy(const Adjoint *a, NodeId factor)
{
    return binary(a, OP_MUL, a->dy, factor);
}

NodeId gradient_copy(const Adjoint *a, int32_t operand)
{
    (void)operand;
    return a->dy;
}

NodeId gradient_neg(const Adjoint *a, int32_t operand)
{
    (void)operand;
    return unary(a, OP_NEG, a->dy);
}

/* dy y */
NodeId gradient_exp(const Adjoint *a, int32_t operand)
{
    (void)operand;
    return times_dy(a, a->result);
}

/* dy / x */
NodeId gradient_log(const Adjoint *a, int32_t operand)
{
    return binary(a, OP_DIV, a->dy, a->operands[operand]);
}

/* dy (1 - y y) */
NodeId gradient_tanh(const Adjoint *a, int32_t operand)
{
    (void)operand;
    NodeId square = binary(a, OP_MUL, a->result, a->result);
    return times_dy(a, binary(a, OP_SUB, number(a, 1), square));
}

/* dy / (2 y) */
NodeId gradient_sqrt(const Adjoint *a, int32_t operand)
{
    (void)operand;
    NodeId twice = binary(a, OP_MUL, a->result, number(a, 2));
    return binary(a, OP_DIV, a->dy, twice);
}

/* dy (-1/2) y^3 */
NodeId gradient_rsqrt(const Adjoint *a, int32_t operand)
{
    (void)operand;
    NodeId square = binary(a, OP_MUL, a->result, a->result);
    NodeId cube = binary(a, OP_MUL, square, a->result);
    return times_dy(a, binary(a, OP_MUL, cube, number(a, -0.5)));
}

NodeId gradient_sin(const Adjoint *a, int32_t operand)
{
    return times_dy(a, unary(a, OP_COS, a->operands[operand]));
}

NodeId gradient_cos(const Adjoint *a, int32_t operand)
{
    NodeId sine = unary(a, OP_SIN, a->operands[operand]);
    return times_dy(a, unary(a, OP_NEG, sine));
}

NodeId gradient_abs(const Adjoint *a, int32_t operand)
{
    return times_dy(a, unary(a, OP_SIGN, a->operands[operand]));
}

NodeId gradient_add(const Adjoint *a, int32_t operand)
{
    (void)operand;
    return a->dy;
}

NodeId gradient_sub(const Adjoint *a, int32_t operand)
{
    return operand == 0 ? a->dy : unary(a, OP_NEG, a->dy);
}

NodeId gradient_mul(const Adjoint *a, int32_t operand)
{
    return times_dy(a, a->operands[1 - operand]);
}

/* dy / x2;  -dy y / x2 */
NodeId gradient_div(const Adjoint *a, int32_t operand)
{
    NodeId quotient = binary(a, OP_DIV, a->dy, a->operands[1]);
    if (operand == 0)
        return quotient;
    NodeId product = binary(a, OP_MUL, quotient, a->result);
    return unary(a, OP_NEG, product);
}

/* dy where the first operand is the one chosen, or where it is not. */
static NodeId chosen(const Adjoint *a, int32_t operand, NodeId first_wins)
{
    NodeId zero = number(a, 0);
    return operand == 0
               ? graph_select(a->to, first_wins, a->dy, zero, a->origin)
               : graph_select(a->to, first_wins, zero, a->dy, a->origin);
}

NodeId gradient_max(const Adjoint *a, int32_t operand)
{
    return chosen(a, operand, binary(a, OP_LT, a->operands[1], a->operands[0]));
}

NodeId gradient_min(const Adjoint *a, int32_t operand)
{
    return chosen(a, operand, binary(a, OP_LT, a->operands[0], a->operands[1]));
}

/* dy x2 x1^(x2 - 1);  dy y log(x1), and 0 where x1 <= 0 has no logarithm */
NodeId gradient_pow(const Adjoint *a, int32_t operand)
{
    NodeId x1 = a->operands[0], x2 = a->operands[1];
    if (operand == 0) {
        NodeId power = binary(a, OP_SUB, x2, number(a, 1));
        NodeId slope = binary(a, OP_MUL, x2, binary(a, OP_POW, x1, power));
        return times_dy(a, slope);
    }
    NodeId is_positive = binary(a, OP_LT, number(a, 0), x1);
    NodeId safe = graph_select(a->to, is_positive, x1, number(a, 1), a->origin);
    NodeId slope = binary(a, OP_MUL, a->result, unary(a, OP_LOG, safe));
    return times_dy(a, slope);
}

NodeId gradient_select(const Adjoint *a, int32_t operand)
{
    if (operand == 0)
        return (NodeId){0};
    return chosen(a, operand - 1, a->operands[0]);
}

/* Step functions, conversions, comparisons, numbers from nowhere. */
NodeId gradient_zero(const Adjoint *a, int32_t operand)
{
    (void)a, (void)operand;
    return (NodeId){0};
}
