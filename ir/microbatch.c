/* Microbatch: what the microbatch axis (time) does in every node.
 *
 * A forward pass over the graph gives each node one of three states: split or
 * partial over time (it runs in every microbatch), or per step.  A value that
 * exists only when all microbatches are done is *late*: nothing that runs in
 * every microbatch may read it.  A backward pass then splits what is made of
 * leaves alone, and so has no opinion, as its users want it.
 */
#include "ir/rule.h"

#include <string.h>

typedef struct Analysis {
    const Graph *graph;
    LogicalMesh mesh; /* the microbatch axis alone */
    Rule *rules;
    Sharding *result;  /* of each node, over time */
    bool *late;        /* accumulated over the microbatches, or made of it */
    bool *from_leaves; /* made of free leaves alone */
    uint8_t *time;
} Analysis;

/* The operand dimension that is split over time, or -1. */
static int split_dim(const Sharding *s)
{
    for (int d = 0; d < RANK_MAX; d++)
        if (s->axes[d] & AXIS_MASK_TIME)
            return d;
    return -1;
}

/* The assignment under which every operand that is split over time is read as
 * it is; ASSIGN_NONE when there is none. */
static uint8_t follow_split(const Analysis *a, const Node *node,
                            const Rule *rule)
{
    uint8_t assign = ASSIGN_NONE;
    for (int32_t i = 0; i < rule->n_operands; i++) {
        int dim = split_dim(&a->result[node->operands[i].index]);
        if (dim < 0)
            continue;
        if (rule->operand[i][dim].n == 0)
            return ASSIGN_NONE;
        uint8_t wanted =
            (uint8_t)(ASSIGN_FACTOR + rule->operand[i][dim].factor[0]);
        if (assign != ASSIGN_NONE && assign != wanted)
            return ASSIGN_NONE;
        assign = wanted;
    }
    return assign;
}

/* The linear group that is exactly the partial operands; ASSIGN_NONE.  A
 * maximum is partial too, but nothing is linear in its parts. */
static uint8_t follow_partial(const Analysis *a, const Node *node)
{
    uint32_t partial = 0;
    for (int32_t i = 0; i < node->n_operands; i++) {
        const Sharding *s = &a->result[node->operands[i].index];
        if (!(s->partial & AXIS_MASK_TIME))
            continue;
        if (s->operator!= REDUCE_SUM)
            return ASSIGN_NONE;
        partial |= 1u << i;
    }
    for (int group = 0; group < 3; group++)
        if (partial && op_info(node->op)->linear[group] == partial)
            return (uint8_t)(ASSIGN_LINEAR + group);
    return ASSIGN_NONE;
}

typedef struct OperandStates {
    bool split, partial, late, leaves;
} OperandStates;

static OperandStates operand_states(const Analysis *a, const Node *node)
{
    OperandStates states = {.leaves = true};
    for (int32_t i = 0; i < node->n_operands; i++) {
        int32_t index = node->operands[i].index;
        const Sharding *s = &a->result[index];
        states.split |= split_dim(s) >= 0;
        states.partial |= (s->partial & AXIS_MASK_TIME) != 0;
        states.late |= a->late[index];
        states.leaves &= a->from_leaves[index];
    }
    return states;
}

/* Sets what follows from giving the axis to `assign`; false when illegal. */
static bool assign_time(Analysis *a, NodeId id, uint8_t assign, Arena scratch)
{
    const Node *node = graph_node(a->graph, id);
    Strategy strategy = {{assign}};
    Sharding *operands = arena_new(&scratch, Sharding, node->n_operands + 1);
    a->time[id.index] = assign;
    return rule_shardings(a->graph, id, &a->rules[id.index], &a->mesh,
                          &strategy, operands, &a->result[id.index]);
}

/* A node that runs in every microbatch because an operand does. */
static bool visit_split(Analysis *a, NodeId id, OperandStates states,
                        Arena scratch)
{
    const Node *node = graph_node(a->graph, id);
    if (states.late || states.partial || node->region == REGION_UPDATE)
        return false;
    uint8_t assign = follow_split(a, node, &a->rules[id.index]);
    return assign != ASSIGN_NONE && assign_time(a, id, assign, scratch);
}

/* A copy for readers in another layer, and so perhaps another stage: a sum
 * crosses once a step, when it is finished. */
static bool crosses_layers(const Analysis *a, const Node *node)
{
    return node->op == OP_COPY &&
           node->layer != graph_operand(a->graph, node, 0)->layer;
}

/* A node some of whose operands are partial: it adds its parts to a partial
 * sum where it is linear, else it waits for the accumulated value (a state's
 * new value, say) and runs once, after the last microbatch. */
static bool visit_partial(Analysis *a, NodeId id, OperandStates states,
                          Arena scratch)
{
    const Node *node = graph_node(a->graph, id);
    uint8_t assign = follow_partial(a, node);
    bool waits = states.late || node->region == REGION_UPDATE ||
                 op_has(node->op, TRAIT_WORLD) || assign == ASSIGN_NONE ||
                 crosses_layers(a, node);
    if (!waits)
        return assign_time(a, id, assign, scratch);
    a->late[id.index] = true;
    return true;
}

/* The node's state from its operands'; false when it would have to read in a
 * microbatch what only the last one completes. */
