/* The search against enumeration: random small graphs on random small
 * clusters, every strategy, cut, submesh, logical mesh and number of
 * microbatches, half of them with memory that binds.
 *
 *     test_exact [DRAWS]     (default 150)
 *
 * The enumeration shares with the search what a stage's choices cost and use
 * (passes/stage_network.h) and nothing else: no solver, no stage DP, no
 * bounds, no classes of stages.  What a stage costs is checked by another road
 * in test_search.c. */
#include "ir/rule.h"
#include "passes/inter.h"
#include "passes/pass.h"
#include "passes/plan.h"
#include "support/checked.h"
#include "support/philox.h"
#include "tests/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    VISITS_MAX = 1000000, /* of one draw's enumeration; dearer ones are
                             left out, and counted */
    LAYERS_MAX = 3,
    TIMES_MAX = 64,
};

static int n_draws = 150;

/* -- random problems ------------------------------------------------------- */

typedef struct Draw {
    uint32_t number, counter;
} Draw;

static int64_t draw(Draw *d, int64_t n)
{
    return philox(11, d->counter++, 0, d->number, 0).word[0] % (uint32_t)n;
}

#define SHAPE(...) \
    ((Shape){sizeof((int64_t[]){__VA_ARGS__}) / 8, {__VA_ARGS__}})

static NodeOrigin origin_of(Region region, int32_t layer, const char *path)
{
    return (NodeOrigin){
        .region = region, .layer = layer, .path = str_from(path)};
}

/* What a layer does to the samples: a product with a parameter, or not. */
static NodeId forward_layer(Draw *d, Graph *g, int32_t layer, NodeId x,
                            int64_t width, NodeId *weight)
{
    NodeOrigin at = origin_of(REGION_FORWARD, layer, "h");
    *weight = (NodeId){0};
    if (draw(d, 3) > 0) {
        NodeOrigin w_at = origin_of(REGION_FORWARD, layer,
                                    str_format(&arena, "w%d", layer).data);
        Variable variable = {.name = w_at.path,
                             .type = {DTYPE_F32, SHAPE(width, width)},
                             .kind = VARIABLE_PARAMETER,
                             .of = -1,
                             .group = -1};
        int32_t index = graph_add_variable(g, variable, w_at);
        *weight = g->variables.data[index].node;
        x = graph_dot(g, x, *weight, "nk,kj->nj", at);
    }
    if (!node_is(*weight) || draw(d, 2))
        x = graph_unary(g, draw(d, 2) ? OP_TANH : OP_NEG, x, at);
    return x;
}

/* Forward layers, a loss, and for each parameter something like a gradient and
 * an update, in the layer of the parameter; at most 8 operations. */
static Graph *draw_graph(Draw *d)
{
    int64_t batch = (int64_t[]){4, 6, 8}[draw(d, 3)];
    int64_t width = (int64_t[]){4, 6, 16, 32}[draw(d, 4)];
    int32_t n_layers = 1 + (int32_t)draw(d, LAYERS_MAX);
    Graph *g = graph_new(&arena, STR("draw"));
    NodeId x, weights[LAYERS_MAX], values[LAYERS_MAX + 1];
    graph_add_input(g, STR("x"), (Type){DTYPE_F32, SHAPE(batch, width)},
                    origin_of(REGION_FORWARD, LAYER_NONE, "x"), &x);
    values[0] = x;
    for (int32_t l = 0; l < n_layers; l++)
        values[l + 1] = forward_layer(d, g, l, values[l], width, &weights[l]);
    NodeId sum = graph_reduce(g, OP_SUM, values[n_layers], 3,
                              origin_of(REGION_FORWARD, n_layers - 1, "sum"));
    NodeId loss = graph_append(g, OP_WORLD_SUM, &sum, 1, (Attr){0},
                               origin_of(REGION_FORWARD, LAYER_NONE, "loss"));
    graph_add_output(g, (Output){OUTPUT_LOSS, STR("loss"), loss, -1, {0}});
    int n_updates = 0;
    for (int32_t l = n_layers - 1; l >= 0 && n_updates < 2; l--) {
        if (!node_is(weights[l]))
            continue;
        NodeId gradient =
            graph_dot(g, values[l], values[l + 1 + draw(d, n_layers - l)],
                      "nk,nj->kj", origin_of(REGION_BACKWARD, l, "gradient"));
        NodeId update = graph_binary(g, OP_SUB, weights[l], gradient,
                                     origin_of(REGION_UPDATE, l, "update"));
        int32_t variable = graph_node(g, weights[l])->attr.variable.variable;
        graph_add_output(
            g, (Output){OUTPUT_UPDATE, STR("w"), update, variable, {0}});
        n_updates++;
    }
    return g;
}

