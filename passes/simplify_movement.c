/* Rules on ops that move data and on sums: two movements become one, a
 * movement that moves nothing becomes none.
 *
 *   reshape, transpose, broadcast, slice, pad to the same type    = x
 *   reshape(reshape(x)), and so for transpose, broadcast, slice, pad, sum
 *   slice(pad(x)) of the same window                              = x
 *   sum over dimensions of extent 1                               = reshape
 *   sum over the dimensions that broadcast(x) repeats             = n x
 *   sum(-x) = -sum(x);  sum(x a) = sum(x) a, a number
 *   gather(x, 0 1 ... n-1) = slice(x);  scatter_add(0 1 ... n-1, x) = pad(x)
 */
#include "passes/simplify.h"

static NodeId move(Simplifier *s, const Draft *like, Op op, Attr attr, NodeId x)
{
    Draft draft = *like;
    draft.op = op;
    draft.attr = attr;
    draft.operands = &x;
    draft.n_operands = 1;
    return simplify_build(s, &draft);
}

static NodeId rewrite_reshape(Simplifier *s, const Draft *d)
{
    const Node *x = draft_operand(s, d, 0);
    if (shape_equal(&x->type.shape, &d->type.shape))
        return d->operands[0];
    if (x->op == OP_RESHAPE)
        return move(s, d, OP_RESHAPE, (Attr){0}, x->operands[0]);
    return (NodeId){0};
}

static NodeId rewrite_transpose(Simplifier *s, const Draft *d)
{
    const Node *x = draft_operand(s, d, 0);
    const int32_t *dims = d->attr.permute.dims;
    bool is_identity = true;
    for (int32_t i = 0; i < d->type.shape.rank; i++)
        is_identity &= dims[i] == i;
    if (is_identity)
        return d->operands[0];
    if (x->op != OP_TRANSPOSE)
        return (NodeId){0};
    Attr both = {0};
    for (int32_t i = 0; i < d->type.shape.rank; i++)
        both.permute.dims[i] = x->attr.permute.dims[dims[i]];
    return move(s, d, OP_TRANSPOSE, both, x->operands[0]);
}

static NodeId rewrite_broadcast(Simplifier *s, const Draft *d)
{
    const Node *x = draft_operand(s, d, 0);
    if (x->type.shape.rank == d->type.shape.rank)
        return d->operands[0];
    if (x->op != OP_BROADCAST)
        return (NodeId){0};
    Attr both = {0};
    for (int32_t i = 0; i < graph_operand(s->to, x, 0)->type.shape.rank; i++)
        both.broadcast.dims[i] =
            d->attr.broadcast.dims[x->attr.broadcast.dims[i]];
    return move(s, d, OP_BROADCAST, both, x->operands[0]);
}

static bool is_inverse(const Node *x, const Draft *d)
{
    return x->op == OP_PAD && attr_equal(OP_PAD, &x->attr, &d->attr);
}

/* Slice and pad: windows of one direction add up. */
static NodeId rewrite_window(Simplifier *s, const Draft *d)
{
    const Node *x = draft_operand(s, d, 0);
    if (shape_equal(&x->type.shape, &d->type.shape))
        return d->operands[0];
    if (d->op == OP_SLICE && is_inverse(x, d))
        return x->operands[0];
    if (x->op != d->op)
        return (NodeId){0};
    Attr both = d->attr;
    for (int32_t i = 0; i < d->type.shape.rank; i++) {
        both.window.low[i] += x->attr.window.low[i];
        both.window.high[i] += x->attr.window.high[i];
    }
    return move(s, d, d->op, both, x->operands[0]);
}

/* -- sums ------------------------------------------------------------------ */

/* Bit i: dimension i of the broadcast's result repeats its operand. */
static uint32_t repeated_dims(const Graph *graph, const Node *broadcast)
{
    uint32_t repeated = (1u << broadcast->type.shape.rank) - 1;
    for (int32_t i = 0; i < graph_operand(graph, broadcast, 0)->type.shape.rank;
         i++)
        repeated &= ~(1u << broadcast->attr.broadcast.dims[i]);
    return repeated;
}

static double extents_of(const Shape *shape, uint32_t dims)
{
    double product = 1;
    for (int32_t i = 0; i < shape->rank; i++) {
        if (dims & 1u << i)
            product *= (double)shape->extent[i];
    }
    return product;
}

/* sum(broadcast(x)) over repeated dimensions: a smaller broadcast, times how
 * often each element was there. */
static NodeId sum_of_broadcast(Simplifier *s, const Draft *d, const Node *x)
{
    uint32_t dims = d->attr.reduce.dims;
    Attr attr = {0};
    for (int32_t i = 0; i < graph_operand(s->to, x, 0)->type.shape.rank; i++) {
        int32_t dim = x->attr.broadcast.dims[i];
        uint32_t gone_before = dims & ((1u << dim) - 1);
        attr.broadcast.dims[i] = dim - __builtin_popcount(gone_before);
    }
    Draft factor = {.op = OP_CONSTANT,
                    .attr.constant.value = extents_of(&x->type.shape, dims),
                    .type = d->type,
                    .origin = d->origin};
    factor.origin.path =
        str_format(s->scratch, "%.*s.count", STR_ARG(d->origin.path));
    Draft term = *d;
    term.origin.path =
        str_format(s->scratch, "%.*s.term", STR_ARG(d->origin.path));
    Draft product = *d;
    NodeId operands[2];
    operands[0] = move(s, &term, OP_BROADCAST, attr, x->operands[0]);
    operands[1] = simplify_build(s, &factor);
    product.op = OP_MUL;
    product.operands = operands;
    product.n_operands = 2;
    return simplify_build(s, &product);
}