static bool visit(Analysis *a, NodeId id, Arena scratch)
{
    const Node *node = graph_node(a->graph, id);
    if (node->op == OP_INPUT) {
        DimRule samples = a->rules[id.index].result[0];
        return samples.n > 0 &&
               assign_time(a, id, (uint8_t)(ASSIGN_FACTOR + samples.factor[0]),
                           scratch);
    }
    if (op_has(node->op, TRAIT_LEAF)) {
        a->from_leaves[id.index] = op_has(node->op, TRAIT_FREE);
        return true;
    }
    OperandStates states = operand_states(a, node);
    a->from_leaves[id.index] = states.leaves;
    if (states.split)
        return visit_split(a, id, states, scratch);
    if (states.partial)
        return visit_partial(a, id, states, scratch);
    a->late[id.index] = states.late;
    return true;
}

/* How the users of a value made of leaves want it. */
enum {
    DEMAND_NONE = 0,
    DEMAND_WHOLE = -1,
    DEMAND_SPLIT = 1, /* + the dimension */
};

/* The dimension of operand `i` that node `id` reads split over time. */
static int8_t demand_of(const Analysis *a, NodeId id, int32_t i)
{
    const Rule *rule = &a->rules[id.index];
    uint8_t assign = a->time[id.index];
    if (i >= rule->n_operands || assign == ASSIGN_NONE ||
        assign >= ASSIGN_LINEAR)
        return DEMAND_WHOLE;
    for (int8_t d = 0; d < RANK_MAX; d++)
        if (rule->operand[i][d].n > 0 &&
            rule->operand[i][d].factor[0] == assign - ASSIGN_FACTOR)
            return (int8_t)(DEMAND_SPLIT + d);
    return DEMAND_WHOLE;
}

static void demand(int8_t *slot, int8_t wanted)
{
    *slot = *slot == DEMAND_NONE || *slot == wanted ? wanted : DEMAND_WHOLE;
}

/* Splits a value made of leaves along the dimension its users agree on; where
 * its op does not allow that it stays per step. */
static void split_on_demand(Analysis *a, NodeId id, int8_t wanted,
                            Arena scratch)
{
    if (wanted < DEMAND_SPLIT)
        return;
    DimRule dim = a->rules[id.index].result[wanted - DEMAND_SPLIT];
    if (dim.n > 0 &&
        assign_time(a, id, (uint8_t)(ASSIGN_FACTOR + dim.factor[0]), scratch))
        return;
    a->time[id.index] = ASSIGN_NONE;
    a->result[id.index] = (Sharding){0};
}

static void split_leaves(Analysis *a, Arena scratch)
{
    const Graph *graph = a->graph;
    int8_t *demands = arena_new(&scratch, int8_t, graph->nodes.count);
    for (int64_t i = 0; i < graph->outputs.count; i++)
        demands[graph->outputs.data[i].node.index] = DEMAND_WHOLE;
    for (int32_t i = (int32_t)graph->nodes.count - 1; i > 0; i--) {
        NodeId id = {i};
        const Node *node = graph_node(graph, id);
        if (a->from_leaves[i])
            split_on_demand(a, id, demands[i], scratch);
        for (int32_t k = 0; k < node->n_operands; k++)
            demand(&demands[node->operands[k].index], demand_of(a, id, k));
    }
}

/* Whether an output can be had: what a step leaves behind (a state) is known
 * after the last microbatch, what a sample gets within its own. */
static bool output_fits(const Analysis *a, const Output *output)
{
    const Sharding *s = &a->result[output->node.index];
    if (output->kind == OUTPUT_UPDATE)
        return split_dim(s) < 0;
    if (output->kind == OUTPUT_VALUE)
        return split_dim(s) <= 0 && s->partial == 0 &&
               !a->late[output->node.index];
    return true;
}

static void diagnose_node(const Graph *graph, NodeId id, int64_t n_microbatches,
                          Diagnostics *diagnostics)
{
    const Node *node = graph_node(graph, id);
    if (node->op == OP_INPUT)
        diagnose(diagnostics, node->span, microbatches_divide,
                 (long long)n_microbatches,
                 (long long)node->type.shape.extent[0], STR_ARG(node->path));
    else
        diagnose(diagnostics, node->span, microbatches_mixed,
                 STR_ARG(node->path), (long long)n_microbatches);
}

bool rule_microbatch(const Graph *graph, int64_t n_microbatches, Arena *arena,
                     uint8_t **time, Diagnostics *diagnostics)
{
    int64_t count = graph->nodes.count;
    *time = arena_new(arena, uint8_t, count);
    if (n_microbatches == 1)
        return true;
    Arena scratch = *arena;
    Analysis a = {
        .graph = graph,
        .rules = arena_new(&scratch, Rule, count),
        .result = arena_new(&scratch, Sharding, count),
        .late = arena_new(&scratch, bool, count),
        .from_leaves = arena_new(&scratch, bool, count),
        .time = *time,
    };
    a.mesh.n_axes = 1;
    a.mesh.axis[AXIS_MICROBATCH].size = n_microbatches;
    for (int32_t i = 1; i < count; i++) {
        NodeId id = {i};
        a.rules[i] = rule_of(graph, id);
        if (!visit(&a, id, scratch)) {
            diagnose_node(graph, id, n_microbatches, diagnostics);
            return false;
        }
    }
    for (int64_t i = 0; i < graph->outputs.count; i++) {
        const Output *output = &graph->outputs.data[i];
        if (output_fits(&a, output))
            continue;
        diagnose_node(graph, output->node, n_microbatches, diagnostics);
        return false;
    }
    split_leaves(&a, scratch);
    return true;
}
