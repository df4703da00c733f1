/* Stage DP: the recursion and the sweep.
 *
 *     F_T(s, l, d) = least sum of costs of s stages that cover the layers from
 *                    l on with at most the devices d, each cost <= T
 *                  = min over (end, option) with
 *                        c = cost(l, end, option, d, s-1) <= T
 *                        of c + F_T(s - 1, end, d - option)
 *
 * The sweep goes down.  Let the best sum under ceiling T be S, reached by
 * stages whose slowest costs t <= T.  Every plan whose slowest stage lies in
 * [t, T] has a sum of at least S, so costs at least S + (M - 1) t: the next
 * ceiling is just below t.  It ends when nothing fits, or when S + (M - 1) b
 * exceeds the best, b being the smallest ceiling under which a plan exists
 * (sums only grow as the ceiling falls).  One run a point of the trade-off
 * between sum and maximum, not one a distinct cost.
 */
#include "solver/stage_dp.h"

#include <assert.h>

#define NEVER STAGE_IMPOSSIBLE

typedef struct Cell {
    int64_t sum;
    int32_t end, option; /* of the first stage */
} Cell;

typedef struct Dp {
    const StageProblem *p;
    int32_t n_stages_max;
    int64_t n_device_states;
    int64_t stride[STAGE_GROUPS_MAX]; /* of a device in a state number */
    int64_t *option_offset;           /* [n_options]: state it takes */
    int64_t *cost;                    /* [stages_after][first][end][option]
                                         [device state] */
    Cell *cells; /* [stages + 1][layer + 1][device state] */
} Dp;

static int64_t *cost_at(const Dp *dp, int32_t after, int32_t first, int32_t end,
                        int32_t option, int64_t state)
{
    int64_t layers = dp->p->n_layers;
    int64_t stage =
        ((after * layers + first) * (layers + 1) + end) * dp->p->n_options +
        option;
    return &dp->cost[stage * dp->n_device_states + state];
}

static Cell *cells_of(const Dp *dp, int32_t stages, int32_t layer)
{
    return dp->cells + ((int64_t)stages * (dp->p->n_layers + 1) + layer) *
                           dp->n_device_states;
}

static bool option_fits(const StageProblem *p, int32_t option,
                        const StageDevices *left)
{
    for (int32_t g = 0; g < p->n_groups; g++)
        if (p->options[option].count[g] > left->count[g])
            return false;
    return true;
}

static StageDevices state_devices(const Dp *dp, int64_t state)
{
    StageDevices devices = {0};
    for (int32_t g = dp->p->n_groups - 1; g >= 0; g--) {
        devices.count[g] = (int32_t)(state / dp->stride[g]);
        state %= dp->stride[g];
    }
    return devices;
}

static void ask_option(Dp *dp, int32_t after, int32_t first, int32_t end,
                       int32_t option)
{
    const StageProblem *p = dp->p;
    bool possible =
        p->n_layers - end >= after && (after > 0 || end == p->n_layers);
    for (int64_t state = 0; state < dp->n_device_states; state++) {
        StageDevices left = state_devices(dp, state);
        *cost_at(dp, after, first, end, option, state) =
            possible && option_fits(p, option, &left)
                ? p->cost(p->context, first, end, option, &left, after)
                : NEVER;
    }
}

static void ask_costs(Dp *dp)
{
    const StageProblem *p = dp->p;
    for (int32_t after = 0; after < dp->n_stages_max; after++)
        for (int32_t first = 0; first < p->n_layers; first++)
            for (int32_t end = first + 1; end <= p->n_layers; end++)
                for (int32_t o = 0; o < p->n_options; o++)
                    ask_option(dp, after, first, end, o);
}

/* The best cell of (stages, first, devices of `state`) under `ceiling`; with
 * `bottleneck` the sum is replaced by the maximum. */
static Cell best_cell(const Dp *dp, int32_t stages, int32_t first,
                      int64_t state, int64_t ceiling, bool bottleneck)
{
    const StageProblem *p = dp->p;
    StageDevices left = state_devices(dp, state);
    Cell best = {.sum = NEVER};
    for (int32_t o = 0; o < p->n_options; o++) {
        if (!option_fits(p, o, &left))
            continue;
        for (int32_t end = first + 1; end <= p->n_layers; end++) {
            int64_t c = *cost_at(dp, stages - 1, first, end, o, state);
            if (c > ceiling || c == NEVER)
                continue;
            int64_t rest =
                cells_of(dp, stages - 1, end)[state - dp->option_offset[o]].sum;
            if (rest == NEVER)
                continue;
            int64_t sum = bottleneck ? (c > rest ? c : rest) : c + rest;
            if (sum < best.sum || (sum == best.sum && end < best.end))
                best = (Cell){sum, end, o};
        }
    }
    return best;
}

