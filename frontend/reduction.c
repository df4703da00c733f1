/* Reduction: sums, means and maxima over named dimensions. */
#include "frontend/builtin.h"

bool dim_inside(Lowering *l, Span span, int32_t rank, int64_t *dim)
{
    int64_t at = *dim < 0 ? *dim + rank : *dim;
    if (at >= 0 && at < rank) {
        *dim = at;
        return true;
    }
    complain(l, span, dim_outside, (long long)*dim, rank);
    return false;
}

/* The mask of argument `i`; all dimensions when it is left out. */
static bool dims_argument(Lowering *l, const Call *call, int i, int32_t rank,
                          uint32_t *mask)
{
    *mask = (1u << rank) - 1;
    if (!is_given(call, i))
        return true;
    int64_t dims[RANK_MAX], n;
    Span span = call->argument_span[i];
    if (!need_ints(l, &call->argument[i], span, "a dimension", RANK_MAX, dims,
                   &n))
        return false;
    *mask = 0;
    for (int64_t k = 0; k < n; k++) {
        if (!dim_inside(l, span, rank, &dims[k]))
            return false;
        *mask |= 1u << dims[k];
    }
    return true;
}

static bool keep_argument(Lowering *l, const Call *call, int i, bool *keep)
{
    *keep = false;
    return !is_given(call, i) ||
           need_bool(l, &call->argument[i], call->argument_span[i], "keep",
                     keep);
}

/* Puts folded dimensions back with extent 1. */
static Value keep_dims(Lowering *l, Span span, Value reduced,
                       const Shape *before, uint32_t mask)
{
    Shape shape = *before;
    for (int32_t i = 0; i < shape.rank; i++)
        if (mask & (1u << i))
            shape.extent[i] = 1;
    return append_reshape(l, span, reduced.as.node, shape);
}

/* The fold of argument 0; *points is how many elements each result folds. */
static Value reduce(Lowering *l, const Call *call, Op op, double *points)
{
    NodeId x;
    if (!tensor_argument(l, call, 0, &x))
        return poison(call->span);
    Shape shape = graph_node(l->graph, x)->type.shape;
    uint32_t mask;
    bool keep;
    if (!dims_argument(l, call, 1, shape.rank, &mask) ||
        !keep_argument(l, call, 2, &keep))
        return poison(call->span);
    *points = 1;
    for (int32_t i = 0; i < shape.rank; i++)
        *points *= mask & (1u << i) ? (double)shape.extent[i] : 1;
    if (mask == 0)
        return value_node(call->span, x);
    Value v =
        append(l, call->span, op, &x, 1, (Attr){.reduce = {mask}}, (Type){0});
    return keep && !is_poison(&v) ? keep_dims(l, call->span, v, &shape, mask)
                                  : v;
}

Value builtin_sum(Lowering *l, const Call *call)
{
    double points;
    return reduce(l, call, OP_SUM, &points);
}

Value builtin_max(Lowering *l, const Call *call)
{
    double points;
    return reduce(l, call, OP_REDUCE_MAX, &points);
}

Value builtin_mean(Lowering *l, const Call *call)
{
    double points;
    NodeId x;
    if (!f32_argument(l, call, 0, &x))
        return poison(call->span);
    Value total = reduce(l, call, OP_SUM, &points);
    if (is_poison(&total) || points == 1)
        return total;
    Value factor = value_real(call->span, 1 / points);
    return apply_binary(l, call->span, OPERATOR_MUL, &total, &factor);
}

Value builtin_argmax(Lowering *l, const Call *call)
{
    NodeId x;
    int64_t dim = -1;
    if (!f32_argument(l, call, 0, &x) ||
        (is_given(call, 1) &&
         !need_int(l, &call->argument[1], call->argument_span[1], "a dimension",
                   &dim)) ||
        !dim_inside(l, call->span, graph_node(l->graph, x)->type.shape.rank,
                    &dim))
        return poison(call->span);
    return append(l, call->span, OP_ARGMAX, &x, 1,
                  (Attr){.reduce = {1u << dim}}, (Type){0});
}
