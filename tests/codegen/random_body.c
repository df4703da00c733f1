/* Random bodies: each op is drawn, then given operands that fit by
 * construction: a value drawn among the earlier ones and, for ops of two,
 * another broadcast to its shape. */
#include "random_body.h"

#include "support/philox.h"

#include <assert.h>

typedef struct Draw {
    Graph *graph;
    const LogicalMesh *mesh;
    uint64_t seed;
    uint32_t drawn;
} Draw;

static const NodeOrigin ORIGIN = {.layer = LAYER_NONE};

enum { ELEMENTS_MAX = 4096 };

static int64_t draw(Draw *d, int64_t below)
{
    return philox(d->seed, d->drawn++, 0, 0, 0).word[0] % below;
}

static Shape draw_shape(Draw *d)
{
    Shape shape = {.rank = (int32_t)draw(d, 5)};
    for (int32_t i = 0; i < shape.rank; i++)
        shape.extent[i] = 1 + draw(d, 7);
    if (shape.rank > 0 && draw(d, 3) == 0)
        shape.extent[shape.rank - 1] = 16 + draw(d, 20);
    return shape;
}

static NodeId add_input(Draw *d, DType dtype, Shape shape)
{
    NodeId node;
    graph_add_input(d->graph, STR("x"), (Type){dtype, shape}, ORIGIN, &node);
    return node;
}

/* An earlier value; favours late ones. */
static NodeId pick(Draw *d, DType dtype)
{
    for (int i = 0; i < 64; i++) {
        int64_t n = d->graph->nodes.count;
        int64_t back =
            1 + (draw(d, 2) ? draw(d, n - 1) : draw(d, n - 1 < 3 ? n - 1 : 3));
        NodeId id = {(int32_t)(n - back)};
        if (graph_node(d->graph, id)->type.dtype == dtype)
            return id;
    }
    return add_input(d, dtype, draw_shape(d));
}

static Shape shape_of(const Draw *d, NodeId id)
{
    return graph_node(d->graph, id)->type.shape;
}

/* A value of this shape: an earlier one, a broadcast one, or an input. */
static NodeId fit(Draw *d, DType dtype, Shape shape)
{
    NodeId id = pick(d, dtype);
    Shape have = shape_of(d, id);
    if (shape_equal(&have, &shape))
        return id;
    Shape less = {0};
    int32_t dims[RANK_MAX] = {0};
    for (int32_t i = 0; i < shape.rank; i++) {
        if (draw(d, 2)) {
            dims[less.rank] = i;
            less.extent[less.rank++] = shape.extent[i];
        }
    }
    return graph_broadcast(d->graph, add_input(d, dtype, less), dims, shape,
                           ORIGIN);
}

static NodeId unary(Draw *d)
{
    static const Op ops[] = {OP_COPY, OP_NEG, OP_EXP,  OP_TANH,  OP_SIN,
                             OP_COS,  OP_ABS, OP_SIGN, OP_FLOOR, OP_TO_I32};
    Op op = ops[draw(d, sizeof(ops) / sizeof(ops[0]))];
    return graph_unary(d->graph, op, pick(d, DTYPE_F32), ORIGIN);
}

/* Arguments that keep the function finite. */
static NodeId positive_unary(Draw *d)
{
    static const Op ops[] = {OP_LOG, OP_SQRT, OP_RSQRT};
    NodeId x = graph_unary(d->graph, OP_ABS, pick(d, DTYPE_F32), ORIGIN);
    NodeId half =
        graph_constant(d->graph, 0.5, graph_node(d->graph, x)->type, ORIGIN);
    x = graph_binary(d->graph, OP_ADD, x, half, ORIGIN);
    return graph_unary(d->graph, ops[draw(d, 3)], x, ORIGIN);
}

static NodeId binary(Draw *d)
{
    static const Op ops[] = {OP_ADD, OP_SUB, OP_MUL, OP_MAX,
                             OP_MIN, OP_EQ,  OP_LT,  OP_LE};
    DType dtype = draw(d, 4) ? DTYPE_F32 : DTYPE_I32;
    NodeId x = pick(d, dtype);
    NodeId y = fit(d, dtype, shape_of(d, x));
    return graph_binary(d->graph, ops[draw(d, 8)], x, y, ORIGIN);
}

static NodeId select_op(Draw *d)
{
    NodeId x = pick(d, draw(d, 4) ? DTYPE_F32 : DTYPE_I32);
    Shape shape = shape_of(d, x);
    NodeId y = fit(d, graph_node(d->graph, x)->type.dtype, shape);
    NodeId c = graph_binary(d->graph, OP_LT, x, y, ORIGIN);
    return graph_select(d->graph, c, x, y, ORIGIN);
}

