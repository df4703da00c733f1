/* Plan: the search from end to end. */
#include "passes/plan.h"

#include "passes/intra.h"
#include "passes/layer.h"
#include "passes/plan_fill.h"
#include "support/checked.h"

#include <stddef.h>

/* The unit of prices grows by this until the solver can add them. */
enum { TICK_FACTOR = 10 };

static SearchSpace space_of(Arena *arena, const GraphSet *set, const Mesh *mesh,
                            const PlanOptions *options)
{
    SubmeshOption *submeshes;
    SearchSpace space = {
        .graph = set->train,
        .mesh = mesh,
        .n_layers = layer_count(set->train),
        .n_options = submesh_options(mesh, arena, &submeshes),
        .memory_cut_bytes = options->memory_cut_bytes,
        .tick_nanoseconds = 1,
        .node_limit = PLAN_NODE_LIMIT,
        .work_limit =
            options->work_limit ? options->work_limit : PLAN_WORK_LIMIT,
        .observer = options->observer,
    };
    space.options = submeshes;
    return space;
}

/* -- microbatches ---------------------------------------------------------- */

static int64_t batch_of(const Graph *graph)
{
    return graph->inputs.count ? graph->inputs.data[0].type.shape.extent[0] : 1;
}

static bool allows(const GraphSet *set, int64_t count, Arena scratch,
                   Diagnostics *diagnostics)
{
    uint8_t *time;
    return rule_microbatch(set->train, count, &scratch, &time, diagnostics) &&
           rule_microbatch(set->eval, count, &scratch, &time, diagnostics);
}

/* The counts to search: the one asked for, or all that divide the batch and
 * that the model allows.  0 after a diagnostic. */
static int32_t microbatch_counts(const GraphSet *set, int64_t asked,
                                 Arena *arena, Diagnostics *diagnostics,
                                 int64_t **out)
{
    Diagnostics ignored = diagnostics_new(arena);
    VECTOR(int64_t) counts = {0};
    if (asked > 0 && allows(set, asked, *arena, diagnostics))
        *vector_push(arena, &counts) = asked;
    int64_t batch = asked > 0 ? 0 : batch_of(set->train);
    for (int64_t count = 1; count <= batch; count++)
        if (batch % count == 0 && allows(set, count, *arena, &ignored))
            *vector_push(arena, &counts) = count;
    *out = counts.data;
    return (int32_t)counts.count;
}

/* -- when nothing fits ----------------------------------------------------- */

/* An even cut whose stages' blocks together are the cluster; the largest block
 * there is as one stage.  0: no block has the size. */
static int32_t lean_cut(const SearchSpace *space, int32_t n_stages,
                        StageCut *cuts)
{
    int64_t wanted = cluster_devices(space->mesh) / n_stages;
    for (int32_t o = space->n_options - 1; o >= 0; o--) {
        const SubmeshOption *option = &space->options[o];
        if (n_stages > 1 &&
            option->n_hosts * option->devices_per_host != wanted)
            continue;
        for (int32_t s = 0; s < n_stages; s++)
            cuts[s] = (StageCut){s * space->n_layers / n_stages,
                                 (s + 1) * space->n_layers / n_stages, o};
        return n_stages;
    }
    return 0;
}

/* How far a cut is from fitting: the most that one of its stages misses. */
static int64_t missing_bytes(StageTables *tables, const PlannedStage *stages,
                             int32_t n_stages, Arena scratch)
{
    const SearchSpace *space = tables->space;
    int64_t most = 0;
    for (int32_t s = 0; s < n_stages; s++) {
        Arena inner = scratch, arena = arena_split(&inner);
        StageShape shape = stage_shape_at(space, &stages[s].place);
        IntraOptions options = stage_tables_options(tables);
        StageSolution solution = intra_solve(
            &arena, inner,
            stage_table(tables, stages[s].place.option, stages[s].shape),
            &shape, &options);
        most = max_i64(most, solution.least_peak_bytes - shape.memory_bytes);
    }
    return most;
}

/* Tries the cuts of the most microbatches into 1, 2, 4, ... stages and says
 * what the one nearest to fitting misses. */
static void diagnose_leanest(const SearchSpace *space, int64_t n_microbatches,
                             Arena scratch, Diagnostics *diagnostics)
{
    Arena arena = arena_split(&scratch);
    StageTables tables;
    stage_tables_init(&tables, &arena, scratch, space, n_microbatches, NULL);
    StageCut *cuts = arena_new(&arena, StageCut, space->n_layers);
    PlannedStage *stages = arena_new(&arena, PlannedStage, space->n_layers);
    int64_t least = INT64_MAX;
    int32_t best = 1;
    for (int32_t n = 1;
         n <= space->n_layers && n <= cluster_devices(space->mesh); n *= 2) {
        if (lean_cut(space, n, cuts) == 0 ||
            !inter_place(space, n_microbatches, cuts, n, stages))
            continue;
        int64_t missing = missing_bytes(&tables, stages, n, scratch);
        if (missing < least) {
            least = missing;
            best = n;
        }
    }
    lean_cut(space, best, cuts);
    inter_place(space, n_microbatches, cuts, best, stages);
    plan_diagnose_memory(scratch, space, n_microbatches, stages, best,
                         diagnostics);
}

/* -- the search ------------------------------------------------------------ */

bool plan_search(Arena *perm, Arena scratch, const GraphSet *set,
                 const Training *training, const Mesh *mesh,
                 const PlanOptions *options, Diagnostics *diagnostics,
                 Plan *plan)
{
    int64_t *counts;
    Arena arena = arena_split(&scratch);
    SearchSpace space = space_of(&arena, set, mesh, options);
    int32_t n_counts = microbatch_counts(set, training->n_microbatches, &arena,
                                         diagnostics, &counts);
    if (n_counts == 0)
        return false;
    SearchResult result;
    while ((result = inter_search(&arena, scratch, &space, counts, n_counts))
               .too_large)
        space.tick_nanoseconds *= TICK_FACTOR;
    if (!result.found) {
        diagnose_leanest(&space, counts[n_counts - 1], scratch, diagnostics);
        return false;
    }
    if (plan_fill(perm, scratch, set, &space, result.n_microbatches,
                  result.stages, result.n_stages, NULL, diagnostics,
                  plan) != FILL_DONE)
        return false;
    plan->lower_bound_seconds =
        result.bound_ticks * 1e-9 * (double)space.tick_nanoseconds;
    return true;
}
