/* Random plan: see the header. */
#include "tests/property/random_plan.h"

#include "passes/layer.h"
#include "support/checked.h"
#include "tests/oracle/host.h"

#include <assert.h>

enum { STAGES_MAX = 4, MICROBATCHES_MAX = 8 };

/* -- the cluster ----------------------------------------------------------- */

/* Sizes of up to three axes. */
static const int64_t AXES[][3] = {
    {1, 0, 0}, {2, 0, 0}, {3, 0, 0}, {4, 0, 0}, {2, 2, 0},
    {2, 3, 0}, {3, 2, 0}, {4, 2, 0}, {2, 2, 2},
};
enum { N_AXES = sizeof AXES / sizeof AXES[0] };

static const int64_t *draw_axes(Random *random, int64_t devices)
{
    for (;;) {
        const int64_t *axes = AXES[random_between(random, 0, N_AXES - 1)];
        int64_t product = 1;
        for (int i = 0; i < 3 && axes[i]; i++)
            product *= axes[i];
        if (devices == 0 || product == devices)
            return axes;
    }
}

/* -- microbatches ---------------------------------------------------------- */

static bool allows(const GraphSet *set, int64_t n_microbatches, Arena scratch)
{
    Diagnostics diagnostics = diagnostics_new(&scratch);
    uint8_t *time;
    return rule_microbatch(set->train, n_microbatches, &scratch, &time,
                           &diagnostics) &&
           rule_microbatch(set->eval, n_microbatches, &scratch, &time,
                           &diagnostics);
}

static int64_t draw_microbatches(Random *random, const GraphSet *set,
                                 Arena scratch)
{
    int64_t legal[MICROBATCHES_MAX], n = 0;
    for (int64_t m = 1; m <= MICROBATCHES_MAX; m++)
        if (allows(set, m, scratch))
            legal[n++] = m;
    return legal[random_between(random, 0, n - 1)];
}

/* -- strategies ------------------------------------------------------------ */

bool cuts_unevenly(const Rule *rule, const LogicalMesh *mesh,
                   const Strategy *strategy, FactorKind kind)
{
    for (int32_t axis = 1; axis < mesh->n_axes; axis++) {
        uint8_t assign = strategy->assign[axis];
        if (assign == ASSIGN_NONE || assign >= ASSIGN_LINEAR)
            continue;
        const Factor *factor = &rule->factor[assign - ASSIGN_FACTOR];
        if (factor->kind == kind && factor->extent % mesh->axis[axis].size)
            return true;
    }
    return false;
}

/* Few strategies cut unevenly: sometimes the draw aims at them. */
static Strategy draw_strategy(Random *random, const Rule *rule,
                              const LogicalMesh *mesh,
                              const Strategy *strategies, int64_t n)
{
    Strategy drawn = strategies[random_between(random, 0, n - 1)];
    int32_t tries = random_chance(random, 40) ? 8 : 0;
    while (tries-- > 0 && !cuts_unevenly(rule, mesh, &drawn, FACTOR_PARALLEL) &&
           !cuts_unevenly(rule, mesh, &drawn, FACTOR_SUM))
        drawn = strategies[random_between(random, 0, n - 1)];
    return drawn;
}

static void draw_strategies(Random *random, const Graph *graph, int64_t m,
                            PlanStage *stage, bool eval, bool replicated,
                            Arena *arena)
{
    Diagnostics diagnostics = diagnostics_new(arena);
    uint8_t *time;
    bool legal = rule_microbatch(graph, m, arena, &time, &diagnostics);
    assert(legal);
    (void)legal;
    for (int32_t i = 1; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, (NodeId){i});
        bool here = (node->layer >= stage->first_layer &&
                     node->layer < stage->end_layer) ||
                    node->op == OP_INPUT;
        if (!here)
            continue;
        Rule rule = rule_of(graph, (NodeId){i});
        Strategy *strategies, drawn = {{0}};
        int64_t n = rule_strategies(graph, (NodeId){i}, &rule, &stage->mesh,
                                    time[i], arena, &strategies);
        assert(n > 0);
        /* The first is replicated: too rare among all to be covered. */
        if (!replicated && !random_chance(random, 20))
            drawn = draw_strategy(random, &rule, &stage->mesh, strategies, n);
        PlanChoice choice = {.path = node->path, .strategy = drawn};
        if (eval)
            *vector_push(arena, &stage->eval) = choice;
        else
            *vector_push(arena, &stage->train) = choice;
    }
}

/* -- stages ---------------------------------------------------------------- */

/* Cuts [0, layers) into stages: *ends is filled with their ends. */
static int32_t draw_cuts(Random *random, int32_t layers, int32_t wanted,
                         int32_t *ends)
{
    int32_t most = (int32_t)min_i64(layers, STAGES_MAX);
    int32_t n = wanted ? (int32_t)min_i64(wanted, most)
                       : (int32_t)max_i64(random_between(random, 1, most),
                                          random_between(random, 1, most));
    int32_t begin = 0;
    for (int32_t s = 0; s < n; s++) {
        int32_t last = layers - (n - 1 - s);
        ends[s] = s == n - 1 ? layers
                             : (int32_t)random_between(random, begin + 1, last);
        begin = ends[s];
    }
    return n;
}

Plan random_plan(Random *random, const RandomPlanOptions *options,
                 const GraphSet *set, Arena *arena, Mesh *mesh)
{
    Plan plan = {.model_name = STR("random")};
    int32_t ends[STAGES_MAX];
    int32_t layers = layer_count(set->train);
    int32_t n =
        draw_cuts(random, layers > 0 ? layers : 1, options->n_stages, ends);
    plan.n_microbatches = options->n_microbatches
                              ? options->n_microbatches
                              : draw_microbatches(random, set, *arena);
    int64_t devices = 0;
    const int64_t *axes[STAGES_MAX];
    for (int32_t s = 0; s < n; s++) {
        axes[s] = draw_axes(random, options->devices);
        for (int64_t i = 0, product = 1; i < 3 && axes[s][i]; i++) {
            product *= axes[s][i];
            if (i == 2 || axes[s][i + 1] == 0)
                devices += product;
        }
    }
    *mesh = host_of(devices, arena);
    int64_t device = 0;
    for (int32_t s = 0; s < n; s++) {
        PlanStage *stage = vector_push(arena, &plan.stages);
        int32_t n_axes = 0;
        int64_t product = 1;
        while (n_axes < 3 && axes[s][n_axes])
            product *= axes[s][n_axes++];
        stage->first_layer = s ? ends[s - 1] : 0;
        stage->end_layer = ends[s];
        stage->submesh = (Submesh){
            .device = device, .n_hosts = 1, .devices_per_host = product};
        stage->mesh = mesh_logical(mesh, &stage->submesh, plan.n_microbatches,
                                   n_axes, axes[s]);
        device += product;
        draw_strategies(random, set->train, plan.n_microbatches, stage, false,
                        options->replicated, arena);
        draw_strategies(random, set->eval, plan.n_microbatches, stage, true,
                        options->replicated, arena);
    }
    return plan;
}
