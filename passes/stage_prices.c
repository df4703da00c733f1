/* Stage prices: see the header. */
#include "passes/stage_prices.h"

#include "passes/intra.h"
#include "passes/stage_class.h"
#include "support/checked.h"

#include <string.h>

/* One logical mesh of an option, solved without a memory limit. */
typedef struct FreeSolution {
    bool is_solved;
    int64_t price, lower_bound;
    int32_t *choice;
    int32_t n_nodes;
    int64_t most_bytes; /* its peak with the most microbatches in flight */
} FreeSolution;

/* What is known of one kind of stage. */
typedef struct StageEntry {
    FreeSolution *free; /* [n_shapes]; NULL: none is solved */
    StageQuote **quote; /* [in flight]; NULL: none is known */
} StageEntry;

struct StagePrices {
    Arena *arena;
    SearchSpace space;
    int64_t most_in_flight;
    StageTables tables;
    StageClasses classes;
    StageBounds *bounds;
    StageEntry *entries; /* [class][option][before][after] */
    bool too_large;
    int64_t n_nodes; /* of all networks solved */
};

/* -- the cache ------------------------------------------------------------- */

StagePrices *stage_prices_new(Arena *arena, Arena scratch,
                              const SearchSpace *space, int64_t n_microbatches,
                              const StagePrices *like)
{
    StagePrices *p = arena_new(arena, StagePrices, 1);
    p->arena = arena;
    p->space = *space;
    p->most_in_flight = min_i64(
        n_microbatches, min_i64(space->n_layers, cluster_devices(space->mesh)));
    if (!stage_tables_init(&p->tables, arena, scratch, &p->space,
                           n_microbatches, like ? &like->tables : NULL))
        return NULL;
    bool alike = like && like->tables.storage == p->tables.storage;
    p->classes = alike ? like->classes
                       : stage_classes_of(space->graph, p->tables.storage,
                                          space->n_layers, arena, scratch);
    p->bounds =
        stage_bounds_new(arena, &p->tables, alike ? like->bounds : NULL);
    p->entries = arena_new(arena, StageEntry,
                           (int64_t)p->classes.count * space->n_options *
                               NEIGHBOUR_COUNT * NEIGHBOUR_COUNT);
    return p;
}

StageBounds *stage_prices_bounds(StagePrices *p)
{
    return p->bounds;
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
    int64_t bound = stage_bound(p->bounds, place);
    return quote ? max_i64(bound, quote->lower_bound) : bound;
}

/* -- logical meshes, the least bound first --------------------------------- */

static int32_t least_shape(const StagePrices *p, const StagePlace *place,
                           const bool *is_done)
{
    int32_t least = -1;
    int64_t bound = 0;
    for (int32_t s = 0; s < p->space.options[place->option].n_shapes; s++) {
        if (is_done && is_done[s])
            continue;
        int64_t of_shape = stage_bound_of_shape(p->bounds, place, s);
        if (least >= 0 && of_shape >= bound)
            continue;
        least = s;
        bound = of_shape;
    }
    return least;
}

bool stage_price_refine(StagePrices *p, const StagePlace *place, Arena scratch)
{
    bool any = false;
    while (stage_bounds_refine(p->bounds, place->first_layer, place->end_layer,
                               place->option, least_shape(p, place, NULL),
                               scratch))
        any = true;
    return any;
}

/* -- solving --------------------------------------------------------------- */

static StageSolution solve_shape(StagePrices *p, const StagePlace *place,
                                 int32_t shape, const StageShape *stage,
                                 Arena *arena, Arena scratch)
{
    IntraOptions options = stage_tables_options(&p->tables);
    options.skip_least_peak = true;
    StageSolution solved = intra_solve(
        arena, scratch, stage_table(&p->tables, place->option, shape), stage,
        &options);
    p->too_large |= solved.too_large;
    p->n_nodes += solved.n_solved;
    return solved;
}

static bool is_solved(const StageSolution *solution)
{
    return !solution->too_large && (solution->status == CHOICE_OPTIMAL ||
                                    solution->status == CHOICE_FEASIBLE);
}

static int32_t *keep_choice(StagePrices *p, const StageSolution *solution)
{
    int64_t n = solution->network.problem.n_nodes;
    int32_t *choice = arena_new(p->arena, int32_t, n);
    memcpy(choice, solution->choice, (size_t)n * sizeof *choice);
    return choice;
}

