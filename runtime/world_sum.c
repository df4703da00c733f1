/* World sums by all-gather and addition in order. */
#include "runtime/world_sum.h"

#include "support/checked.h"

#include <string.h>

Status world_sums_init(WorldSums *w, Communicator *communicator,
                       const Program *program, int32_t stage, Arena *arena)
{
    *w = (WorldSums){
        .communicator = communicator, .program = program, .stage = stage};
    int64_t terms = 1;
    for (int64_t i = 0; i < program->world_sums.count; i++)
        terms = max_i64(terms, program->world_sums.data[i].terms.count);
    int64_t *ranks = arena_new(arena, int64_t, program->n_ranks);
    for (int64_t s = 0; s < program->stages.count; s++) {
        const ProgramStage *of = &program->stages.data[s];
        for (int64_t d = 0; d < mesh_devices(&of->mesh); d++)
            ranks[w->n_ranks++] = of->ranks[d];
    }
    w->mine = arena_new(arena, float, terms);
    w->all = arena_new(arena, float, terms * w->n_ranks);
    enum { ACTIVE_TAG = 1 << MESH_AXES_MAX }; /* beyond every axis mask */
    return communicator->interface->group(communicator, ranks, w->n_ranks,
                                          ACTIVE_TAG, &w->group);
}

/* True when this device adds to the term: it holds a share of a partial value,
 * or is the first among replicas. */
static bool contributes(const LogicalMesh *mesh, const WorldSumTerm *term,
                        int64_t device)
{
    int64_t coordinate[MESH_AXES_MAX] = {0};
    mesh_coordinates(mesh, device, coordinate);
    for (int axis = 1; axis < mesh->n_axes; axis++)
        if (!(term->partial >> axis & 1) && coordinate[axis] != 0)
            return false;
    return true;
}

static double add_term(const WorldSums *w, const WorldSumTerm *term,
                       int64_t index, int64_t n_terms)
{
    double sum = 0;
    int64_t first = 0;
    for (int32_t s = 0; s < term->stage; s++)
        first += mesh_devices(&w->program->stages.data[s].mesh);
    const LogicalMesh *mesh = &w->program->stages.data[term->stage].mesh;
    for (int64_t d = 0; d < mesh_devices(mesh); d++)
        if (contributes(mesh, term, d))
            sum += (double)w->all[(first + d) * n_terms + index];
    return sum;
}

Status world_sum_run(WorldSums *w, int32_t world_sum, const float *terms,
                     float *result)
{
    const WorldSum *sum = &w->program->world_sums.data[world_sum];
    int64_t n_terms = sum->terms.count, mine = 0;
    memset(w->mine, 0, (size_t)n_terms * sizeof(float));
    for (int64_t i = 0; i < n_terms; i++)
        if (sum->terms.data[i].stage == w->stage)
            w->mine[i] = terms[mine++];
    TRY(w->communicator->interface->all_gather(
        w->communicator, w->group, w->mine, w->all,
        n_terms * (int64_t)sizeof(float)));
    double total = 0;
    for (int64_t i = 0; i < n_terms; i++)
        total += add_term(w, &sum->terms.data[i], i, n_terms);
    *result = (float)total;
    return status_ok();
}
