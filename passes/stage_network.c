/* Stage network: see the header. */
#include "passes/stage_network.h"

#include "passes/cost.h"
#include "support/checked.h"

#include <assert.h>
#include <string.h>

enum {
    NOT_HERE = -1,
    INTERVALS_MAX = 3, /* of a node */
};

typedef struct Builder {
    StrategyTable *table;
    const Graph *graph;
    const StageShape *shape;
    Arena *arena;
    StageNetwork *network;
    int32_t *node_of; /* by graph node: in the network, or NOT_HERE */
    int32_t *time;    /* by network node: when it runs */
    int32_t *last;    /* by network node: one past its last reader's time */
    int32_t microbatches_begin, microbatches_end; /* times */
    VECTOR(ChoiceEdge) edges;
    VECTOR(bool) edge_repeats;
} Builder;

static const NodeStorage *storage_at(const Builder *b, NodeId id)
{
    return &b->table->storage[id.index];
}

static bool in_range(const Builder *b, int32_t layer)
{
    return layer >= b->shape->first_layer && layer < b->shape->end_layer;
}

/* -- which nodes, and when ------------------------------------------------- */

static void mark_nodes(Builder *b, bool *is_here)
{
    for (int32_t i = 1; i < b->graph->nodes.count; i++) {
        const Node *node = graph_node(b->graph, (NodeId){i});
        if (storage_at(b, (NodeId){i})->free || !in_range(b, node->layer))
            continue;
        is_here[i] = true;
        for (int32_t k = 0; k < node->n_operands; k++)
            if (graph_operand(b->graph, node, k)->op == OP_INPUT)
                is_here[node->operands[k].index] = true;
    }
}

/* Nodes in the order in which they run: by part, then as in the graph. */
static void order_nodes(Builder *b, const bool *is_here)
{
    int32_t n = 0;
    b->microbatches_begin = b->microbatches_end = 0;
    for (StepPart part = PART_BEGIN; part <= PART_UPDATE; part++) {
        if (part == PART_FORWARD)
            b->microbatches_begin = n;
        for (int32_t i = 1; i < b->graph->nodes.count; i++) {
            if (!is_here[i] || storage_at(b, (NodeId){i})->part != part)
                continue;
            b->network->nodes[n].id = (NodeId){i};
            b->network->nodes[n].options =
                strategy_options(b->table, (NodeId){i});
            b->node_of[i] = n;
            b->time[n] = n;
            n++;
        }
        if (part == PART_BACKWARD)
            b->microbatches_end = n;
    }
    b->network->problem.n_nodes = n;
}

/* Whether what the node reads is read again where the node is: the node has no
 * buffer, or it may be an alias of a value that has none. */
static bool keeps_sources(const Builder *b, NodeId id)
{
    const Node *node = graph_node(b->graph, id);
    return !storage_at(b, id)->stored ||
           (node->op == OP_COPY && !storage_at(b, node->operands[0])->stored);
}

/* A value lives until its last reader ran; one that is computed where it is
 * read passes its readers' times on. */
static void find_last_reads(Builder *b)
{
    for (int32_t v = 0; v < b->network->problem.n_nodes; v++)
        b->last[v] = b->time[v] + 1;
    for (int32_t i = (int32_t)b->graph->nodes.count - 1; i > 0; i--) {
        int32_t v = b->node_of[i];
        if (v == NOT_HERE)
            continue;
        const Node *node = graph_node(b->graph, (NodeId){i});
        int32_t until =
            keeps_sources(b, (NodeId){i}) ? b->last[v] : b->time[v] + 1;
        for (int32_t k = 0; k < node->n_operands; k++) {
            int32_t u = b->node_of[node->operands[k].index];
            if (u != NOT_HERE && b->last[u] < until)
                b->last[u] = until;
        }
    }
}

/* -- prices ---------------------------------------------------------------- */

static void add_edge(Builder *b, NodeId from, NodeId to, const int64_t *price,
                     bool repeats)
{
    int32_t a = b->node_of[from.index], z = b->node_of[to.index];
    *vector_push(b->arena, &b->edges) = (ChoiceEdge){a, z, price};
    *vector_push(b->arena, &b->edge_repeats) = repeats;
}

static void add_edges(Builder *b, NodeId reader)
{
    const Node *node = graph_node(b->graph, reader);
    bool repeats = storage_repeats(storage_at(b, reader));
    for (int32_t k = 0; k < node->n_operands; k++)
        if (b->node_of[node->operands[k].index] != NOT_HERE)
            add_edge(b, node->operands[k], reader,
                     strategy_edge(b->table, reader, k), repeats);
}

/* The new value of a variable ends as the variable is sharded. */
static void add_update_edges(Builder *b)
{
    for (int64_t i = 0; i < b->graph->outputs.count; i++) {
        const Output *output = &b->graph->outputs.data[i];
        if (output->kind != OUTPUT_UPDATE)
            continue;
        NodeId variable = b->graph->variables.data[output->variable].node;
        if (b->node_of[variable.index] != NOT_HERE &&
            b->node_of[output->node.index] != NOT_HERE &&
            variable.index != output->node.index)
            add_edge(b, output->node, variable,
                     strategy_update_edge(b->table, output->node, variable), 1);
    }
}

