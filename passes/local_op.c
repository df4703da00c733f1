/* Local op: what one device computes of a node under its strategy.
 *
 * Almost every op is itself on blocks.  The exceptions are what knows where
 * its block lies: iota, look-ups in split tables, and sums over a dimension
 * whose tail does not count (an uneven block's padding, the samples that pad
 * the last evaluated batch).
 */
#include "passes/contraction.h"
#include "passes/local.h"

#include <assert.h>

int8_t *local_sample_dims(const Graph *graph, const Rule *rules, Arena *arena)
{
    int8_t *dim = arena_new(arena, int8_t, graph->nodes.count);
    dim[0] = -1;
    for (int32_t i = 1; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, (NodeId){i});
        dim[i] = node->op == OP_INPUT ? 0 : -1;
        for (int32_t k = 0; k < rules[i].n_operands && dim[i] < 0; k++) {
            int8_t from = dim[node->operands[k].index];
            if (from < 0 || rules[i].operand[k][from].n == 0)
                continue;
            int8_t factor = rules[i].operand[k][from].factor[0];
            for (int8_t d = 0; d < node->type.shape.rank && dim[i] < 0; d++)
                if (rules[i].result[d].n &&
                    rules[i].result[d].factor[0] == factor)
                    dim[i] = d;
        }
    }
    return dim;
}

static NodeId iota(LocalBuilder *b, const Node *node, const Shape *shape,
                   const Sharding *result)
{
    int32_t dim = node->attr.iota.dim;
    return local_index(b, shape, dim, result->axes[dim],
                       node->type.shape.extent[dim]);
}

/* Indices into a table of `rows` split over `axes`, as indices into this
 * device's block; those outside are negative or too large.  Where the last
 * block is padded, an index beyond the table must not find the padding. */
static NodeId indices_in_block(LocalBuilder *b, NodeId index, uint8_t axes,
                               int64_t rows)
{
    if (axes == 0)
        return index;
    Graph *g = b->local->graph;
    Shape shape = graph_node(g, index)->type.shape;
    NodeOrigin origin = local_origin(b, "in_block");
    Attr attr = {.shard = {.axes = axes, .extent = rows}};
    NodeId start = graph_append_typed(g, OP_SHARD_START, NULL, 0, attr,
                                      (Type){.dtype = DTYPE_I32}, origin);
    NodeId in_block = graph_binary(
        g, OP_SUB, index, graph_splat(g, start, shape, origin), origin);
    if (rows % mesh_axes_size(b->mesh, axes) == 0)
        return in_block;
    Type type = {DTYPE_I32, shape};
    NodeId known = graph_binary(
        g, OP_LT, index, graph_constant(g, (double)rows, type, origin), origin);
    return graph_select(g, known, in_block, graph_constant(g, -1, type, origin),
                        origin);
}

/* The number of valid elements along a dimension of samples: the i32 scalar
 * sample_count * elements of a sample. */
static NodeId sample_limit(LocalBuilder *b, int64_t per_sample)
{
    Graph *g = b->local->graph;
    Type type = {.dtype = DTYPE_I32};
    NodeOrigin origin = local_origin(b, "samples");
    Attr attr = {.scalar = {SCALAR_SAMPLE_COUNT}};
    NodeId count =
        graph_append_typed(g, OP_SCALAR, NULL, 0, attr, type, origin);
    if (per_sample == 1)
        return count;
    return graph_binary(g, OP_MUL, count,
                        graph_constant(g, (double)per_sample, type, origin),
                        origin);
}

/* An operand whose dimension `dim` is summed, with what does not count
 * replaced by the identity. */
static NodeId mask_summed(LocalBuilder *b, NodeId x, int32_t dim, uint8_t axes,
                          int64_t extent, bool is_samples, int64_t batch,
                          ReduceOp operator)
{
    Graph *g = b->local->graph;
    int64_t padded =
        sharding_block(b->mesh, extent, axes) * mesh_axes_size(b->mesh, axes);
    if (is_samples && extent % batch == 0)
        return local_mask(b, x, dim, axes, extent,
                          sample_limit(b, extent / batch), operator);
    if (padded == extent)
        return x;
    NodeId limit = graph_constant(g, (double)extent, (Type){.dtype = DTYPE_I32},
                                  local_origin(b, "extent"));
    return local_mask(b, x, dim, axes, extent, limit, operator);
}

