/* Stage prices: see the header. */
#include "passes/stage_prices.h"

#include "passes/cost.h"
#include "passes/stage_class.h"
#include "support/checked.h"

#include <assert.h>
#include <string.h>

/* One logical mesh of an option, solved without a memory limit. */
typedef struct FreeSolution {
    int64_t price, lower_bound;
    int32_t *choice;
    int64_t most_bytes; /* its peak with the most microbatches in flight */
} FreeSolution;

/* What is known of one kind of stage. */
typedef struct StageEntry {
    FreeSolution *free; /* [n_shapes]; NULL: not solved yet */
    StageQuote **quote; /* [in flight]; NULL: not known yet */
} StageEntry;

struct StagePrices {
    Arena *arena;
    SearchSpace space;
    int64_t n_microbatches, most_in_flight;
    const NodeStorage *storage;
    StageClasses classes;
    int64_t *layer_bound;   /* [option][layer + 1]: sums of layers before */
    StrategyTable **tables; /* [option][shape] */
    StageEntry *entries;    /* [class][option][before][after] */
    bool too_large;
    int64_t n_nodes; /* of all networks solved */
};

/* -- bounds ---------------------------------------------------------------- */

/* A node's price when its work and bytes divide evenly over the devices: no
 * strategy does better. */
static int64_t node_bound(const StagePrices *p, const SubmeshOption *option,
                          NodeId id)
{
    const Graph *graph = p->space.graph;
    const Node *node = graph_node(graph, id);
    const NodeStorage *storage = &p->storage[id.index];
    double devices = (double)(option->n_hosts * option->devices_per_host);
    Submesh submesh = {.group = option->group};
    DeviceType device = *submesh_device_type(p->space.mesh, &submesh);
    device.flops[DTYPE_F32] *= devices;
    device.memory_bandwidth_bytes_per_second *= devices;
    LogicalMesh time = {.n_axes = 1};
    time.axis[AXIS_MICROBATCH].size = p->n_microbatches;
    Strategy strategy = {{storage->time}};
    Sharding operands[OPERANDS_RULE_MAX], result;
    Rule rule = rule_of(graph, id);
    bool legal =
        rule_shardings(graph, id, &rule, &time, &strategy, operands, &result);
    assert(legal && node->n_operands <= OPERANDS_RULE_MAX);
    (void)legal;
    (void)node;
    int64_t nanoseconds = cost_node(graph, id, &rule, storage, &time, &device,
                                    &strategy, operands, &result);
    int64_t runs = storage->microbatch ? p->n_microbatches : 1;
    return nanoseconds * runs / p->space.tick_nanoseconds;
}

static int64_t *layer_bounds(const StagePrices *p, Arena *arena)
{
    const Graph *graph = p->space.graph;
    int64_t row = p->space.n_layers + 1;
    int64_t *bounds = arena_new(arena, int64_t, p->space.n_options *row);
    for (int32_t o = 0; o < p->space.n_options; o++) {
        for (int32_t i = 1; i < graph->nodes.count; i++) {
            int32_t layer = graph_node(graph, (NodeId){i})->layer;
            if (layer != LAYER_NONE && !p->storage[i].free)
                bounds[o * row + layer + 1] +=
                    node_bound(p, &p->space.options[o], (NodeId){i});
        }
        for (int32_t l = 1; l < row; l++)
            bounds[o * row + l] += bounds[o * row + l - 1];
    }
    return bounds;
}

/* A scratch arena over the upper half of what is left, for one call. */
static Arena arena_upper_half(const Arena *arena)
{
    Arena copy = *arena;
    return arena_split(&copy);
}

/* -- the cache ------------------------------------------------------------- */

