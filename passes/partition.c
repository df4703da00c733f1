/* Partition: the sweep that gives every stage its part of every graph. */
#include "passes/partition.h"

#include "passes/placement_facts.h"

#include <assert.h>

/* A value as a stage has it; node 0: not (yet). */
typedef struct Resident {
    NodeId node;
    Sharding sharding;
} Resident;

/* A value made of leaves, built where and as somebody reads it. */
typedef struct Demanded {
    NodeId id, node;
    Sharding sharding;
    SegmentKind segment;
} Demanded;

typedef struct StageSweep {
    LocalBuilder builder;
    const PlanChoice *choices;
    Map choice_of;    /* path -> choices */
    Resident *values; /* by node: computed or received here */
    Resident *sums;   /* by node: added up over the microbatches */
    Resident *sent;   /* by node: in the sharding in which it leaves */
    VECTOR(Demanded) demanded;
} StageSweep;

typedef struct Sweep {
    Program *program;
    const Plan *plan;
    const Graph *graph;
    Facts facts;
    SampleMask samples;
    StageSweep *stages;
    Arena *arena;
} Sweep;

static NodeOrigin origin_of(const Sweep *w, NodeId id)
{
    NodeOrigin origin = node_origin(w->graph, id, "");
    origin.forward = (NodeId){0};
    return origin;
}

static const Type *type_of(const Sweep *w, NodeId id)
{
    return &graph_node(w->graph, id)->type;
}

/* The node's strategy on this stage: the plan's choice, replicated where it
 * has none; the microbatch axis follows from the analysis. */
static Strategy strategy_of(const Sweep *w, int32_t s, NodeId id)
{
    const StageSweep *stage = &w->stages[s];
    const int64_t *choice =
        map_find(&stage->choice_of, graph_node(w->graph, id)->path);
    Strategy strategy =
        choice ? stage->choices[*choice].strategy : (Strategy){{0}};
    strategy.assign[AXIS_MICROBATCH] = w->facts.node[id.index].time;
    return strategy;
}

static Sharding shardings_of(const Sweep *w, int32_t s, NodeId id,
                             const Strategy *strategy, Sharding *operands)
{
    Sharding result;
    bool legal =
        rule_shardings(w->graph, id, &w->facts.rules[id.index],
                       w->stages[s].builder.mesh, strategy, operands, &result);
    assert(legal && "the plan gives a node an illegal strategy");
    (void)legal;
    return result;
}

/* -- values made of leaves ------------------------------------------------- */

/* The strategy whose result is sharded as `wanted`; false when none is. */
static bool strategy_giving(const Sweep *w, const LogicalMesh *mesh, NodeId id,
                            const Sharding *wanted, Strategy *strategy,
                            Sharding *operands)
{
    const Rule *rule = &w->facts.rules[id.index];
    Sharding result;
    *strategy = (Strategy){{0}};
    for (int32_t d = 0; d < RANK_MAX; d++)
        for (int32_t axis = 0; axis < mesh->n_axes; axis++) {
            if (!(wanted->axes[d] >> axis & 1))
                continue;
            if (rule->result[d].n == 0)
                return false;
            strategy->assign[axis] =
                (uint8_t)(ASSIGN_FACTOR + rule->result[d].factor[0]);
        }
    return rule_shardings(w->graph, id, rule, mesh, strategy, operands,
                          &result) &&
           sharding_equal(&result, wanted);
}

static NodeId demand(Sweep *w, int32_t s, NodeId id, const Sharding *wanted,
                     SegmentKind segment);

static NodeId demand_node(Sweep *w, int32_t s, NodeId id,
                          const Sharding *shardings, const Sharding *result,
                          SegmentKind segment)
{
    const Node *node = graph_node(w->graph, id);
    const SampleMask all = {.masks = false};
    NodeId operands[OPERANDS_RULE_MAX] = {{0}};
    for (int32_t k = 0; k < node->n_operands; k++)
        operands[k] = demand(w, s, node->operands[k], &shardings[k], segment);
    LocalBuilder *b = &w->stages[s].builder;
    local_at(b, segment, origin_of(w, id));
    return local_op(b, w->graph, id, &w->facts.rules[id.index], operands,
                    shardings, result, &all);
}

