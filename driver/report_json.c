/* Report: the JSON of `dnnc plan --json`. */
#include "driver/report.h"
#include "driver/report_group.h"
#include "passes/account.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

static json_t *text_of(Str s)
{
    return json_stringn(s.data, (size_t)s.length);
}

static json_t *integer(int64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *traffic_of(const PlanStage *stage, const Traffic *t)
{
    static const char *const PARTS[] = {"begin", "forward", "backward",
                                        "update"};
    return json_pack("{s:s, s:o, s:s, s:o, s:o, s:f, s:o}", "kind",
                     reshard_kind_name(t->kind), "axis",
                     text_of(stage->mesh.axis[t->axis].name), "when",
                     PARTS[t->part], "runs_per_step", integer(t->runs),
                     "bytes_per_step", integer(t->bytes), "seconds_per_step",
                     1e-9 * (double)t->nanoseconds, "most_by",
                     text_of(t->largest));
}

static json_t *group_of(const PlanStage *stage, const VariableGroup *group,
                        Arena *arena)
{
    static const char *const KINDS[] = {"parameter", "state", "optimizer"};
    return json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:o}", "name", text_of(group->name), "kind",
        KINDS[group->kind], "type", text_of(type_print(arena, &group->type)),
        "sharding",
        text_of(sharding_print(arena, &stage->mesh, group->type.shape.rank,
                               &group->sharding)),
        "count", integer(group->count), "bytes", integer(group->bytes));
}

static json_t *memory_of(const Mesh *mesh, const PlanStage *stage)
{
    const PlanMemory *m = &stage->memory;
    const DeviceType *device = submesh_device_type(mesh, &stage->submesh);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "parameters",
                     integer(m->parameters), "optimizer", integer(m->optimizer),
                     "gradients", integer(m->gradients), "saved",
                     integer(m->saved), "transient", integer(m->transient),
                     "peak", integer(m->peak), "limit",
                     integer(device->memory_bytes - device->reserve_bytes));
}

static json_t *axes_of(const PlanStage *stage)
{
    json_t *object = json_object();
    for (int32_t axis = 1; axis < stage->mesh.n_axes; axis++)
        json_object_set_new(object, stage->mesh.axis[axis].name.data,
                            integer(stage->mesh.axis[axis].size));
    return object;
}

static json_t *ranks_of(const Mesh *mesh, const PlanStage *stage)
{
    json_t *ranks = json_array();
    for (int64_t i = 0; i < submesh_devices(&stage->submesh); i++)
        json_array_append_new(ranks,
                              integer(submesh_rank(mesh, &stage->submesh, i)));
    return ranks;
}

static json_t *layers_of(const Plan *plan, const PlanStage *stage)
{
    json_t *layers = json_array();
    for (int32_t l = stage->first_layer; l < stage->end_layer; l++)
        json_array_append_new(layers, text_of(plan->layers.data[l].name));
    return layers;
}

static json_t *stage_of(const Graph *train, const Mesh *mesh, const Plan *plan,
                        int64_t s, const StageAccount *account, Arena *arena)
{
    const PlanStage *stage = &plan->stages.data[s];
    json_t *traffic = json_array(), *variables = json_array();
    for (int64_t i = 0; i < account->traffic.count; i++)
        json_array_append_new(traffic,
                              traffic_of(stage, &account->traffic.data[i]));
    VariableGroups groups = variable_groups(train, account, arena);
    for (int64_t i = 0; i < groups.count; i++)
        json_array_append_new(variables,
                              group_of(stage, &groups.data[i], arena));
    return json_pack(
        "{s:o, s:o, s:o, s:f, s:f, s:f, s:o, s:o, s:o, s:o, s:o}", "layers",
        layers_of(plan, stage), "devices", ranks_of(mesh, stage), "mesh",
        axes_of(stage), "microbatch_seconds", stage->microbatch_seconds,
        "step_seconds", stage->step_seconds, "compute_seconds",
        1e-9 * (double)account->compute_nanoseconds, "received_bytes_per_step",
        integer(account->received_bytes), "received_runs_per_step",
        integer(account->received_runs), "collectives", traffic, "variables",
        variables, "memory_bytes", memory_of(mesh, stage));
}

Str report_plan_json(Arena *arena, Arena scratch, const Graph *train,
                     const Mesh *mesh, const Plan *plan)
{
    Arena inner = arena_split(&scratch);
    StageAccount *accounts = plan_account(&scratch, inner, train, mesh, plan);
    json_t *stages = json_array(), *idle = json_array();
    for (int64_t s = 0; s < plan->stages.count; s++)
        json_array_append_new(
            stages, stage_of(train, mesh, plan, s, &accounts[s], &scratch));
    for (int64_t i = 0; i < plan->idle_ranks.count; i++)
        json_array_append_new(idle, integer(plan->idle_ranks.data[i]));
    json_t *root = json_pack(
        "{s:o, s:o, s:o, s:o, s:f, s:f, s:o, s:o}", "model",
        text_of(plan->model_name), "cluster", text_of(mesh->name), "devices",
        integer(cluster_devices(mesh)), "microbatches",
        integer(plan->n_microbatches), "planned_seconds", plan->planned_seconds,
        "lower_bound_seconds", plan->lower_bound_seconds, "idle_devices", idle,
        "stages", stages);
    char *text = json_dumps(root, JSON_INDENT(2));
    assert(text && "finite numbers and UTF-8 names");
    Str result = str_format(arena, "%s\n", text);
    free(text);
    json_decref(root);
    return result;
}
