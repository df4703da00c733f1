/* Rules on elementwise ops.  x, y are values; a, b numbers (constants).
 *
 *   x + 0, x - 0, x 1, x / 1, x^1   = x        a + x = x + a;  a x = x a
 *   x + (-y) = x - y                           x - (-y) = x + y
 *   0 - x = -x;  x (-1) = -x                   -(-x) = x;  -(x - y) = y - x
 *   (x a) b = x (a b);  -(x a) = (-x) a = x (-a)
 *   x / a = x (1/a), a = 2^k;  x / broadcast(y) = x broadcast(1 / y)
 *   x^2 = x x;  x^0.5 = sqrt(x)                select(a, x, y) = x or y
 *   max(x, x) = min(x, x) = x                  select(c, x, x) = x
 *   f(broadcast(x), broadcast(y), a) = broadcast(f(x, y, a))
 *
 * x 0 = 0 is no rule: 0 times infinity is not 0.
 */
#include "passes/simplify.h"

#include <math.h>
#include <stddef.h>

static NodeId unary(Simplifier *s, const Draft *like, Op op, NodeId x)
{
    Draft draft = *like;
    draft.op = op;
    draft.operands = &x;
    draft.n_operands = 1;
    return simplify_build(s, &draft);
}

static NodeId binary(Simplifier *s, const Draft *like, Op op, NodeId x,
                     NodeId y)
{
    Draft draft = *like;
    NodeId operands[] = {x, y};
    draft.op = op;
    draft.operands = operands;
    draft.n_operands = 2;
    return simplify_build(s, &draft);
}

static NodeId times_number(Simplifier *s, const Draft *like, NodeId x,
                           double value)
{
    Draft number = {
        .op = OP_CONSTANT,
        .attr.constant.value = value,
        .type = like->type,
        .origin = like->origin,
    };
    number.origin.path =
        str_format(s->scratch, "%.*s.factor", STR_ARG(like->origin.path));
    return binary(s, like, OP_MUL, x, simplify_build(s, &number));
}

/* x of node = x a. */
static bool is_scaled(const Simplifier *s, const Node *node, double *a)
{
    if (node->op != OP_MUL || node->type.dtype != DTYPE_F32)
        return false;
    const Node *factor = graph_operand(s->to, node, 1);
    *a = factor->attr.constant.value;
    return factor->op == OP_CONSTANT;
}

static NodeId rewrite_add(Simplifier *s, const Draft *d)
{
    double a;
    NodeId x = d->operands[0], y = d->operands[1];
    if (draft_constant(s, d, 0, &a))
        return binary(s, d, OP_ADD, y, x);
    if (draft_constant(s, d, 1, &a) && a == 0)
        return x;
    if (draft_operand(s, d, 1)->op == OP_NEG)
        return binary(s, d, OP_SUB, x, draft_operand(s, d, 1)->operands[0]);
    if (draft_operand(s, d, 0)->op == OP_NEG)
        return binary(s, d, OP_SUB, y, draft_operand(s, d, 0)->operands[0]);
    return (NodeId){0};
}

static NodeId rewrite_sub(Simplifier *s, const Draft *d)
{
    double a;
    NodeId x = d->operands[0], y = d->operands[1];
    if (draft_constant(s, d, 1, &a) && a == 0)
        return x;
    if (draft_constant(s, d, 0, &a) && a == 0)
        return unary(s, d, OP_NEG, y);
    if (draft_operand(s, d, 1)->op == OP_NEG)
        return binary(s, d, OP_ADD, x, draft_operand(s, d, 1)->operands[0]);
    return (NodeId){0};
}

static NodeId rewrite_mul(Simplifier *s, const Draft *d)
{
    double a, b;
    NodeId x = d->operands[0], y = d->operands[1];
    if (draft_constant(s, d, 0, &a))
        return binary(s, d, OP_MUL, y, x);
    if (!draft_constant(s, d, 1, &b))
        return (NodeId){0};
    if (b == 1)
        return x;
    if (b == -1)
        return unary(s, d, OP_NEG, x);
    const Node *left = draft_operand(s, d, 0);
    if (left->op == OP_NEG && d->type.dtype == DTYPE_F32)
        return times_number(s, d, left->operands[0], -b);
    if (is_scaled(s, left, &a) && isfinite(a * b))
        return times_number(s, d, left->operands[0], a * b);
    return (NodeId){0};
}

static bool is_power_of_two(double a)
{
    int exponent;
    return isfinite(a) && fabs(frexp(a, &exponent)) == 0.5 && exponent > -120 &&
           exponent < 120;
}

/* One division for each y, not for each x. */
static NodeId divide_by_broadcast(Simplifier *s, const Draft *d)
{
    const Node *divisor = draft_operand(s, d, 1);
    if (divisor->op != OP_BROADCAST || d->type.dtype != DTYPE_F32)
        return (NodeId){0};
    Draft wide = *d, narrow = *d;
    Draft one = {
        .op = OP_CONSTANT, .attr.constant.value = 1, .origin = d->origin};
    NodeId operands[2] = {{0}, divisor->operands[0]};
    wide.op = OP_BROADCAST;
    wide.attr = divisor->attr;
    narrow.type = one.type = graph_operand(s->to, divisor, 0)->type;
    narrow.operands = operands;
    narrow.origin.path = wide.origin.path = one.origin.path =
        str_format(s->scratch, "%.*s.inverse", STR_ARG(d->origin.path));
    operands[0] = simplify_build(s, &one);
    NodeId inverse = simplify_build(s, &narrow);
    wide.operands = &inverse;
    wide.n_operands = 1;
    return binary(s, d, OP_MUL, d->operands[0], simplify_build(s, &wide));
}