static NodeId random_op(Draw *d)
{
    Shape shape = draw_shape(d);
    if (shape.rank == 0)
        shape = (Shape){1, {5}};
    NodeId low =
        graph_iota(d->graph, (int32_t)draw(d, shape.rank), shape, ORIGIN);
    NodeId high = fit(d, DTYPE_I32, shape);
    Attr attr = {
        .random = {draw(d, 2) ? DISTRIBUTION_UNIFORM : DISTRIBUTION_NORMAL,
                   (uint32_t)draw(d, 1 << 30), draw(d, 2)}};
    return graph_append(d->graph, OP_RANDOM, (NodeId[]){high, low}, 2, attr,
                        ORIGIN);
}

static NodeId broadcast(Draw *d)
{
    NodeId x = pick(d, draw(d, 4) ? DTYPE_F32 : DTYPE_I32);
    Shape from = shape_of(d, x), to = {0};
    int32_t dims[RANK_MAX] = {0};
    if (shape_count(&from) > ELEMENTS_MAX / 8 || from.rank > 4)
        return x;
    for (int32_t i = 0; i <= from.rank; i++) {
        if (draw(d, 2) && to.rank + from.rank - i < RANK_MAX)
            to.extent[to.rank++] = 1 + draw(d, 4);
        if (i < from.rank) {
            dims[i] = to.rank;
            to.extent[to.rank++] = from.extent[i];
        }
    }
    if (to.rank > 6)
        return x;
    return graph_broadcast(d->graph, x, dims, to, ORIGIN);
}

/* Merges or splits a dimension. */
static NodeId reshape(Draw *d)
{
    NodeId x = pick(d, draw(d, 4) ? DTYPE_F32 : DTYPE_I32);
    Shape from = shape_of(d, x), to = {0};
    if (from.rank == 0)
        return graph_reshape(d->graph, x, (Shape){1, {1}}, ORIGIN);
    int32_t at = (int32_t)draw(d, from.rank);
    bool merges = at + 1 < from.rank && draw(d, 2);
    for (int32_t i = 0; i < from.rank; i++) {
        int64_t extent = from.extent[i];
        if (i == at && merges) {
            extent *= from.extent[++i];
        } else if (i == at && from.rank < 6) {
            int64_t part = 1 + draw(d, extent);
            while (extent % part != 0)
                part--;
            to.extent[to.rank++] = part;
            extent /= part;
        }
        to.extent[to.rank++] = extent;
    }
    return graph_reshape(d->graph, x, to, ORIGIN);
}

static NodeId transpose(Draw *d)
{
    NodeId x = pick(d, draw(d, 4) ? DTYPE_F32 : DTYPE_I32);
    int32_t rank = shape_of(d, x).rank, dims[RANK_MAX] = {0};
    for (int32_t i = 0; i < rank; i++)
        dims[i] = i;
    for (int32_t i = rank; i-- > 1;) {
        int64_t k = draw(d, i + 1);
        int32_t t = dims[i];
        dims[i] = dims[k];
        dims[k] = t;
    }
    return graph_transpose(d->graph, x, dims, ORIGIN);
}

static NodeId window(Draw *d)
{
    NodeId x = pick(d, draw(d, 4) ? DTYPE_F32 : DTYPE_I32);
    Shape shape = shape_of(d, x);
    bool pads = draw(d, 2) && shape_count(&shape) < ELEMENTS_MAX / 8;
    Attr attr = {0};
    for (int32_t i = 0; i < shape.rank; i++) {
        if (draw(d, 2))
            continue;
        int64_t extent = pads ? shape.extent[i] + 1 : shape.extent[i];
        attr.window.low[i] = draw(d, extent);
        attr.window.high[i] = draw(d, extent - attr.window.low[i]);
    }
    return graph_append(d->graph, pads ? OP_PAD : OP_SLICE, &x, 1, attr,
                        ORIGIN);
}

static NodeId reduce_op(Draw *d)
{
    static const Op ops[] = {OP_SUM, OP_SUM, OP_REDUCE_MAX, OP_ARGMAX};
    NodeId x = pick(d, draw(d, 6) ? DTYPE_F32 : DTYPE_I32);
    int32_t rank = shape_of(d, x).rank;
    if (rank == 0)
        return x;
    Op op = ops[draw(d, 4)];
    uint32_t dims = 1u << draw(d, rank);
    if (op != OP_ARGMAX)
        dims |= (uint32_t)draw(d, 1 << rank);
    return graph_reduce(d->graph, op, x, dims, ORIGIN);
}

