/* Training kernels: bodies of the shapes that training spends its time in, for
 * tests and benchmarks. */
#include "training_kernels.h"

#include "ir/compose.h"

#include <string.h>

static const NodeOrigin ORIGIN = {.layer = LAYER_NONE};

static NodeId input(Graph *g, DType dtype, int32_t rank, const int64_t *extents)
{
    Type type = {dtype, {.rank = rank}};
    memcpy(type.shape.extent, extents, (size_t)rank * sizeof(extents[0]));
    NodeId node;
    graph_add_input(g, STR("x"), type, ORIGIN, &node);
    return node;
}

static NodeId matrix(Graph *g, int64_t rows, int64_t columns)
{
    return input(g, DTYPE_F32, 2, (int64_t[]){rows, columns});
}

static NodeId vector(Graph *g, int64_t n)
{
    return input(g, DTYPE_F32, 1, &n);
}

static NodeId constant_like(Graph *g, NodeId x, double value)
{
    return graph_constant(g, value, graph_node(g, x)->type, ORIGIN);
}

static NodeId copy(Graph *g, int64_t rows)
{
    NodeId x = matrix(g, rows, 768);
    return graph_unary(g, OP_COPY, x, ORIGIN);
}

static NodeId bias_gelu(Graph *g, int64_t rows)
{
    NodeId x = matrix(g, rows / 4, 3072), b = vector(g, 3072);
    NodeId sum = graph_binary(
        g, OP_ADD, x, graph_splat(g, b, graph_node(g, x)->type.shape, ORIGIN),
        ORIGIN);
    return compose(g, OP_GELU, &(Attr){0}, &sum, ORIGIN);
}

static NodeId softmax(Graph *g, int64_t rows)
{
    NodeId x = input(g, DTYPE_F32, 3, (int64_t[]){rows / 16, 48, 256});
    return compose(g, OP_SOFTMAX, &(Attr){0}, &x, ORIGIN);
}

static NodeId layernorm(Graph *g, int64_t rows)
{
    NodeId x = matrix(g, rows, 768);
    Attr attr = {.epsilon = {1e-5}};
    NodeId y = compose(g, OP_LAYERNORM, &attr, &x, ORIGIN);
    Shape shape = graph_node(g, x)->type.shape;
    NodeId w = graph_splat(g, vector(g, 768), shape, ORIGIN);
    NodeId b = graph_splat(g, vector(g, 768), shape, ORIGIN);
    y = graph_binary(g, OP_MUL, y, w, ORIGIN);
    return graph_binary(g, OP_ADD, y, b, ORIGIN);
}

static NodeId cross_entropy(Graph *g, int64_t rows)
{
    NodeId x = matrix(g, rows / 16, 50257);
    NodeId t = input(g, DTYPE_I32, 1, (int64_t[]){rows / 16});
    return compose(g, OP_CROSS_ENTROPY, &(Attr){0}, (NodeId[]){x, t}, ORIGIN);
}

static NodeId column_sum(Graph *g, int64_t rows)
{
    return graph_reduce(g, OP_SUM, matrix(g, rows, 768), 1, ORIGIN);
}

static NodeId whole_sum(Graph *g, int64_t rows)
{
    NodeId x = matrix(g, rows, 768);
    x = graph_binary(g, OP_MUL, x, x, ORIGIN);
    return graph_reduce(g, OP_SUM, x, 3, ORIGIN);
}

static NodeId adamw(Graph *g, int64_t rows)
{
    int64_t n = rows * 1024;
    NodeId w = vector(g, n), m = vector(g, n), v = vector(g, n);
    NodeId u = graph_unary(g, OP_SQRT, v, ORIGIN);
    u = graph_binary(g, OP_ADD, u, constant_like(g, v, 1e-8), ORIGIN);
    u = graph_binary(g, OP_DIV, m, u, ORIGIN);
    NodeId decay =
        graph_binary(g, OP_MUL, w, constant_like(g, w, 0.01), ORIGIN);
    u = graph_binary(g, OP_ADD, u, decay, ORIGIN);
    u = graph_binary(g, OP_MUL, u, constant_like(g, w, 1e-3), ORIGIN);
    return graph_binary(g, OP_SUB, w, u, ORIGIN);
}

/* [B, T, H, D] -> [B, H, T, D] */
static NodeId heads(Graph *g, int64_t rows)
{
    NodeId x = input(g, DTYPE_F32, 3, (int64_t[]){4, rows / 4, 768});
    x = graph_reshape(g, x, (Shape){4, {4, rows / 4, 12, 64}}, ORIGIN);
    return graph_transpose(g, x, (int32_t[8]){0, 2, 1, 3}, ORIGIN);
}

static NodeId transpose(Graph *g, int64_t rows)
{
    NodeId x = matrix(g, rows, 768);
    return graph_transpose(g, x, (int32_t[8]){1, 0}, ORIGIN);
}

static NodeId causal_softmax(Graph *g, int64_t rows)
{
    NodeId x = input(g, DTYPE_F32, 3, (int64_t[]){12, rows / 4, rows / 4});
    Shape shape = graph_node(g, x)->type.shape;
    NodeId row = graph_iota(g, 1, shape, ORIGIN);
    NodeId column = graph_iota(g, 2, shape, ORIGIN);
    NodeId seen = graph_binary(g, OP_LE, column, row, ORIGIN);
    x = graph_binary(g, OP_MUL, x, constant_like(g, x, 0.125), ORIGIN);
    x = graph_select(g, seen, x, constant_like(g, x, -1e30), ORIGIN);
    return compose(g, OP_SOFTMAX, &(Attr){0}, &x, ORIGIN);
}

