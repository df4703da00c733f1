/* Local reshard: the steps of a resharding path as nodes.
 *
 * Collectives work on a leading dimension of one row per member, so a step on
 * another dimension stands between a reshape and a transpose, which fusion
 * folds away.  Uneven blocks are padded before and cut after.
 */
#include "passes/local.h"
#include "passes/reshard.h"

#include <assert.h>

static NodeId collective(LocalBuilder *b, Op op, NodeId x, uint8_t axes,
                         ReduceOp operator, Shape shape)
{
    Graph *g = b->local->graph;
    Attr attr = {.collective = {.axes = axes, .operator= operator} };
    Type type = {graph_node(g, x)->type.dtype, shape};
    return graph_append_typed(g, op, &x, 1, attr, type,
                              local_origin(b, op_info(op)->text));
}

static Shape shape_of(const LocalBuilder *b, NodeId x)
{
    return graph_node(b->local->graph, x)->type.shape;
}

/* [p, ...] -> p just before dimension `dim` of the rest, merged with it and
 * cut to `extent`. */
static NodeId merge_rows(LocalBuilder *b, NodeId x, int32_t dim, int64_t extent)
{
    Graph *g = b->local->graph;
    Shape rows = shape_of(b, x);
    int32_t order[RANK_MAX] = {0};
    for (int32_t d = 0; d < rows.rank; d++)
        order[d] = d < dim ? d + 1 : d == dim ? 0 : d;
    if (dim > 0)
        x = graph_transpose(g, x, order, local_origin(b, "rows"));
    Shape merged = {.rank = rows.rank - 1};
    for (int32_t d = 0; d < merged.rank; d++)
        merged.extent[d] = rows.extent[d + 1];
    merged.extent[dim] *= rows.extent[0];
    x = graph_reshape(g, x, merged, local_origin(b, "merged"));
    if (merged.extent[dim] == extent)
        return x;
    Attr attr = {0};
    attr.window.high[dim] = merged.extent[dim] - extent;
    return graph_append(g, OP_SLICE, &x, 1, attr, local_origin(b, "cut"));
}

/* The inverse: dimension `dim` as `p` rows of `block`, which lead. */
static NodeId split_rows(LocalBuilder *b, NodeId x, int32_t dim, int64_t p,
                         int64_t block)
{
    Graph *g = b->local->graph;
    Shape shape = shape_of(b, x);
    if (shape.extent[dim] != p * block) {
        Attr attr = {0};
        attr.window.high[dim] = p * block - shape.extent[dim];
        x = graph_append(g, OP_PAD, &x, 1, attr, local_origin(b, "padded"));
    }
    Shape split = {.rank = shape.rank + 1};
    for (int32_t d = 0; d < split.rank; d++)
        split.extent[d] = d < dim    ? shape.extent[d]
                          : d == dim ? p
                                     : shape.extent[d - 1];
    split.extent[dim + 1] = block;
    x = graph_reshape(g, x, split, local_origin(b, "split"));
    if (dim == 0)
        return x;
    int32_t order[RANK_MAX] = {0};
    for (int32_t d = 0; d < split.rank; d++)
        order[d] = d == 0 ? dim : d <= dim ? d - 1 : d;
    return graph_transpose(g, x, order, local_origin(b, "rows"));
}

static Shape without_rows(Shape rows)
{
    Shape shape = {.rank = rows.rank - 1};
    for (int32_t d = 0; d < shape.rank; d++)
        shape.extent[d] = rows.extent[d + 1];
    return shape;
}

static Shape with_rows(Shape shape, int64_t p)
{
    Shape rows = {.rank = shape.rank + 1, .extent = {p}};
    for (int32_t d = 0; d < shape.rank; d++)
        rows.extent[d + 1] = shape.extent[d];
    return rows;
}

static NodeId step_nodes(LocalBuilder *b, NodeId x, const Type *type,
                         const Sharding *before, const ReshardStep *step)
{
    uint8_t axes = (uint8_t)(1 << step->axis);
    int64_t p = mesh_axes_size(b->mesh, axes);
    ReduceOp operator=(ReduceOp) before->operator;
    Shape shape = shape_of(b, x);
    Shape after = sharding_local_shape(b->mesh, &type->shape, &step->after);
    switch (step->kind) {
    case RESHARD_SLICE:
        return local_slice(b, x, step->dim, axes, before->axes[step->dim],
                           type->shape.extent[step->dim]);
    case RESHARD_TO_PARTIAL: return local_to_partial(b, x, axes, REDUCE_SUM);
    case RESHARD_ALL_GATHER:
        x = collective(b, OP_ALL_GATHER, x, axes, REDUCE_SUM,
                       with_rows(shape, p));
        return merge_rows(b, x, step->dim, after.extent[step->dim]);
    case RESHARD_REDUCE_SCATTER:
        x = split_rows(b, x, step->dim, p, after.extent[step->dim]);
        return collective(b, OP_REDUCE_SCATTER, x, axes, operator,
                          without_rows(shape_of(b, x)));
    case RESHARD_ALL_REDUCE:
        return collective(b, OP_ALL_REDUCE, x, axes, operator, shape);
    case RESHARD_ALL_TO_ALL:
        x = split_rows(b, x, step->dim2, p, after.extent[step->dim2]);
        x = collective(b, OP_ALL_TO_ALL, x, axes, REDUCE_SUM, shape_of(b, x));
        return merge_rows(b, x, step->dim, after.extent[step->dim]);
    case RESHARD_PERMUTE:
        axes |= (uint8_t)(1 << step->axis2);
        return collective(b, OP_PERMUTE, x, axes, REDUCE_SUM, shape);
    case RESHARD_ACCUMULATE:
    case RESHARD_KIND_COUNT: break;
    }
    assert(!"the partitioner accumulates before it reshards");
    return x;
}

NodeId local_reshard(LocalBuilder *b, NodeId x, const Type *type,
                     const Sharding *from, const Sharding *to)
{
    if (sharding_equal(from, to))
        return x;
    ReshardStep *steps;
    int64_t n =
        reshard_path(b->mesh, type, from, to, b->local->graph->arena, &steps);
    assert(n >= 0 && "the plan asks for what no path gives");
    Sharding at = *from;
    for (int64_t i = 0; i < n; i++) {
        x = step_nodes(b, x, type, &at, &steps[i]);
        at = steps[i].after;
    }
    return x;
}