static NodeId demand_whole_and_cut(Sweep *w, int32_t s, NodeId id,
                                   const Sharding *wanted, SegmentKind segment)
{
    Sharding replicated = {0};
    const Shape *shape = &type_of(w, id)->shape;
    NodeId x = demand(w, s, id, &replicated, segment);
    LocalBuilder *b = &w->stages[s].builder;
    local_at(b, segment, origin_of(w, id));
    for (int32_t d = 0; d < shape->rank; d++)
        if (wanted->axes[d])
            x = local_slice(b, x, d, wanted->axes[d], 0, shape->extent[d]);
    return x;
}

/* A value made of leaves alone, in any sharding, without communication: its
 * operands are demanded in turn. */
static NodeId demand(Sweep *w, int32_t s, NodeId id, const Sharding *wanted,
                     SegmentKind segment)
{
    StageSweep *stage = &w->stages[s];
    for (int64_t i = 0; i < stage->demanded.count; i++) {
        const Demanded *d = &stage->demanded.data[i];
        if (d->id.index == id.index && d->segment == segment &&
            sharding_equal(&d->sharding, wanted))
            return d->node;
    }
    Sharding whole = *wanted;
    whole.partial = whole.operator= 0;
    NodeId node;
    Strategy strategy;
    Sharding operands[OPERANDS_RULE_MAX];
    if (wanted->partial) {
        node = demand(w, s, id, &whole, segment);
        local_at(&stage->builder, segment, origin_of(w, id));
        node = local_to_partial(&stage->builder, node, wanted->partial,
                                (ReduceOp)wanted->operator);
    } else if (strategy_giving(w, stage->builder.mesh, id, wanted, &strategy,
                               operands)) {
        node = demand_node(w, s, id, operands, wanted, segment);
    } else {
        node = demand_whole_and_cut(w, s, id, wanted, segment);
    }
    *vector_push(w->arena, &stage->demanded) =
        (Demanded){id, node, *wanted, segment};
    return node;
}

/* -- values of inputs, variables and other stages -------------------------- */

static Resident input_here(Sweep *w, int32_t s, NodeId id,
                           const Sharding *wanted)
{
    StageSweep *stage = &w->stages[s];
    LocalBuilder *b = &stage->builder;
    const Node *node = graph_node(w->graph, id);
    Resident value = {.sharding = *wanted};
    if (map_find(&stage->choice_of, node->path)) {
        Strategy strategy = strategy_of(w, s, id);
        Sharding none[1];
        value.sharding = shardings_of(w, s, id, &strategy, none);
    }
    value.sharding.partial = value.sharding.operator= 0;
    Type type = {
        node->type.dtype,
        sharding_local_shape(b->mesh, &node->type.shape, &value.sharding)};
    local_at(b, w->facts.eval ? SEGMENT_EVAL : SEGMENT_FORWARD,
             origin_of(w, id));
    value.node = graph_append_typed(b->local->graph, OP_INPUT, NULL, 0,
                                    node->attr, type, b->origin);
    *vector_push(w->arena, &b->local->inputs) =
        (LocalInput){value.node, value.sharding};
    return value;
}

static Resident variable_here(Sweep *w, int32_t s, NodeId id)
{
    const Node *node = graph_node(w->graph, id);
    LocalBuilder *b = &w->stages[s].builder;
    const ProgramVariable *variable =
        &w->program->variables.data[node->attr.variable.variable];
    Type type = {
        node->type.dtype,
        sharding_local_shape(b->mesh, &node->type.shape, &variable->sharding)};
    local_at(b, w->facts.eval ? SEGMENT_EVAL_BEGIN : SEGMENT_BEGIN,
             origin_of(w, id));
    return (Resident){graph_append_typed(b->local->graph, OP_VARIABLE, NULL, 0,
                                         node->attr, type, b->origin),
                      variable->sharding};
}

static bool is_here(Resident value)
{
    return node_is(value.node);
}

