/* The search against enumeration: random graphs of at most 8 operations on
 * random clusters of at most 4 devices, all strategies, cuts, blocks, logical
 * meshes and numbers of microbatches, first with memory to spare, then with
 * one byte less than the plan before needs, so that the limit binds.
 *
 *     test_exact [--draws N] [--seed FIRST]     (default 300 graphs, from 0)
 *
 * Every plan is also priced and measured again from its strategies
 * (stage_model.h).  Shares of what was compared are printed; one below its
 * stated least fails. */
#include "draw.h"
#include "enumerate.h"
#include "passes/pass.h"
#include "passes/plan.h"
#include "support/checked.h"
#include "tests/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWS = 300, LIMITS_MAX = 2 };

static uint32_t n_draws = DRAWS, first_draw;

/* -- a plan, priced and measured from its strategies ----------------------- */

static const PlanChoice *choice_named(const PlanStage *stage, Str path)
{
    for (int64_t i = 0; i < stage->train.count; i++)
        if (str_equal(stage->train.data[i].path, path))
            return &stage->train.data[i];
    fail_msg("the plan lacks '%.*s'", STR_ARG(path));
    return NULL;
}

static int32_t number_of(const Choices *choices, const Strategy *strategy)
{
    for (int32_t c = 0; c < choices->n; c++)
        if (memcmp(choices->strategy[c].assign + 1, strategy->assign + 1,
                   sizeof strategy->assign - 1) == 0)
            return c;
    fail_msg("the plan has a strategy that is none");
    return -1;
}

/* Whether a copy that is sharded as `result` is another name of its operand:
 * the operand is of this stage and sharded alike. */
static bool is_alias(const Graph *graph, const StageModel *model,
                     const int32_t *choice, int32_t v, const Sharding *result)
{
    NodeId operand = graph_node(graph, model->id[v])->operands[0];
    for (int32_t u = 0; u < v; u++)
        if (model->id[u].index == operand.index)
            return sharding_equal(&model->choices[u]->result[choice[u]],
                                  result);
    return false;
}

static StageChoice stage_named(const Plan *plan, int64_t s)
{
    const PlanStage *stage = &plan->stages.data[s];
    StageChoice named = {
        .first_layer = stage->first_layer,
        .end_layer = stage->end_layer,
        .stages_after = (int32_t)(plan->stages.count - 1 - s),
        .submesh = stage->submesh,
        .n_axes = stage->mesh.n_axes - 1,
        .size = {1},
    };
    for (int32_t a = 1; a < stage->mesh.n_axes; a++)
        named.size[a - 1] = stage->mesh.axis[a].size;
    return named;
}

/* The price of stage s; its peak must be what the plan says. */
static int64_t price_again(const Graph *graph, Plans *plans, const Plan *plan,
                           int64_t s)
{
    Arena inner = scratch;
    int32_t choice[STAGE_NODES_MAX];
    StageChoice named = stage_named(plan, s);
    const PlanStage *stage = &plan->stages.data[s];
    StageModel *model =
        plans_stage(plans, plan->n_microbatches, &named, &inner);
    assert_int_equal(model->n, stage->train.count);
    for (int32_t v = 0; v < model->n; v++) {
        const Choices *choices = model->choices[v];
        const Node *node = graph_node(graph, model->id[v]);
        choice[v] =
            number_of(choices, &choice_named(stage, node->path)->strategy);
        if (node->op == OP_COPY &&
            is_alias(graph, model, choice, v, &choices->result[choice[v]]))
            choice[v] += choices->first_alias;
    }
    assert_int_equal(stage_model_peak(model, choice), stage->memory.peak);
    return stage_model_price(model, choice);
}

static void price_plan_again(const Graph *graph, Plans *plans, const Plan *plan)
{
    int64_t sum = 0, slowest = 0, m = plan->n_microbatches;
    for (int64_t s = 0; s < plan->stages.count; s++) {
        int64_t price = price_again(graph, plans, plan, s);
        sum += price;
        slowest = max_i64(slowest, price);
    }
    int64_t cost = sum + (m - 1) * slowest;
    assert_true(plan->planned_seconds == (double)cost / (double)m * 1e-9);
}

/* -- comparison ------------------------------------------------------------ */

typedef struct Tally {
    uint32_t number; /* of the draw */
    int compared, binding, infeasible, pipelines, microbatches, meshes;
    int64_t visits, most_visits;
} Tally;

