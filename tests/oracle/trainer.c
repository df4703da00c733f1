/* Trainer: steps of the train graph in the interpreter. */
#include "tests/oracle/trainer.h"

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
    *trainer = (Trainer){set, arena_new(arena, Tensor, n), seed, 0};
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
