/* Stage model: see the header. */
#include "stage_model.h"

#include "support/checked.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { BLOCK_BYTES = 64 }; /* blocks take multiples of this */

static int64_t nanoseconds(double seconds)
{
    return llround(seconds * 1e9);
}

static int64_t runs_of(const MeshModel *m, NodeId id)
{
    return m->timing[id.index].often ? m->mesh.axis[AXIS_MICROBATCH].size : 1;
}

/* -- choices of a node ----------------------------------------------------- */

/* Roofline: operations at the device's rate, or bytes at its memory's. */
static int64_t computing_price(const MeshModel *m, NodeId id, const Rule *rule,
                               const Strategy *strategy,
                               const Sharding *operands, const Sharding *result)
{
    const Node *node = graph_node(m->graph, id);
    double bytes = 0;
    if (m->timing[id.index].kept && !op_has(node->op, TRAIT_LEAF) &&
        node->op != OP_COPY) {
        bytes = (double)sharding_local_bytes(&m->mesh, &node->type, result);
        bytes *= m->timing[id.index].summed ? 2 : 1;
        for (int32_t k = 0; k < node->n_operands; k++)
            bytes += (double)sharding_local_bytes(
                &m->mesh, &graph_operand(m->graph, node, k)->type,
                &operands[k]);
    }
    double flops = rule_flops(m->graph, id, rule, &m->mesh, strategy);
    double seconds = fmax(flops / m->device.flops[DTYPE_F32],
                          bytes / m->device.memory_bandwidth_bytes_per_second);
    return runs_of(m, id) *
           nanoseconds(seconds +
                       (bytes > 0 ? m->device.kernel_latency_seconds : 0));
}

static void set_choice(const MeshModel *m, NodeId id, const Rule *rule,
                       Choices *choices, int32_t c)
{
    const Node *node = graph_node(m->graph, id);
    Sharding *operands = choices->operand + c * node->n_operands;
    bool legal =
        rule_shardings(m->graph, id, rule, &m->mesh, &choices->strategy[c],
                       operands, &choices->result[c]);
    assert(legal);
    (void)legal;
    choices->price[c] = computing_price(m, id, rule, &choices->strategy[c],
                                        operands, &choices->result[c]);
    choices->bytes[c] = round_up_i64(
        sharding_local_bytes(&m->mesh, &node->type, &choices->result[c]),
        BLOCK_BYTES);
}

static const Choices *choices_of(MeshModel *m, NodeId id)
{
    Choices *choices = &m->choices[id.index];
    if (choices->n)
        return choices;
    const Node *node = graph_node(m->graph, id);
    Rule rule = rule_of(m->graph, id);
    Strategy *strategies;
    int64_t n =
        rule_strategies(m->graph, id, &rule, &m->mesh, m->timing[id.index].time,
                        m->arena, &strategies);
    int64_t times = node->op == OP_COPY ? 2 : 1;
    Strategy *all = arena_new(m->arena, Strategy, n * times);
    for (int64_t i = 0; i < times; i++)
        memcpy(all + i * n, strategies, (size_t)n * sizeof *all);
    *choices = (Choices){
        .n = (int32_t)(n * times),
        .first_alias = (int32_t)n,
        .strategy = all,
        .result = arena_new(m->arena, Sharding, n * times),
        .operand =
            arena_new(m->arena, Sharding, n * times * (node->n_operands + 1)),
        .price = arena_new(m->arena, int64_t, n *times),
        .bytes = arena_new(m->arena, int64_t, n *times),
    };
    for (int32_t c = 0; c < choices->n; c++)
        set_choice(m, id, &rule, choices, c);
    return choices;
}

MeshModel *mesh_model_new(Arena *arena, const Graph *graph,
                          const Timing *timing, const LogicalMesh *mesh,
                          const DeviceType *device)
{
    MeshModel *m = arena_new(arena, MeshModel, 1);
    *m = (MeshModel){
        .arena = arena,
        .graph = graph,
        .timing = timing,
        .mesh = *mesh,
        .device = *device,
        .resharder = resharder_new(arena, mesh),
        .choices = arena_new(arena, Choices, graph->nodes.count),
        .way = arena_new(arena, const int64_t *,
                         graph->nodes.count *(OPERANDS_MAX + 1)),
    };
    return m;
}

/* -- ways between nodes ---------------------------------------------------- */

static int64_t moving_price(const MeshModel *m, const Type *type,
                            const Sharding *from, const Sharding *to,
                            int64_t runs)
{
    int64_t once = reshard_nanoseconds(m->resharder, type, from, to);
    return once >= NEVER / runs ? NEVER : once * runs;
}