static bool search(const GraphSet *set, const Mesh *mesh, Plan *plan)
{
    Training training = {0};
    PlanOptions options = {.work_limit = INT64_MAX / 4};
    Diagnostics d = diagnostics_new(&arena);
    *plan = (Plan){0};
    return plan_search(&arena, scratch, set, &training, mesh, &options, &d,
                       plan);
}

static void count_plan(Tally *tally, const Plan *plan)
{
    tally->pipelines += plan->stages.count > 1;
    tally->microbatches += plan->n_microbatches > 1;
    for (int64_t s = 0; s < plan->stages.count; s++)
        if (plan->stages.data[s].mesh.n_axes > 2) {
            tally->meshes++;
            return;
        }
}

/* Everything that takes no longer than the plan that was found is enumerated:
 * it is found, or a better one, or none. */
static bool compare(const GraphSet *set, const Mesh *mesh, Plans *plans,
                    Plan *plan, Tally *tally)
{
    int64_t visits = 0;
    int64_t limit = mesh->device_types.data[0].memory_bytes;
    bool found = search(set, mesh, plan);
    double best = plans_least_seconds(
        plans, limit, found ? plan->planned_seconds : 1e2, scratch, &visits);
    tally->visits += visits;
    tally->most_visits = max_i64(tally->most_visits, visits);
    tally->compared++;
    tally->infeasible += !found;
    if (!found && best < 0)
        return false;
    if (!found || plan->planned_seconds != best ||
        plan->lower_bound_seconds != best)
        fail_msg("draw %u, %lld bytes: planned %.17g s, bound %.17g s, "
                 "enumerated %.17g s",
                 tally->number, (long long)limit, plan->planned_seconds,
                 plan->lower_bound_seconds, best);
    price_plan_again(set->train, plans, plan);
    count_plan(tally, plan);
    return true;
}

static int64_t peak_of(const Plan *plan)
{
    int64_t peak = 0;
    for (int64_t s = 0; s < plan->stages.count; s++)
        peak = max_i64(peak, plan->stages.data[s].memory.peak);
    return peak;
}

/* Without a limit; then, a few times, with less than the plan before needs. */
static void compare_draw(uint32_t number, Tally *tally)
{
    Draw d = {number, 0};
    tally->number = number;
    Arena start = arena;
    Graph *graph = pass_copies(draw_graph(&d, &arena), NULL, &arena, scratch);
    GraphSet set = {.train = graph, .eval = graph};
    Mesh mesh = draw_mesh(&d, &arena);
    Plans *plans = plans_new(&arena, graph, &mesh);
    Plan plan;
    bool fits = compare(&set, &mesh, plans, &plan, tally);
    for (int i = 0; i < LIMITS_MAX && fits; i++) {
        int64_t peak = peak_of(&plan);
        int64_t limit =
            draw(&d, 2) ? peak - 1 : peak * (50 + draw(&d, 50)) / 100;
        for (int64_t t = 0; t < mesh.device_types.count; t++)
            mesh.device_types.data[t].memory_bytes = limit;
        double before = plan.planned_seconds;
        fits = compare(&set, &mesh, plans, &plan, tally);
        tally->binding += !fits || plan.planned_seconds > before;
    }
    arena = start;
}

static void assert_share(const char *what, int count, int of, int percent)
{
    printf("  %-34s %5d of %d, at least %d %% wanted\n", what, count, of,
           percent);
    if ((int64_t)count * 100 < (int64_t)of * percent)
        fail_msg("too few: %s", what);
}

static void the_search_equals_enumeration(void **state)
{
    (void)state;
    Tally tally = {0};
    for (uint32_t i = 0; i < n_draws; i++)
        compare_draw(first_draw + i, &tally);
    int planned = tally.compared - tally.infeasible;
    printf("%u graphs, %d comparisons, %.1f million choices looked at (at most "
           "%.1f in one)\n",
           n_draws, tally.compared, 1e-6 * (double)tally.visits,
           1e-6 * (double)tally.most_visits);
    assert_share("memory raises the price or forbids", tally.binding,
                 tally.compared, 50);
    assert_share("fits on no plan", tally.infeasible, tally.compared, 5);
    assert_share("has a plan", planned, tally.compared, 50);
    assert_share("the best plan has several stages", tally.pipelines, planned,
                 15);
    assert_share("the best plan has microbatches", tally.microbatches, planned,
                 15);
    assert_share("the best plan has two mesh axes", tally.meshes, planned, 2);
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2)
        *(strcmp(argv[i], "--draws") == 0 ? &n_draws : &first_draw) =
            (uint32_t)atoi(argv[i + 1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_search_equals_enumeration),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