StagePrices *stage_prices_new(Arena *arena, const SearchSpace *space,
                              int64_t n_microbatches)
{
    Diagnostics ignored = diagnostics_new(arena);
    StagePrices *p = arena_new(arena, StagePrices, 1);
    *p = (StagePrices){
        .arena = arena,
        .space = *space,
        .n_microbatches = n_microbatches,
        .most_in_flight =
            min_i64(n_microbatches,
                    min_i64(space->n_layers, cluster_devices(space->mesh))),
        .storage = storage_of(space->graph, n_microbatches, arena, &ignored),
    };
    if (!p->storage)
        return NULL;
    p->classes = stage_classes_of(space->graph, p->storage, space->n_layers,
                                  arena, arena_upper_half(arena));
    p->layer_bound = layer_bounds(p, arena);
    p->tables = arena_new(arena, StrategyTable *,
                          space->n_options * LOGICAL_SHAPES_MAX);
    p->entries = arena_new(arena, StageEntry,
                           (int64_t)p->classes.count * space->n_options *
                               NEIGHBOUR_COUNT * NEIGHBOUR_COUNT);
    return p;
}

static StageEntry *entry_of(const StagePrices *p, const StagePlace *place)
{
    int64_t class =
        stage_class(&p->classes, place->first_layer, place->end_layer);
    int64_t before = place->first_layer == 0 ? 0 : place->before;
    int64_t after = place->end_layer == p->space.n_layers ? 0 : place->after;
    return &p->entries[((class * p->space.n_options + place->option) *
                            NEIGHBOUR_COUNT +
                        before) *
                           NEIGHBOUR_COUNT +
                       after];
}

const StageQuote *stage_price_known(const StagePrices *p,
                                    const StagePlace *place)
{
    const StageEntry *entry = entry_of(p, place);
    return entry->quote ? entry->quote[place->in_flight] : NULL;
}

int64_t stage_price_bound(const StagePrices *p, const StagePlace *place)
{
    const StageQuote *quote = stage_price_known(p, place);
    if (quote)
        return quote->lower_bound;
    const StageEntry *entry = entry_of(p, place);
    const int64_t *bounds =
        p->layer_bound + place->option * (p->space.n_layers + 1);
    int64_t bound = bounds[place->end_layer] - bounds[place->first_layer];
    if (!entry->free)
        return bound;
    int64_t least = STAGE_IMPOSSIBLE;
    for (int32_t s = 0; s < p->space.options[place->option].n_shapes; s++)
        least = min_i64(least, entry->free[s].lower_bound);
    return max_i64(bound, least);
}

/* -- solving --------------------------------------------------------------- */

StrategyTable *stage_prices_table(StagePrices *p, int32_t option, int32_t shape)
{
    StrategyTable **table = &p->tables[option * LOGICAL_SHAPES_MAX + shape];
    if (*table)
        return *table;
    const SubmeshOption *of = &p->space.options[option];
    const LogicalShape *sizes = &of->shape[shape];
    Submesh submesh = {of->group, 0, 0, of->n_hosts, of->devices_per_host};
    LogicalMesh mesh = mesh_logical(p->space.mesh, &submesh, p->n_microbatches,
                                    sizes->n_axes, sizes->size);
    *table = strategy_table_new(p->arena, p->space.graph, p->storage, &mesh,
                                submesh_device_type(p->space.mesh, &submesh),
                                p->space.tick_nanoseconds);
    return *table;
}

StageShape stage_prices_shape(const StagePrices *p, const StagePlace *place)
{
    const SubmeshOption *option = &p->space.options[place->option];
    Submesh submesh = {.group = option->group};
    const DeviceType *device = submesh_device_type(p->space.mesh, &submesh);
    return (StageShape){
        .first_layer = place->first_layer,
        .end_layer = place->end_layer,
        .up = submesh_link(p->space.mesh, option, place->before),
        .down = submesh_link(p->space.mesh, option, place->after),
        .in_flight = place->in_flight,
        .memory_bytes =
            max_i64(0, device->memory_bytes - device->reserve_bytes -
                           p->space.memory_cut_bytes),
    };
}

StageSolution stage_price_solution(StagePrices *p, const StagePlace *place,
                                   int32_t shape, Arena *arena, Arena scratch)
{
    StageShape stage = stage_prices_shape(p, place);
    return intra_solve(arena, scratch,
                       stage_prices_table(p, place->option, shape), &stage,
                       p->space.work_limit);
}

/* The peak of a choice with `in_flight` microbatches. */
static int64_t peak_of(StagePrices *p, const StagePlace *place, int32_t shape,
                       int64_t in_flight, const int32_t *choice, Arena scratch)
{
    StageShape stage = stage_prices_shape(p, place);
    stage.in_flight = in_flight;
    Arena network_arena = arena_split(&scratch);
    StageNetwork network = stage_network_new(
        &network_arena, stage_prices_table(p, place->option, shape), &stage);
    return choice_evaluate(&network.problem, choice, scratch).peak_usage;
}