/* What the reader's choice wants the value to be; for the last operand number
 * the "reader" is the variable that the value is to become. */
static const Sharding *wanted(const Choices *reader, int32_t n_operands,
                              int32_t choice, int32_t k)
{
    return k == OPERANDS_MAX ? &reader->result[choice]
                             : &reader->operand[choice * n_operands + k];
}

/* The price of bringing `value` from each of its results to what each choice
 * of `reader` wants: [choice of value][choice of reader].  A copy is an alias
 * where, and only where, its sharding is its operand's. */
static const int64_t *way_to(MeshModel *m, NodeId value, NodeId reader,
                             int32_t k)
{
    const int64_t **known = &m->way[reader.index * (OPERANDS_MAX + 1) + k];
    if (*known)
        return *known;
    const Choices *from = choices_of(m, value), *to = choices_of(m, reader);
    const Node *node = graph_node(m->graph, reader);
    const Type *type = &graph_node(m->graph, value)->type;
    int64_t runs = k == OPERANDS_MAX ? 1 : runs_of(m, reader);
    int64_t *way = arena_new(m->arena, int64_t, (int64_t)from->n * to->n);
    for (int32_t a = 0; a < from->n; a++)
        for (int32_t b = 0; b < to->n; b++) {
            const Sharding *want = wanted(to, node->n_operands, b, k);
            bool is_copy = k < OPERANDS_MAX && node->op == OP_COPY;
            bool is_equal = sharding_equal(&from->result[a], want);
            int64_t *price = &way[a * to->n + b];
            if (is_copy && is_equal != (b >= to->first_alias))
                *price = NEVER;
            else if (!is_equal)
                *price = moving_price(m, type, &from->result[a], want, runs);
        }
    return *known = way;
}

/* -- one stage ------------------------------------------------------------- */

typedef struct Builder {
    Arena *arena;
    MeshModel *mesh;
    const Graph *graph;
    const StageSpan *span;
    StageModel *model;
    int32_t *at; /* by graph node: in the model, or -1 */
    int32_t microbatches_begin, microbatches_end;
} Builder;

static const Timing *timing_at(const Builder *b, int32_t v)
{
    return &b->mesh->timing[b->model->id[v].index];
}

static bool is_inside(const Builder *b, const Node *node)
{
    return node->layer >= b->span->first_layer &&
           node->layer < b->span->end_layer;
}

/* What the layers compute, and the inputs that it reads. */
static bool takes_part(const Builder *b, int32_t i)
{
    const Node *node = graph_node(b->graph, (NodeId){i});
    if (node->op != OP_INPUT)
        return is_inside(b, node) && !b->mesh->timing[i].free;
    for (int32_t r = i + 1; r < b->graph->nodes.count; r++) {
        const Node *reader = graph_node(b->graph, (NodeId){r});
        for (int32_t k = 0; k < reader->n_operands; k++)
            if (reader->operands[k].index == i && is_inside(b, reader) &&
                !b->mesh->timing[r].free)
                return true;
    }
    return false;
}

static void list_nodes(Builder *b)
{
    StageModel *model = b->model;
    for (int32_t i = 0; i < b->graph->nodes.count; i++)
        b->at[i] = -1;
    for (Moment moment = 0; moment < MOMENT_COUNT; moment++) {
        if (moment == MOMENT_FORWARD)
            b->microbatches_begin = model->n;
        if (moment == MOMENT_UPDATE)
            b->microbatches_end = model->n;
        for (int32_t i = 1; i < b->graph->nodes.count; i++) {
            if (b->mesh->timing[i].moment != moment || !takes_part(b, i))
                continue;
            assert(model->n < STAGE_NODES_MAX);
            b->at[i] = model->n;
            model->id[model->n] = (NodeId){i};
            model->choices[model->n++] = choices_of(b->mesh, (NodeId){i});
        }
    }
}

/* How often a step the value's partial sums must be finished for others. */
static int64_t sends_of(const Builder *b, NodeId id)
{
    int64_t sends = 0;
    for (int32_t r = id.index + 1; r < b->graph->nodes.count; r++) {
        const Node *reader = graph_node(b->graph, (NodeId){r});
        for (int32_t k = 0; k < reader->n_operands; k++)
            if (reader->operands[k].index == id.index &&
                !is_inside(b, reader) && !b->mesh->timing[r].free)
                sends = max_i64(sends, runs_of(b->mesh, (NodeId){r}));
    }
    for (int64_t o = 0; o < b->graph->outputs.count; o++)
        if (b->graph->outputs.data[o].kind == OUTPUT_VALUE &&
            b->graph->outputs.data[o].node.index == id.index)
            sends = max_i64(sends, runs_of(b->mesh, id));
    return sends;
}

