/* Interpret: leaves, composites, and which evaluator an op has. */
#include "ir/interpret.h"

#include "ir/compose.h"
#include "ir/interpret_op.h"

#include <assert.h>
#include <string.h>

Tensor tensor_new(Arena *arena, Type type)
{
    int64_t bytes = type_bytes(&type);
    return (Tensor){type, arena_alloc(arena, bytes, 1, 64)};
}

static void fill_i32(Tensor t, int32_t value)
{
    for (int64_t i = 0; i < shape_count(&t.type.shape); i++)
        tensor_i32(t)[i] = value;
}

static void evaluate_constant(const Evaluation *e)
{
    double value = e->node->attr.constant.value;
    if (e->result.type.dtype == DTYPE_I32) {
        fill_i32(e->result, (int32_t)value);
        return;
    }
    for (int64_t i = 0; i < shape_count(&e->result.type.shape); i++)
        tensor_f32(e->result)[i] = (float)value;
}

static void evaluate_iota(const Evaluation *e)
{
    int64_t index[RANK_MAX] = {0}, i = 0;
    do {
        tensor_i32(e->result)[i++] = (int32_t)index[e->node->attr.iota.dim];
    } while (index_next(&e->result.type.shape, index));
}

static void evaluate_scalar(const Evaluation *e)
{
    const KernelContext *context = &e->environment->context;
    bool is_step = e->node->attr.scalar.kind == SCALAR_STEP;
    fill_i32(e->result,
             (int32_t)(is_step ? context->step : context->sample_count));
}

/* Absolute: the outer axes' block start is part of it. */
static void evaluate_shard_start(const Evaluation *e)
{
    const ShardAttr *shard = &e->node->attr.shard;
    int64_t start, length;
    sharding_local_range(e->environment->mesh, shard->extent,
                         shard->axes | shard->outer_axes,
                         e->environment->context.coordinate, &start, &length);
    fill_i32(e->result, (int32_t)start);
}

/* A composite means its decomposition. */
static void evaluate_composite(const Evaluation *e)
{
    Arena scratch = e->scratch;
    int32_t n = e->node->n_operands;
    Graph *graph = graph_new(&scratch, e->node->path);
    NodeOrigin origin = {.layer = LAYER_NONE, .path = e->node->path};
    NodeId *inputs = arena_new(&scratch, NodeId, n);
    for (int32_t i = 0; i < n; i++)
        graph_add_input(graph, STR("operand"), e->operands[i].type, origin,
                        &inputs[i]);
    NodeId root = compose(graph, e->node->op, &e->node->attr, inputs, origin);
    Environment environment = {.inputs = e->operands};
    Tensor *values = arena_new(&scratch, Tensor, graph->nodes.count);
    graph_interpret(graph, &environment, &scratch, values);
    memcpy(e->result.data, values[root.index].data,
           (size_t)type_bytes(&e->result.type));
}

static void evaluate(const Evaluation *e)
{
    switch (e->node->op) {
    case OP_CONSTANT: evaluate_constant(e); break;
    case OP_IOTA: evaluate_iota(e); break;
    case OP_SCALAR: evaluate_scalar(e); break;
    case OP_COPY:
    case OP_STOP_GRADIENT:
    case OP_NEG:
    case OP_EXP:
    case OP_LOG:
    case OP_TANH:
    case OP_SQRT:
    case OP_RSQRT:
    case OP_SIN:
    case OP_COS:
    case OP_ABS:
    case OP_SIGN:
    case OP_FLOOR:
    case OP_TO_F32:
    case OP_TO_I32: evaluate_unary(e); break;
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_DIV:
    case OP_MAX:
    case OP_MIN:
    case OP_POW:
    case OP_REM: evaluate_binary(e); break;
    case OP_EQ:
    case OP_LT:
    case OP_LE: evaluate_compare(e); break;
    case OP_SELECT: evaluate_select(e); break;
    case OP_RANDOM: evaluate_random(e); break;
    case OP_BROADCAST: evaluate_broadcast(e); break;
    case OP_RESHAPE: evaluate_reshape(e); break;
    case OP_TRANSPOSE: evaluate_transpose(e); break;
    case OP_SLICE: evaluate_slice(e); break;
    case OP_PAD: evaluate_pad(e); break;
    case OP_UNFOLD: evaluate_unfold(e); break;
    case OP_FOLD: evaluate_fold(e); break;
    case OP_SUM:
    case OP_REDUCE_MAX: evaluate_reduce(e); break;
    case OP_ARGMAX: evaluate_argmax(e); break;
    case OP_DOT: evaluate_dot(e); break;
    case OP_CONV2D: evaluate_conv2d(e); break;
    case OP_CONV2D_GRADIENT_INPUT: evaluate_conv2d_gradient_input(e); break;
    case OP_CONV2D_GRADIENT_FILTER: evaluate_conv2d_gradient_filter(e); break;
    case OP_GATHER: evaluate_gather(e); break;
    case OP_SCATTER_ADD: evaluate_scatter_add(e); break;
    case OP_WORLD_SUM: evaluate_world_sum(e); break;
    case OP_SOFTMAX:
    case OP_LAYERNORM:
    case OP_RMSNORM:
    case OP_CROSS_ENTROPY:
    case OP_GELU: evaluate_composite(e); break;
    case OP_SHARD_START: evaluate_shard_start(e); break;
    case OP_SHARD_SLICE: evaluate_shard_slice(e); break;
    case OP_NONE:
    case OP_INPUT:
    case OP_VARIABLE:
    case OP_ACCUMULATE:
    case OP_ALL_REDUCE:
    case OP_ALL_GATHER:
    case OP_REDUCE_SCATTER:
    case OP_ALL_TO_ALL:
    case OP_PERMUTE:
    case OP_RECEIVE:
    case OP_COUNT: assert(!"not a function of its operands"); break;
    }
}

Tensor node_interpret(const Graph *graph, NodeId id, const Tensor *operands,
                      const Environment *environment, Arena *arena)
{
    const Node *node = graph_node(graph, id);
    if (node->op == OP_INPUT || node->op == OP_VARIABLE) {
        Tensor given =
            node->op == OP_INPUT
                ? environment->inputs[node->attr.input.input]
                : environment->variables[node->attr.variable.variable];
        assert(type_equal(&given.type, &node->type));
        return given;
    }
    Tensor result = tensor_new(arena, node->type);
    evaluate(&(Evaluation){node, operands, environment, result, *arena});
    return result;
}

void graph_interpret(const Graph *graph, const Environment *environment,
                     Arena *arena, Tensor *values)
{
    int64_t n_most = 0;
    for (int64_t i = 1; i < graph->nodes.count; i++) {
        int64_t n = graph->nodes.data[i].n_operands;
        n_most = n > n_most ? n : n_most;
    }
    Tensor *operands = arena_new(arena, Tensor, n_most);
    for (int32_t i = 1; i < graph->nodes.count; i++) {
        const Node *node = &graph->nodes.data[i];
        for (int32_t k = 0; k < node->n_operands; k++)
            operands[k] = values[node->operands[k].index];
        values[i] =
            node_interpret(graph, (NodeId){i}, operands, environment, arena);
    }
}
