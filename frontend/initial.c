/* Initial: the graph that computes every variable's first value.
 *
 * A random value is a function of the seed, the variable's name and the
 * element's index, so it does not depend on the plan.
 */
#include "frontend/lower.h"

static NodeId filled(Graph *graph, double value, Shape shape, NodeOrigin origin)
{
    return graph_constant(graph, value, (Type){DTYPE_F32, shape}, origin);
}

/* scale * random + offset */
static NodeId random_value(Graph *graph, const Initializer *initial,
                           Shape shape, NodeOrigin origin,
                           const NodeId counters[2])
{
    bool uniform = initial->distribution == DISTRIBUTION_UNIFORM;
    double scale = uniform ? initial->b - initial->a : initial->b;
    Attr attr = {.random = {initial->distribution,
                            (uint32_t)str_hash(origin.path), false}};
    NodeId v = graph_append(graph, OP_RANDOM, counters, 2, attr, origin);
    if (scale != 1)
        v = graph_binary(graph, OP_MUL, v, filled(graph, scale, shape, origin),
                         origin);
    if (initial->a != 0)
        v = graph_binary(graph, OP_ADD, v,
                         filled(graph, initial->a, shape, origin), origin);
    return v;
}

static bool first_value(Lowering *l, Graph *graph, int32_t index)
{
    const Variable *variable = &graph->variables.data[index];
    const Initializer *initial =
        &l->declared.data[index].initial.as.initializer;
    Shape shape = variable->type.shape;
    NodeOrigin origin = {
        .layer = LAYER_NONE, .span = variable->span, .path = variable->name};
    NodeId value, counters[2];
    if (!initial->is_random) {
        value = filled(graph, initial->a, shape, origin);
    } else if (append_counters(graph, shape, origin, counters)) {
        value = random_value(graph, initial, shape, origin, counters);
    } else {
        complain(l, variable->span, tensor_too_large);
        return false;
    }
    graph_add_output(graph, (Output){.kind = OUTPUT_INIT,
                                     .name = variable->name,
                                     .node = value,
                                     .variable = index,
                                     .span = variable->span});
    return true;
}

Graph *lower_initial(Lowering *l)
{
    Graph *graph = graph_like(l->arena, l->graph, STR("init"));
    graph->inputs.count = 0;
    for (int64_t i = 0; i < graph->variables.count; i++)
        if (!first_value(l, graph, (int32_t)i))
            return NULL;
    return graph;
}
