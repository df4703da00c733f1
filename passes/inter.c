/* Inter: a lazy, exact search.
 *
 * For each number of microbatches the stage DP (solver/stage_dp.h) runs on what
 * is known: the price of stages that were solved, a lower bound of the others.
 * Its plan is then a lower bound of every plan; the stages in it that were not
 * solved are solved, and the DP runs again.  When all stages of its plan are
 * solved the plan is optimal, and when its bound exceeds the best plan so far
 * there is none better.  So most stages are never solved.
 *
 * Under a limit on work the search starts from even pipelines of blocks within
 * a host, takes the numbers of microbatches in the order in which those did
 * best, and stops where the limit is reached; what is proved by then gives the
 * lower bound.
 */
#include "passes/inter.h"

#include "support/checked.h"

#include <math.h>
#include <stddef.h>

enum {
    SEED_DEVICES_MIN = 8, /* smaller clusters are searched without seeds */
    SEED_FILL_MAX = 4,    /* microbatches a stage of an even pipeline */
};

typedef struct Lookup {
    const SearchSpace *space;
    StagePrices *prices;
    int64_t n_microbatches;
    bool bounds_only; /* lower bounds of solved stages, too */
    int64_t seed;     /* the best even pipeline's cost, STAGE_IMPOSSIBLE */
    int64_t n_solved;
} Lookup;

static bool place_of(const Lookup *lookup, int32_t first, int32_t end,
                     int32_t option, const StageDevices *left, int32_t after,
                     PlannedStage *out)
{
    const SearchSpace *space = lookup->space;
    if (!submesh_place(space->mesh, &space->options[option], left,
                       &out->submesh))
        return false;
    out->place = (StagePlace){
        .first_layer = first,
        .end_layer = end,
        .option = option,
        .in_flight = min_i64(lookup->n_microbatches, after + 1),
    };
    submesh_neighbours(space->mesh, &out->submesh, &out->place.before,
                       &out->place.after);
    return true;
}

static int64_t price_or_bound(void *context, int32_t first, int32_t end,
                              int32_t option, const StageDevices *left,
                              int32_t after)
{
    const Lookup *lookup = context;
    PlannedStage stage;
    if (!place_of(lookup, first, end, option, left, after, &stage))
        return STAGE_IMPOSSIBLE;
    const StageQuote *quote = stage_price_known(lookup->prices, &stage.place);
    if (quote && !lookup->bounds_only)
        return quote->price;
    return stage_price_bound(lookup->prices, &stage.place);
}

static StagePlan run_dp(const Lookup *lookup, Arena *arena, Arena scratch)
{
    Lookup context = *lookup;
    const SearchSpace *space = lookup->space;
    StageDevices *options = arena_new(arena, StageDevices, space->n_options);
    for (int32_t o = 0; o < space->n_options; o++)
        options[o] = submesh_takes(&space->options[o]);
    StageProblem problem = {
        .n_layers = space->n_layers,
        .n_groups = (int32_t)space->mesh->groups.count,
        .devices = submesh_cluster(space->mesh),
        .n_options = space->n_options,
        .options = options,
        .n_microbatches = (int32_t)lookup->n_microbatches,
        .cost = price_or_bound,
        .context = &context,
    };
    return stage_dp_solve(arena, scratch, &problem);
}

/* Places the stages of a cut; the devices are taken in order. */
static bool place_stages(const Lookup *lookup, const StageCut *cuts,
                         int32_t n_stages, PlannedStage *stages)
{
    StageDevices left = submesh_cluster(lookup->space->mesh);
    for (int32_t s = 0; s < n_stages; s++) {
        const SubmeshOption *option = &lookup->space->options[cuts[s].option];
        StageDevices takes = submesh_takes(option);
        if (takes.count[option->group] > left.count[option->group] ||
            !place_of(lookup, cuts[s].first, cuts[s].end, cuts[s].option, &left,
                      n_stages - 1 - s, &stages[s]))
            return false;
        left.count[option->group] -= takes.count[option->group];
    }
    return true;
}

