/* Local values: where a device stands in a value, said with nodes. */
#include "passes/local.h"

#include <math.h>

void local_at(LocalBuilder *b, SegmentKind segment, NodeOrigin origin)
{
    LocalGraph *local = b->local;
    while (local->segments.count < local->graph->nodes.count)
        *vector_push(local->graph->arena, &local->segments) = b->segment;
    b->segment = segment;
    b->origin = origin;
}

NodeOrigin local_origin(const LocalBuilder *b, const char *part)
{
    NodeOrigin origin = b->origin;
    origin.path = str_format(b->local->graph->arena, "%.*s.%s",
                             STR_ARG(origin.path), part);
    return origin;
}

static NodeId shard_start(LocalBuilder *b, uint8_t axes, int64_t extent)
{
    Attr attr = {.shard = {.axes = axes, .extent = extent}};
    return graph_append_typed(b->local->graph, OP_SHARD_START, NULL, 0, attr,
                              (Type){.dtype = DTYPE_I32},
                              local_origin(b, "start"));
}

static NodeId i32_scalar(LocalBuilder *b, int64_t value)
{
    return graph_constant(b->local->graph, (double)value,
                          (Type){.dtype = DTYPE_I32},
                          local_origin(b, "constant"));
}

NodeId local_index(LocalBuilder *b, const Shape *shape, int32_t dim,
                   uint8_t axes, int64_t extent)
{
    Graph *g = b->local->graph;
    NodeOrigin origin = local_origin(b, "index");
    NodeId iota = graph_iota(g, dim, *shape, origin);
    if (axes == 0)
        return iota;
    NodeId start = graph_splat(g, shard_start(b, axes, extent), *shape, origin);
    return graph_binary(g, OP_ADD, iota, start, origin);
}

static double identity_of(ReduceOp operator, DType dtype)
{
    if (operator== REDUCE_SUM)
        return 0;
    double largest = dtype == DTYPE_F32 ? (double)INFINITY : INT32_MAX;
    double least = dtype == DTYPE_F32 ? -(double)INFINITY : INT32_MIN;
    return operator== REDUCE_MAX ? least : largest;
}

/* x where `condition` (f32, of x's shape) holds, else the identity. */
static NodeId keep_where(LocalBuilder *b, NodeId condition, NodeId x,
                         ReduceOp operator)
{
    Graph *g = b->local->graph;
    Type type = graph_node(g, x)->type;
    NodeId identity = graph_constant(g, identity_of(operator, type.dtype), type,
                                     local_origin(b, "identity"));
    return graph_select(g, condition, x, identity, local_origin(b, "masked"));
}

NodeId local_mask(LocalBuilder *b, NodeId x, int32_t dim, uint8_t axes,
                  int64_t extent, NodeId limit, ReduceOp operator)
{
    Graph *g = b->local->graph;
    Shape shape = graph_node(g, x)->type.shape;
    NodeOrigin origin = local_origin(b, "valid");
    NodeId limits = graph_splat(g, limit, shape, origin);
    NodeId index = local_index(b, &shape, dim, axes, extent);
    NodeId valid = graph_binary(g, OP_LT, index, limits, origin);
    return keep_where(b, valid, x, operator);
}

NodeId local_to_partial(LocalBuilder *b, NodeId x, uint8_t axes,
                        ReduceOp operator)
{
    Graph *g = b->local->graph;
    Shape shape = graph_node(g, x)->type.shape;
    NodeOrigin origin = local_origin(b, "first");
    int64_t members = mesh_axes_size(b->mesh, axes);
    NodeId first = graph_binary(g, OP_EQ, shard_start(b, axes, members),
                                i32_scalar(b, 0), origin);
    return keep_where(b, graph_splat(g, first, shape, origin), x, operator);
}

/* Whether all along `dim` a broadcast repeats one value. */
static bool repeats_along(const Graph *g, const Node *node, int32_t dim)
{
    if (node->op != OP_BROADCAST)
        return false;
    for (int32_t d = 0; d < graph_operand(g, node, 0)->type.shape.rank; d++)
        if (node->attr.broadcast.dims[d] == dim)
            return false;
    return true;
}

NodeId local_slice(LocalBuilder *b, NodeId x, int32_t dim, uint8_t axes,
                   uint8_t outer, int64_t extent)
{
    Graph *g = b->local->graph;
    const Node *node = graph_node(g, x);
    Type type = node->type;
    type.shape.extent[dim] =
        sharding_block(b->mesh, extent, (uint8_t)(axes | outer));
    if (repeats_along(g, node, dim)) /* a block of it is a smaller one */
        return graph_broadcast(g, node->operands[0], node->attr.broadcast.dims,
                               type.shape, local_origin(b, "block"));
    Attr attr = {
        .shard = {
            .dim = dim, .axes = axes, .outer_axes = outer, .extent = extent}};
    return graph_append_typed(g, OP_SHARD_SLICE, &x, 1, attr, type,
                              local_origin(b, "block"));
}
