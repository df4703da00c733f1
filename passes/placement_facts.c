/* Facts: the table of docs/architecture.md 3.3, node by node. */
#include "passes/placement_facts.h"

#include <assert.h>

int32_t plan_stage_of_layer(const Plan *plan, int32_t layer)
{
    for (int32_t s = 0; s < plan->stages.count; s++)
        if (layer >= plan->stages.data[s].first_layer &&
            layer < plan->stages.data[s].end_layer)
            return s;
    return STAGE_EACH;
}

static uint8_t *times_of(const Graph *graph, int64_t n_microbatches,
                         Arena *arena)
{
    Diagnostics diagnostics = diagnostics_new(arena);
    uint8_t *time;
    bool legal =
        rule_microbatch(graph, n_microbatches, arena, &time, &diagnostics);
    assert(legal && "the plan's microbatches do not fit the graph");
    (void)legal;
    return time;
}

static bool is_partial(const Facts *f, NodeId id, int64_t n_microbatches,
                       Arena scratch)
{
    const Node *node = graph_node(f->graph, id);
    LogicalMesh mesh = {.n_axes = 1};
    mesh.axis[AXIS_MICROBATCH].size = n_microbatches;
    Strategy strategy = {{f->node[id.index].time}};
    Sharding result;
    Sharding *operands = arena_new(&scratch, Sharding, node->n_operands + 1);
    bool legal = rule_shardings(f->graph, id, &f->rules[id.index], &mesh,
                                &strategy, operands, &result);
    assert(legal);
    return legal && result.partial & AXIS_MASK_TIME;
}

static void set_place(Facts *f, const Plan *plan, const int32_t *variable_stage,
                      NodeId id)
{
    const Node *node = graph_node(f->graph, id);
    NodeFacts *facts = &f->node[id.index];
    facts->leaves = node->n_operands ? !op_has(node->op, TRAIT_WORLD)
                                     : op_has(node->op, TRAIT_FREE);
    for (int32_t k = 0; k < node->n_operands; k++)
        facts->leaves &= f->node[node->operands[k].index].leaves;
    facts->stage = plan_stage_of_layer(plan, node->layer);
    if (node->op == OP_VARIABLE)
        facts->stage = variable_stage[node->attr.variable.variable];
    if (node->op == OP_INPUT || op_has(node->op, TRAIT_WORLD))
        facts->stage = STAGE_EACH;
}

/* A linear node cannot add up in every microbatch what it gets only as a
 * finished sum (a term of another stage crosses once a step): it waits. */
static bool must_wait(const Facts *f, NodeId id)
{
    const Node *node = graph_node(f->graph, id);
    for (int32_t k = 0; k < node->n_operands; k++) {
        const NodeFacts *operand = &f->node[node->operands[k].index];
        bool foreign = operand->stage != f->node[id.index].stage;
        if (operand->late || (operand->partial && foreign))
            return true;
    }
    return false;
}

static void set_time(Facts *f, NodeId id, int64_t n_microbatches, Arena scratch)
{
    const Node *node = graph_node(f->graph, id);
    NodeFacts *facts = &f->node[id.index];
    bool reads_partial = false, reads_late = false, reads_microbatch = false;
    for (int32_t k = 0; k < node->n_operands; k++) {
        const NodeFacts *operand = &f->node[node->operands[k].index];
        reads_partial |= operand->partial;
        reads_late |= operand->late;
        reads_microbatch |= operand->microbatch;
    }
    facts->partial = facts->time != ASSIGN_NONE &&
                     is_partial(f, id, n_microbatches, scratch);
    if (facts->partial && must_wait(f, id)) {
        facts->time = ASSIGN_NONE;
        facts->partial = false;
    }
    facts->late = op_has(node->op, TRAIT_WORLD) || reads_late ||
                  (reads_partial && !facts->partial);
    assert(!facts->late || facts->time == ASSIGN_NONE);
    facts->microbatch =
        n_microbatches > 1
            ? facts->time != ASSIGN_NONE
            : node->op == OP_INPUT || (reads_microbatch && !facts->late);
}