/* Masks every dimension of operand `k` that the op sums over. */
static NodeId mask_operand(LocalBuilder *b, const Graph *graph, NodeId id,
                           const Rule *rule, int32_t k, NodeId x,
                           const Sharding *sharding, const SampleMask *samples)
{
    const Node *node = graph_node(graph, id);
    const Node *operand = graph_operand(graph, node, k);
    for (int32_t d = 0; d < operand->type.shape.rank; d++) {
        DimRule dim = rule->operand[k][d];
        if (dim.n == 0 || rule->factor[dim.factor[0]].kind != FACTOR_SUM)
            continue;
        bool is_samples =
            samples->masks && samples->dim[node->operands[k].index] == d;
        x = mask_summed(b, x, d, sharding->axes[d],
                        operand->type.shape.extent[d], is_samples,
                        samples->batch, rule->sum_operator);
    }
    return x;
}

static NodeId reordered(LocalBuilder *b, NodeId x, const char *from,
                        const char *to)
{
    int32_t dims[RANK_MAX] = {0};
    label_order(from, to, dims);
    return graph_transpose(b->local->graph, x, dims,
                           local_origin(b, "reordered"));
}

/* A contraction that a library can do: where no strides fit, its operands are
 * reordered first and its result afterwards. */
static NodeId contract(LocalBuilder *b, const DotAttr *dot, NodeId left,
                       NodeId right, const Type *type)
{
    Graph *g = b->local->graph;
    View l = view_dense(&graph_node(g, left)->type.shape);
    View r = view_dense(&graph_node(g, right)->type.shape);
    DotCall call;
    Attr attr = {.dot = *dot};
    bool fits = dot_call(dot, &l, &r, &type->shape, &call);
    if (!fits) {
        attr.dot = dot_canonical(dot);
        left = reordered(b, left, dot->left, attr.dot.left);
        right = reordered(b, right, dot->right, attr.dot.right);
    }
    NodeId x =
        graph_append(g, OP_DOT, (NodeId[]){left, right}, 2, attr, b->origin);
    return fits ? x : reordered(b, x, attr.dot.result, dot->result);
}

NodeId local_op(LocalBuilder *b, const Graph *graph, NodeId id,
                const Rule *rule, const NodeId *operands,
                const Sharding *operand_shardings, const Sharding *result,
                const SampleMask *samples)
{
    const Node *node = graph_node(graph, id);
    Type type = {node->type.dtype,
                 sharding_local_shape(b->mesh, &node->type.shape, result)};
    NodeId local[OPERANDS_RULE_MAX] = {{0}};
    Attr attr = node->attr;
    assert(node->n_operands <= OPERANDS_RULE_MAX);
    /* An index is not summed: what it adds is. */
    for (int32_t k = 0; k < node->n_operands; k++)
        local[k] = node->op == OP_SCATTER_ADD && k == 0
                       ? operands[k]
                       : mask_operand(b, graph, id, rule, k, operands[k],
                                      &operand_shardings[k], samples);
    switch (node->op) {
    case OP_IOTA: return iota(b, node, &type.shape, result);
    case OP_DOT: return contract(b, &attr.dot, local[0], local[1], &type);
    case OP_GATHER:
        local[1] = indices_in_block(
            b, local[1], operand_shardings[0].axes[0],
            graph_operand(graph, node, 0)->type.shape.extent[0]);
        break;
    case OP_SCATTER_ADD:
        local[0] = indices_in_block(b, local[0], result->axes[0],
                                    node->type.shape.extent[0]);
        attr.scatter.rows = type.shape.extent[0];
        break;
    default: break;
    }
    return graph_append_typed(b->local->graph, node->op, local,
                              node->n_operands, attr, type, b->origin);
}