/* One of 1, 3.2, 10, 32, ... times `least`. */
static double draw_scale(Draw *d, double least, int64_t n)
{
    double value = least;
    for (int64_t i = draw(d, n); i > 0; i--)
        value *= 3.2;
    return value;
}

/* Up to four devices: one host or two, links and devices of many speeds. */
static Mesh draw_mesh(Draw *d)
{
    static const int64_t SHAPES[][2] = {{1, 1}, {1, 2}, {2, 1},
                                        {1, 3}, {1, 4}, {2, 2}};
    Mesh mesh = {.name = STR("draw")};
    const int64_t *shape = SHAPES[draw(d, 6)];
    *vector_push(&arena, &mesh.device_types) = (DeviceType){
        .name = STR("cpu"),
        .memory_bytes = (int64_t)1 << 40,
        .flops = {draw_scale(d, 1e5, 6), 1e6},
        .memory_bandwidth_bytes_per_second = draw_scale(d, 1e6, 6),
        .kernel_latency_seconds = (double)draw(d, 10) * 1e-7,
    };
    *vector_push(&arena, &mesh.groups) = (HostGroup){
        .name = STR("h"),
        .n_hosts = shape[0],
        .devices_per_host = shape[1],
        .inner = {(double)draw(d, 20) * 1e-7, draw_scale(d, 1e6, 6)},
        .outer = {(double)draw(d, 50) * 1e-7, draw_scale(d, 3e5, 6)},
    };
    return mesh;
}

/* -- enumeration of one stage ---------------------------------------------- */

typedef struct Tree {
    const StageNetwork *network;
    int32_t choice[TIMES_MAX];
    int64_t usage[TIMES_MAX];    /* by time, of the choices made */
    int64_t rest[TIMES_MAX + 1]; /* the nodes from here on cost no less */
    int64_t best;
    int64_t *visits;
} Tree;

static int64_t edges_to(const Tree *tree, int32_t v)
{
    const ChoiceProblem *p = &tree->network->problem;
    int64_t cost = 0;
    for (int32_t e = 0; e < p->n_edges; e++) {
        const ChoiceEdge *edge = &p->edges[e];
        if ((edge->a > edge->b ? edge->a : edge->b) != v)
            continue;
        int64_t pair =
            edge->cost[tree->choice[edge->a] * p->nodes[edge->b].n_choices +
                       tree->choice[edge->b]];
        if (pair >= CHOICE_FORBIDDEN)
            return CHOICE_FORBIDDEN;
        cost += pair;
    }
    return cost;
}

/* Adds `sign` times the usage of node v; false when memory is exceeded. */
static bool use(Tree *tree, int32_t v, int64_t sign)
{
    const ChoiceNode *node = &tree->network->problem.nodes[v];
    bool fits = true;
    for (int32_t i = 0; i < node->n_intervals; i++) {
        const ChoiceInterval *interval = &node->intervals[i];
        for (int64_t t = interval->begin; t < interval->end; t++) {
            tree->usage[t] += sign * interval->usage[tree->choice[v]];
            fits &= tree->usage[t] <= tree->network->problem.usage_limit;
        }
    }
    return fits;
}

static int64_t least_of(const int64_t *cost, int64_t n)
{
    int64_t least = CHOICE_FORBIDDEN;
    for (int64_t i = 0; i < n; i++)
        least = min_i64(least, cost[i]);
    return least;
}

static void bound_rests(Tree *tree)
{
    const ChoiceProblem *p = &tree->network->problem;
    for (int32_t v = p->n_nodes - 1; v >= 0; v--)
        tree->rest[v] = tree->rest[v + 1] +
                        least_of(p->nodes[v].cost, p->nodes[v].n_choices);
    for (int32_t e = 0; e < p->n_edges; e++) {
        const ChoiceEdge *edge = &p->edges[e];
        int64_t least = least_of(edge->cost, p->nodes[edge->a].n_choices *
                                                 p->nodes[edge->b].n_choices);
        for (int32_t v = 0; v <= max_i64(edge->a, edge->b); v++)
            tree->rest[v] += least;
    }
}