/* The segment in which a stage has a value that it owns. */
static SegmentKind segment_of_value(const Sweep *w, NodeId id)
{
    const NodeFacts *facts = &w->facts.node[id.index];
    if (facts->partial) /* crosses as a finished sum */
        return w->facts.eval ? SEGMENT_EVAL_END : SEGMENT_UPDATE;
    if (graph_node(w->graph, id)->op == OP_VARIABLE)
        return w->facts.eval ? SEGMENT_EVAL_BEGIN : SEGMENT_BEGIN;
    return facts_segment(&w->facts, id);
}

static Resident value_at_owner(Sweep *w, NodeId id)
{
    const NodeFacts *facts = &w->facts.node[id.index];
    StageSweep *owner = &w->stages[facts->stage];
    if (!is_here(owner->values[id.index]))
        owner->values[id.index] = variable_here(w, facts->stage, id);
    return facts->partial ? owner->sums[id.index] : owner->values[id.index];
}

/* The value as its owner sends it: partial sums are resolved, once. */
static Resident resolved_at_owner(Sweep *w, NodeId id, SegmentKind segment)
{
    StageSweep *owner = &w->stages[w->facts.node[id.index].stage];
    Resident *sent = &owner->sent[id.index];
    if (is_here(*sent))
        return *sent;
    Resident value = value_at_owner(w, id);
    Sharding resolved = value.sharding;
    resolved.partial = resolved.operator= 0;
    local_at(&owner->builder, segment, origin_of(w, id));
    *sent =
        (Resident){local_reshard(&owner->builder, value.node, type_of(w, id),
                                 &value.sharding, &resolved),
                   resolved};
    return *sent;
}

/* Receives a value of another stage as its first reader wants it.  Time is
 * the value's own: both sides speak of the same microbatch. */
static Resident receive_here(Sweep *w, int32_t s, NodeId id,
                             const Sharding *wanted, SegmentKind reader)
{
    int32_t owner = w->facts.node[id.index].stage;
    SegmentKind from = segment_of_value(w, id), to = from;
    if (from == SEGMENT_FORWARD && reader != SEGMENT_FORWARD)
        to = SEGMENT_BACKWARD;
    Resident sent = resolved_at_owner(w, id, from);
    Sharding sharding = {0};
    for (int32_t d = 0; d < RANK_MAX; d++)
        sharding.axes[d] = (uint8_t)((wanted->axes[d] & ~AXIS_MASK_TIME) |
                                     (sent.sharding.axes[d] & AXIS_MASK_TIME));
    const Type *type = type_of(w, id);
    int32_t transfer = (int32_t)w->program->transfers.count;
    *vector_push(w->arena, &w->program->transfers) =
        (Transfer){.name = graph_node(w->graph, id)->path,
                   .from_stage = owner,
                   .to_stage = s,
                   .type = *type,
                   .from = sent.sharding,
                   .to = sharding};
    LocalBuilder *sender = &w->stages[owner].builder;
    *vector_push(w->arena, &sender->local->sends) = (LocalSend){
        sent.node, transfer, from, (int32_t)sender->local->graph->nodes.count};
    LocalBuilder *b = &w->stages[s].builder;
    local_at(b, to, origin_of(w, id));
    Type local = {type->dtype,
                  sharding_local_shape(b->mesh, &type->shape, &sharding)};
    Attr attr = {.transfer = {transfer}};
    return (Resident){graph_append_typed(b->local->graph, OP_RECEIVE, NULL, 0,
                                         attr, local,
                                         local_origin(b, "received")),
                      sharding};
}

/* The value on stage `s`, as it is there. */
static Resident resident(Sweep *w, int32_t s, NodeId id, const Sharding *wanted,
                         SegmentKind reader)
{
    const NodeFacts *facts = &w->facts.node[id.index];
    Op op = graph_node(w->graph, id)->op;
    Resident *value = &w->stages[s].values[id.index];
    bool owned = facts->stage == s || facts->stage == STAGE_EACH;
    if (!is_here(*value)) {
        if (op == OP_INPUT)
            *value = input_here(w, s, id, wanted);
        else if (!owned)
            *value = receive_here(w, s, id, wanted, reader);
        else if (op == OP_VARIABLE)
            *value = variable_here(w, s, id);
    }
    assert(is_here(*value));
    bool finished = facts->partial && !(wanted->partial & AXIS_MASK_TIME);
    return owned && finished ? w->stages[s].sums[id.index] : *value;
}

