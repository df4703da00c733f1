/* Comparing digests of blocks between the devices that hold the same one. */
#include "runtime/replicas.h"

#include "runtime/variable_block.h"

void replicas_init(Replicas *r, Worker *worker, Arena *arena)
{
    int64_t n = worker->program->variables.count;
    *r = (Replicas){
        .worker = worker,
        .mine = arena_new(arena, uint64_t, n),
        .all = arena_new(arena, uint64_t, n * worker->communicator->size)};
}

/* The lowest device that holds the same block of the variable. */
static int64_t first_with_block(const LogicalMesh *mesh,
                                const Sharding *sharding, int64_t device)
{
    int64_t coordinate[MESH_AXES_MAX] = {0};
    uint8_t split = sharding_split_axes(sharding);
    mesh_coordinates(mesh, device, coordinate);
    for (int axis = 1; axis < mesh->n_axes; axis++)
        if (!(split >> axis & 1))
            coordinate[axis] = 0;
    return mesh_device(mesh, coordinate);
}

static Status compare(const Replicas *r, int64_t variable)
{
    const Program *p = r->worker->program;
    const ProgramVariable *v = &p->variables.data[variable];
    const ProgramStage *stage = &p->stages.data[v->stage];
    int64_t n = p->variables.count;
    for (int64_t d = 0; d < mesh_devices(&stage->mesh); d++) {
        int64_t first = first_with_block(&stage->mesh, &v->sharding, d);
        int64_t a = stage->ranks[first], b = stage->ranks[d];
        if (r->all[a * n + variable] != r->all[b * n + variable])
            return status_error(STATUS_ENVIRONMENT,
                                "'%.*s' differs between its replicas on rank "
                                "%lld and rank %lld",
                                STR_ARG(v->name), (long long)a, (long long)b);
    }
    return status_ok();
}

Status replicas_check(Replicas *r)
{
    Communicator *c = r->worker->communicator;
    int64_t n = r->worker->program->variables.count;
    Status status = status_ok();
    for (int32_t v = 0; v < n && !status_failed(&status); v++)
        status = variable_block_digest(r->worker, v, &r->mine[v]);
    TRY(communicator_agree(c, status));
    if (n > 0)
        TRY(c->interface->all_gather(c, GROUP_WORLD, r->mine, r->all,
                                     n * (int64_t)sizeof(uint64_t)));
    for (int64_t v = 0; v < n; v++)
        TRY(compare(r, v));
    return status_ok();
}