static NodeId sum_of(Simplifier *s, const Draft *d, NodeId x)
{
    Draft inner = *d;
    inner.operands = &x;
    inner.origin.path =
        str_format(s->scratch, "%.*s.term", STR_ARG(d->origin.path));
    return simplify_build(s, &inner);
}

/* sum(x a): the factor, in the sum's shape, once a sum. */
static NodeId sum_of_scaled(Simplifier *s, const Draft *d, NodeId x,
                            const Node *factor)
{
    Draft number = {.op = OP_CONSTANT,
                    .attr = factor->attr,
                    .type = d->type,
                    .origin = d->origin};
    number.origin.path =
        str_format(s->scratch, "%.*s.factor", STR_ARG(d->origin.path));
    Draft product = *d;
    NodeId operands[2];
    operands[0] = sum_of(s, d, x);
    operands[1] = simplify_build(s, &number);
    product.op = OP_MUL;
    product.operands = operands;
    product.n_operands = 2;
    return simplify_build(s, &product);
}

/* Signs and factors come out of sums. */
static NodeId rewrite_linear_sum(Simplifier *s, const Draft *d, const Node *x)
{
    if (d->type.dtype != DTYPE_F32)
        return (NodeId){0};
    if (x->op == OP_NEG)
        return move(s, d, OP_NEG, (Attr){0}, sum_of(s, d, x->operands[0]));
    if (x->op != OP_MUL || graph_operand(s->to, x, 1)->op != OP_CONSTANT)
        return (NodeId){0};
    return sum_of_scaled(s, d, x->operands[0], graph_operand(s->to, x, 1));
}

/* The dimensions of x's operand that x = sum(.) and then d fold. */
static uint32_t dims_of_both(const Graph *graph, const Node *x, const Draft *d)
{
    uint32_t both = x->attr.reduce.dims;
    int32_t kept = 0;
    for (int32_t i = 0; i < graph_operand(graph, x, 0)->type.shape.rank; i++) {
        if (x->attr.reduce.dims & 1u << i)
            continue;
        if (d->attr.reduce.dims & 1u << kept)
            both |= 1u << i;
        kept++;
    }
    return both;
}

static NodeId rewrite_sum(Simplifier *s, const Draft *d)
{
    const Node *x = draft_operand(s, d, 0);
    uint32_t dims = d->attr.reduce.dims;
    if (extents_of(&x->type.shape, dims) == 1)
        return move(s, d, OP_RESHAPE, (Attr){0}, d->operands[0]);
    if (x->op == OP_SUM) {
        Attr both = {.reduce = {dims_of_both(s->to, x, d)}};
        return move(s, d, OP_SUM, both, x->operands[0]);
    }
    if (x->op == OP_BROADCAST && d->type.dtype == DTYPE_F32 &&
        (dims & ~repeated_dims(s->to, x)) == 0)
        return sum_of_broadcast(s, d, x);
    return rewrite_linear_sum(s, d, x);
}

/* -- look-ups of 0, 1, ... ------------------------------------------------- */

static bool counts_up(const Node *index)
{
    return index->op == OP_IOTA && index->type.shape.rank == 1;
}

static NodeId rewrite_gather(Simplifier *s, const Draft *d)
{
    int64_t rows = draft_operand(s, d, 0)->type.shape.extent[0];
    int64_t n = d->type.shape.extent[0];
    if (!counts_up(draft_operand(s, d, 1)) || n > rows)
        return (NodeId){0};
    Attr attr = {.window = {.high = {rows - n}}};
    return move(s, d, OP_SLICE, attr, d->operands[0]);
}

static NodeId rewrite_scatter_add(Simplifier *s, const Draft *d)
{
    int64_t n = draft_operand(s, d, 1)->type.shape.extent[0];
    int64_t rows = d->type.shape.extent[0];
    if (!counts_up(draft_operand(s, d, 0)) || n > rows)
        return (NodeId){0};
    Attr attr = {.window = {.high = {rows - n}}};
    return move(s, d, OP_PAD, attr, d->operands[1]);
}

NodeId simplify_movement(Simplifier *s, const Draft *draft)
{
    switch (draft->op) {
    case OP_RESHAPE: return rewrite_reshape(s, draft);
    case OP_TRANSPOSE: return rewrite_transpose(s, draft);
    case OP_BROADCAST: return rewrite_broadcast(s, draft);
    case OP_SLICE:
    case OP_PAD: return rewrite_window(s, draft);
    case OP_SUM: return rewrite_sum(s, draft);
    case OP_GATHER: return rewrite_gather(s, draft);
    case OP_SCATTER_ADD: return rewrite_scatter_add(s, draft);
    default: return (NodeId){0};
    }
}
