/* Stage tables: see the header. */
#include "passes/stage_tables.h"

#include "passes/stage_class.h"
#include "support/checked.h"

StageShape stage_shape_at(const SearchSpace *space, const StagePlace *place)
{
    const SubmeshOption *option = &space->options[place->option];
    Submesh submesh = {.group = option->group};
    const DeviceType *device = submesh_device_type(space->mesh, &submesh);
    return (StageShape){
        .first_layer = place->first_layer,
        .end_layer = place->end_layer,
        .up = submesh_link(space->mesh, option, place->before),
        .down = submesh_link(space->mesh, option, place->after),
        .in_flight = place->in_flight,
        .memory_bytes =
            max_i64(0, device->memory_bytes - device->reserve_bytes -
                           space->memory_cut_bytes),
    };
}

static bool storage_equal(const NodeStorage *a, const NodeStorage *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (a[i].time != b[i].time || a[i].part != b[i].part ||
            a[i].free != b[i].free || a[i].microbatch != b[i].microbatch ||
            a[i].accumulated != b[i].accumulated || a[i].stored != b[i].stored)
            return false;
    return true;
}

bool stage_tables_init(StageTables *tables, Arena *arena, Arena scratch,
                       const SearchSpace *space, int64_t n_microbatches,
                       const StageTables *like)
{
    Diagnostics ignored = diagnostics_new(arena);
    NodeStorage *storage =
        storage_of(space->graph, n_microbatches, arena, &ignored);
    if (!storage)
        return false;
    *tables = (StageTables){
        .arena = arena,
        .space = space,
        .n_microbatches = n_microbatches,
        .storage = storage,
        .tables = arena_new(arena, StrategyTable *,
                            space->n_options * LOGICAL_SHAPES_MAX),
    };
    if (like &&
        storage_equal(like->storage, storage, space->graph->nodes.count)) {
        tables->storage = like->storage;
        tables->layer_kind = like->layer_kind;
    } else {
        tables->layer_kind =
            layer_kinds(space->graph, storage, space->n_layers, arena, scratch);
    }
    return true;
}

IntraOptions stage_tables_options(const StageTables *tables)
{
    return (IntraOptions){.layer_kind = tables->layer_kind,
                          .work_limit = tables->space->work_limit,
                          .observer = tables->space->observer};
}

StrategyTable *stage_table(StageTables *tables, int32_t option, int32_t shape)
{
    const SearchSpace *space = tables->space;
    StrategyTable **table =
        &tables->tables[option * LOGICAL_SHAPES_MAX + shape];
    if (*table)
        return *table;
    const SubmeshOption *of = &space->options[option];
    const LogicalShape *sizes = &of->shape[shape];
    Submesh submesh = {of->group, 0, 0, of->n_hosts, of->devices_per_host};
    LogicalMesh mesh =
        mesh_logical(space->mesh, &submesh, tables->n_microbatches,
                     sizes->n_axes, sizes->size);
    *table = strategy_table_new(
        tables->arena, space->graph, tables->storage, &mesh,
        submesh_device_type(space->mesh, &submesh), space->tick_nanoseconds);
    return *table;
}
