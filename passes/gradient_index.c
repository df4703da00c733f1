/* Gradients of ops that move data, of reductions and of look-ups: moving back,
 * repeating, adding up. */
#include "passes/gradient.h"

static NodeId derive(const Adjoint *a, Op op, Attr attr)
{
    return graph_append(a->to, op, &a->dy, 1, attr, a->origin);
}

/* The dimensions that the operand does not have are added up. */
NodeId gradient_broadcast(const Adjoint *a, int32_t operand)
{
    uint32_t repeated = (1u << a->node->type.shape.rank) - 1;
    for (int32_t i = 0; i < a->types[operand].shape.rank; i++)
        repeated &= ~(1u << a->node->attr.broadcast.dims[i]);
    if (repeated == 0)
        return a->dy;
    return graph_reduce(a->to, OP_SUM, a->dy, repeated, a->origin);
}

NodeId gradient_reshape(const Adjoint *a, int32_t operand)
{
    return graph_reshape(a->to, a->dy, a->types[operand].shape, a->origin);
}

NodeId gradient_transpose(const Adjoint *a, int32_t operand)
{
    int32_t inverse[RANK_MAX] = {0};
    for (int32_t i = 0; i < a->types[operand].shape.rank; i++)
        inverse[a->node->attr.permute.dims[i]] = i;
    return graph_transpose(a->to, a->dy, inverse, a->origin);
}

NodeId gradient_slice(const Adjoint *a, int32_t operand)
{
    (void)operand;
    return derive(a, OP_PAD, a->node->attr);
}

NodeId gradient_pad(const Adjoint *a, int32_t operand)
{
    (void)operand;
    return derive(a, OP_SLICE, a->node->attr);
}

NodeId gradient_unfold(const Adjoint *a, int32_t operand)
{
    (void)operand;
    Attr attr = a->node->attr;
    attr.spatial.fill = 0;
    return derive(a, OP_FOLD, attr);
}

NodeId gradient_fold(const Adjoint *a, int32_t operand)
{
    (void)operand;
    Attr attr = a->node->attr;
    attr.spatial.fill = 0;
    return derive(a, OP_UNFOLD, attr);
}

/* Repeats a reduction's result (or its gradient) along the dimensions that it
 * folded. */
static NodeId unreduce(const Adjoint *a, NodeId x)
{
    const Shape *shape = &a->types[0].shape;
    int32_t dims[RANK_MAX] = {0}, n = 0;
    for (int32_t i = 0; i < shape->rank; i++) {
        if (!(a->node->attr.reduce.dims & 1u << i))
            dims[n++] = i;
    }
    return graph_broadcast(a->to, x, dims, *shape, a->origin);
}

NodeId gradient_sum(const Adjoint *a, int32_t operand)
{
    (void)operand;
    return unreduce(a, a->dy);
}

/* A tensor seen with its folded dimensions last and merged to one. */
typedef struct FoldedLast {
    int32_t order[RANK_MAX]; /* of dimensions: kept ones, then folded ones */
    int32_t n_kept;
    Shape ordered; /* shape in that order */
    Shape merged;  /* kept dimensions, then one */
} FoldedLast;

static FoldedLast folded_last(const Shape *shape, uint32_t folded)
{
    FoldedLast f = {0};
    int32_t n = 0;
    for (int32_t is_folded = 0; is_folded < 2; is_folded++) {
        for (int32_t i = 0; i < shape->rank; i++) {
            if ((folded >> i & 1u) == (uint32_t)is_folded)
                f.order[n++] = i;
        }
        if (!is_folded)
            f.n_kept = n;
    }
    f.ordered.rank = shape->rank;
    f.merged.rank = f.n_kept + 1;
    f.merged.extent[f.n_kept] = 1;
    for (int32_t i = 0; i < shape->rank; i++) {
        f.ordered.extent[i] = shape->extent[f.order[i]];
        if (i < f.n_kept)
            f.merged.extent[i] = f.ordered.extent[i];
        else
            f.merged.extent[f.n_kept] *= f.ordered.extent[i];
    }
    return f;
}

/* All of dy goes to the first of the greatest elements, in row-major order of
 * the folded dimensions, as PyTorch's pooling has it: one comparison of each
 * element's number with the argmax. */
NodeId gradient_reduce_max(const Adjoint *a, int32_t operand)
{
    FoldedLast f =
        folded_last(&a->types[operand].shape, a->node->attr.reduce.dims);
    uint32_t last = 1u << f.n_kept;
    int32_t kept[RANK_MAX] = {0, 1, 2, 3, 4, 5, 6, 7};
    NodeId x = graph_transpose(a->to, a->operands[operand], f.order, a->origin);
    x = graph_reshape(a->to, x, f.merged, a->origin);
    NodeId winner = graph_reduce(a->to, OP_ARGMAX, x, last, a->origin);
    winner = graph_broadcast(a->to, winner, kept, f.merged, a->origin);
    NodeId number = graph_iota(a->to, f.n_kept, f.merged, a->origin);
    NodeId wins = graph_binary(a->to, OP_EQ, number, winner, a->origin);
    wins = graph_reshape(a->to, wins, f.ordered, a->origin);
    int32_t inverse[RANK_MAX] = {0};
    for (int32_t i = 0; i < f.ordered.rank; i++)
        inverse[f.order[i]] = i;
    wins = graph_transpose(a->to, wins, inverse, a->origin);
    NodeId zero = graph_constant(a->to, 0, a->types[operand], a->origin);
    return graph_select(a->to, wins, unreduce(a, a->dy), zero, a->origin);
}

/* Rows looked up several times add up. */
NodeId gradient_gather(const Adjoint *a, int32_t operand)
{
    if (operand == 1)
        return (NodeId){0};
    NodeId operands[2] = {a->operands[1], a->dy};
    Attr attr = {.scatter = {.rows = a->types[0].shape.extent[0]}};
    return graph_append(a->to, OP_SCATTER_ADD, operands, 2, attr, a->origin);
}

/* Every term of the sum has the sum's gradient. */
NodeId gradient_world_sum(const Adjoint *a, int32_t operand)
{
    (void)operand;
    return a->dy;
}
