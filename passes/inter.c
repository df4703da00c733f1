/* Inter: a lazy, exact search.
 *
 * For each number of microbatches the stage DP (solver/stage_dp.h) runs on what
 * is known: the price of stages that were solved, a lower bound of the others.
 * Its plan is then a lower bound of every plan.  The number whose plan is least
 * is taken: the plan's stages get better bounds (passes/stage_bounds.h), then
 * prices, and the DP runs again.  When all stages of the least plan are solved
 * it is optimal, and when its bound reaches the best plan so far there is none
 * better.  So most stages are never solved.
 *
 * Every plan that was solved on the way is a candidate.  Where a limit on work
 * ends the search, even pipelines whose bounds are below the best plan are
 * tried, too, and what is proved by then gives the lower bound.
 */
#include "passes/inter.h"

#include "support/checked.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* One number of microbatches. */
typedef struct Lookup {
    const SearchSpace *space;
    StagePrices *prices, *root; /* root: whose bounds it began with, or NULL */
    int64_t n_microbatches;
    bool bounds_only; /* lower bounds of solved stages, too */
    StagePlan plan;   /* the DP's last */
    StageCut *cuts;   /* [n_layers]: of `plan` */
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

static void run_dp(Lookup *lookup, Arena scratch)
{
    const SearchSpace *space = lookup->space;
    Arena arena = arena_split(&scratch);
    StageDevices *options = arena_new(&arena, StageDevices, space->n_options);
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
        .context = lookup,
    };
    stage_bounds_update(stage_prices_bounds(lookup->prices));
    lookup->plan = stage_dp_solve(&arena, scratch, &problem);
    for (int32_t s = 0; s < lookup->plan.n_stages; s++)
        lookup->cuts[s] = lookup->plan.stages[s];
    lookup->plan.stages = lookup->cuts;
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

/* -- candidates ------------------------------------------------------------ */

/* a / m < b / n without rounding. */
static bool is_less(int64_t a, int64_t m, int64_t b, int64_t n)
{
    return (__int128)a * n < (__int128)b * m;
}

static bool is_better(const SearchResult *best, int64_t cost,
                      int64_t n_microbatches)
{
    return cost != STAGE_IMPOSSIBLE &&
           (!best->found ||
            is_less(cost, n_microbatches, best->cost, best->n_microbatches));
}

typedef struct Objective {
    int64_t sum, slowest;
} Objective;

static void add_stage(Objective *objective, int64_t price)
{
    bool fits = price != STAGE_IMPOSSIBLE && objective->sum != STAGE_IMPOSSIBLE;
    objective->sum = fits ? objective->sum + price : STAGE_IMPOSSIBLE;
    objective->slowest = max_i64(objective->slowest, price);
}

static int64_t objective_cost(const Objective *objective,
                              int64_t n_microbatches)
{
    return objective->sum == STAGE_IMPOSSIBLE
               ? STAGE_IMPOSSIBLE
               : objective->sum + (n_microbatches - 1) * objective->slowest;
}

/* The prices do not outlive the search; the best plan's choices do. */
static void keep_choice(PlannedStage *stage, const StagePrices *prices,
                        Arena *perm)
{
    const StageQuote *quote = stage_price_known(prices, &stage->place);
    if (!quote->choice)
        return;
    int32_t *choice = arena_new(perm, int32_t, quote->n_nodes);
    memcpy(choice, quote->choice, (size_t)quote->n_nodes * sizeof *choice);
    stage->choice = choice;
}

/* Solves what is not solved yet, and keeps the plan when it is the best. */
static void try_stages(SearchResult *best, Lookup *lookup, PlannedStage *stages,
                       int32_t n_stages, Arena *perm, Arena scratch)
{
    Objective objective = {0};
    for (int32_t s = 0; s < n_stages; s++) {
        const StagePlace *place = &stages[s].place;
        best->stages_solved += !stage_price_known(lookup->prices, place);
        const StageQuote *quote =
            stage_price_solve(lookup->prices, place, scratch);
        stages[s].shape = quote->shape;
        stages[s].choice = quote->choice;
        add_stage(&objective, quote->price);
    }
    int64_t cost = objective_cost(&objective, lookup->n_microbatches);
    if (!is_better(best, cost, lookup->n_microbatches))
        return;
    best->found = true;
    best->n_microbatches = lookup->n_microbatches;
    best->cost = cost;
    best->n_stages = n_stages;
    best->stages = arena_new(perm, PlannedStage, n_stages);
    for (int32_t s = 0; s < n_stages; s++) {
        best->stages[s] = stages[s];
        keep_choice(&best->stages[s], lookup->prices, perm);
    }
}

/* -- even pipelines -------------------------------------------------------- */

void inter_cut_evenly(const SearchSpace *space, int32_t n_stages,
                      int32_t option, Arena scratch, StageCut *cuts)
{
    const Graph *graph = space->graph;
    int32_t n_layers = space->n_layers;
    double *work = arena_new(&scratch, double, n_layers + 1);
    LogicalMesh one = {.n_axes = 1};
    one.axis[AXIS_MICROBATCH].size = 1;
    for (int32_t i = 1; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, (NodeId){i});
        Rule rule = rule_of(graph, (NodeId){i});
        if (node->layer != LAYER_NONE)
            work[node->layer + 1] +=
                rule_flops(graph, (NodeId){i}, &rule, &one, &(Strategy){{0}});
    }
    for (int32_t l = 0; l < n_layers; l++)
        work[l + 1] += work[l];
    int32_t layer = 0;
    for (int32_t s = 0; s < n_stages; s++) {
        double share = work[n_layers] * (s + 1) / n_stages;
        cuts[s] = (StageCut){layer++, 0, option};
        while (layer < n_layers - (n_stages - 1 - s) &&
               (s == n_stages - 1 || work[layer + 1] <= share))
            layer++;
        cuts[s].end = layer;
    }
}

