/* Layout: built-ins that move elements without computing. */
#include "frontend/builtin.h"
#include "support/checked.h"

#include <math.h>

/* Fills in the one extent written as -1. */
static bool infer_extent(Lowering *l, const Call *call, const Shape *from,
                         int64_t *extents, int64_t n)
{
    int64_t known = 1, open = -1, total = shape_count(from);
    for (int64_t i = 0; i < n; i++) {
        if (extents[i] == -1 && open < 0) {
            open = i;
            continue;
        }
        if (extents[i] < 1 || !mul_i64(known, extents[i], &known)) {
            complain(l, call->argument_span[1], extent_not_positive,
                     (long long)extents[i]);
            return false;
        }
    }
    if (open >= 0 && total % known == 0)
        extents[open] = total / known;
    if (open >= 0 ? total % known == 0 : known == total)
        return true;
    Type type = {DTYPE_F32, *from};
    Str got = type_print(l->arena, &type);
    Diagnostic *d = complain(l, call->span, reshape_unfit, STR_ARG(got),
                             (long long)total, (long long)known);
    explain(l, d, call->argument[0].span, "the tensor comes from here");
    return false;
}

Value builtin_reshape(Lowering *l, const Call *call)
{
    NodeId x;
    int64_t extents[RANK_MAX], n;
    if (!tensor_argument(l, call, 0, &x) ||
        !need_ints(l, &call->argument[1], call->argument_span[1], "a shape",
                   RANK_MAX, extents, &n))
        return poison(call->span);
    Shape from = graph_node(l->graph, x)->type.shape;
    if (!infer_extent(l, call, &from, extents, n))
        return poison(call->span);
    Shape shape = {.rank = (int32_t)n};
    for (int64_t i = 0; i < n; i++)
        shape.extent[i] = extents[i];
    return append_reshape(l, call->span, x, shape);
}

Value builtin_transpose(Lowering *l, const Call *call)
{
    NodeId x;
    int64_t dims[RANK_MAX], n;
    if (!tensor_argument(l, call, 0, &x) ||
        !need_ints(l, &call->argument[1], call->argument_span[1], "a dimension",
                   RANK_MAX, dims, &n))
        return poison(call->span);
    int32_t rank = graph_node(l->graph, x)->type.shape.rank;
    int32_t order[RANK_MAX];
    uint32_t seen = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!dim_inside(l, call->argument_span[1], rank, &dims[i]))
            return poison(call->span);
        seen |= 1u << dims[i];
        order[i] = (int32_t)dims[i];
    }
    if (n != rank || seen != (1u << rank) - 1) {
        complain(l, call->argument_span[1], not_a_permutation, rank);
        return poison(call->span);
    }
    return append_transpose(l, call->span, x, order);
}

Value builtin_broadcast(Lowering *l, const Call *call)
{
    NodeId x;
    Shape shape;
    if (!tensor_argument(l, call, 0, &x) || !shape_argument(l, call, 1, &shape))
        return poison(call->span);
    Type from = graph_node(l->graph, x)->type;
    bool fits = from.shape.rank <= shape.rank;
    for (int32_t i = 1; fits && i <= from.shape.rank; i++) {
        int64_t extent = from.shape.extent[from.shape.rank - i];
        fits = extent == 1 || extent == shape.extent[shape.rank - i];
    }
    if (!fits) {
        Type to = {from.dtype, shape};
        Str a = type_print(l->arena, &from), b = type_print(l->arena, &to);
        complain(l, call->span, shapes_incompatible, STR_ARG(a), STR_ARG(b));
        return poison(call->span);
    }
    return append_stretch(l, call->span, x, shape);
}

static bool amounts(Lowering *l, const Call *call, int i, int32_t rank,
                    int64_t *out)
{
    int64_t n;
    Span span = call->argument_span[i];
    if (!need_ints(l, &call->argument[i], span, "an amount of padding",
                   RANK_MAX, out, &n))
        return false;
    bool ok = n == rank;
    for (int64_t k = 0; k < n; k++)
        ok = ok && out[k] >= 0;
    if (!ok)
        complain(l, span, padding_unfit, rank);
    return ok;
}

Value builtin_pad(Lowering *l, const Call *call)
{
    NodeId x;
    Attr attr = {0};
    if (!tensor_argument(l, call, 0, &x))
        return poison(call->span);
    int32_t rank = graph_node(l->graph, x)->type.shape.rank;
    if (!amounts(l, call, 1, rank, attr.window.low) ||
        !amounts(l, call, 2, rank, attr.window.high))
        return poison(call->span);
    return append(l, call->span, OP_PAD, &x, 1, attr, (Type){0});
}

