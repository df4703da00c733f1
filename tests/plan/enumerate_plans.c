/* Enumerate plans: every count of microbatches, every cut of the layers, every
 * run of blocks of devices, every logical mesh of each. */
#include "enumerate.h"
#include "support/checked.h"
#include "support/map.h"

#include <assert.h>
#include <string.h>

enum { GROUPS_MAX = 4 };

struct Plans {
    Arena *arena;
    const Graph *graph;
    const Mesh *mesh;
    int32_t n_layers;
    int64_t batch;
    Map timing_of; /* count -> number of timing */
    VECTOR(const Timing *) timing;
    Map mesh_of; /* what follows -> number of model */
    VECTOR(MeshModel *) model;
};

Plans *plans_new(Arena *arena, const Graph *graph, const Mesh *mesh)
{
    Plans *plans = arena_new(arena, Plans, 1);
    *plans = (Plans){
        .arena = arena,
        .graph = graph,
        .mesh = mesh,
        .batch = graph->inputs.data[0].type.shape.extent[0],
    };
    for (int32_t i = 1; i < graph->nodes.count; i++)
        plans->n_layers = (int32_t)max_i64(
            plans->n_layers, graph_node(graph, (NodeId){i})->layer + 1);
    return plans;
}

static const Timing *timing_for(Plans *plans, int64_t n_microbatches)
{
    bool is_new;
    Str key = str_format(plans->arena, "%lld", (long long)n_microbatches);
    int64_t *number = map_insert(plans->arena, &plans->timing_of, key,
                                 plans->timing.count, &is_new);
    if (is_new)
        *vector_push(plans->arena, &plans->timing) =
            timing_of(plans->graph, n_microbatches, plans->arena);
    return plans->timing.data[*number];
}

static MeshModel *mesh_for(Plans *plans, int64_t n_microbatches,
                           const StageChoice *stage, const Timing *timing)
{
    bool is_new;
    const Submesh *block = &stage->submesh;
    Str key = str_format(
        plans->arena, "%lld:%d:%lld:%lld:%lld", (long long)n_microbatches,
        block->group, (long long)block->n_hosts,
        (long long)block->devices_per_host, (long long)stage->size[0]);
    int64_t *number = map_insert(plans->arena, &plans->mesh_of, key,
                                 plans->model.count, &is_new);
    if (is_new) {
        LogicalMesh mesh = mesh_logical(plans->mesh, block, n_microbatches,
                                        stage->n_axes, stage->size);
        *vector_push(plans->arena, &plans->model) =
            mesh_model_new(plans->arena, plans->graph, timing, &mesh,
                           submesh_device_type(plans->mesh, block));
    }
    return plans->model.data[*number];
}

/* -- stages ---------------------------------------------------------------- */

/* What lies beyond one end of a block: the same host, another host of the
 * group, another group.  A host's link is shared by the block's devices on
 * it. */
static Link link_beyond(const Mesh *mesh, const Submesh *block, bool up)
{
    const HostGroup *group = &mesh->groups.data[block->group];
    int64_t device =
        up ? block->device
           : group->devices_per_host - block->device - block->devices_per_host;
    int64_t host =
        up ? block->host : group->n_hosts - block->host - block->n_hosts;
    if (device > 0)
        return group->inner;
    Link link =
        host == 0 && mesh->groups.count > 1 ? mesh->between : group->outer;
    link.bandwidth_bytes_per_second /= (double)block->devices_per_host;
    return link;
}

StageModel *plans_stage(Plans *plans, int64_t n_microbatches,
                        const StageChoice *stage, Arena *arena)
{
    const Timing *timing = timing_for(plans, n_microbatches);
    if (!timing)
        return NULL;
    StageSpan span = {
        .first_layer = stage->first_layer,
        .end_layer = stage->end_layer,
        .up = link_beyond(plans->mesh, &stage->submesh, true),
        .down = link_beyond(plans->mesh, &stage->submesh, false),
        .in_flight = min_i64(n_microbatches, stage->stages_after + 1),
    };
    return stage_model_new(
        arena, mesh_for(plans, n_microbatches, stage, timing), &span);
}

/* -- plans ----------------------------------------------------------------- */

typedef struct Walk {
    Plans *plans;
    int64_t n_microbatches, limit;
    int64_t most; /* what costs more is not followed */
    int64_t best; /* of sum c + (microbatches - 1) max c; NEVER */
    Arena scratch;
    int64_t *visits;
} Walk;

/* What is chosen so far. */
typedef struct Prefix {
    int32_t layer, stages_after; /* the next stage's first; after the next */
    int64_t used[GROUPS_MAX];    /* devices, by group */
    int64_t sum, slowest;
} Prefix;