static NodeId rewrite_div(Simplifier *s, const Draft *d)
{
    double a;
    if (!draft_constant(s, d, 1, &a))
        return divide_by_broadcast(s, d);
    if (a == 1)
        return d->operands[0];
    if (d->type.dtype == DTYPE_F32 && is_power_of_two(a))
        return times_number(s, d, d->operands[0], 1 / a);
    return (NodeId){0};
}

static NodeId rewrite_neg(Simplifier *s, const Draft *d)
{
    double a;
    const Node *x = draft_operand(s, d, 0);
    if (x->op == OP_NEG)
        return x->operands[0];
    if (x->op == OP_SUB)
        return binary(s, d, OP_SUB, x->operands[1], x->operands[0]);
    if (is_scaled(s, x, &a))
        return times_number(s, d, x->operands[0], -a);
    return (NodeId){0};
}

static NodeId rewrite_pow(Simplifier *s, const Draft *d)
{
    double a;
    NodeId x = d->operands[0];
    if (!draft_constant(s, d, 1, &a))
        return (NodeId){0};
    if (a == 1)
        return x;
    if (d->type.dtype == DTYPE_F32 && a == 2)
        return binary(s, d, OP_MUL, x, x);
    if (a == 0.5)
        return unary(s, d, OP_SQRT, x);
    return (NodeId){0};
}

static NodeId rewrite_select(Simplifier *s, const Draft *d)
{
    double a;
    if (draft_constant(s, d, 0, &a))
        return d->operands[a != 0 ? 1 : 2];
    if (d->operands[1].index == d->operands[2].index)
        return d->operands[1];
    return (NodeId){0};
}

static NodeId rewrite_extremum(const Draft *d)
{
    return d->operands[0].index == d->operands[1].index ? d->operands[0]
                                                        : (NodeId){0};
}

/* -- broadcasts move outward ----------------------------------------------- */

/* The one broadcast that all operands but constants share; NULL if none. */
static const Node *common_broadcast(const Simplifier *s, const Draft *d)
{
    const Node *common = NULL;
    double a;
    for (int32_t i = 0; i < d->n_operands; i++) {
        const Node *node = draft_operand(s, d, i);
        if (draft_constant(s, d, i, &a))
            continue;
        if (node->op != OP_BROADCAST)
            return NULL;
        if (common &&
            (!attr_equal(OP_BROADCAST, &common->attr, &node->attr) ||
             !shape_equal(&graph_operand(s->to, common, 0)->type.shape,
                          &graph_operand(s->to, node, 0)->type.shape)))
            return NULL;
        common = node;
    }
    return common;
}

static NodeId narrow_operand(Simplifier *s, const Draft *d, int32_t i,
                             const Shape *shape, NodeOrigin origin)
{
    const Node *node = draft_operand(s, d, i);
    if (node->op == OP_BROADCAST)
        return node->operands[0];
    origin.path = node->path;
    return simplify_build(s, &(Draft){.op = OP_CONSTANT,
                                      .attr = node->attr,
                                      .type = {node->type.dtype, *shape},
                                      .origin = origin});
}

static NodeId rewrite_broadcasts(Simplifier *s, const Draft *d)
{
    const Node *common = common_broadcast(s, d);
    if (!common)
        return (NodeId){0};
    Draft outer = *d;
    Shape shape = graph_operand(s->to, common, 0)->type.shape;
    outer.op = OP_BROADCAST;
    outer.attr = common->attr;
    Draft inner = *d;
    NodeId operands[3];
    inner.operands = operands;
    inner.type.shape = shape;
    inner.origin.path =
        str_format(s->scratch, "%.*s.narrow", STR_ARG(d->origin.path));
    for (int32_t i = 0; i < d->n_operands; i++)
        operands[i] = narrow_operand(s, d, i, &shape, inner.origin);
    NodeId x = simplify_build(s, &inner);
    outer.operands = &x;
    outer.n_operands = 1;
    return simplify_build(s, &outer);
}

/* -------------------------------------------------------------------------- */

static NodeId rewrite(Simplifier *s, const Draft *d)
{
    switch (d->op) {
    case OP_COPY: return d->operands[0];
    case OP_ADD: return rewrite_add(s, d);
    case OP_SUB: return rewrite_sub(s, d);
    case OP_MUL: return rewrite_mul(s, d);
    case OP_DIV: return rewrite_div(s, d);
    case OP_NEG: return rewrite_neg(s, d);
    case OP_POW: return rewrite_pow(s, d);
    case OP_SELECT: return rewrite_select(s, d);
    case OP_MAX:
    case OP_MIN: return rewrite_extremum(d);
    default: return (NodeId){0};
    }
}

NodeId simplify_arithmetic(Simplifier *s, const Draft *draft)
{
    if (!op_has(draft->op, TRAIT_MAP))
        return (NodeId){0};
    NodeId id = rewrite(s, draft);
    return node_is(id) ? id : rewrite_broadcasts(s, draft);
}