/* The value on stage `s` in the sharding `wanted`, for a reader there. */
static NodeId fetch(Sweep *w, int32_t s, NodeId id, const Sharding *wanted,
                    SegmentKind reader)
{
    if (w->facts.node[id.index].leaves)
        return demand(w, s, id, wanted, reader);
    Resident value = resident(w, s, id, wanted, reader);
    LocalBuilder *b = &w->stages[s].builder;
    local_at(b, reader, origin_of(w, id));
    return local_reshard(b, value.node, type_of(w, id), &value.sharding,
                         wanted);
}

/* -- nodes ----------------------------------------------------------------- */

static void accumulate(Sweep *w, int32_t s, NodeId id)
{
    StageSweep *stage = &w->stages[s];
    Resident value = stage->values[id.index];
    LocalBuilder *b = &stage->builder;
    Attr attr = {.collective = {.axes = AXIS_MASK_TIME}};
    attr.collective.operator=(ReduceOp) value.sharding.operator;
    value.node = graph_append(b->local->graph, OP_ACCUMULATE, &value.node, 1,
                              attr, local_origin(b, "accumulated"));
    value.sharding.partial &= (uint8_t)~AXIS_MASK_TIME;
    if (value.sharding.partial == 0)
        value.sharding.operator= 0;
    stage->sums[id.index] = value;
}

static void sweep_node(Sweep *w, int32_t s, NodeId id)
{
    const Node *node = graph_node(w->graph, id);
    StageSweep *stage = &w->stages[s];
    LocalBuilder *b = &stage->builder;
    SegmentKind segment = facts_segment(&w->facts, id);
    Strategy strategy = strategy_of(w, s, id);
    Sharding shardings[OPERANDS_RULE_MAX];
    NodeId operands[OPERANDS_RULE_MAX] = {{0}};
    Resident value = {.sharding = shardings_of(w, s, id, &strategy, shardings)};
    for (int32_t k = 0; k < node->n_operands; k++)
        operands[k] = fetch(w, s, node->operands[k], &shardings[k], segment);
    local_at(b, segment, origin_of(w, id));
    value.node =
        node->op == OP_COPY
            ? operands[0]
            : local_op(b, w->graph, id, &w->facts.rules[id.index], operands,
                       shardings, &value.sharding, &w->samples);
    stage->values[id.index] = value;
    if (w->facts.node[id.index].sums)
        accumulate(w, s, id);
}

/* -- world sums ------------------------------------------------------------ */

/* One stage's scalars, added up by the axes over which they are partial. */
typedef struct Terms {
    NodeId sum[1 << MESH_AXES_MAX]; /* by partial mask */
} Terms;

static void add_term(LocalBuilder *b, Terms *terms, uint8_t partial, NodeId x)
{
    NodeId *sum = &terms->sum[partial];
    *sum = node_is(*sum) ? graph_binary(b->local->graph, OP_ADD, *sum, x,
                                        local_origin(b, "term"))
                         : x;
}

/* Adds operand `id` to the terms of stage `s`, when it is there to be added:
 * what every stage could give, stage 0 gives. */
static void stage_term(Sweep *w, int32_t s, NodeId id, SegmentKind segment,
                       NodeOrigin origin, Terms *terms)
{
    const NodeFacts *facts = &w->facts.node[id.index];
    bool each = facts->leaves || facts->stage == STAGE_EACH;
    Sharding replicated = {0};
    if (each ? s != 0 : facts->stage != s)
        return;
    LocalBuilder *b = &w->stages[s].builder;
    if (facts->leaves) {
        NodeId x = demand(w, s, id, &replicated, segment);
        local_at(b, segment, origin);
        add_term(b, terms, 0, x);
        return;
    }
    Resident value = resident(w, s, id, &replicated, segment);
    local_at(b, segment, origin);
    if (value.sharding.operator!= REDUCE_SUM) {
        value.node = local_reshard(b, value.node, type_of(w, id),
                                   &value.sharding, &replicated);
        value.sharding = replicated;
    }
    add_term(b, terms, value.sharding.partial, value.node);
}

