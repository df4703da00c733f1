/* Trainer: steps of the train graph in the interpreter. */
#include "tests/oracle/trainer.h"

#include "support/philox.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static void write(Tensor to, Tensor from)
{
    assert(type_equal(&to.type, &from.type));
    memcpy(to.data, from.data, (size_t)type_bytes(&to.type));
}

void trainer_init(Trainer *trainer, const GraphSet *set, uint64_t seed,
                  Arena *arena, Arena scratch)
{
    int64_t n = set->train->variables.count;
    *trainer = (Trainer){
        .set = set, .variables = arena_new(arena, Tensor, n), .seed = seed};
    for (int64_t i = 0; i < n; i++)
        trainer->variables[i] =
            tensor_new(arena, set->train->variables.data[i].type);
    if (!set->init)
        return;
    Tensor *values = trainer_values(trainer, set->init, NULL, &scratch);
    for (int64_t i = 0; i < set->init->outputs.count; i++) {
        const Output *output = &set->init->outputs.data[i];
        if (output->kind == OUTPUT_INIT)
            write(trainer->variables[output->variable],
                  values[output->node.index]);
    }
}

/* Whether the op's result depends on how it is rounded: what moves, compares
 * or chooses values is exact. */
static bool rounds(const Node *node)
{
    if (node->type.dtype != DTYPE_F32)
        return false;
    switch (node->op) {
    case OP_INPUT:
    case OP_VARIABLE: /* for the sums they enter at once */
    case OP_EXP:
    case OP_LOG:
    case OP_TANH:
    case OP_SQRT:
    case OP_RSQRT:
    case OP_SIN:
    case OP_COS:
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_DIV:
    case OP_POW:
    case OP_FOLD:
    case OP_SUM:
    case OP_DOT:
    case OP_CONV2D:
    case OP_CONV2D_GRADIENT_INPUT:
    case OP_CONV2D_GRADIENT_FILTER:
    case OP_SCATTER_ADD:
    case OP_WORLD_SUM: return true;
    default: return op_has(node->op, TRAIT_COMPOSITE);
    }
}

/* A copy of node `i`'s value with each element off by -1, 0 or 1 parts of
 * 2^23. */
static Tensor noisy(const Trainer *trainer, int32_t i, Tensor exact,
                    Arena *arena)
{
    Tensor value = tensor_new(arena, exact.type);
    for (int64_t k = 0; k < shape_count(&exact.type.shape); k++) {
        uint32_t word = philox(trainer->noise, (uint32_t)k, (uint32_t)(k >> 32),
                               (uint32_t)i, (uint32_t)trainer->step)
                            .word[0];
        float off = ((float)(word % 3) - 1) * 0x1p-23f;
        tensor_f32(value)[k] = tensor_f32(exact)[k] * (1 + off);
    }
    return value;
}

static void interpret_noisy(const Trainer *trainer, const Graph *graph,
                            const Environment *environment, Arena *arena,
                            Tensor *values)
{
    for (int32_t i = 1; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, (NodeId){i});
        Tensor *operands = arena_new(arena, Tensor, node->n_operands);
        for (int32_t k = 0; k < node->n_operands; k++)
            operands[k] = values[node->operands[k].index];
        values[i] =
            node_interpret(graph, (NodeId){i}, operands, environment, arena);
        if (rounds(node))
            values[i] = noisy(trainer, i, values[i], arena);
    }
}

Tensor *trainer_values(const Trainer *trainer, const Graph *graph,
                       const Tensor *inputs, Arena *arena)
{
    Environment environment = {
        .inputs = inputs,
        .variables = trainer->variables,
        .context = {.seed = trainer->seed, .step = trainer->step},
    };
    if (graph->inputs.count > 0)
        environment.context.sample_count =
            graph->inputs.data[0].type.shape.extent[0];
    Tensor *values = arena_new(arena, Tensor, graph->nodes.count);
    if (trainer->noise)
        interpret_noisy(trainer, graph, &environment, arena, values);
    else
        graph_interpret(graph, &environment, arena, values);
    return values;
}

double trainer_step(Trainer *trainer, const Tensor *inputs, Arena scratch)
{
    const Graph *graph = trainer->set->train;
    Tensor *values = trainer_values(trainer, graph, inputs, &scratch);
    double loss = (double)NAN;
    for (int64_t i = 0; i < graph->outputs.count; i++) {
        const Output *output = &graph->outputs.data[i];
        Tensor value = values[output->node.index];
        if (output->kind == OUTPUT_LOSS)
            loss = (double)*tensor_f32(value);
        else if (output->kind == OUTPUT_UPDATE)
            write(trainer->variables[output->variable], value);
    }
    trainer->step++;
    return loss;
}

int32_t trainer_variable(const Trainer *trainer, const char *name)
{
    const Graph *graph = trainer->set->train;
    for (int32_t i = 0; i < graph->variables.count; i++) {
        if (str_equal_c(graph->variables.data[i].name, name))
            return i;
    }
    assert(false && "a variable of that name");
    return -1;
}