bool inter_place(const SearchSpace *space, int64_t n_microbatches,
                 const StageCut *cuts, int32_t n_stages, PlannedStage *stages)
{
    Lookup lookup = {.space = space, .n_microbatches = n_microbatches};
    return place_stages(&lookup, cuts, n_stages, stages);
}

/* Solves what is not solved yet; false when all of it was. */
static bool solve_stages(Lookup *lookup, PlannedStage *stages, int32_t n_stages,
                         Arena scratch)
{
    bool any = false;
    for (int32_t s = 0; s < n_stages; s++) {
        const StageQuote *quote =
            stage_price_known(lookup->prices, &stages[s].place);
        if (!quote) {
            any = true;
            lookup->n_solved++;
            quote =
                stage_price_solve(lookup->prices, &stages[s].place, scratch);
        }
        stages[s].shape = quote->shape;
    }
    return any;
}

/* a / m < b / n without rounding. */
static bool is_less(int64_t a, int64_t m, int64_t b, int64_t n)
{
    return (__int128)a * n < (__int128)b * m;
}

static void keep_best(SearchResult *best, Lookup *lookup, const StagePlan *plan,
                      const PlannedStage *stages, Arena *perm)
{
    best->found = true;
    best->n_microbatches = lookup->n_microbatches;
    best->cost = plan->cost;
    best->n_stages = plan->n_stages;
    best->stages = arena_new(perm, PlannedStage, plan->n_stages);
    for (int32_t s = 0; s < plan->n_stages; s++)
        best->stages[s] = stages[s];
}

/* -- even pipelines -------------------------------------------------------- */

static bool even_cut(const SearchSpace *space, int32_t option, StageCut *cuts,
                     int32_t *n_stages)
{
    const SubmeshOption *of = &space->options[option];
    int64_t count =
        cluster_devices(space->mesh) / (of->n_hosts * of->devices_per_host);
    *n_stages = (int32_t)count;
    if (of->n_hosts > 1 || count < 2 || count > space->n_layers)
        return false;
    for (int32_t s = 0; s < count; s++)
        cuts[s] =
            (StageCut){(int32_t)(s * space->n_layers / count),
                       (int32_t)((s + 1) * space->n_layers / count), option};
    return true;
}

/* The objective of the stages as they are; STAGE_IMPOSSIBLE when one does not
 * fit. */
static int64_t cost_of(const Lookup *lookup, const PlannedStage *stages,
                       int32_t n_stages)
{
    int64_t sum = 0, slowest = 0;
    for (int32_t s = 0; s < n_stages; s++) {
        const StageQuote *quote =
            stage_price_known(lookup->prices, &stages[s].place);
        if (quote->price == STAGE_IMPOSSIBLE)
            return STAGE_IMPOSSIBLE;
        sum += quote->price;
        slowest = max_i64(slowest, quote->price);
    }
    return sum + (lookup->n_microbatches - 1) * slowest;
}

static void seed_count(SearchResult *best, Lookup *lookup, Arena *perm,
                       Arena arena, Arena scratch)
{
    const SearchSpace *space = lookup->space;
    StageCut *cuts = arena_new(&arena, StageCut, space->n_layers);
    PlannedStage *stages = arena_new(&arena, PlannedStage, space->n_layers);
    for (int32_t o = 0; o < space->n_options; o++) {
        int32_t n;
        if (!even_cut(space, o, cuts, &n) || lookup->n_microbatches <= 2 * n ||
            lookup->n_microbatches > (int64_t)SEED_FILL_MAX * n ||
            !place_stages(lookup, cuts, n, stages))
            continue;
        solve_stages(lookup, stages, n, scratch);
        StagePlan plan = {.cost = cost_of(lookup, stages, n), .n_stages = n};
        lookup->seed = min_i64(lookup->seed, plan.cost);
        if (plan.cost != STAGE_IMPOSSIBLE &&
            (!best->found || is_less(plan.cost, lookup->n_microbatches,
                                     best->cost, best->n_microbatches)))
            keep_best(best, lookup, &plan, stages, perm);
    }
}