static int64_t bound_of_stages(const Lookup *lookup, const PlannedStage *stages,
                               int32_t n_stages)
{
    Objective objective = {0};
    for (int32_t s = 0; s < n_stages; s++)
        add_stage(&objective,
                  stage_price_bound(lookup->prices, &stages[s].place));
    return objective_cost(&objective, lookup->n_microbatches);
}

/* A plan that the bounds do not exclude is solved. */
static void try_even(SearchResult *best, Lookup *lookup, const StageCut *cuts,
                     int32_t n_stages, Arena *perm, Arena scratch)
{
    PlannedStage *stages = arena_new(&scratch, PlannedStage, n_stages);
    if (!place_stages(lookup, cuts, n_stages, stages))
        return;
    if (!is_better(best, bound_of_stages(lookup, stages, n_stages),
                   lookup->n_microbatches))
        return;
    for (int32_t s = 0; s < n_stages; s++)
        stage_price_refine(lookup->prices, &stages[s].place, scratch);
    stage_bounds_update(stage_prices_bounds(lookup->prices));
    if (is_better(best, bound_of_stages(lookup, stages, n_stages),
                  lookup->n_microbatches))
        try_stages(best, lookup, stages, n_stages, perm, scratch);
}

static void try_even_pipelines(SearchResult *best, Lookup *lookup, Arena *perm,
                               Arena scratch)
{
    const SearchSpace *space = lookup->space;
    StageCut *cuts = arena_new(&scratch, StageCut, space->n_layers);
    stage_bounds_update(stage_prices_bounds(lookup->prices));
    for (int32_t o = 0; o < space->n_options; o++) {
        int64_t takes =
            space->options[o].n_hosts * space->options[o].devices_per_host;
        int64_t most = cluster_devices(space->mesh) / takes;
        for (int32_t n = 1; n <= min_i64(most, space->n_layers); n++) {
            inter_cut_evenly(space, n, o, scratch, cuts);
            try_even(best, lookup, cuts, n, perm, scratch);
        }
    }
}

/* -- the search ------------------------------------------------------------ */

/* Better bounds for a stage: first those that others share. */
static bool refine(Lookup *lookup, const StagePlace *place, Arena scratch)
{
    return (lookup->root && stage_price_refine(lookup->root, place, scratch)) ||
           stage_price_refine(lookup->prices, place, scratch);
}

/* Takes a step with the DP's plan; afterwards the DP's plan is another, or
 * none is better than the best. */
static void improve(SearchResult *best, Lookup *lookup, Arena *perm,
                    Arena scratch)
{
    int32_t n = lookup->plan.n_stages;
    PlannedStage *stages = arena_new(&scratch, PlannedStage, n);
    bool refined = false;
    place_stages(lookup, lookup->plan.stages, n, stages);
    for (int32_t s = 0; s < n; s++)
        refined |= !stage_price_known(lookup->prices, &stages[s].place) &&
                   refine(lookup, &stages[s].place, scratch);
    if (!refined)
        try_stages(best, lookup, stages, n, perm, scratch);
    run_dp(lookup, scratch);
}

