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

/* -- values of the highest rank ---------------------------------------------- */

/* A value of RANK_MAX dimensions has no room for rows: neighbours that the
 * step does not touch become one.  Dimensions and the shape `*after` the step
 * are changed to what they are then. */
static NodeId join_others(LocalBuilder *b, NodeId x, int32_t *dim,
                          int32_t *dim2, Shape *after)
{
    Shape before = shape_of(b, x), to = {0}, to_after = {0};
    int32_t dims[] = {*dim, *dim2};
    bool joins = false;
    for (int32_t d = 0; d < before.rank; d++) {
        bool touched = d == dims[0] || d == dims[1];
        if (touched || !joins) {
            to.extent[to.rank] = to_after.extent[to.rank] = 1;
            to.rank++;
        }
        to.extent[to.rank - 1] *= before.extent[d];
        to_after.extent[to.rank - 1] *= after->extent[d];
        if (d == dims[0])
            *dim = to.rank - 1;
        if (d == dims[1])
            *dim2 = to.rank - 1;
        joins = !touched;
    }
    to_after.rank = to.rank;
    *after = to_after;
    return graph_reshape(b->local->graph, x, to, local_origin(b, "joined"));
}

/* A step whose members' blocks are rows of a collective; `after` is the local
 * shape that it gives. */
static NodeId rows_nodes(LocalBuilder *b, NodeId x, const ReshardStep *step,
                         ReduceOp operator, Shape after)
{
    uint8_t axes = (uint8_t)(1 << step->axis);
    int64_t p = mesh_axes_size(b->mesh, axes);
    int32_t dim = step->dim, dim2 = step->dim2;
    Shape whole = after;
    bool joined = whole.rank == RANK_MAX;
    if (joined) {
        bool two = step->kind == RESHARD_ALL_TO_ALL;
        int32_t unused = dim;
        x = join_others(b, x, &dim, two ? &dim2 : &unused, &after);
    }
    switch (step->kind) {
    case RESHARD_REDUCE_SCATTER:
        x = split_rows(b, x, dim, p, after.extent[dim]);
        x = collective(b, OP_REDUCE_SCATTER, x, axes, operator,
                       without_rows(shape_of(b, x)));
        break;
    case RESHARD_ALL_TO_ALL:
        x = split_rows(b, x, dim2, p, after.extent[dim2]);
        x = collective(b, OP_ALL_TO_ALL, x, axes, REDUCE_SUM, shape_of(b, x));
        x = merge_rows(b, x, dim, after.extent[dim]);
        break;
    default:
        x = collective(b, OP_ALL_GATHER, x, axes, REDUCE_SUM,
                       with_rows(shape_of(b, x), p));
        x = merge_rows(b, x, dim, after.extent[dim]);
        break;
    }
    return joined ? graph_reshape(b->local->graph, x, whole,
                                  local_origin(b, "rejoined"))
                  : x;
}

static NodeId step_nodes(LocalBuilder *b, NodeId x, const Type *type,
                         const Sharding *before, const ReshardStep *step)
{
    uint8_t axes = (uint8_t)(1 << step->axis);
    ReduceOp operator=(ReduceOp) before->operator;
    switch (step->kind) {
    case RESHARD_SLICE:
        return local_slice(b, x, step->dim, axes, before->axes[step->dim],
                           type->shape.extent[step->dim]);
    case RESHARD_TO_PARTIAL: return local_to_partial(b, x, axes, REDUCE_SUM);
    case RESHARD_ALL_GATHER:
    case RESHARD_REDUCE_SCATTER:
    case RESHARD_ALL_TO_ALL:
        return rows_nodes(b, x, step, operator, sharding_local_shape(
                                          b->mesh, &type->shape, &step->after));
    case RESHARD_ALL_REDUCE:
        return collective(b, OP_ALL_REDUCE, x, axes, operator, shape_of(b, x));
    case RESHARD_PERMUTE:
        axes |= (uint8_t)(1 << step->axis2);
        return collective(b, OP_PERMUTE, x, axes, REDUCE_SUM, shape_of(b, x));
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
