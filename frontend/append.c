/* Append: nodes of the graph under construction, and their paths.
 *
 * Every node is asked of the op's own rule (ir/rule.h) before it is appended,
 * so what the rule refuses is a diagnostic and never an assertion.
 */
#include "frontend/lower.h"
#include "ir/rule.h"

Str path_join(Lowering *l, Str a, Str b)
{
    if (a.length == 0)
        return b;
    if (b.length == 0)
        return a;
    return str_format(l->arena, "%.*s.%.*s", STR_ARG(a), STR_ARG(b));
}

Str path_indexed(Lowering *l, Str name)
{
    Str indices = l->frame->indices;
    if (indices.length == 0)
        return name;
    if (name.length == 0)
        return (Str){indices.data + 1, indices.length - 1};
    return str_format(l->arena, "%.*s%.*s", STR_ARG(name), STR_ARG(indices));
}

/* The path of calls and nodes of the current statement. */
static Str statement_path(Lowering *l)
{
    return path_join(l, l->frame->path, path_indexed(l, l->frame->label));
}

Str call_path(Lowering *l, bool is_root, Str callee)
{
    const Frame *f = l->frame;
    bool labelled = f->fresh && f->label.length;
    if (labelled && is_root)
        return statement_path(l);
    if (labelled)
        return path_join(l, statement_path(l), callee);
    return path_join(l, f->path, path_indexed(l, callee));
}

NodeOrigin origin_here(Lowering *l, Span span, const char *last)
{
    return (NodeOrigin){
        .region = REGION_FORWARD,
        .layer = LAYER_NONE,
        .span = complaint_place(l, span),
        .path = path_join(l, statement_path(l), str_from(last)),
    };
}

static Value refuse(Lowering *l, Span span, Op op, const NodeId *operands,
                    int32_t n)
{
    Text list = text_new(l->arena);
    for (int32_t i = 0; i < n; i++) {
        Str type =
            type_print(l->arena, &graph_node(l->graph, operands[i])->type);
        text_format(&list, "%s%.*s", i ? ", " : "", STR_ARG(type));
    }
    complain(l, span, operands_unfit, op_info(op)->text,
             STR_ARG(text_str(&list)));
    return poison(span);
}

Value append(Lowering *l, Span span, Op op, const NodeId *operands, int32_t n,
             Attr attr, Type wanted)
{
    if (!lower_step(l, span))
        return poison(span);
    Arena scratch = *l->arena;
    Type *types = arena_new(&scratch, Type, n);
    for (int32_t i = 0; i < n; i++)
        types[i] = graph_node(l->graph, operands[i])->type;
    if (!rule_infer(op, &attr, types, n, &wanted))
        return refuse(l, span, op, operands, n);
    NodeOrigin origin = origin_here(l, span, op_info(op)->text);
    return value_node(span, graph_append_typed(l->graph, op, operands, n, attr,
                                               wanted, origin));
}

Value append_unary(Lowering *l, Span span, Op op, NodeId x)
{
    return append(l, span, op, &x, 1, (Attr){0}, (Type){0});
}

Value append_binary(Lowering *l, Span span, Op op, NodeId x, NodeId y)
{
    return append(l, span, op, (NodeId[]){x, y}, 2, (Attr){0}, (Type){0});
}

Value append_constant(Lowering *l, Span span, double value, DType dtype)
{
    return append(l, span, OP_CONSTANT, NULL, 0, (Attr){.constant = {value}},
                  (Type){.dtype = dtype});
}

Value append_reshape(Lowering *l, Span span, NodeId x, Shape shape)
{
    Type type = {graph_node(l->graph, x)->type.dtype, shape};
    if (shape_equal(&graph_node(l->graph, x)->type.shape, &shape))
        return value_node(span, x);
    return append(l, span, OP_RESHAPE, &x, 1, (Attr){0}, type);
}

Value append_transpose(Lowering *l, Span span, NodeId x, const int32_t *dims)
{
    int32_t rank = graph_node(l->graph, x)->type.shape.rank;
    Attr attr = {0};
    bool same = true;
    for (int32_t i = 0; i < rank; i++) {
        attr.permute.dims[i] = dims[i];
        same = same && dims[i] == i;
    }
    if (same)
        return value_node(span, x);
    return append(l, span, OP_TRANSPOSE, &x, 1, attr, (Type){0});
}

Value append_iota(Lowering *l, Span span, Shape shape, int32_t dim)
{
    return append(l, span, OP_IOTA, NULL, 0, (Attr){.iota = {dim}},
                  (Type){DTYPE_I32, shape});
}

Value append_stretch(Lowering *l, Span span, NodeId x, Shape shape)
{
    Type from = graph_node(l->graph, x)->type;
    if (shape_equal(&from.shape, &shape))
        return value_node(span, x);
    const Node *node = graph_node(l->graph, x);
    if (node->op == OP_CONSTANT)
        return append(l, span, OP_CONSTANT, NULL, 0, node->attr,
                      (Type){from.dtype, shape});
    Attr attr = {0};
    Shape kept = {0};
    for (int32_t i = 0; i < from.shape.rank; i++) {
        int32_t to = shape.rank - from.shape.rank + i;
        if (from.shape.extent[i] == 1 && shape.extent[to] != 1)
            continue;
        attr.broadcast.dims[kept.rank] = to;
        kept.extent[kept.rank++] = from.shape.extent[i];
    }
    Value dense = append_reshape(l, span, x, kept);
    if (is_poison(&dense) || shape_equal(&kept, &shape))
        return dense;
    return append(l, span, OP_BROADCAST, &dense.as.node, 1, attr,
                  (Type){from.dtype, shape});
}

/* i32 constant, iota * stride. */
static NodeId scaled_iota(Graph *graph, Shape shape, int32_t dim,
                          int64_t stride, NodeOrigin origin)
{
    NodeId iota = graph_iota(graph, dim, shape, origin);
    if (stride == 1)
        return iota;
    NodeId factor =
        graph_constant(graph, (double)stride, (Type){DTYPE_I32, shape}, origin);
    return graph_binary(graph, OP_MUL, iota, factor, origin);
}

bool append_counters(Graph *graph, Shape shape, NodeOrigin origin,
                     NodeId counters[2])
{
    int64_t rest = shape_count(&shape);
    if (shape.rank)
        rest /= shape.extent[0];
    if (rest > INT32_MAX || (shape.rank && shape.extent[0] > INT32_MAX))
        return false;
    Type type = {DTYPE_I32, shape};
    counters[0] = shape.rank ? graph_iota(graph, 0, shape, origin)
                             : graph_constant(graph, 0, type, origin);
    NodeId low = {0};
    int64_t stride = 1;
    for (int32_t i = shape.rank - 1; i >= 1; i--) {
        NodeId term = scaled_iota(graph, shape, i, stride, origin);
        low = node_is(low) ? graph_binary(graph, OP_ADD, low, term, origin)
                           : term;
        stride *= shape.extent[i];
    }
    counters[1] = node_is(low) ? low : graph_constant(graph, 0, type, origin);
    return true;
}