/* Every choice of every node in order; what already costs as much as the best
 * complete one is not followed. */
static void descend(Tree *tree, int32_t v, int64_t cost)
{
    const ChoiceProblem *p = &tree->network->problem;
    if (v == p->n_nodes) {
        tree->best = cost;
        return;
    }
    for (int32_t c = 0; c < p->nodes[v].n_choices; c++) {
        if (++*tree->visits > VISITS_MAX)
            return;
        tree->choice[v] = c;
        int64_t own = p->nodes[v].cost[c], edges = edges_to(tree, v);
        if (own >= CHOICE_FORBIDDEN || edges >= CHOICE_FORBIDDEN ||
            cost + own + edges + tree->rest[v + 1] >= tree->best)
            continue;
        if (use(tree, v, 1))
            descend(tree, v + 1, cost + own + edges);
        tree->choice[v] = c;
        use(tree, v, -1);
    }
}

/* -- enumeration of plans -------------------------------------------------- */

typedef struct Enumeration {
    const Graph *graph;
    const Mesh *mesh;
    int32_t n_layers, n_options;
    SubmeshOption *options;
    int64_t n_microbatches;
    const NodeStorage *storage;
    int64_t cutoff; /* what costs more is not followed */
    int64_t best;   /* of sum c + (M - 1) max c */
    int64_t visits;
} Enumeration;

static int64_t stage_price(Enumeration *e, const SubmeshOption *option,
                           const Submesh *submesh, int32_t first, int32_t end,
                           int64_t in_flight, int64_t most)
{
    const DeviceType *device = &e->mesh->device_types.data[0];
    Neighbour before, after;
    submesh_neighbours(e->mesh, submesh, &before, &after);
    StageShape shape = {
        .first_layer = first,
        .end_layer = end,
        .up = submesh_link(e->mesh, option, before),
        .down = submesh_link(e->mesh, option, after),
        .in_flight = in_flight,
        .memory_bytes = device->memory_bytes - device->reserve_bytes,
    };
    int64_t best = most + 1;
    for (int32_t s = 0; s < option->n_shapes; s++) {
        Arena a = arena;
        LogicalMesh mesh =
            mesh_logical(e->mesh, submesh, e->n_microbatches,
                         option->shape[s].n_axes, option->shape[s].size);
        StrategyTable *table =
            strategy_table_new(&a, e->graph, e->storage, &mesh, device, 1);
        StageNetwork network = stage_network_new(&a, table, &shape);
        assert_true(network.problem.n_nodes <= TIMES_MAX);
        Tree tree = {.network = &network, .best = best, .visits = &e->visits};
        bound_rests(&tree);
        if (tree.rest[0] < best)
            descend(&tree, 0, 0);
        best = min_i64(best, tree.best);
    }
    return best <= most ? best : STAGE_IMPOSSIBLE;
}

/* The most that the next stage may cost under the cutoff. */
static int64_t most_for_next(const Enumeration *e, int64_t sum, int64_t slowest)
{
    int64_t rest = e->cutoff - sum, repeats = e->n_microbatches - 1;
    return max_i64(min_i64(slowest, rest - repeats * slowest),
                   rest / e->n_microbatches);
}

/* Every cut from `first` on with the devices from `used` on; `after` stages
 * follow the present one. */
static void enumerate(Enumeration *e, int32_t first, int64_t used,
                      int32_t after, int64_t sum, int64_t slowest)
{
    int64_t devices = cluster_devices(e->mesh);
    int64_t per_host = e->mesh->groups.data[0].devices_per_host;
    if (first == e->n_layers) {
        if (after == -1)
            e->best = min_i64(e->best, sum + (e->n_microbatches - 1) * slowest);
        return;
    }
    for (int32_t end = first + 1; end <= e->n_layers && after >= 0; end++)
        for (int32_t o = 0; o < e->n_options; o++) {
            const SubmeshOption *option = &e->options[o];
            int64_t takes = option->n_hosts * option->devices_per_host;
            if (used + takes > devices ||
                used % per_host + option->devices_per_host > per_host)
                continue;
            Submesh submesh = {0, used / per_host, used % per_host,
                               option->n_hosts, option->devices_per_host};
            int64_t price = stage_price(e, option, &submesh, first, end,
                                        min_i64(e->n_microbatches, after + 1),
                                        most_for_next(e, sum, slowest));
            if (price != STAGE_IMPOSSIBLE)
                enumerate(e, end, used + takes, after - 1, sum + price,
                          max_i64(slowest, price));
        }
}