/* The most that the next stage may cost: alone and as the slowest. */
static int64_t most_for_next(const Walk *walk, const Prefix *prefix)
{
    int64_t rest = walk->most - prefix->sum, repeats = walk->n_microbatches - 1;
    return max_i64(min_i64(prefix->slowest, rest - repeats * prefix->slowest),
                   rest / walk->n_microbatches);
}

/* The least price over the logical meshes of the stage's block: one axis, or
 * two of which the first is the larger where both lie within a host. */
static int64_t stage_price(Walk *walk, StageChoice *stage, int64_t most)
{
    int64_t devices = submesh_devices(&stage->submesh), best = NEVER;
    for (int64_t x = devices; x >= 1; x--) {
        int64_t y = devices / x;
        bool is_mesh = x == devices || (devices % x == 0 && x > 1 &&
                                        (x >= y || stage->submesh.n_hosts > 1));
        if (!is_mesh)
            continue;
        stage->n_axes = devices == 1 ? 0 : x == devices ? 1 : 2;
        stage->size[0] = x;
        stage->size[1] = y;
        Arena arena = walk->scratch;
        StageModel *model =
            plans_stage(walk->plans, walk->n_microbatches, stage, &arena);
        int64_t price = enumerate_stage(
            model, walk->limit, min_i64(most, best - 1), arena, walk->visits);
        best = min_i64(best, price);
    }
    return best;
}

static void walk_stages(Walk *walk, const Prefix *prefix);

static void take_block(Walk *walk, const Prefix *prefix, StageChoice *stage)
{
    const HostGroup *group =
        &walk->plans->mesh->groups.data[stage->submesh.group];
    int64_t used = prefix->used[stage->submesh.group];
    int64_t takes = submesh_devices(&stage->submesh);
    stage->submesh.host = used / group->devices_per_host;
    stage->submesh.device = used % group->devices_per_host;
    if (used + takes > group->n_hosts * group->devices_per_host ||
        stage->submesh.device + stage->submesh.devices_per_host >
            group->devices_per_host)
        return;
    int64_t price = stage_price(walk, stage, most_for_next(walk, prefix));
    if (price == NEVER)
        return;
    Prefix next = *prefix;
    next.layer = stage->end_layer;
    next.stages_after--;
    next.used[stage->submesh.group] += takes;
    next.sum += price;
    next.slowest = max_i64(next.slowest, price);
    walk_stages(walk, &next);
}

/* Blocks: a divisor of a host's devices, or whole hosts: a power of two or a
 * divisor of the group's. */
static bool is_block(const HostGroup *group, int64_t hosts, int64_t devices)
{
    if (hosts == 1)
        return group->devices_per_host % devices == 0;
    return devices == group->devices_per_host &&
           ((hosts & (hosts - 1)) == 0 || group->n_hosts % hosts == 0);
}

static void walk_stages(Walk *walk, const Prefix *prefix)
{
    const Plans *plans = walk->plans;
    if (prefix->layer == plans->n_layers || prefix->stages_after < 0) {
        if (prefix->layer == plans->n_layers && prefix->stages_after < 0)
            walk->best =
                min_i64(walk->best, prefix->sum + (walk->n_microbatches - 1) *
                                                      prefix->slowest);
        return;
    }
    for (int32_t end = prefix->layer + 1; end <= plans->n_layers; end++)
        for (int32_t g = 0; g < plans->mesh->groups.count; g++) {
            const HostGroup *group = &plans->mesh->groups.data[g];
            for (int64_t hosts = 1; hosts <= group->n_hosts; hosts++)
                for (int64_t d = 1; d <= group->devices_per_host; d++) {
                    StageChoice stage = {
                        .first_layer = prefix->layer,
                        .end_layer = end,
                        .stages_after = prefix->stages_after,
                        .submesh = {g, 0, 0, hosts, d},
                    };
                    if (is_block(group, hosts, d))
                        take_block(walk, prefix, &stage);
                }
        }
}

double plans_least_seconds(Plans *plans, int64_t limit, double most,
                           Arena scratch, int64_t *visits)
{
    double best = -1;
    for (int64_t m = 1; m <= plans->batch; m++) {
        if (plans->batch % m != 0 || !timing_for(plans, m))
            continue;
        Walk walk = {
            .plans = plans,
            .n_microbatches = m,
            .limit = limit,
            .most = (int64_t)(most * 1e9 * (double)m) + 1,
            .best = NEVER,
            .scratch = scratch,
            .visits = visits,
        };
        for (int32_t stages = 1; stages <= plans->n_layers; stages++)
            walk_stages(&walk, &(Prefix){.stages_after = stages - 1});
        double seconds = (double)walk.best / (double)m * 1e-9;
        if (walk.best != NEVER && (best < 0 || seconds < best))
            best = seconds;
    }
    return best;
}
