/* Plan check: see the header. */
#include "passes/plan_check.h"

#include "ir/json_place.h"
#include "passes/intra.h"
#include "passes/layer.h"
#include "passes/plan_unfold.h"
#include "passes/submesh.h"
#include "support/checked.h"

#include <stddef.h>
#include <string.h>

typedef struct Checker {
    Arena *perm;
    const GraphSet *set;
    const Mesh *mesh;
    int32_t source;
    Diagnostics *diagnostics;
    Plan *plan;
    int32_t n_layers;
    const PlanOptions *options;
} Checker;

/* -- places in the plan's text --------------------------------------------- */

static Span stage_span(const Checker *c, int64_t stage, const char *key)
{
    JsonPath stages = {NULL, "stages", 0};
    JsonPath item = {&stages, NULL, stage};
    JsonPath member = {&item, key, 0};
    return json_span(c->diagnostics, c->source, key ? &member : &item);
}

/* -- stages and submeshes -------------------------------------------------- */

static bool check_layers(const Checker *c)
{
    int32_t next = 0;
    bool good = true;
    for (int64_t s = 0; s < c->plan->stages.count; s++) {
        const PlanStage *stage = &c->plan->stages.data[s];
        if (stage->first_layer != next || stage->end_layer <= next ||
            stage->end_layer > c->n_layers) {
            diagnose(c->diagnostics, stage_span(c, s, "layers"),
                     plan_stage_layers, (long long)s, stage->first_layer,
                     stage->end_layer, next, c->n_layers);
            good = false;
        }
        next = stage->end_layer;
    }
    if (good && next != c->n_layers) {
        diagnose(c->diagnostics, stage_span(c, 0, NULL), plan_layers_left, next,
                 c->n_layers);
        good = false;
    }
    return good;
}

static bool is_in_cluster(const Mesh *mesh, const Submesh *submesh)
{
    if (submesh->group < 0 || submesh->group >= mesh->groups.count)
        return false;
    const HostGroup *group = &mesh->groups.data[submesh->group];
    bool whole = submesh->device == 0 &&
                 submesh->devices_per_host == group->devices_per_host;
    return submesh->host + submesh->n_hosts <= group->n_hosts &&
           submesh->device + submesh->devices_per_host <=
               group->devices_per_host &&
           (submesh->n_hosts == 1 || whole);
}

static bool overlap(const Submesh *a, const Submesh *b)
{
    return a->group == b->group && a->host < b->host + b->n_hosts &&
           b->host < a->host + a->n_hosts &&
           a->device < b->device + b->devices_per_host &&
           b->device < a->device + a->devices_per_host;
}

static bool check_submesh(const Checker *c, int64_t s)
{
    const PlanStage *stage = &c->plan->stages.data[s];
    if (!is_in_cluster(c->mesh, &stage->submesh)) {
        diagnose(c->diagnostics, stage_span(c, s, "submesh"),
                 plan_submesh_outside, (long long)s, STR_ARG(c->mesh->name));
        return false;
    }
    for (int64_t other = 0; other < s; other++) {
        if (!overlap(&stage->submesh, &c->plan->stages.data[other].submesh))
            continue;
        diagnose(c->diagnostics, stage_span(c, s, "submesh"),
                 plan_submesh_overlap, (long long)other, (long long)s);
        return false;
    }
    return true;
}

/* Sizes stay, links come from the cluster. */
static bool complete_mesh(const Checker *c, int64_t s)
{
    PlanStage *stage = &c->plan->stages.data[s];
    int64_t sizes[MESH_AXES_MAX - 1] = {0}, product = 1;
    for (int32_t axis = 1; axis < stage->mesh.n_axes; axis++) {
        sizes[axis - 1] = stage->mesh.axis[axis].size;
        if (!mul_i64(product, sizes[axis - 1], &product))
            product = 0;
    }
    if (product != submesh_devices(&stage->submesh)) {
        diagnose(c->diagnostics, stage_span(c, s, "mesh"), plan_mesh_size,
                 (long long)s, (long long)product,
                 (long long)submesh_devices(&stage->submesh));
        return false;
    }
    stage->mesh =
        mesh_logical(c->mesh, &stage->submesh, c->plan->n_microbatches,
                     stage->mesh.n_axes - 1, sizes);
    return true;
}

static bool check_stages(const Checker *c)
{
    bool good = check_layers(c);
    for (int64_t s = 0; s < c->plan->stages.count; s++)
        good = check_submesh(c, s) && complete_mesh(c, s) && good;
    return good;
}

/* -- what follows from the choices ----------------------------------------- */

static int32_t option_of(const NodeOptions *options, const Strategy *strategy)
{
    for (int32_t i = 0; i < options->first_alias; i++)
        if (memcmp(options->strategies[i].assign + 1, strategy->assign + 1,
                   MESH_AXES_MAX - 1) == 0)
            return i;
    return 0;
}

/* The network's choices. */
static int32_t *network_choices(const StageNetwork *network,
                                const PlanStage *stage, const Graph *graph,
                                Arena *arena)
{
    int32_t n = network->problem.n_nodes;
    int32_t *choice = arena_new(arena, int32_t, n);
    Map named = {0};
    for (int64_t i = 0; i < stage->train.count; i++)
        map_insert(arena, &named, stage->train.data[i].path, i, NULL);
    for (int32_t v = 0; v < n; v++) {
        const NodeOptions *options = network->nodes[v].options;
        NodeId id = network->nodes[v].id;
        int64_t *found = map_find(&named, graph_node(graph, id)->path);
        if (found)
            choice[v] = option_of(options, &stage->train.data[*found].strategy);
    }
    return choice;
}