static void solve_free(StagePrices *p, StageEntry *entry,
                       const StagePlace *place, Arena scratch)
{
    int32_t n_shapes = p->space.options[place->option].n_shapes;
    entry->free = arena_new(p->arena, FreeSolution, n_shapes);
    for (int32_t s = 0; s < n_shapes; s++) {
        StageShape stage = stage_prices_shape(p, place);
        stage.memory_bytes = CHOICE_MAGNITUDE_MAX;
        Arena inner = scratch, arena = arena_split(&inner);
        StageSolution solved =
            intra_solve(&arena, inner, stage_prices_table(p, place->option, s),
                        &stage, p->space.work_limit);
        p->too_large |= solved.too_large;
        p->n_nodes += solved.network.problem.n_nodes;
        FreeSolution *free = &entry->free[s];
        *free = (FreeSolution){solved.price, solved.lower_bound, NULL, 0};
        if (solved.too_large || (solved.status != CHOICE_OPTIMAL &&
                                 solved.status != CHOICE_FEASIBLE)) {
            free->price = STAGE_IMPOSSIBLE;
            continue;
        }
        int64_t n = solved.network.problem.n_nodes;
        free->choice = arena_new(p->arena, int32_t, n);
        memcpy(free->choice, solved.choice, (size_t)n * sizeof(int32_t));
        free->most_bytes =
            peak_of(p, place, s, p->most_in_flight, free->choice, inner);
    }
}

/* One logical mesh under the limit. */
static StageQuote quote_shape(StagePrices *p, const StageEntry *entry,
                              const StagePlace *place, int32_t shape,
                              Arena scratch)
{
    const FreeSolution *free = &entry->free[shape];
    int64_t limit = stage_prices_shape(p, place).memory_bytes;
    StageQuote quote = {free->price, free->lower_bound, shape};
    if (free->price == STAGE_IMPOSSIBLE || free->most_bytes <= limit ||
        peak_of(p, place, shape, place->in_flight, free->choice, scratch) <=
            limit)
        return quote;
    Arena arena = arena_split(&scratch);
    StageSolution solved =
        stage_price_solution(p, place, shape, &arena, scratch);
    p->too_large |= solved.too_large;
    p->n_nodes += solved.network.problem.n_nodes;
    quote.lower_bound = max_i64(solved.lower_bound, free->lower_bound);
    quote.price = solved.price;
    if (solved.status == CHOICE_OPTIMAL || solved.status == CHOICE_FEASIBLE)
        return quote;
    quote.price = STAGE_IMPOSSIBLE;
    if (solved.status == CHOICE_INFEASIBLE ||
        solved.status == CHOICE_FORBIDDEN_ALL)
        quote.lower_bound = STAGE_IMPOSSIBLE;
    return quote;
}

const StageQuote *stage_price_solve(StagePrices *p, const StagePlace *place,
                                    Arena scratch)
{
    StageEntry *entry = entry_of(p, place);
    if (!entry->free)
        solve_free(p, entry, place, scratch);
    if (!entry->quote)
        entry->quote = arena_new(p->arena, StageQuote *, p->most_in_flight + 1);
    StageQuote **known = &entry->quote[place->in_flight];
    if (*known)
        return *known;
    StageQuote best = {STAGE_IMPOSSIBLE, STAGE_IMPOSSIBLE, 0};
    for (int32_t s = 0; s < p->space.options[place->option].n_shapes; s++) {
        if (entry->free[s].lower_bound >= best.price)
            continue;
        StageQuote quote = quote_shape(p, entry, place, s, scratch);
        int64_t bound = min_i64(best.lower_bound, quote.lower_bound);
        if (quote.price < best.price)
            best = quote;
        best.lower_bound = bound;
    }
    *known = arena_new(p->arena, StageQuote, 1);
    **known = best;
    return *known;
}

int64_t stage_prices_nodes(const StagePrices *p)
{
    return p->n_nodes;
}

bool stage_prices_too_large(const StagePrices *p)
{
    return p->too_large;
}
