/* stage_dp_solve against the enumeration of every cut, submesh and idle
 * device, on thousands of small random problems. */
#include "solver/stage_dp.h"
#include "support/philox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { LAYERS_MAX = 5, OPTIONS_MAX = 4, N_PROBLEMS = 3000 };

typedef struct RandomStages {
    StageProblem problem;
    StageDevices options[OPTIONS_MAX];
    int64_t cost[LAYERS_MAX][LAYERS_MAX][LAYERS_MAX + 1][OPTIONS_MAX];
    int64_t calls;
} RandomStages;

static uint32_t draw(uint32_t problem, uint32_t *counter, uint32_t n)
{
    return philox(7, (*counter)++, problem, 0, 0).word[0] % n;
}

/* A drawn cost, and more on some options the fewer devices are left. */
static int64_t cost_of(const RandomStages *r, int32_t first, int32_t end,
                       int32_t option, const StageDevices *left, int32_t after)
{
    int64_t cost = r->cost[after][first][end][option];
    if (cost == STAGE_IMPOSSIBLE || (end == option && left->count[0] % 2))
        return STAGE_IMPOSSIBLE;
    return cost + (first + option) % 3 * (8 - left->count[0] - left->count[1]);
}

static int64_t stage_cost(void *context, int32_t first, int32_t end,
                          int32_t option, const StageDevices *left,
                          int32_t after)
{
    RandomStages *r = context;
    r->calls++;
    return cost_of(r, first, end, option, left, after);
}

static void draw_stages(RandomStages *r, uint32_t number)
{
    uint32_t c = 0;
    *r = (RandomStages){0};
    StageProblem *p = &r->problem;
    p->n_layers = 1 + (int32_t)draw(number, &c, LAYERS_MAX);
    p->n_groups = 1 + (int32_t)draw(number, &c, 2);
    p->n_options = 1 + (int32_t)draw(number, &c, OPTIONS_MAX);
    p->n_microbatches = 1 + (int32_t)draw(number, &c, 6);
    p->n_stages_max = (int32_t)draw(number, &c, 4);
    for (int32_t g = 0; g < p->n_groups; g++)
        p->devices.count[g] = 1 + (int32_t)draw(number, &c, 4);
    for (int32_t o = 0; o < p->n_options; o++) {
        for (int32_t g = 0; g < p->n_groups; g++)
            r->options[o].count[g] = (int32_t)draw(number, &c, 3);
        r->options[o].count[0] +=
            r->options[o].count[1] == 0 && r->options[o].count[0] == 0;
    }
    int64_t *cost = &r->cost[0][0][0][0];
    for (size_t i = 0; i < sizeof r->cost / sizeof *cost; i++)
        cost[i] = draw(number, &c, 4) == 0 ? STAGE_IMPOSSIBLE
                                           : (int64_t)draw(number, &c, 20);
    p->options = r->options;
    p->cost = stage_cost;
    p->context = r;
}

/* The least sum + (M - 1) max over the last `stages` stages, from `first`. */
static int64_t enumerate(const RandomStages *r, int32_t stages, int32_t first,
                         StageDevices left, int64_t sum, int64_t slowest)
{
    const StageProblem *p = &r->problem;
    if (stages == 0)
        return first == p->n_layers ? sum + (p->n_microbatches - 1) * slowest
                                    : STAGE_IMPOSSIBLE;
    int64_t best = STAGE_IMPOSSIBLE;
    for (int32_t end = first + 1; end <= p->n_layers; end++)
        for (int32_t o = 0; o < p->n_options; o++) {
            int64_t c = cost_of(r, first, end, o, &left, stages - 1);
            StageDevices rest = left;
            bool fits = c != STAGE_IMPOSSIBLE;
            for (int32_t g = 0; g < p->n_groups; g++) {
                rest.count[g] -= p->options[o].count[g];
                fits = fits && rest.count[g] >= 0;
            }
            int64_t cost = fits ? enumerate(r, stages - 1, end, rest, sum + c,
                                            c > slowest ? c : slowest)
                                : STAGE_IMPOSSIBLE;
            best = cost < best ? cost : best;
        }
    return best;
}

static void check_plan(const RandomStages *r, const StagePlan *plan)
{
    const StageProblem *p = &r->problem;
    int64_t sum = 0, slowest = 0;
    int32_t layer = 0;
    StageDevices used = {0};
    for (int32_t s = 0; s < plan->n_stages; s++) {
        StageCut cut = plan->stages[s];
        assert_int_equal(cut.first, layer);
        layer = cut.end;
        StageDevices left = p->devices;
        for (int32_t g = 0; g < p->n_groups; g++)
            left.count[g] -= used.count[g];
        int64_t c = cost_of(r, cut.first, cut.end, cut.option, &left,
                            plan->n_stages - 1 - s);
        sum += c;
        slowest = c > slowest ? c : slowest;
        for (int32_t g = 0; g < p->n_groups; g++)
            used.count[g] += p->options[cut.option].count[g];
    }
    assert_int_equal(layer, p->n_layers);
    for (int32_t g = 0; g < p->n_groups; g++)
        assert_true(used.count[g] <= p->devices.count[g]);
    assert_true(p->n_stages_max == 0 || plan->n_stages <= p->n_stages_max);
    assert_int_equal(slowest, plan->slowest);
    assert_int_equal(sum + (p->n_microbatches - 1) * slowest, plan->cost);
}

static void equals_enumeration(void **state)
{
    (void)state;
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, INT64_C(1) << 30, NULL);
    Arena scratch = arena_split(&arena);
    static RandomStages r;
    int64_t n_feasible = 0;
    for (uint32_t number = 0; number < N_PROBLEMS; number++) {
        draw_stages(&r, number);
        int32_t most =
            r.problem.n_stages_max ? r.problem.n_stages_max : LAYERS_MAX;
        int64_t best = STAGE_IMPOSSIBLE;
        for (int32_t s = 1; s <= most && s <= r.problem.n_layers; s++) {
            int64_t cost = enumerate(&r, s, 0, r.problem.devices, 0, 0);
            best = cost < best ? cost : best;
        }
        Arena perm = arena;
        StagePlan plan = stage_dp_solve(&perm, scratch, &r.problem);
        assert_int_equal(plan.feasible, best != STAGE_IMPOSSIBLE);
        if (!plan.feasible)
            continue;
        n_feasible++;
        assert_int_equal(plan.cost, best);
        check_plan(&r, &plan);
    }
    assert_in_range(n_feasible, N_PROBLEMS / 4, N_PROBLEMS - N_PROBLEMS / 20);
    arena_release(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(equals_enumeration)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