/* Every stage gives at least one term, be it 0. */
static void sweep_world_sum(Sweep *w, NodeId id)
{
    const Node *node = graph_node(w->graph, id);
    SegmentKind segment = facts_segment(&w->facts, id);
    int32_t number = (int32_t)w->program->world_sums.count;
    WorldSum *sum = vector_push(w->arena, &w->program->world_sums);
    *sum = (WorldSum){.name = node->path};
    for (int32_t s = 0; s < w->facts.n_stages; s++) {
        Terms terms = {{{0}}};
        for (int32_t k = 0; k < node->n_operands; k++)
            stage_term(w, s, node->operands[k], segment, origin_of(w, id),
                       &terms);
        LocalBuilder *b = &w->stages[s].builder;
        local_at(b, segment, origin_of(w, id));
        NodeId operands[1 << MESH_AXES_MAX];
        int32_t n = 0;
        for (uint8_t mask = 0; mask < 1 << MESH_AXES_MAX; mask++) {
            if (!node_is(terms.sum[mask]))
                continue;
            operands[n++] = terms.sum[mask];
            *vector_push(w->arena, &sum->terms) = (WorldSumTerm){s, mask};
        }
        if (n == 0) {
            operands[n++] = graph_constant(b->local->graph, 0, node->type,
                                           local_origin(b, "none"));
            *vector_push(w->arena, &sum->terms) = (WorldSumTerm){s, 0};
        }
        NodeId result = graph_append(b->local->graph, OP_WORLD_SUM, operands, n,
                                     (Attr){0}, b->origin);
        *vector_push(w->arena, &b->local->world_sums) =
            (LocalWorldSum){result, number};
        w->stages[s].values[id.index] = (Resident){.node = result};
    }
}

/* -- outputs --------------------------------------------------------------- */

static bool is_written(const LocalGraph *local, NodeId value)
{
    for (int64_t i = 0; i < local->writes.count; i++)
        if (local->writes.data[i].value.index == value.index)
            return true;
    return false;
}

/* A variable's new block is a value of its own in `segment`. */
static void write_variable(LocalBuilder *b, NodeId value, int32_t variable,
                           SegmentKind segment, Arena *arena)
{
    LocalGraph *local = b->local;
    const Node *node = graph_node(local->graph, value);
    if (node->op == OP_VARIABLE && node->attr.variable.variable == variable)
        return;
    bool elsewhere = local->segments.count > value.index &&
                     local->segments.data[value.index] != segment;
    if (op_has(node->op, TRAIT_LEAF) || elsewhere || is_written(local, value))
        value = graph_unary(local->graph, OP_COPY, value,
                            local_origin(b, "written"));
    *vector_push(arena, &local->writes) = (LocalWrite){value, variable};
}

static void sweep_update(Sweep *w, const Output *output)
{
    const ProgramVariable *variable =
        &w->program->variables.data[output->variable];
    NodeId x = fetch(w, variable->stage, output->node, &variable->sharding,
                     SEGMENT_UPDATE);
    LocalBuilder *b = &w->stages[variable->stage].builder;
    local_at(b, SEGMENT_UPDATE, origin_of(w, output->node));
    write_variable(b, x, output->variable, SEGMENT_UPDATE, w->arena);
}

static ProgramOutput *add_output(Sweep *w, const Output *output)
{
    ProgramOutput *out = vector_push(w->arena, &w->program->outputs);
    *out = (ProgramOutput){.kind = output->kind,
                           .name = output->name,
                           .type = *type_of(w, output->node),
                           .eval = w->facts.eval,
                           .world_sum = -1};
    for (int32_t s = 0; s < w->facts.n_stages; s++)
        *vector_push(w->arena, &out->buffers) = -1;
    return out;
}

static void sweep_scalar_output(Sweep *w, const Output *output)
{
    assert(op_has(graph_node(w->graph, output->node)->op, TRAIT_WORLD));
    ProgramOutput *out = add_output(w, output);
    int32_t number = (int32_t)w->program->outputs.count - 1;
    for (int32_t s = 0; s < w->facts.n_stages; s++) {
        LocalGraph *local = w->stages[s].builder.local;
        NodeId node = w->stages[s].values[output->node.index].node;
        for (int64_t i = 0; i < local->world_sums.count; i++)
            if (local->world_sums.data[i].node.index == node.index)
                out->world_sum = local->world_sums.data[i].world_sum;
        *vector_push(w->arena, &local->outputs) = (LocalOutput){node, number};
    }
}