/* Those that did best first; among equals the fewest microbatches. */
static void order_counts(Lookup *lookups, int32_t n)
{
    for (int32_t i = 1; i < n; i++)
        for (int32_t k = i; k > 0; k--) {
            Lookup *pair = &lookups[k - 1];
            if (!is_less(pair[1].seed, pair[1].n_microbatches, pair[0].seed,
                         pair[0].n_microbatches) ||
                pair[1].seed == STAGE_IMPOSSIBLE)
                break;
            Lookup swap = pair[0];
            pair[0] = pair[1];
            pair[1] = swap;
        }
}

/* -- the search ------------------------------------------------------------ */

static int64_t nodes_solved(const Lookup *lookups, int32_t n)
{
    int64_t nodes = 0;
    for (int32_t i = 0; i < n; i++)
        nodes += stage_prices_nodes(lookups[i].prices);
    return nodes;
}

static void search_count(SearchResult *best, Lookup *lookup, int64_t nodes_left,
                         Arena *perm, Arena arena, Arena scratch)
{
    for (;;) {
        Arena round = arena;
        if (best->found && stage_prices_nodes(lookup->prices) >= nodes_left)
            return;
        StagePlan plan = run_dp(lookup, &round, scratch);
        if (!plan.feasible ||
            (best->found && !is_less(plan.cost, lookup->n_microbatches,
                                     best->cost, best->n_microbatches)))
            return;
        PlannedStage *stages = arena_new(&round, PlannedStage, plan.n_stages);
        place_stages(lookup, plan.stages, plan.n_stages, stages);
        if (!solve_stages(lookup, stages, plan.n_stages, scratch)) {
            keep_best(best, lookup, &plan, stages, perm);
            return;
        }
        if (stage_prices_too_large(lookup->prices)) {
            best->too_large = true;
            return;
        }
    }
}

/* The least that any plan with this count could take, from what is proved. */
static double bound_of_count(Lookup *lookup, Arena arena, Arena scratch)
{
    lookup->bounds_only = true;
    StagePlan plan = run_dp(lookup, &arena, scratch);
    return plan.feasible ? (double)plan.cost / (double)lookup->n_microbatches
                         : (double)INFINITY;
}

static int32_t begin_counts(Lookup *lookups, const SearchSpace *space,
                            const int64_t *microbatches, int32_t n_counts,
                            Arena *known)
{
    int32_t n = 0;
    for (int32_t i = 0; i < n_counts; i++) {
        lookups[n] = (Lookup){
            .space = space,
            .prices = stage_prices_new(known, space, microbatches[i]),
            .n_microbatches = microbatches[i],
            .seed = STAGE_IMPOSSIBLE,
        };
        n += lookups[n].prices != NULL;
    }
    return n;
}

SearchResult inter_search(Arena *perm, Arena scratch, const SearchSpace *space,
                          const int64_t *microbatches, int32_t n_counts)
{
    SearchResult best = {.bound_ticks = (double)INFINITY};
    Arena known = arena_split(&scratch), round = arena_split(&scratch);
    Lookup *lookups = arena_new(&known, Lookup, n_counts);
    int32_t n = begin_counts(lookups, space, microbatches, n_counts, &known);
    bool is_large = cluster_devices(space->mesh) > SEED_DEVICES_MIN;
    for (int32_t i = 0; i < n && is_large && space->node_limit; i++)
        seed_count(&best, &lookups[i], perm, round, scratch);
    order_counts(lookups, n);
    for (int32_t i = 0; i < n && !best.too_large; i++) {
        int64_t others =
            nodes_solved(lookups, n) - stage_prices_nodes(lookups[i].prices);
        int64_t left =
            space->node_limit ? space->node_limit - others : INT64_MAX;
        search_count(&best, &lookups[i], left, perm, round, scratch);
        best.too_large |= stage_prices_too_large(lookups[i].prices);
        best.stages_solved += lookups[i].n_solved;
    }
    for (int32_t i = 0; i < n && !best.too_large; i++)
        best.bound_ticks =
            fmin(best.bound_ticks, bound_of_count(&lookups[i], round, scratch));
    if (best.found)
        best.bound_ticks = fmin(
            best.bound_ticks, (double)best.cost / (double)best.n_microbatches);
    return best;
}