/* The link over which a copy receives its operand; NULL: it is here. */
static const Link *received_over(const Builder *b, const Node *node)
{
    if (node->op != OP_COPY)
        return NULL;
    const Node *operand = graph_operand(b->graph, node, 0);
    if (operand->layer == LAYER_NONE || is_inside(b, operand))
        return NULL;
    return operand->layer < b->span->first_layer ? &b->span->up
                                                 : &b->span->down;
}

static void set_prices(Builder *b, int32_t v)
{
    NodeId id = b->model->id[v];
    const Node *node = graph_node(b->graph, id);
    const Choices *choices = b->model->choices[v];
    const Link *link = received_over(b, node);
    int64_t sends = sends_of(b, id);
    b->model->price[v] = arena_new(b->arena, int64_t, choices->n);
    for (int32_t c = 0; c < choices->n; c++) {
        const Sharding *result = &choices->result[c];
        int64_t price = choices->price[c];
        if (link)
            price +=
                result->partial || c >= choices->first_alias
                    ? NEVER
                    : runs_of(b->mesh, id) *
                          nanoseconds(link->latency_seconds +
                                      (double)choices->bytes[c] /
                                          link->bandwidth_bytes_per_second);
        Sharding finished = *result;
        finished.partial = finished.operator= 0;
        if (sends)
            price +=
                moving_price(b->mesh, &node->type, result, &finished, sends);
        b->model->price[v][c] = min_i64(price, NEVER);
    }
}

/* Adds a way to the pair's table, whichever of the two runs first. */
static void add_way(Builder *b, int32_t from, int32_t to, const int64_t *way)
{
    StageModel *model = b->model;
    int32_t u = from < to ? from : to, v = from < to ? to : from;
    int64_t n_u = model->choices[u]->n, n_v = model->choices[v]->n;
    int64_t **pair = &model->pair[u][v];
    if (!*pair)
        *pair = arena_new(b->arena, int64_t, n_u *n_v);
    for (int64_t a = 0; a < n_u; a++)
        for (int64_t c = 0; c < n_v; c++)
            (*pair)[a * n_v + c] =
                min_i64(NEVER, (*pair)[a * n_v + c] +
                                   way[u == from ? a * n_v + c : c * n_u + a]);
}

static void set_pairs(Builder *b)
{
    for (int32_t v = 0; v < b->model->n; v++) {
        NodeId id = b->model->id[v];
        const Node *node = graph_node(b->graph, id);
        for (int32_t k = 0; k < node->n_operands; k++)
            if (b->at[node->operands[k].index] >= 0)
                add_way(b, b->at[node->operands[k].index], v,
                        way_to(b->mesh, node->operands[k], id, k));
    }
    for (int64_t o = 0; o < b->graph->outputs.count; o++) {
        const Output *output = &b->graph->outputs.data[o];
        if (output->kind != OUTPUT_UPDATE)
            continue;
        NodeId variable = b->graph->variables.data[output->variable].node;
        if (b->at[output->node.index] >= 0 && b->at[variable.index] >= 0)
            add_way(b, b->at[output->node.index], b->at[variable.index],
                    way_to(b->mesh, output->node, variable, OPERANDS_MAX));
    }
}

/* -- memory ---------------------------------------------------------------- */

/* Whether reader r needs v no longer than it runs: r has a buffer and, where
 * it copies what has none, is no alias of it. */
static bool ends_at(const Builder *b, int32_t v, int32_t r)
{
    bool copies = graph_node(b->graph, b->model->id[r])->op == OP_COPY;
    return timing_at(b, r)->kept && (!copies || timing_at(b, v)->kept);
}

/* The last node of the stage that reads v, itself or through values that are
 * computed where they are read; v when none does. */
static int32_t last_reader(const Builder *b, int32_t v)
{
    int32_t last = v;
    for (int32_t r = 0; r < b->model->n; r++) {
        const Node *node = graph_node(b->graph, b->model->id[r]);
        for (int32_t k = 0; k < node->n_operands; k++)
            if (node->operands[k].index == b->model->id[v].index)
                last = (int32_t)max_i64(
                    last, ends_at(b, v, r) ? r : last_reader(b, r));
    }
    return last;
}