static NodeId indexed(Draw *d)
{
    NodeId index = pick(d, DTYPE_I32);
    Shape shape = shape_of(d, index);
    if (shape.rank > 3 || shape_count(&shape) > 512)
        return index;
    if (draw(d, 2)) {
        NodeId table = add_input(d, DTYPE_F32, (Shape){2, {5, 7}});
        return graph_append(d->graph, OP_GATHER, (NodeId[]){table, index}, 2,
                            (Attr){0}, ORIGIN);
    }
    shape.extent[shape.rank++] = 1 + draw(d, 6);
    NodeId updates = fit(d, DTYPE_F32, shape);
    return graph_append(d->graph, OP_SCATTER_ADD, (NodeId[]){index, updates}, 2,
                        (Attr){.scatter = {6}}, ORIGIN);
}

static NodeId image(Draw *d)
{
    SpatialAttr s = {.input = {3 + draw(d, 4), 3 + draw(d, 4)}};
    for (int i = 0; i < 2; i++) {
        s.kernel[i] = 1 + draw(d, 3);
        s.stride[i] = 1 + draw(d, 3);
        s.padding[i] = draw(d, s.kernel[i]);
    }
    Shape shape = {4, {2, 1 + draw(d, 3), s.input[0], s.input[1]}};
    NodeId x = fit(d, DTYPE_F32, shape);
    NodeId patches =
        graph_append(d->graph, OP_UNFOLD, &x, 1, (Attr){.spatial = s}, ORIGIN);
    if (draw(d, 2))
        return patches;
    return graph_append(d->graph, OP_FOLD, &patches, 1, (Attr){.spatial = s},
                        ORIGIN);
}

static NodeId shard(Draw *d)
{
    ShardAttr s = {.axes = 2, .outer_axes = (uint8_t)draw(d, 2)};
    NodeId x = pick(d, DTYPE_F32);
    Type type = graph_node(d->graph, x)->type;
    if (type.shape.rank == 0 || draw(d, 3) == 0) {
        s.extent = 1 + draw(d, 30);
        return graph_append_typed(d->graph, OP_SHARD_START, NULL, 0,
                                  (Attr){.shard = s}, (Type){DTYPE_I32, {0}},
                                  ORIGIN);
    }
    s.dim = (int32_t)draw(d, type.shape.rank);
    int64_t outer = s.outer_axes ? d->mesh->axis[0].size : 1;
    s.extent = type.shape.extent[s.dim] * outer;
    type.shape.extent[s.dim] =
        sharding_block(d->mesh, s.extent, s.axes | s.outer_axes);
    return graph_append_typed(d->graph, OP_SHARD_SLICE, &x, 1,
                              (Attr){.shard = s}, type, ORIGIN);
}

Graph *random_body(Arena *arena, uint64_t seed, int32_t n_ops,
                   const LogicalMesh *mesh, NodeId *root)
{
    static NodeId (*const kinds[])(Draw *) = {
        unary,     unary,     positive_unary, binary,  binary,  binary,
        select_op, random_op, broadcast,      reshape, reshape, transpose,
        window,    reduce_op, reduce_op,      indexed, image,   shard};
    Draw d = {
        .graph = graph_new(arena, STR("body")), .mesh = mesh, .seed = seed};
    *root = add_input(&d, DTYPE_F32, draw_shape(&d));
    for (int32_t i = 0; i < n_ops; i++) {
        NodeId made = kinds[draw(&d, sizeof(kinds) / sizeof(kinds[0]))](&d);
        if (graph_node(d.graph, made)->op != OP_INPUT)
            *root = made;
    }
    return d.graph;
}

Tensor *random_inputs(Arena *arena, const Graph *graph, uint64_t seed)
{
    Tensor *inputs = arena_new(arena, Tensor, graph->inputs.count);
    for (int64_t i = 0; i < graph->inputs.count; i++) {
        inputs[i] = tensor_new(arena, graph->inputs.data[i].type);
        int64_t n = shape_count(&inputs[i].type.shape);
        for (int64_t k = 0; k < n; k++) {
            PhiloxWords w = philox(seed, (uint32_t)k, (uint32_t)i, 1, 0);
            if (inputs[i].type.dtype == DTYPE_F32)
                tensor_f32(inputs[i])[k] = 4 * philox_uniform(w.word[0]) - 2;
            else
                tensor_i32(inputs[i])[k] = (int32_t)(w.word[0] % 9) - 1;
        }
    }
    return inputs;
}