static void sweep_value_output(Sweep *w, const Output *output)
{
    const NodeFacts *facts = &w->facts.node[output->node.index];
    int32_t s = facts->stage == STAGE_EACH ? 0 : facts->stage;
    SegmentKind segment =
        facts->leaves ? SEGMENT_EVAL : facts_segment(&w->facts, output->node);
    Sharding wanted = {0};
    if (!facts->leaves)
        wanted = resident(w, s, output->node, &wanted, segment).sharding;
    wanted.partial = wanted.operator= 0;
    NodeId node = fetch(w, s, output->node, &wanted, segment);
    ProgramOutput *out = add_output(w, output);
    out->stage = s;
    out->sharding = wanted;
    *vector_push(w->arena, &w->stages[s].builder.local->outputs) =
        (LocalOutput){node, (int32_t)w->program->outputs.count - 1};
}

static void sweep_output(Sweep *w, const Output *output)
{
    switch (output->kind) {
    case OUTPUT_LOSS:
    case OUTPUT_METRIC: sweep_scalar_output(w, output); break;
    case OUTPUT_VALUE:
        if (w->facts.eval)
            sweep_value_output(w, output);
        break;
    case OUTPUT_UPDATE: sweep_update(w, output); break;
    case OUTPUT_INIT:
    case OUTPUT_GRADIENT: assert(!"not an output of train or eval"); break;
    }
}

/* -- graphs ---------------------------------------------------------------- */

static void begin_stage(Sweep *w, int32_t s, LocalGraph *local)
{
    const PlanStage *planned = &w->plan->stages.data[s];
    StageSweep *stage = &w->stages[s];
    int64_t count = w->graph->nodes.count;
    local->graph = graph_like(w->arena, w->graph, w->graph->name);
    *vector_push(w->arena, &local->segments) = SEGMENT_INIT; /* none's */
    stage->builder = (LocalBuilder){.local = local, .mesh = &planned->mesh};
    stage->choices = w->facts.eval ? planned->eval.data : planned->train.data;
    int64_t n_choices =
        w->facts.eval ? planned->eval.count : planned->train.count;
    for (int64_t i = 0; i < n_choices; i++)
        map_insert(w->arena, &stage->choice_of, stage->choices[i].path, i,
                   NULL);
    stage->values = arena_new(w->arena, Resident, count);
    stage->sums = arena_new(w->arena, Resident, count);
    stage->sent = arena_new(w->arena, Resident, count);
}

static void finish(Sweep *w)
{
    for (int32_t s = 0; s < w->facts.n_stages; s++)
        local_at(&w->stages[s].builder, SEGMENT_INIT, (NodeOrigin){0});
}

static void sweep_graph(Sweep *w)
{
    for (int32_t i = 1; i < w->graph->nodes.count; i++) {
        NodeId id = {i};
        const Node *node = graph_node(w->graph, id);
        if (op_has(node->op, TRAIT_LEAF))
            continue;
        if (op_has(node->op, TRAIT_WORLD)) {
            sweep_world_sum(w, id);
            continue;
        }
        for (int32_t s = 0; s < w->facts.n_stages; s++)
            if (facts_runs_on(&w->facts, id, s))
                sweep_node(w, s, id);
    }
    for (int64_t i = 0; i < w->graph->outputs.count; i++)
        sweep_output(w, &w->graph->outputs.data[i]);
    finish(w);
}

/* Each owner computes its block of each variable's first value: everything in
 * `init` is made of leaves. */
