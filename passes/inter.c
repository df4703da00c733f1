/* Inter: a lazy, exact search.
 *
 * For each number of microbatches the stage DP (solver/stage_dp.h) runs on what
 * is known: the price of stages that were solved, a lower bound of the others.
 * Its plan is then a lower bound of every plan; the stages in it that were not
 * solved are solved, and the DP runs again.  When all stages of its plan are
 * solved the plan is optimal, and when its bound exceeds the best plan so far
 * there is none better.  So most stages are never solved.
 */
#include "passes/inter.h"

#include "support/checked.h"

#include <math.h>

typedef struct Lookup {
    const SearchSpace *space;
    StagePrices *prices;
    int64_t n_microbatches;
    bool bounds_only; /* lower bounds of solved stages, too */
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

static void search_count(SearchResult *best, Lookup *lookup, Arena *perm,
                         Arena arena, Arena scratch)
{
    for (;;) {
        Arena round = arena;
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

SearchResult inter_search(Arena *perm, Arena scratch, const SearchSpace *space,
                          const int64_t *microbatches, int32_t n_counts)
{
    SearchResult best = {.bound_ticks = (double)INFINITY};
    for (int32_t i = 0; i < n_counts && !best.too_large; i++) {
        Arena inner = scratch, known = arena_split(&inner);
        Lookup lookup = {
            .space = space,
            .prices = stage_prices_new(&known, space, microbatches[i]),
            .n_microbatches = microbatches[i],
        };
        if (!lookup.prices)
            continue;
        Arena round = arena_split(&inner);
        search_count(&best, &lookup, perm, round, inner);
        best.stages_solved += lookup.n_solved;
        best.bound_ticks =
            fmin(best.bound_ticks, bound_of_count(&lookup, round, inner));
    }
    if (best.found)
        best.bound_ticks = fmin(
            best.bound_ticks, (double)best.cost / (double)best.n_microbatches);
    return best;
}