static int64_t runs_of(const Builder *b, NodeId id)
{
    return storage_at(b, id)->microbatch
               ? b->table->mesh.axis[AXIS_MICROBATCH].size
               : 1;
}

/* How often a step the value leaves the stage; 0: it stays. */
static int64_t *send_runs(const Builder *b)
{
    int64_t *runs = arena_new(b->arena, int64_t, b->graph->nodes.count);
    for (int32_t i = 1; i < b->graph->nodes.count; i++) {
        const Node *node = graph_node(b->graph, (NodeId){i});
        if (storage_at(b, (NodeId){i})->free || in_range(b, node->layer))
            continue;
        for (int32_t k = 0; k < node->n_operands; k++) {
            int64_t *of = &runs[node->operands[k].index];
            *of = max_i64(*of, runs_of(b, (NodeId){i}));
        }
    }
    for (int64_t i = 0; i < b->graph->outputs.count; i++) {
        const Output *output = &b->graph->outputs.data[i];
        int64_t *of = &runs[output->node.index];
        if (output->kind == OUTPUT_VALUE)
            *of = max_i64(*of, runs_of(b, output->node));
    }
    return runs;
}

static const Link *link_of_foreign(const Builder *b, const Node *node)
{
    for (int32_t k = 0; k < node->n_operands; k++) {
        const Node *operand = graph_operand(b->graph, node, k);
        if (operand->layer == LAYER_NONE || in_range(b, operand->layer))
            continue;
        assert(node->op == OP_COPY && "passes/copies.c has not run");
        return operand->layer < b->shape->first_layer ? &b->shape->up
                                                      : &b->shape->down;
    }
    return NULL;
}

/* A received block is whole, and a value of its own. */
static int64_t receive_price(const Builder *b, const NodeOptions *options,
                             int32_t choice, const Link *link)
{
    if (choice >= options->first_alias || options->results[choice].partial)
        return CHOICE_FORBIDDEN;
    return strategy_price(b->table, cost_transfer(link, options->bytes[choice]),
                          options->runs);
}

static bool is_pinned_elsewhere(const Builder *b, const Node *node,
                                const Sharding *result)
{
    const Sharding *pins = b->shape->variables;
    return pins && node->op == OP_VARIABLE &&
           !sharding_equal(result, &pins[node->attr.variable.variable]);
}

/* The options' own prices, or a copy with what this stage adds. */
static const int64_t *node_prices(Builder *b, NodeId id, int64_t sends)
{
    const Node *node = graph_node(b->graph, id);
    const NodeOptions *options = strategy_options(b->table, id);
    const Link *link = b->shape->alone ? NULL : link_of_foreign(b, node);
    const AxisRoles *roles = b->shape->roles;
    if (!link && sends == 0 && !op_has(node->op, TRAIT_LEAF) && !roles)
        return options->price;
    const bool *may =
        roles ? axis_roles_choices(roles, b->graph, id, options, b->arena)
              : NULL;
    int64_t *prices = arena_new(b->arena, int64_t, options->n);
    for (int32_t c = 0; c < options->n; c++) {
        int64_t price = options->price[c];
        if (link)
            price += receive_price(b, options, c, link);
        if (sends)
            price += strategy_send_price(b->table, id, c, sends);
        if ((may && !may[c]) ||
            is_pinned_elsewhere(b, node, &options->results[c]))
            price = CHOICE_FORBIDDEN;
        prices[c] = min_i64(price, CHOICE_FORBIDDEN);
    }
    return prices;
}

/* -- usages ---------------------------------------------------------------- */

static MemoryClass memory_class(const Builder *b, NodeId id)
{
    const Node *node = graph_node(b->graph, id);
    const NodeStorage *storage = storage_at(b, id);
    if (node->op == OP_VARIABLE) {
        const Variable *variable =
            &b->graph->variables.data[node->attr.variable.variable];
        return variable->kind == VARIABLE_OPTIMIZER ? MEMORY_OPTIMIZER
                                                    : MEMORY_PARAMETER;
    }
    if (storage->accumulated)
        return MEMORY_GRADIENT;
    int32_t v = b->node_of[id.index];
    bool is_saved = storage->part == PART_FORWARD && b->last[v] > 0 &&
                    storage_at(b, b->network->nodes[b->last[v] - 1].id)->part ==
                        PART_BACKWARD;
    return is_saved ? MEMORY_SAVED : MEMORY_TRANSIENT;
}

/* When a block is live, and how many there are. */
typedef struct Life {
    int32_t begin, end;
    int64_t times;
} Life;

static bool spans_microbatches(const Builder *b, Life life)
{
    return life.end > b->microbatches_begin && life.begin < b->microbatches_end;
}