/* Seconds of the best plan over all microbatch counts that takes at most
 * `limit` seconds; -1: there is none. */
static double enumerate_all(const Graph *graph, const Mesh *mesh, double limit,
                            int64_t *visits)
{
    int64_t batch = graph->inputs.data[0].type.shape.extent[0];
    double best = -1;
    Enumeration e = {.graph = graph, .mesh = mesh};
    Diagnostics ignored = diagnostics_new(&arena);
    for (int32_t i = 1; i < graph->nodes.count; i++)
        e.n_layers = (int32_t)max_i64(
            e.n_layers, graph_node(graph, (NodeId){i})->layer + 1);
    e.n_options = submesh_options(mesh, &arena, &e.options);
    for (int64_t m = 1; m <= batch; m++) {
        e.n_microbatches = m;
        e.best = STAGE_IMPOSSIBLE;
        e.cutoff = (int64_t)(limit * 1e9 * (double)m) + 1;
        if (batch % m != 0 ||
            !(e.storage = storage_of(graph, m, &arena, &ignored)))
            continue;
        for (int32_t stages = 1; stages <= e.n_layers; stages++)
            enumerate(&e, 0, 0, stages - 1, 0, 0);
        double seconds = (double)e.best / (double)m * (1e-9 * 1.0);
        if (e.best != STAGE_IMPOSSIBLE && (best < 0 || seconds < best))
            best = seconds;
    }
    *visits += e.visits;
    return best;
}

/* -- comparison ------------------------------------------------------------ */

typedef struct Tally {
    int compared, left_out, infeasible, binding, stages, microbatches;
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

/* The enumeration need not look at what costs more than the search says: it
 * finds that plan, or a better one, or none. */
static void compare(const GraphSet *set, const Mesh *mesh, Tally *tally)
{
    int64_t visits = 0;
    Plan plan;
    bool found = search(set, mesh, &plan);
    double best = enumerate_all(set->train, mesh,
                                found ? plan.planned_seconds : 1e5, &visits);
    if (visits > VISITS_MAX) {
        tally->left_out++;
        return;
    }
    assert_int_equal(found, best >= 0);
    tally->compared++;
    tally->infeasible += !found;
    if (!found)
        return;
    assert_true(plan.planned_seconds == best);
    assert_true(plan.lower_bound_seconds == best);
    tally->stages += plan.stages.count > 1;
    tally->microbatches += plan.n_microbatches > 1;
}

/* Once with memory to spare; then with less than the best plan wants. */
static void compare_draw(uint32_t number, Tally *tally)
{
    Draw d = {number, 0};
    Arena start = arena;
    Graph *graph = pass_copies(draw_graph(&d), NULL, &arena, scratch);
    GraphSet set = {graph, graph, NULL};
    Mesh mesh = draw_mesh(&d);
    compare(&set, &mesh, tally);
    Plan plan;
    if (search(&set, &mesh, &plan)) {
        int64_t peak = 0;
        for (int64_t s = 0; s < plan.stages.count; s++)
            peak = max_i64(peak, plan.stages.data[s].memory.peak);
        mesh.device_types.data[0].memory_bytes =
            peak * (60 + draw(&d, 40)) / 100;
        tally->binding++;
        compare(&set, &mesh, tally);
    }
    arena = start;
}

static void the_search_equals_enumeration(void **state)
{
    (void)state;
    Tally tally = {0};
    for (int i = 0; i < n_draws; i++)
        compare_draw((uint32_t)i, &tally);
    printf("%d compared (%d with memory that binds), %d too large to "
           "enumerate, %d fit on no plan, %d pipelines, %d with microbatches\n",
           tally.compared, tally.binding, tally.left_out, tally.infeasible,
           tally.stages, tally.microbatches);
    assert_true(tally.compared >= n_draws);
    assert_true(tally.infeasible > n_draws / 50);
    assert_true(tally.stages > n_draws / 50);
    assert_true(tally.microbatches > n_draws / 20);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        n_draws = atoi(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_search_equals_enumeration),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