/* The peak of a choice with `in_flight` microbatches. */
static int64_t peak_of(StagePrices *p, const StagePlace *place, int32_t shape,
                       int64_t in_flight, const int32_t *choice, Arena scratch)
{
    StageShape stage = stage_shape_at(&p->space, place);
    stage.in_flight = in_flight;
    Arena network_arena = arena_split(&scratch);
    StageNetwork network = stage_network_new(
        &network_arena, stage_table(&p->tables, place->option, shape), &stage);
    return choice_evaluate(&network.problem, choice, scratch).peak_usage;
}

static void solve_free(StagePrices *p, FreeSolution *free,
                       const StagePlace *place, int32_t shape, Arena scratch)
{
    StageShape stage = stage_shape_at(&p->space, place);
    stage.memory_bytes = CHOICE_MAGNITUDE_MAX;
    Arena arena = arena_split(&scratch);
    StageSolution solved =
        solve_shape(p, place, shape, &stage, &arena, scratch);
    int64_t bound = stage_bound_of_shape(p->bounds, place, shape);
    *free = (FreeSolution){.is_solved = true,
                           .price = STAGE_IMPOSSIBLE,
                           .lower_bound = max_i64(bound, solved.lower_bound)};
    if (!is_solved(&solved))
        return;
    free->price = solved.price;
    free->choice = keep_choice(p, &solved);
    free->n_nodes = solved.network.problem.n_nodes;
    free->most_bytes =
        peak_of(p, place, shape, p->most_in_flight, free->choice, scratch);
}

/* One logical mesh under the limit. */
static StageQuote quote_shape(StagePrices *p, FreeSolution *free,
                              const StagePlace *place, int32_t shape,
                              Arena scratch)
{
    if (!free->is_solved)
        solve_free(p, free, place, shape, scratch);
    StageShape stage = stage_shape_at(&p->space, place);
    int64_t limit = stage.memory_bytes;
    StageQuote quote = {free->price, free->lower_bound, shape, free->choice,
                        free->n_nodes};
    if (free->price == STAGE_IMPOSSIBLE || free->most_bytes <= limit ||
        peak_of(p, place, shape, place->in_flight, free->choice, scratch) <=
            limit)
        return quote;
    Arena arena = arena_split(&scratch);
    StageSolution solved =
        solve_shape(p, place, shape, &stage, &arena, scratch);
    quote.lower_bound = max_i64(solved.lower_bound, free->lower_bound);
    quote.price = solved.price;
    if (is_solved(&solved)) {
        quote.choice = keep_choice(p, &solved);
        return quote;
    }
    quote.price = STAGE_IMPOSSIBLE;
    if (solved.status == CHOICE_INFEASIBLE ||
        solved.status == CHOICE_FORBIDDEN_ALL)
        quote.lower_bound = STAGE_IMPOSSIBLE;
    return quote;
}

/* The best logical mesh: those whose bound reaches the best price found are
 * left out. */
static StageQuote quote_best(StagePrices *p, StageEntry *entry,
                             const StagePlace *place, Arena scratch)
{
    bool is_done[LOGICAL_SHAPES_MAX] = {0};
    StageQuote best = {.price = STAGE_IMPOSSIBLE,
                       .lower_bound = STAGE_IMPOSSIBLE};
    for (;;) {
        int32_t s = least_shape(p, place, is_done);
        if (s < 0)
            break;
        int64_t bound = stage_bound_of_shape(p->bounds, place, s);
        if (bound >= best.price) {
            best.lower_bound = min_i64(best.lower_bound, bound);
            break;
        }
        if (stage_bounds_refine(p->bounds, place->first_layer, place->end_layer,
                                place->option, s, scratch))
            continue;
        StageQuote quote = quote_shape(p, &entry->free[s], place, s, scratch);
        int64_t lower = min_i64(best.lower_bound, quote.lower_bound);
        if (quote.price < best.price)
            best = quote;
        best.lower_bound = lower;
        is_done[s] = true;
    }
    best.lower_bound = min_i64(best.lower_bound, best.price);
    return best;
}

const StageQuote *stage_price_solve(StagePrices *p, const StagePlace *place,
                                    Arena scratch)
{
    StageEntry *entry = entry_of(p, place);
    if (!entry->free) {
        entry->free = arena_new(p->arena, FreeSolution,
                                p->space.options[place->option].n_shapes);
        entry->quote = arena_new(p->arena, StageQuote *, p->most_in_flight + 1);
    }
    StageQuote **known = &entry->quote[place->in_flight];
    if (*known)
        return *known;
    StageQuote best = quote_best(p, entry, place, scratch);
    *known = arena_new(p->arena, StageQuote, 1);
    **known = best;
    return *known;
}

int64_t stage_prices_nodes(const StagePrices *p)
{
    return p->n_nodes + stage_bounds_nodes(p->bounds);
}

bool stage_prices_too_large(const StagePrices *p)
{
    return p->too_large;
}