/* When the node's own block is live. */
static Life life_of(const Builder *b, int32_t v)
{
    const StageNode *node = &b->network->nodes[v];
    const NodeStorage *storage = storage_at(b, node->id);
    Life life = {b->time[v], b->last[v], 1};
    if (graph_node(b->graph, node->id)->op == OP_VARIABLE)
        return (Life){0, b->network->n_times, 1};
    bool repeats = b->table->mesh.axis[AXIS_MICROBATCH].size > 1;
    if (!repeats)
        return life;
    if (node->memory == MEMORY_GRADIENT)
        life.begin = b->microbatches_begin;
    if (node->memory == MEMORY_SAVED && b->shape->in_flight > 1)
        return (Life){b->microbatches_begin, b->microbatches_end,
                      b->shape->in_flight};
    if (!storage->microbatch && storage->part == PART_BEGIN &&
        spans_microbatches(b, life))
        life.end = (int32_t)max_i64(life.end, b->microbatches_end);
    return life;
}

/* What an alias adds to its operand's life. */
static Life alias_life(const Builder *b, int32_t v, Life own)
{
    NodeId operand = graph_node(b->graph, b->network->nodes[v].id)->operands[0];
    int32_t u = b->node_of[operand.index];
    if (u == NOT_HERE)
        return (Life){0};
    Life of = life_of(b, u);
    if (of.times < own.times)
        return own;
    own.begin = (int32_t)max_i64(own.begin, of.end);
    return own.begin < own.end ? own : (Life){0};
}

/* Blocks of choices [first, end), `times` each; 0 for the others. */
static const int64_t *usage_of(Builder *b, const NodeOptions *options,
                               int32_t first, int32_t end, int64_t times)
{
    if (first == 0 && end == options->n && times == 1)
        return options->bytes;
    int64_t *usage = arena_new(b->arena, int64_t, options->n);
    for (int32_t c = first; c < end; c++)
        usage[c] = options->bytes[c] * times;
    return usage;
}

static void add_usages(Builder *b, int32_t v, ChoiceNode *node)
{
    const NodeOptions *options = b->network->nodes[v].options;
    if (!storage_at(b, b->network->nodes[v].id)->stored)
        return;
    ChoiceInterval *intervals =
        arena_new(b->arena, ChoiceInterval, INTERVALS_MAX);
    Life own = life_of(b, v);
    intervals[node->n_intervals++] = (ChoiceInterval){
        own.begin, own.end,
        usage_of(b, options, 0, options->first_alias, own.times)};
    if (options->first_alias < options->n) {
        Life alias = alias_life(b, v, own);
        if (alias.times > 0)
            intervals[node->n_intervals++] =
                (ChoiceInterval){alias.begin, alias.end,
                                 usage_of(b, options, options->first_alias,
                                          options->n, alias.times)};
    }
    /* What a microbatch adds to a running sum is a block of its own. */
    if (storage_at(b, b->network->nodes[v].id)->accumulated &&
        b->table->mesh.axis[AXIS_MICROBATCH].size > 1)
        intervals[node->n_intervals++] =
            (ChoiceInterval){b->time[v], b->time[v] + 1,
                             usage_of(b, options, 0, options->first_alias, 1)};
    node->intervals = intervals;
}

/* -- the whole ------------------------------------------------------------- */

static void add_nodes(Builder *b)
{
    StageNetwork *network = b->network;
    int64_t *sends = b->shape->alone ? NULL : send_runs(b);
    ChoiceNode *nodes =
        arena_new(b->arena, ChoiceNode, network->problem.n_nodes);
    for (int32_t v = 0; v < network->problem.n_nodes; v++)
        network->nodes[v].memory = memory_class(b, network->nodes[v].id);
    for (int32_t v = 0; v < network->problem.n_nodes; v++) {
        NodeId id = network->nodes[v].id;
        nodes[v].n_choices = network->nodes[v].options->n;
        nodes[v].cost = node_prices(b, id, sends ? sends[id.index] : 0);
        if (!b->shape->alone)
            add_usages(b, v, &nodes[v]);
        add_edges(b, id);
    }
    network->problem.nodes = nodes;
}

StageNetwork stage_network_new(Arena *arena, StrategyTable *table,
                               const StageShape *shape)
{
    int64_t count = table->graph->nodes.count;
    StageNetwork network = {.nodes = arena_new(arena, StageNode, count)};
    Builder b = {
        .table = table,
        .graph = table->graph,
        .shape = shape,
        .arena = arena,
        .network = &network,
        .node_of = arena_new(arena, int32_t, count),
        .time = arena_new(arena, int32_t, count),
        .last = arena_new(arena, int32_t, count),
    };
    bool *is_here = arena_new(arena, bool, count);
    memset(b.node_of, NOT_HERE, (size_t)count * sizeof *b.node_of);
    mark_nodes(&b, is_here);
    order_nodes(&b, is_here);
    network.n_times = network.problem.n_nodes;
    find_last_reads(&b);
    add_nodes(&b);
    add_update_edges(&b);
    network.problem.edges = b.edges.data;
    network.problem.n_edges = (int32_t)b.edges.count;
    network.problem.usage_limit =
        min_i64(shape->memory_bytes, CHOICE_MAGNITUDE_MAX);
    network.edge_repeats = b.edge_repeats.data;
    return network;
}
