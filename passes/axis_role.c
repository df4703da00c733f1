/* Axis role: see the header. */
#include "passes/axis_role.h"

#include <stddef.h>

/* -- roles of a graph ------------------------------------------------------ */

static bool reads_weights(Op op)
{
    return op == OP_DOT || op == OP_CONV2D || op == OP_GATHER;
}

/* Whether the node's value is its operand's, moved. */
static bool moves(Op op)
{
    return op == OP_COPY || op == OP_TRANSPOSE || op == OP_RESHAPE;
}

/* By node: the variable that it is, or that it moves; 0: none. */
static int32_t *variables_behind(const Graph *graph, Arena *arena)
{
    int32_t *behind = arena_new(arena, int32_t, graph->nodes.count);
    for (int32_t i = 1; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, (NodeId){i});
        if (node->op == OP_VARIABLE)
            behind[i] = i;
        else if (moves(node->op))
            behind[i] = behind[node->operands[0].index];
    }
    return behind;
}

static const bool *find_weights(const Graph *graph, Arena *arena)
{
    bool *is_weight = arena_new(arena, bool, graph->nodes.count);
    const int32_t *behind = variables_behind(graph, arena);
    for (int32_t i = 1; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, (NodeId){i});
        for (int32_t k = 0; reads_weights(node->op) && k < node->n_operands;
             k++)
            is_weight[behind[node->operands[k].index]] = true;
    }
    is_weight[0] = false; /* an operand with no variable behind it */
    for (int64_t v = 0; v < graph->variables.count; v++) {
        const Variable *state = &graph->variables.data[v];
        if (state->of >= 0)
            is_weight[state->node.index] =
                is_weight[graph->variables.data[state->of].node.index];
    }
    for (int32_t i = 1; i < graph->nodes.count; i++)
        is_weight[i] = is_weight[behind[i]];
    return is_weight;
}

AxisRoles axis_roles(const Graph *graph, uint8_t data, uint8_t tensor,
                     int64_t n_parts, Arena *arena)
{
    AxisRoles roles = {.data = data, .tensor = tensor};
    uint8_t *samples;
    Diagnostics unread = diagnostics_new(arena);
    if (rule_microbatch(graph, n_parts, arena, &samples, &unread))
        roles.samples = samples;
    roles.is_weight = find_weights(graph, arena);
    return roles;
}

/* -- choices of a node ----------------------------------------------------- */

static bool is_axis(uint8_t mask, int32_t axis)
{
    return mask >> axis & 1;
}

static bool fits_samples(const AxisRoles *roles, NodeId id,
                         const Strategy *strategy)
{
    uint8_t samples = roles->samples[id.index];
    bool is_split = samples != ASSIGN_NONE && samples < ASSIGN_LINEAR;
    for (int32_t axis = 1; axis < MESH_AXES_MAX; axis++) {
        uint8_t assign = strategy->assign[axis];
        if (is_axis(roles->data, axis) && assign != samples)
            return false;
        if (is_axis(roles->tensor, axis) && is_split && assign == samples)
            return false;
    }
    return true;
}

/* Whether weights are split over the whole tensor axes and no others. */
static bool fits_weight(const AxisRoles *roles, const Sharding *sharding)
{
    uint8_t split = sharding_split_axes(sharding);
    return (split & roles->tensor) == roles->tensor && !(split & roles->data);
}

static bool fits(const AxisRoles *roles, const Node *node, NodeId id,
                 const NodeOptions *options, int32_t choice)
{
    if (roles->samples &&
        !fits_samples(roles, id, &options->strategies[choice]))
        return false;
    if (roles->is_weight[id.index] &&
        !fits_weight(roles, &options->results[choice]))
        return false;
    for (int32_t k = 0; reads_weights(node->op) && k < node->n_operands; k++)
        if (roles->is_weight[node->operands[k].index] &&
            !fits_weight(roles,
                         &options->operands[choice * options->n_operands + k]))
            return false;
    return true;
}

const bool *axis_roles_choices(const AxisRoles *roles, const Graph *graph,
                               NodeId id, const NodeOptions *options,
                               Arena *arena)
{
    bool *may = arena_new(arena, bool, options->n), any = false;
    for (int32_t c = 0; c < options->n; c++) {
        may[c] = fits(roles, graph_node(graph, id), id, options, c);
        any = any || may[c];
    }
    return any ? may : NULL;
}