static bool runs_before_microbatches(const Facts *f, int32_t i)
{
    const NodeFacts *facts = &f->node[i];
    if (facts->leaves || facts->late)
        return false;
    return facts->microbatch || facts->early ||
           graph_node(f->graph, (NodeId){i})->region == REGION_FORWARD;
}

static void mark_reader(Facts *f, NodeId reader)
{
    const Node *node = graph_node(f->graph, reader);
    for (int32_t k = 0; k < node->n_operands; k++) {
        NodeFacts *operand = &f->node[node->operands[k].index];
        operand->early |= runs_before_microbatches(f, reader.index);
        operand->sums |= operand->partial && !f->node[reader.index].partial;
        for (int32_t s = 0; s < f->n_stages; s++)
            if (facts_runs_on(f, reader, s))
                f->needed[s * f->graph->nodes.count + node->operands[k].index] =
                    true;
    }
}

/* What the outside reads: loss and metrics everywhere, updates at the owner,
 * values at their stage or, where every stage could give them, the first. */
static void mark_outputs(Facts *f, const int32_t *variable_stage)
{
    for (int64_t i = 0; i < f->graph->outputs.count; i++) {
        const Output *output = &f->graph->outputs.data[i];
        NodeFacts *facts = &f->node[output->node.index];
        bool *needed = &f->needed[output->node.index];
        facts->sums |= facts->partial;
        if (op_has(graph_node(f->graph, output->node)->op, TRAIT_WORLD))
            continue;
        int32_t s = output->kind == OUTPUT_UPDATE
                        ? variable_stage[output->variable]
                        : 0;
        needed[s * f->graph->nodes.count] = true;
    }
    for (int32_t i = 1; i < f->graph->nodes.count; i++)
        if (op_has(graph_node(f->graph, (NodeId){i})->op, TRAIT_WORLD))
            for (int32_t s = 0; s < f->n_stages; s++)
                f->needed[s * f->graph->nodes.count + i] = true;
}

Facts facts_of(const Graph *graph, const Plan *plan, bool eval,
               const int32_t *variable_stage, Arena *arena)
{
    int64_t count = graph->nodes.count;
    Facts f = {
        .graph = graph,
        .eval = eval,
        .n_stages = (int32_t)plan->stages.count,
        .rules = arena_new(arena, Rule, count),
        .node = arena_new(arena, NodeFacts, count),
        .needed = arena_new(arena, bool, count * plan->stages.count),
    };
    uint8_t *time = times_of(graph, plan->n_microbatches, arena);
    for (int32_t i = 1; i < count; i++) {
        NodeId id = {i};
        f.rules[i] = rule_of(graph, id);
        f.node[i].time = time[i];
        set_place(&f, plan, variable_stage, id);
        if (!f.node[i].leaves)
            set_time(&f, id, plan->n_microbatches, *arena);
    }
    mark_outputs(&f, variable_stage);
    for (int32_t i = (int32_t)count - 1; i > 0; i--)
        mark_reader(&f, (NodeId){i});
    return f;
}

bool facts_runs_on(const Facts *f, NodeId id, int32_t stage)
{
    const NodeFacts *facts = &f->node[id.index];
    if (facts->leaves)
        return false;
    return facts->stage == stage ||
           (facts->stage == STAGE_EACH &&
            f->needed[stage * f->graph->nodes.count + id.index]);
}

SegmentKind facts_segment(const Facts *f, NodeId id)
{
    const NodeFacts *facts = &f->node[id.index];
    if (f->eval)
        return facts->late         ? SEGMENT_EVAL_END
               : facts->microbatch ? SEGMENT_EVAL
                                   : SEGMENT_EVAL_BEGIN;
    Region region = graph_node(f->graph, id)->region;
    if (facts->late || region == REGION_UPDATE)
        return SEGMENT_UPDATE;
    if (facts->microbatch)
        return region == REGION_FORWARD ? SEGMENT_FORWARD : SEGMENT_BACKWARD;
    return region == REGION_FORWARD || facts->early ? SEGMENT_BEGIN
                                                    : SEGMENT_UPDATE;
}
