/* Stage bounds: see the header. */
#include "passes/stage_bounds.h"

#include "passes/cost.h"
#include "passes/intra.h"
#include "support/checked.h"

#include <assert.h>

enum {
    UNKNOWN = -1,
    /* One layer is small, and its bound counts for all that are alike. */
    WORK_FACTOR = 4,
};

struct StageBounds {
    Arena *arena;
    StageTables *tables;
    const StageBounds *base;
    int32_t n_layers;
    int64_t *even;     /* [option][layer]: divided evenly */
    int64_t *alone;    /* [option][shape][layer kind], UNKNOWN */
    int64_t *rounding; /* [layer]: what rounding may take from a base's bound */
    int64_t *up, *down; /* [option][neighbour][first][end]: receives */
    int64_t *least;     /* [option][first][end]: layers, on any mesh */
    int64_t n_nodes;
};

/* -- computing ------------------------------------------------------------- */

/* A node's price when its work and bytes divide evenly over the devices: no
 * strategy does better. */
static int64_t node_bound(const StageTables *t, const SubmeshOption *option,
                          NodeId id)
{
    const Graph *graph = t->space->graph;
    const NodeStorage *storage = &t->storage[id.index];
    double devices = (double)(option->n_hosts * option->devices_per_host);
    Submesh submesh = {.group = option->group};
    DeviceType device = *submesh_device_type(t->space->mesh, &submesh);
    device.flops[DTYPE_F32] *= devices;
    device.memory_bandwidth_bytes_per_second *= devices;
    LogicalMesh time = {.n_axes = 1};
    time.axis[AXIS_MICROBATCH].size = t->n_microbatches;
    Strategy strategy = {{storage->time}};
    Sharding operands[OPERANDS_RULE_MAX], result;
    Rule rule = rule_of(graph, id);
    bool legal =
        rule_shardings(graph, id, &rule, &time, &strategy, operands, &result);
    assert(legal);
    (void)legal;
    int64_t nanoseconds = cost_node(graph, id, &rule, storage, &time, &device,
                                    &strategy, operands, &result);
    int64_t runs = storage->microbatch ? t->n_microbatches : 1;
    return nanoseconds * runs / t->space->tick_nanoseconds;
}

/* What half a nanosecond for each run of each node and edge, here and in the
 * base, may add up to. */
static int64_t rounding_of(const StageTables *t, NodeId id)
{
    int32_t n = 1 + graph_node(t->space->graph, id)->n_operands;
    int64_t runs = t->storage[id.index].microbatch ? t->n_microbatches : 1;
    return 2 * n * runs / t->space->tick_nanoseconds + 2 * n;
}

static void bound_nodes(StageBounds *b)
{
    const StageTables *t = b->tables;
    const Graph *graph = t->space->graph;
    for (int32_t i = 1; i < graph->nodes.count; i++) {
        int32_t layer = graph_node(graph, (NodeId){i})->layer;
        if (layer == LAYER_NONE || t->storage[i].free)
            continue;
        b->rounding[layer] += rounding_of(t, (NodeId){i});
        for (int32_t o = 0; o < t->space->n_options; o++)
            b->even[o * b->n_layers + layer] +=
                node_bound(t, &t->space->options[o], (NodeId){i});
    }
}

static int64_t *alone_at(const StageBounds *b, int32_t option, int32_t shape,
                         int32_t layer)
{
    return &b->alone[((int64_t)option * LOGICAL_SHAPES_MAX + shape) *
                         b->n_layers +
                     b->tables->layer_kind[layer]];
}

/* What a kernel's start adds to a base's bound is in the even division's. */
static int64_t layer_bound(const StageBounds *b, int32_t option, int32_t shape,
                           int32_t layer)
{
    int64_t at = (int64_t)option * b->n_layers + layer;
    int64_t bound = max_i64(b->even[at], *alone_at(b, option, shape, layer));
    if (!b->base)
        return bound;
    int64_t more = max_i64(0, b->even[at] - b->base->even[at]);
    return max_i64(bound, layer_bound(b->base, option, shape, layer) + more -
                              b->rounding[layer]);
}

/* -- receives -------------------------------------------------------------- */

/* Ticks a step for receiving a value, divided evenly over the devices. */
static int64_t receive_bound(const StageTables *t, NodeId copy, int32_t option,
                             Neighbour neighbour)
{
    const SubmeshOption *of = &t->space->options[option];
    Link link = submesh_link(t->space->mesh, of, neighbour);
    int64_t devices = of->n_hosts * of->devices_per_host;
    bool repeats = t->storage[copy.index].microbatch;
    int64_t runs = repeats ? t->n_microbatches : 1;
    int64_t bytes = type_bytes(&graph_node(t->space->graph, copy)->type);
    return cost_transfer(&link, bytes / runs / devices) * runs /
           t->space->tick_nanoseconds;
}

/* The layer whose value a copy takes, its own when it does not come from
 * another. */
static int32_t source_layer(const Graph *graph, const Node *node)
{
    int32_t layer = graph_operand(graph, node, 0)->layer;
    return layer == LAYER_NONE ? node->layer : layer;
}

static int64_t *receives_at(const StageBounds *b, int64_t *table,
                            int32_t option, Neighbour neighbour, int32_t first)
{
    return table +
           (((int64_t)option * NEIGHBOUR_COUNT + neighbour) * b->n_layers +
            first) *
               (b->n_layers + 1);
}