static void sweep_init(Sweep *w)
{
    for (int64_t i = 0; i < w->graph->outputs.count; i++) {
        const Output *output = &w->graph->outputs.data[i];
        const ProgramVariable *variable =
            &w->program->variables.data[output->variable];
        LocalBuilder *b = &w->stages[variable->stage].builder;
        NodeId x = demand(w, variable->stage, output->node, &variable->sharding,
                          SEGMENT_INIT);
        local_at(b, SEGMENT_INIT, origin_of(w, output->node));
        if (is_written(b->local, x))
            x = graph_unary(b->local->graph, OP_COPY, x,
                            local_origin(b, "written"));
        *vector_push(w->arena, &b->local->writes) =
            (LocalWrite){x, output->variable};
    }
    finish(w);
}

/* -- tables ---------------------------------------------------------------- */

/* The stage of a variable: of its layer, else of its first reader's. */
static int32_t owner_of(const Graph *train, const Plan *plan,
                        const Variable *variable)
{
    if (!node_is(variable->node))
        return 0;
    int32_t own =
        plan_stage_of_layer(plan, graph_node(train, variable->node)->layer);
    for (int32_t i = 1; own == STAGE_EACH && i < train->nodes.count; i++) {
        const Node *node = graph_node(train, (NodeId){i});
        for (int32_t k = 0; k < node->n_operands && own == STAGE_EACH; k++)
            if (node->operands[k].index == variable->node.index)
                own = plan_stage_of_layer(plan, node->layer);
    }
    return own == STAGE_EACH ? 0 : own;
}

static void add_variable(Sweep *w, const Variable *variable, int32_t stage)
{
    Sharding sharding = {0};
    if (node_is(variable->node)) {
        Strategy strategy = strategy_of(w, stage, variable->node);
        Sharding none[1];
        sharding = shardings_of(w, stage, variable->node, &strategy, none);
    }
    *vector_push(w->arena, &w->program->variables) =
        (ProgramVariable){.name = variable->name,
                          .kind = variable->kind,
                          .type = variable->type,
                          .stage = stage,
                          .buffer = -1,
                          .sharding = sharding};
}

static void add_inputs(Sweep *w)
{
    for (int64_t i = 0; i < w->graph->inputs.count; i++) {
        const Input *input = &w->graph->inputs.data[i];
        *vector_push(w->arena, &w->program->inputs) =
            (ProgramInput){.name = input->name,
                           .type = input->type,
                           .shift_of = input->shift_of,
                           .shift = input->shift};
    }
}

static Sweep sweep_new(const Graph *graph, const Plan *plan, bool eval,
                       const int32_t *owners, Arena *arena, Program *program)
{
    Sweep w = {
        .program = program,
        .plan = plan,
        .graph = graph,
        .facts = facts_of(graph, plan, eval, owners, arena),
        .stages = arena_new(arena, StageSweep, plan->stages.count),
        .arena = arena,
    };
    int64_t batch =
        graph->inputs.count ? graph->inputs.data[0].type.shape.extent[0] : 1;
    w.samples = (SampleMask){
        .dim = local_sample_dims(graph, w.facts.rules, arena),
        .batch = batch,
        .masks = eval,
    };
    return w;
}

StagePartition *partition(const GraphSet *graphs, const Plan *plan,
                          Arena *arena, Program *program)
{
    int64_t n_stages = plan->stages.count;
    int64_t n_variables = graphs->train->variables.count;
    StagePartition *stages = arena_new(arena, StagePartition, n_stages);
    int32_t *owners = arena_new(arena, int32_t, n_variables);
    for (int64_t i = 0; i < n_variables; i++)
        owners[i] =
            owner_of(graphs->train, plan, &graphs->train->variables.data[i]);
    Sweep train = sweep_new(graphs->train, plan, false, owners, arena, program);
    Sweep eval = sweep_new(graphs->eval, plan, true, owners, arena, program);
    Sweep init = sweep_new(graphs->init, plan, false, owners, arena, program);
    for (int32_t s = 0; s < n_stages; s++) {
        begin_stage(&train, s, &stages[s].train);
        begin_stage(&eval, s, &stages[s].eval);
        begin_stage(&init, s, &stages[s].init);
    }
    add_inputs(&train);
    for (int64_t i = 0; i < n_variables; i++)
        add_variable(&train, &graphs->train->variables.data[i], owners[i]);
    sweep_graph(&train);
    sweep_graph(&eval);
    sweep_init(&init);
    return stages;
}
