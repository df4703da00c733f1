/* Program build: the last third of the compiler, in order. */
#include "passes/program_build.h"

#include "passes/lower.h"
#include "passes/program_verify.h"

static void add_stage(Program *program, const PlanStage *planned,
                      const Mesh *mesh, Arena *arena)
{
    const DeviceType *device = submesh_device_type(mesh, &planned->submesh);
    int64_t n = submesh_devices(&planned->submesh);
    ProgramStage *stage = vector_push(arena, &program->stages);
    stage->submesh = planned->submesh;
    stage->mesh = planned->mesh;
    stage->reserve_bytes = device->reserve_bytes;
    stage->memory_bytes = device->memory_bytes;
    stage->ranks = arena_new(arena, int64_t, n);
    for (int64_t i = 0; i < n; i++)
        stage->ranks[i] = submesh_rank(mesh, &planned->submesh, i);
}

static void set_totals(const GraphSet *graphs, const Plan *plan,
                       const Mesh *mesh, Program *program)
{
    const DeviceType *device =
        submesh_device_type(mesh, &plan->stages.data[0].submesh);
    program->model_name = plan->model_name;
    program->target = device->target;
    program->n_microbatches = plan->n_microbatches;
    program->n_ranks = cluster_devices(mesh);
    program->planned_seconds = plan->planned_seconds;
    program->batch = program->inputs.count
                         ? program->inputs.data[0].type.shape.extent[0]
                         : 1;
    for (int64_t i = 0; i < graphs->train->variables.count; i++) {
        const Variable *v = &graphs->train->variables.data[i];
        if (v->kind == VARIABLE_PARAMETER)
            program->parameter_count += shape_count(&v->type.shape);
    }
}

static ProgramExcess excess_of(const Program *program)
{
    ProgramExcess worst = {0};
    for (int32_t s = 0; s < program->stages.count; s++) {
        const ProgramStage *stage = &program->stages.data[s];
        int64_t over =
            stage->arena_bytes + stage->reserve_bytes - stage->memory_bytes;
        if (over > worst.bytes)
            worst = (ProgramExcess){over, s};
    }
    return worst;
}

Str program_build(const GraphSet *graphs, const Plan *plan, const Mesh *mesh,
                  Arena *arena, Program *program, ProgramCode *code,
                  ProgramExcess *excess)
{
    CodeNumbers numbers = {0};
    *program = (Program){0};
    *code = (ProgramCode){0};
    for (int64_t s = 0; s < plan->stages.count; s++)
        add_stage(program, &plan->stages.data[s], mesh, arena);
    StagePartition *stages = partition(graphs, plan, arena, program);
    for (int64_t i = 0; graphs->input_limits && i < program->inputs.count; i++)
        program->inputs.data[i].limit = graphs->input_limits[i];
    set_totals(graphs, plan, mesh, program);
    for (int32_t s = 0; s < plan->stages.count; s++) {
        StageBodies *bodies = vector_push(arena, &code->stages);
        bodies->mesh = plan->stages.data[s].mesh;
        lower_stage(program, s, &stages[s], &numbers, bodies, arena);
    }
    code->n_code = (int32_t)numbers.numbers.entries.count;
    schedule_pipeline(program, arena);
    for (int32_t s = 0; s < plan->stages.count; s++)
        place_stage(program, s, &code->stages.data[s], arena);
    *excess = excess_of(program);
    return program_verify(program, code, arena);
}