/* up[first][end]: copies of layers [first, end) from layers before first. */
static void add_receive(StageBounds *b, NodeId copy, int32_t option,
                        Neighbour neighbour)
{
    const Graph *graph = b->tables->space->graph;
    const Node *node = graph_node(graph, copy);
    int32_t from = source_layer(graph, node), to = node->layer;
    int64_t price = receive_bound(b->tables, copy, option, neighbour);
    for (int32_t first = 0; first <= to; first++) {
        int64_t *up = receives_at(b, b->up, option, neighbour, first);
        int64_t *down = receives_at(b, b->down, option, neighbour, first);
        for (int32_t end = to + 1; end <= b->n_layers; end++) {
            up[end] += from < first ? price : 0;
            down[end] += from >= end ? price : 0;
        }
    }
}

static void bound_receives(StageBounds *b)
{
    const SearchSpace *space = b->tables->space;
    for (int32_t i = 1; i < space->graph->nodes.count; i++) {
        const Node *node = graph_node(space->graph, (NodeId){i});
        if (node->op != OP_COPY || b->tables->storage[i].free ||
            source_layer(space->graph, node) == node->layer)
            continue;
        for (int32_t o = 0; o < space->n_options; o++)
            for (Neighbour n = 0; n < NEIGHBOUR_COUNT; n++)
                add_receive(b, (NodeId){i}, o, n);
    }
}

/* -- the whole ------------------------------------------------------------- */

StageBounds *stage_bounds_new(Arena *arena, StageTables *tables,
                              const StageBounds *base)
{
    const SearchSpace *space = tables->space;
    int64_t n = space->n_layers;
    int64_t n_alone = space->n_options * LOGICAL_SHAPES_MAX * n;
    int64_t n_receives = space->n_options * NEIGHBOUR_COUNT * n * (n + 1);
    StageBounds *b = arena_new(arena, StageBounds, 1);
    *b = (StageBounds){
        .arena = arena,
        .tables = tables,
        .n_layers = space->n_layers,
        .even = arena_new(arena, int64_t, space->n_options *n),
        .alone = arena_new(arena, int64_t, n_alone),
        .rounding = arena_new(arena, int64_t, n),
        .up = arena_new(arena, int64_t, n_receives),
        .down = arena_new(arena, int64_t, n_receives),
        .least = arena_new(arena, int64_t, space->n_options *n *(n + 1)),
    };
    /* Of a graph that is stored and scheduled alike. */
    if (base && base->tables->storage == tables->storage &&
        tables->n_microbatches % base->tables->n_microbatches == 0)
        b->base = base;
    for (int64_t i = 0; i < n_alone; i++)
        b->alone[i] = UNKNOWN;
    bound_nodes(b);
    bound_receives(b);
    stage_bounds_update(b);
    return b;
}

static int64_t receives(const StageBounds *b, const StagePlace *place)
{
    return receives_at(b, b->up, place->option, place->before,
                       place->first_layer)[place->end_layer] +
           receives_at(b, b->down, place->option, place->after,
                       place->first_layer)[place->end_layer];
}

static int64_t layers_bound(const StageBounds *b, const StagePlace *place,
                            int32_t shape)
{
    int64_t bound = 0;
    for (int32_t l = place->first_layer; l < place->end_layer; l++)
        bound += layer_bound(b, place->option, shape, l);
    return bound;
}

int64_t stage_bound_of_shape(const StageBounds *b, const StagePlace *place,
                             int32_t shape)
{
    return layers_bound(b, place, shape) + receives(b, place);
}

static int64_t *least_at(const StageBounds *b, int32_t option, int32_t first)
{
    return b->least +
           ((int64_t)option * b->n_layers + first) * (b->n_layers + 1);
}

void stage_bounds_update(StageBounds *b)
{
    const SearchSpace *space = b->tables->space;
    for (int32_t o = 0; o < space->n_options; o++)
        for (int32_t first = 0; first < b->n_layers; first++) {
            int64_t *least = least_at(b, o, first);
            for (int32_t end = first + 1; end <= b->n_layers; end++)
                least[end] = INT64_MAX;
            for (int32_t s = 0; s < space->options[o].n_shapes; s++) {
                int64_t sum = 0;
                for (int32_t l = first; l < b->n_layers; l++) {
                    sum += layer_bound(b, o, s, l);
                    least[l + 1] = min_i64(least[l + 1], sum);
                }
            }
        }
}

int64_t stage_bound(const StageBounds *b, const StagePlace *place)
{
    return least_at(b, place->option, place->first_layer)[place->end_layer] +
           receives(b, place);
}

/* -- refining -------------------------------------------------------------- */

static int64_t solve_alone(StageBounds *b, int32_t layer, int32_t option,
                           int32_t shape, Arena scratch)
{
    StageShape stage = {
        .first_layer = layer,
        .end_layer = layer + 1,
        .in_flight = 1,
        .memory_bytes = CHOICE_MAGNITUDE_MAX,
        .alone = true,
    };
    Arena arena = arena_split(&scratch);
    IntraOptions options = stage_tables_options(b->tables);
    options.skip_least_peak = true;
    options.work_limit =
        min_i64(options.work_limit, INT64_MAX / WORK_FACTOR) * WORK_FACTOR;
    StageSolution solved =
        intra_solve(&arena, scratch, stage_table(b->tables, option, shape),
                    &stage, &options);
    b->n_nodes += solved.n_solved;
    return solved.too_large ? 0 : max_i64(0, solved.lower_bound);
}

bool stage_bounds_refine(StageBounds *b, int32_t first, int32_t end,
                         int32_t option, int32_t shape, Arena scratch)
{
    bool any = false;
    for (int32_t l = first; l < end; l++) {
        int64_t *alone = alone_at(b, option, shape, l);
        if (*alone != UNKNOWN)
            continue;
        *alone = solve_alone(b, l, option, shape, scratch);
        any = true;
    }
    return any;
}

int64_t stage_bounds_nodes(const StageBounds *b)
{
    return b->n_nodes;
}