/* Each part is padded to the whole, and the parts are added. */
static Value place_part(Lowering *l, Span span, NodeId x, int64_t dim,
                        int64_t before, int64_t total)
{
    Attr attr = {0};
    int64_t extent = graph_node(l->graph, x)->type.shape.extent[dim];
    attr.window.low[dim] = before;
    attr.window.high[dim] = total - before - extent;
    return append(l, span, OP_PAD, &x, 1, attr, (Type){0});
}

static bool concat_total(Lowering *l, const Call *call, int64_t dim,
                         int64_t *total)
{
    const Value *parts = call->argument[0].as.tuple.items;
    Type first = *value_type(l, &parts[0]);
    *total = 0;
    for (int64_t i = 0; i < call->argument[0].as.tuple.count; i++) {
        Type type = *value_type(l, &parts[i]);
        int64_t extent = dim < type.shape.rank ? type.shape.extent[dim] : 0;
        type.shape.extent[dim] = first.shape.extent[dim];
        if (!type_equal(&type, &first)) {
            Str a = type_print(l->arena, &first);
            Str b = type_print(l->arena, value_type(l, &parts[i]));
            Diagnostic *d = complain(l, call->span, concat_unfit, STR_ARG(b),
                                     STR_ARG(a), (int)dim);
            explain(l, d, parts[i].span, "%.*s comes from here", STR_ARG(b));
            explain(l, d, parts[0].span, "%.*s comes from here", STR_ARG(a));
            return false;
        }
        if (!add_i64(*total, extent, total)) {
            complain(l, call->span, tensor_too_large);
            return false;
        }
    }
    return true;
}

Value builtin_concat(Lowering *l, const Call *call)
{
    const Value *tensors = &call->argument[0];
    Span span = call->argument_span[0];
    int64_t n = tensors->kind == VALUE_TUPLE ? tensors->as.tuple.count : 0;
    bool ok = n > 0;
    for (int64_t i = 0; ok && i < n; i++)
        ok = tensors->as.tuple.items[i].kind == VALUE_TENSOR;
    if (!ok) {
        Str got = value_describe(l, tensors);
        complain(l, span, wrong_value, "what concat joins",
                 "a tuple of tensors", STR_ARG(got));
        return poison(call->span);
    }
    const Value *parts = tensors->as.tuple.items;
    int64_t dim = -1, total, before = 0;
    if ((is_given(call, 1) &&
         !need_int(l, &call->argument[1], call->argument_span[1], "a dimension",
                   &dim)) ||
        !dim_inside(l, call->span, value_type(l, &parts[0])->shape.rank,
                    &dim) ||
        !concat_total(l, call, dim, &total))
        return poison(call->span);
    Value joined = poison(call->span);
    for (int64_t i = 0; i < n; i++) {
        int64_t extent = value_type(l, &parts[i])->shape.extent[dim];
        Value placed =
            place_part(l, call->span, parts[i].as.node, dim, before, total);
        before += extent;
        joined = i == 0 ? placed
                        : apply_binary(l, call->span, OPERATOR_ADD, &joined,
                                       &placed);
    }
    return joined;
}

bool pair_argument(Lowering *l, const Call *call, int i, int64_t standard,
                   int64_t pair[2])
{
    pair[0] = pair[1] = standard;
    if (!is_given(call, i))
        return true;
    int64_t n;
    if (!need_ints(l, &call->argument[i], call->argument_span[i],
                   "height and width", 2, pair, &n))
        return false;
    if (n == 1)
        pair[1] = pair[0];
    return n > 0;
}

Value builtin_unfold(Lowering *l, const Call *call)
{
    NodeId x;
    SpatialAttr s = {0};
    if (!f32_argument(l, call, 0, &x) ||
        !pair_argument(l, call, 1, 1, s.kernel) ||
        !pair_argument(l, call, 2, 1, s.stride) ||
        !pair_argument(l, call, 3, 0, s.padding))
        return poison(call->span);
    const Shape *shape = &graph_node(l->graph, x)->type.shape;
    if (shape->rank == 4) {
        s.input[0] = shape->extent[2];
        s.input[1] = shape->extent[3];
    }
    const Value *fill = &call->argument[4];
    bool lowest =
        fill->kind == VALUE_STRING && str_equal_c(fill->as.text, "lowest");
    if (is_given(call, 4) && !lowest &&
        !(is_number(fill) && value_number(fill) == 0)) {
        complain(l, call->argument_span[4], fill_unknown);
        return poison(call->span);
    }
    s.fill = lowest ? -HUGE_VAL : 0;
    return append(l, call->span, OP_UNFOLD, &x, 1, (Attr){.spatial = s},
                  (Type){0});
}