static NodeId dropout(Graph *g, int64_t rows)
{
    NodeId x = matrix(g, rows, 768);
    Shape shape = graph_node(g, x)->type.shape;
    NodeId low = graph_iota(g, 1, shape, ORIGIN);
    NodeId high = graph_iota(g, 0, shape, ORIGIN);
    Attr attr = {.random = {DISTRIBUTION_UNIFORM, 17, true}};
    NodeId r =
        graph_append(g, OP_RANDOM, (NodeId[]){high, low}, 2, attr, ORIGIN);
    NodeId keep = graph_binary(g, OP_LT, constant_like(g, r, 0.1), r, ORIGIN);
    x = graph_binary(g, OP_MUL, x, constant_like(g, x, 1 / 0.9), ORIGIN);
    return graph_binary(g, OP_MUL, x, keep, ORIGIN);
}

static NodeId embed(Graph *g, int64_t rows)
{
    NodeId table = matrix(g, 9, 768);
    NodeId index = input(g, DTYPE_I32, 1, (int64_t[]){rows});
    return graph_append(g, OP_GATHER, (NodeId[]){table, index}, 2, (Attr){0},
                        ORIGIN);
}

static NodeId embed_gradient(Graph *g, int64_t rows)
{
    NodeId index = input(g, DTYPE_I32, 1, (int64_t[]){rows});
    NodeId updates = matrix(g, rows, 768);
    return graph_append(g, OP_SCATTER_ADD, (NodeId[]){index, updates}, 2,
                        (Attr){.scatter = {256}}, ORIGIN);
}

/* Three slices of one projection, put back together by pad and add. */
static NodeId concatenate(Graph *g, int64_t rows)
{
    NodeId sum = {0};
    for (int i = 0; i < 3; i++) {
        NodeId x = matrix(g, rows, 256);
        Attr attr = {0};
        attr.window.low[1] = 256 * i;
        attr.window.high[1] = 256 * (2 - i);
        x = graph_append(g, OP_PAD, &x, 1, attr, ORIGIN);
        sum = node_is(sum) ? graph_binary(g, OP_ADD, sum, x, ORIGIN) : x;
    }
    return sum;
}

static SpatialAttr pooling(void)
{
    return (SpatialAttr){.kernel = {2, 2},
                         .stride = {2, 2},
                         .input = {28, 28},
                         .fill = -__builtin_inf()};
}

static NodeId max_pool(Graph *g, int64_t rows)
{
    NodeId x = input(g, DTYPE_F32, 4, (int64_t[]){rows / 16, 16, 28, 28});
    NodeId w =
        graph_append(g, OP_UNFOLD, &x, 1, (Attr){.spatial = pooling()}, ORIGIN);
    return graph_reduce(g, OP_REDUCE_MAX, w, 0x30, ORIGIN);
}

static NodeId unpool(Graph *g, int64_t rows)
{
    NodeId x = input(g, DTYPE_F32, 6, (int64_t[]){rows / 16, 16, 14, 14, 2, 2});
    SpatialAttr s = pooling();
    s.fill = 0;
    return graph_append(g, OP_FOLD, &x, 1, (Attr){.spatial = s}, ORIGIN);
}

/* x[N, C, H, W] + bias over channels, relu; and the bias's gradient. */
static NodeId channel_bias(Graph *g, int64_t rows)
{
    NodeId x = input(g, DTYPE_F32, 4, (int64_t[]){rows / 16, 16, 28, 28});
    Shape shape = graph_node(g, x)->type.shape;
    NodeId b =
        graph_broadcast(g, vector(g, 16), (int32_t[8]){1}, shape, ORIGIN);
    x = graph_binary(g, OP_ADD, x, b, ORIGIN);
    return graph_binary(g, OP_MAX, x, constant_like(g, x, 0), ORIGIN);
}

static NodeId channel_sum(Graph *g, int64_t rows)
{
    NodeId x = input(g, DTYPE_F32, 4, (int64_t[]){rows / 16, 16, 28, 28});
    return graph_reduce(g, OP_SUM, x, 0xd, ORIGIN);
}

static NodeId normal_init(Graph *g, int64_t rows)
{
    Shape shape = {1, {rows * 1024}};
    NodeId low = graph_iota(g, 0, shape, ORIGIN);
    NodeId high = graph_constant(g, 0, (Type){DTYPE_I32, shape}, ORIGIN);
    Attr attr = {.random = {DISTRIBUTION_NORMAL, 17, false}};
    return graph_append(g, OP_RANDOM, (NodeId[]){high, low}, 2, attr, ORIGIN);
}

const TrainingKernel TRAINING_KERNELS[] = {
    {"copy", copy},
    {"bias + gelu", bias_gelu},
    {"softmax", softmax},
    {"causal softmax", causal_softmax},
    {"layernorm", layernorm},
    {"cross entropy", cross_entropy},
    {"column sum", column_sum},
    {"sum of squares", whole_sum},
    {"adamw", adamw},
    {"split heads", heads},
    {"transpose", transpose},
    {"dropout", dropout},
    {"embedding", embed},
    {"embedding gradient", embed_gradient},
    {"concatenate", concatenate},
    {"max pool", max_pool},
    {"unpool", unpool},
    {"channel bias relu", channel_bias},
    {"channel sum", channel_sum},
    {"normal", normal_init},
};
const int32_t N_TRAINING_KERNELS =
    sizeof(TRAINING_KERNELS) / sizeof(TRAINING_KERNELS[0]);