/* Blocks of a value of its own while each node runs. */
static void count_blocks(const Builder *b, int32_t v, int64_t *blocks)
{
    const Timing *timing = timing_at(b, v);
    int32_t begin = v, end = last_reader(b, v) + 1;
    int64_t count = 1;
    bool many = b->mesh->mesh.axis[AXIS_MICROBATCH].size > 1;
    bool is_saved = timing->moment == MOMENT_FORWARD && !timing->summed &&
                    timing_at(b, end - 1)->moment == MOMENT_BACKWARD;
    if (graph_node(b->graph, b->model->id[v])->op == OP_VARIABLE) {
        begin = 0;
        end = b->model->n;
    } else if (many && timing->summed) {
        begin = b->microbatches_begin; /* running sums wait from the first */
    } else if (many && is_saved && b->span->in_flight > 1) {
        begin = b->microbatches_begin;
        end = b->microbatches_end;
        count = b->span->in_flight;
    } else if (many && timing->moment == MOMENT_BEGIN &&
               end > b->microbatches_begin && begin < b->microbatches_end) {
        end = (int32_t)max_i64(end, b->microbatches_end); /* read again */
    }
    for (int32_t t = begin; t < end && timing->kept; t++)
        blocks[t] = count;
}

/* An alias makes its operand live on; where it lives in more microbatches than
 * that it counts as a value of its own. */
static void count_alias_blocks(const Builder *b, int32_t v, int64_t *blocks)
{
    const Node *node = graph_node(b->graph, b->model->id[v]);
    int32_t u = b->at[node->operands[0].index];
    int64_t own[STAGE_NODES_MAX] = {0}, theirs[STAGE_NODES_MAX] = {0};
    int64_t most_own = 0, most_theirs = 0;
    int32_t end = 0;
    if (u < 0 || !timing_at(b, u)->kept)
        return; /* what it is computed from lives on */
    count_blocks(b, v, own);
    count_blocks(b, u, theirs);
    for (int32_t t = 0; t < b->model->n; t++) {
        most_own = max_i64(most_own, own[t]);
        most_theirs = max_i64(most_theirs, theirs[t]);
        end = theirs[t] ? t + 1 : end;
    }
    for (int32_t t = 0; t < b->model->n; t++)
        if (t >= end || most_theirs < most_own)
            blocks[t] = own[t];
}

static void set_usage(Builder *b, int32_t v)
{
    const Choices *choices = b->model->choices[v];
    int64_t n = b->model->n;
    int64_t own[STAGE_NODES_MAX] = {0}, alias[STAGE_NODES_MAX] = {0};
    count_blocks(b, v, own);
    if (choices->first_alias < choices->n)
        count_alias_blocks(b, v, alias);
    if (timing_at(b, v)->summed && timing_at(b, v)->kept &&
        b->mesh->mesh.axis[AXIS_MICROBATCH].size > 1)
        own[v]++; /* what a microbatch adds to the sum */
    b->model->usage[v] = arena_new(b->arena, int64_t, choices->n *n);
    for (int32_t c = 0; c < choices->n; c++)
        for (int32_t t = 0; t < n; t++)
            b->model->usage[v][c * n + t] =
                choices->bytes[c] *
                (c >= choices->first_alias ? alias[t] : own[t]);
}

/* -- the whole ------------------------------------------------------------- */

StageModel *stage_model_new(Arena *arena, MeshModel *mesh,
                            const StageSpan *span)
{
    Builder b = {
        .arena = arena,
        .mesh = mesh,
        .graph = mesh->graph,
        .span = span,
        .model = arena_new(arena, StageModel, 1),
        .at = arena_new(arena, int32_t, mesh->graph->nodes.count),
    };
    list_nodes(&b);
    set_pairs(&b);
    for (int32_t v = 0; v < b.model->n; v++) {
        set_prices(&b, v);
        set_usage(&b, v);
    }
    return b.model;
}

int64_t stage_model_price(const StageModel *model, const int32_t *choice)
{
    int64_t price = 0;
    for (int32_t v = 0; v < model->n; v++) {
        price += model->price[v][choice[v]];
        for (int32_t u = 0; u < v; u++)
            if (model->pair[u][v])
                price += model->pair[u][v][choice[u] * model->choices[v]->n +
                                           choice[v]];
    }
    return price;
}

int64_t stage_model_peak(const StageModel *model, const int32_t *choice)
{
    int64_t peak = 0;
    for (int32_t t = 0; t < model->n; t++) {
        int64_t bytes = 0;
        for (int32_t v = 0; v < model->n; v++)
            bytes += model->usage[v][choice[v] * model->n + t];
        peak = max_i64(peak, bytes);
    }
    return peak;
}
