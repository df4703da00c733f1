/* Account: see the header. */
#include "passes/account.h"

#include "passes/cost.h"
#include "passes/submesh.h"
#include "support/checked.h"

#include <assert.h>
#include <string.h>

typedef struct Accountant {
    Arena *arena;
    Arena scratch;
    const Graph *graph;
    const Mesh *mesh;
    const PlanStage *stage;
    const NodeStorage *storage;
    StageAccount *account;
    Strategy *strategy; /* by node */
    bool *is_here;      /* by node */
} Accountant;

static bool in_stage(const Accountant *a, const Node *node)
{
    return node->layer >= a->stage->first_layer &&
           node->layer < a->stage->end_layer;
}

static void read_choices(Accountant *a)
{
    for (int32_t i = 1; i < a->graph->nodes.count; i++) {
        const Node *node = graph_node(a->graph, (NodeId){i});
        a->is_here[i] = in_stage(a, node) && !a->storage[i].free;
    }
    for (int64_t i = 0; i < a->stage->train.count; i++) {
        const PlanChoice *choice = &a->stage->train.data[i];
        const int64_t *node = map_find(&a->graph->paths, choice->path);
        assert(node);
        a->is_here[*node] = true;
        a->strategy[*node] = choice->strategy;
    }
    for (int32_t i = 1; i < a->graph->nodes.count; i++)
        a->strategy[i].assign[AXIS_MICROBATCH] = a->storage[i].time;
}

static Sharding shardings_of(const Accountant *a, NodeId id, Sharding *operands)
{
    Rule rule = rule_of(a->graph, id);
    Sharding result;
    bool legal = rule_shardings(a->graph, id, &rule, &a->stage->mesh,
                                &a->strategy[id.index], operands, &result);
    assert(legal);
    (void)legal;
    return result;
}

static Traffic *traffic_of(Accountant *a, const ReshardStep *step,
                           StepPart part)
{
    for (int64_t i = 0; i < a->account->traffic.count; i++) {
        Traffic *t = &a->account->traffic.data[i];
        if (t->kind == step->kind && t->axis == step->axis && t->part == part)
            return t;
    }
    Traffic *t = vector_push(a->arena, &a->account->traffic);
    *t = (Traffic){.kind = step->kind, .axis = step->axis, .part = part};
    return t;
}

static bool communicates(ReshardKind kind)
{
    return kind >= RESHARD_ALL_GATHER;
}

/* Books the steps from one sharding to another, `runs` times a step. */
static void add_path(Accountant *a, NodeId value, const Sharding *from,
                     const Sharding *to, StepPart part, int64_t runs)
{
    const Node *node = graph_node(a->graph, value);
    const LogicalMesh *mesh = &a->stage->mesh;
    Arena scratch = a->scratch;
    ReshardStep *steps;
    Sharding before = *from;
    if (sharding_equal(from, to))
        return;
    int64_t n = reshard_path(mesh, &node->type, from, to, &scratch, &steps);
    for (int64_t i = 0; i < n; i++) {
        int64_t bytes =
            runs * reshard_step_bytes(mesh, &node->type, &before, &steps[i]);
        if (communicates(steps[i].kind)) {
            Traffic *t = traffic_of(a, &steps[i], part);
            t->runs += runs;
            t->bytes += bytes;
            t->nanoseconds += runs * reshard_step_nanoseconds(
                                         mesh, &node->type, &before, &steps[i]);
            if (bytes > t->largest_bytes) {
                t->largest_bytes = bytes;
                t->largest = node->path;
            }
        }
        before = steps[i].after;
    }
}

static int64_t runs_of(const Accountant *a, NodeId id)
{
    return a->storage[id.index].microbatch
               ? a->stage->mesh.axis[AXIS_MICROBATCH].size
               : 1;
}

static Link link_to(const Accountant *a, const Node *producer)
{
    const Submesh *submesh = &a->stage->submesh;
    SubmeshOption option = {.group = submesh->group,
                            .n_hosts = submesh->n_hosts,
                            .devices_per_host = submesh->devices_per_host};
    Neighbour before, after;
    submesh_neighbours(a->mesh, submesh, &before, &after);
    return submesh_link(a->mesh, &option,
                        producer->layer < a->stage->first_layer ? before
                                                                : after);
}

static void add_received(Accountant *a, NodeId copy, const Sharding *result)
{
    const Node *node = graph_node(a->graph, copy);
    Link link = link_to(a, graph_operand(a->graph, node, 0));
    int64_t bytes =
        round_up_i64(sharding_local_bytes(&a->stage->mesh, &node->type, result),
                     COST_BLOCK_ALIGNMENT);
    int64_t runs = runs_of(a, copy);
    a->account->received_runs += runs;
    a->account->received_bytes += runs * bytes;
    a->account->received_nanoseconds += runs * cost_transfer(&link, bytes);
}