/* Fills the table; returns the fewest stages with the least value, 0: none. */
static int32_t run_table(const Dp *dp, int64_t ceiling, bool bottleneck)
{
    const StageProblem *p = dp->p;
    for (int32_t l = 0; l <= p->n_layers; l++)
        for (int64_t d = 0; d < dp->n_device_states; d++)
            cells_of(dp, 0, l)[d].sum = l == p->n_layers ? 0 : NEVER;
    for (int32_t s = 1; s <= dp->n_stages_max; s++)
        for (int32_t l = 0; l <= p->n_layers; l++)
            for (int64_t d = 0; d < dp->n_device_states; d++)
                cells_of(dp, s, l)[d] =
                    p->n_layers - l < s
                        ? (Cell){.sum = NEVER}
                        : best_cell(dp, s, l, d, ceiling, bottleneck);
    int32_t best = 0;
    for (int32_t s = 1; s <= dp->n_stages_max; s++) {
        int64_t sum = cells_of(dp, s, 0)[dp->n_device_states - 1].sum;
        if (sum != NEVER &&
            (best == 0 ||
             sum < cells_of(dp, best, 0)[dp->n_device_states - 1].sum))
            best = s;
    }
    return best;
}

/* Reads the stages off the table; returns the slowest cost. */
static int64_t trace(const Dp *dp, int32_t stages, StageCut *cuts)
{
    int64_t slowest = 0, state = dp->n_device_states - 1;
    int32_t first = 0;
    for (int32_t s = stages; s >= 1; s--) {
        Cell cell = cells_of(dp, s, first)[state];
        int64_t c = *cost_at(dp, s - 1, first, cell.end, cell.option, state);
        slowest = c > slowest ? c : slowest;
        *cuts++ = (StageCut){first, cell.end, cell.option};
        state -= dp->option_offset[cell.option];
        first = cell.end;
    }
    return slowest;
}

static Dp dp_new(Arena *arena, const StageProblem *p)
{
    Dp dp = {.p = p, .n_device_states = 1};
    int64_t n_devices = 0;
    for (int32_t g = 0; g < p->n_groups; g++) {
        dp.stride[g] = dp.n_device_states;
        dp.n_device_states *= p->devices.count[g] + 1;
        n_devices += p->devices.count[g];
    }
    int64_t stages = p->n_layers < n_devices ? p->n_layers : n_devices;
    if (p->n_stages_max > 0 && p->n_stages_max < stages)
        stages = p->n_stages_max;
    dp.n_stages_max = (int32_t)stages;
    dp.option_offset = arena_new(arena, int64_t, p->n_options);
    for (int32_t o = 0; o < p->n_options; o++)
        for (int32_t g = 0; g < p->n_groups; g++)
            dp.option_offset[o] += p->options[o].count[g] * dp.stride[g];
    dp.cost = arena_new(arena, int64_t,
                        stages * p->n_layers * (p->n_layers + 1) *
                            p->n_options * dp.n_device_states);
    dp.cells = arena_new(arena, Cell,
                         (stages + 1) * (p->n_layers + 1) * dp.n_device_states);
    ask_costs(&dp);
    return dp;
}

StagePlan stage_dp_solve(Arena *arena, Arena scratch, const StageProblem *p)
{
    assert(p->n_groups >= 1 && p->n_groups <= STAGE_GROUPS_MAX);
    Dp dp = dp_new(&scratch, p);
    StagePlan plan = {.cost = NEVER};
    int32_t stages = run_table(&dp, NEVER - 1, true);
    if (stages == 0)
        return plan;
    int64_t last = dp.n_device_states - 1;
    int64_t least_ceiling = cells_of(&dp, stages, 0)[last].sum;
    int64_t repeats = p->n_microbatches - 1;

    plan.feasible = true;
    plan.stages = arena_new(arena, StageCut, dp.n_stages_max);
    StageCut *cuts = arena_new(&scratch, StageCut, dp.n_stages_max);
    int64_t ceiling = NEVER - 1;
    while ((stages = run_table(&dp, ceiling, false)) != 0) {
        int64_t sum = cells_of(&dp, stages, 0)[last].sum;
        if (plan.cost != NEVER && sum + repeats * least_ceiling > plan.cost)
            break;
        int64_t slowest = trace(&dp, stages, cuts);
        if (sum + repeats * slowest <= plan.cost) {
            plan.cost = sum + repeats * slowest;
            plan.slowest = slowest;
            plan.n_stages = stages;
            for (int32_t s = 0; s < stages; s++)
                plan.stages[s] = cuts[s];
        }
        ceiling = slowest - 1;
    }
    return plan;
}