/* The number of microbatches with the least plan of the DP; NULL when none is
 * better than the best. */
static Lookup *most_promising(const SearchResult *best, Lookup *lookups,
                              int32_t n)
{
    Lookup *least = NULL;
    for (int32_t i = 0; i < n; i++) {
        Lookup *l = &lookups[i];
        if (!l->plan.feasible ||
            !is_better(best, l->plan.cost, l->n_microbatches))
            continue;
        if (!least || is_less(l->plan.cost, l->n_microbatches, least->plan.cost,
                              least->n_microbatches))
            least = l;
    }
    return least;
}

static int64_t nodes_solved(const Lookup *lookups, int32_t n)
{
    int64_t nodes = 0;
    for (int32_t i = 0; i < n; i++)
        nodes += stage_prices_nodes(lookups[i].prices);
    return nodes;
}

static bool any_too_large(const Lookup *lookups, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        if (stage_prices_too_large(lookups[i].prices))
            return true;
    return false;
}

/* False when the limit ended it. */
static bool search(SearchResult *best, Lookup *lookups, int32_t n, Arena *perm,
                   Arena scratch)
{
    int64_t limit = lookups[0].space->node_limit;
    Lookup *next;
    while ((next = most_promising(best, lookups, n)) != NULL) {
        if (best->found && limit && nodes_solved(lookups, n) >= limit)
            return false;
        improve(best, next, perm, scratch);
        if (any_too_large(lookups, n))
            return true;
    }
    return true;
}

/* The least that any plan with this count could take, from what is proved. */
static double bound_of_count(Lookup *lookup, Arena scratch)
{
    lookup->bounds_only = true;
    run_dp(lookup, scratch);
    return lookup->plan.feasible
               ? (double)lookup->plan.cost / (double)lookup->n_microbatches
               : (double)INFINITY;
}

/* The nearest of the earlier counts that divides this one. */
static Lookup *divisor_of(Lookup *lookups, int32_t n, int64_t count)
{
    for (int32_t i = n - 1; i >= 0; i--)
        if (count % lookups[i].n_microbatches == 0 &&
            lookups[i].n_microbatches > 1)
            return &lookups[i];
    return NULL;
}

static int32_t begin_counts(Lookup *lookups, const SearchSpace *space,
                            const int64_t *microbatches, int32_t n_counts,
                            Arena *known, Arena scratch)
{
    int32_t n = 0;
    for (int32_t i = 0; i < n_counts; i++) {
        Lookup *like = divisor_of(lookups, n, microbatches[i]);
        lookups[n] = (Lookup){
            .space = space,
            .prices = stage_prices_new(known, scratch, space, microbatches[i],
                                       like ? like->prices : NULL),
            .root = !like        ? NULL
                    : like->root ? like->root
                                 : like->prices,
            .n_microbatches = microbatches[i],
            .cuts = arena_new(known, StageCut, space->n_layers),
        };
        n += lookups[n].prices != NULL;
    }
    return n;
}

SearchResult inter_search(Arena *perm, Arena scratch, const SearchSpace *space,
                          const int64_t *microbatches, int32_t n_counts)
{
    SearchResult best = {.bound_ticks = (double)INFINITY};
    Arena known = arena_split(&scratch);
    Lookup *lookups = arena_new(&known, Lookup, n_counts);
    int32_t n =
        begin_counts(lookups, space, microbatches, n_counts, &known, scratch);
    for (int32_t i = 0; i < n; i++)
        run_dp(&lookups[i], scratch);
    if (n > 0 && !search(&best, lookups, n, perm, scratch))
        for (int32_t i = 0; i < n; i++)
            try_even_pipelines(&best, &lookups[i], perm, scratch);
    best.too_large = any_too_large(lookups, n);
    best.nodes_solved = nodes_solved(lookups, n);
    for (int32_t i = 0; i < n && !best.too_large; i++)
        best.bound_ticks =
            fmin(best.bound_ticks, bound_of_count(&lookups[i], scratch));
    if (best.found)
        best.bound_ticks = fmin(
            best.bound_ticks, (double)best.cost / (double)best.n_microbatches);
    return best;
}