static void add_operands(Accountant *a, NodeId id, const Sharding *operands,
                         const Sharding *result)
{
    const Node *node = graph_node(a->graph, id);
    for (int32_t k = 0; k < node->n_operands; k++) {
        NodeId operand = node->operands[k];
        if (a->storage[operand.index].free)
            continue;
        if (!a->is_here[operand.index]) {
            add_received(a, id, result);
            continue;
        }
        Sharding theirs[OPERANDS_RULE_MAX];
        Sharding from = shardings_of(a, operand, theirs);
        add_path(a, operand, &from, &operands[k], a->storage[id.index].part,
                 runs_of(a, id));
    }
}

static void add_node(Accountant *a, NodeId id)
{
    const Node *node = graph_node(a->graph, id);
    const DeviceType *device = submesh_device_type(a->mesh, &a->stage->submesh);
    Sharding operands[OPERANDS_RULE_MAX];
    Sharding result = shardings_of(a, id, operands);
    Rule rule = rule_of(a->graph, id);
    a->account->compute_nanoseconds +=
        runs_of(a, id) * cost_node(a->graph, id, &rule, &a->storage[id.index],
                                   &a->stage->mesh, device,
                                   &a->strategy[id.index], operands, &result);
    if (node->op == OP_VARIABLE)
        *vector_push(a->arena, &a->account->variables) = (VariablePlace){
            node->attr.variable.variable, result,
            sharding_local_bytes(&a->stage->mesh, &node->type, &result)};
    add_operands(a, id, operands, &result);
}

/* What partial sums cost that leave the stage. */
static void add_sends(Accountant *a, bool *is_sent)
{
    for (int32_t i = 1; i < a->graph->nodes.count; i++) {
        const Node *node = graph_node(a->graph, (NodeId){i});
        if (a->storage[i].free || in_stage(a, node))
            continue;
        for (int32_t k = 0; k < node->n_operands; k++) {
            NodeId value = node->operands[k];
            if (!a->is_here[value.index] || is_sent[value.index] ||
                graph_node(a->graph, value)->op == OP_INPUT)
                continue;
            is_sent[value.index] = true;
            Sharding operands[OPERANDS_RULE_MAX];
            Sharding from = shardings_of(a, value, operands), to = from;
            to.partial = to.operator= 0;
            add_path(a, value, &from, &to, a->storage[value.index].part,
                     runs_of(a, (NodeId){i}));
        }
    }
}

static void add_updates(Accountant *a)
{
    for (int64_t i = 0; i < a->graph->outputs.count; i++) {
        const Output *output = &a->graph->outputs.data[i];
        if (output->kind != OUTPUT_UPDATE)
            continue;
        NodeId variable = a->graph->variables.data[output->variable].node;
        if (!a->is_here[variable.index] || !a->is_here[output->node.index])
            continue;
        Sharding operands[OPERANDS_RULE_MAX];
        Sharding from = shardings_of(a, output->node, operands);
        Sharding to = shardings_of(a, variable, operands);
        add_path(a, output->node, &from, &to, PART_UPDATE, 1);
    }
}

static bool comes_before(const Traffic *a, const Traffic *b)
{
    if (a->part != b->part)
        return a->part < b->part;
    return a->kind != b->kind ? a->kind < b->kind : a->axis < b->axis;
}

static void sort_traffic(StageAccount *account)
{
    for (int64_t i = 1; i < account->traffic.count; i++)
        for (int64_t k = i; k > 0; k--) {
            Traffic *t = &account->traffic.data[k - 1];
            if (!comes_before(t + 1, t))
                break;
            Traffic swap = t[0];
            t[0] = t[1];
            t[1] = swap;
        }
}

static void account_stage(Accountant *a)
{
    int64_t count = a->graph->nodes.count;
    read_choices(a);
    for (int32_t i = 1; i < count; i++)
        if (a->is_here[i])
            add_node(a, (NodeId){i});
    add_sends(a, arena_new(&a->scratch, bool, count));
    add_updates(a);
    sort_traffic(a->account);
}

StageAccount *plan_account(Arena *arena, Arena scratch, const Graph *train,
                           const Mesh *mesh, const Plan *plan)
{
    StageAccount *accounts = arena_new(arena, StageAccount, plan->stages.count);
    Diagnostics ignored = diagnostics_new(&scratch);
    NodeStorage *storage =
        storage_of(train, plan->n_microbatches, &scratch, &ignored);
    assert(storage && "the plan was searched or checked");
    for (int64_t s = 0; s < plan->stages.count; s++) {
        Accountant a = {
            .arena = arena,
            .scratch = scratch,
            .graph = train,
            .mesh = mesh,
            .stage = &plan->stages.data[s],
            .storage = storage,
            .account = &accounts[s],
        };
        a.strategy = arena_new(&a.scratch, Strategy, train->nodes.count);
        a.is_here = arena_new(&a.scratch, bool, train->nodes.count);
        account_stage(&a);
    }
    return accounts;
}