static StageShape shape_of(const Checker *c, int64_t s)
{
    const PlanStage *stage = &c->plan->stages.data[s];
    const DeviceType *device = submesh_device_type(c->mesh, &stage->submesh);
    SubmeshOption option = {
        .group = stage->submesh.group,
        .n_hosts = stage->submesh.n_hosts,
        .devices_per_host = stage->submesh.devices_per_host,
    };
    Neighbour before, after;
    submesh_neighbours(c->mesh, &stage->submesh, &before, &after);
    return (StageShape){
        .first_layer = stage->first_layer,
        .end_layer = stage->end_layer,
        .up = submesh_link(c->mesh, &option, before),
        .down = submesh_link(c->mesh, &option, after),
        .in_flight =
            min_i64(c->plan->n_microbatches, c->plan->stages.count - s),
        .memory_bytes =
            max_i64(0, device->memory_bytes - device->reserve_bytes -
                           c->options->memory_cut_bytes),
    };
}

static bool diagnose_stage(const Checker *c, int64_t s,
                           const StageNetwork *network,
                           const ChoiceEvaluation *evaluation,
                           const StageShape *shape, Arena scratch)
{
    if (evaluation->forbidden) {
        diagnose(c->diagnostics, stage_span(c, s, "train"), plan_received,
                 (long long)s);
        return false;
    }
    if (evaluation->peak_usage <= shape->memory_bytes)
        return true;
    NodeId id = network->nodes[evaluation->peak_time].id;
    Str missing =
        text_bytes(&scratch, evaluation->peak_usage - shape->memory_bytes);
    diagnose(c->diagnostics, stage_span(c, s, NULL), plan_stage_memory,
             (long long)s, STR_ARG(missing),
             (long long)(evaluation->peak_usage - shape->memory_bytes),
             STR_ARG(graph_node(c->set->train, id)->path));
    return false;
}

enum {
    PRICE_WRONG = -1,     /* diagnosed */
    PRICE_TOO_LARGE = -2, /* for this tick */
};

/* The step's price of one stage in ticks, or why there is none. */
static int64_t evaluate_stage(const Checker *c, int64_t s,
                              const NodeStorage *storage,
                              int64_t tick_nanoseconds, Arena scratch)
{
    PlanStage *stage = &c->plan->stages.data[s];
    const DeviceType *device = submesh_device_type(c->mesh, &stage->submesh);
    Arena arena = arena_split(&scratch);
    StrategyTable *table = strategy_table_new(
        &arena, c->set->train, storage, &stage->mesh, device, tick_nanoseconds);
    StageShape shape = shape_of(c, s);
    StageSolution solution = {.network =
                                  stage_network_new(&scratch, table, &shape)};
    if (choice_check(&solution.network.problem) != NULL)
        return PRICE_TOO_LARGE;
    solution.choice =
        network_choices(&solution.network, stage, c->set->train, &scratch);
    intra_alias_copies(&solution, c->set->train, scratch);
    ChoiceEvaluation evaluation =
        choice_evaluate(&solution.network.problem, solution.choice, scratch);
    if (!diagnose_stage(c, s, &solution.network, &evaluation, &shape, scratch))
        return PRICE_WRONG;
    StagePrice price = intra_price(&solution, table);
    double seconds = 1e-9 * (double)tick_nanoseconds;
    stage->microbatch_seconds =
        (double)price.microbatch / (double)c->plan->n_microbatches * seconds;
    stage->step_seconds = (double)price.step * seconds;
    stage->memory = intra_memory(&solution, scratch);
    return price.microbatch + price.step;
}

/* Seconds and memory of every stage, in the least tick that all bear. */
static bool evaluate(const Checker *c, const NodeStorage *storage,
                     int64_t tick_nanoseconds, Arena scratch)
{
    int64_t sum = 0, slowest = 0;
    bool good = true;
    for (int64_t s = 0; s < c->plan->stages.count; s++) {
        int64_t price =
            evaluate_stage(c, s, storage, tick_nanoseconds, scratch);
        if (price == PRICE_TOO_LARGE)
            return evaluate(c, storage, 10 * tick_nanoseconds, scratch);
        good = good && price != PRICE_WRONG;
        sum += price;
        slowest = max_i64(slowest, price);
    }
    int64_t m = c->plan->n_microbatches;
    c->plan->planned_seconds = (double)(sum + (m - 1) * slowest) / (double)m *
                               (1e-9 * (double)tick_nanoseconds);
    return good;
}

bool plan_check(Arena *perm, Arena scratch, const GraphSet *set,
                const Mesh *mesh, int32_t source, const PlanOptions *options,
                Diagnostics *diagnostics, Plan *plan)
{
    Checker c = {
        perm,   set, mesh, source, diagnostics, plan, layer_count(set->train),
        options};
    Arena arena = arena_split(&scratch);
    NodeStorage *train =
        storage_of(set->train, plan->n_microbatches, &arena, diagnostics);
    NodeStorage *eval =
        train ? storage_of(set->eval, plan->n_microbatches, &arena, diagnostics)
              : NULL;
    if (!train || !eval || !check_stages(&c))
        return false;
    return plan_unfold(perm, scratch, set, train, eval, source, diagnostics,
                       plan) &&
           evaluate(&c, train, 1, scratch);
}
