/* Program check: every index names something, every size is positive, every
 * buffer lies inside its arena. */
#include "ir/program_check.h"

#include "support/checked.h"

#define CHECK(condition, fault) \
    do {                        \
        if (!(condition))       \
            return (fault);     \
    } while (0)
#define CHECK_ALL(call)              \
    do {                             \
        const char *fault_ = (call); \
        if (fault_)                  \
            return fault_;           \
    } while (0)

static bool index_in(int64_t index, int64_t count)
{
    return index >= 0 && index < count;
}

static const char *type_fault(const Type *type)
{
    int64_t elements;
    for (int32_t i = 0; i < type->shape.rank; i++)
        CHECK(type->shape.extent[i] >= 1, "an extent is not positive");
    CHECK(shape_elements(&type->shape, &elements) &&
              mul_i64(elements, 8, &elements),
          "a shape is too large");
    return NULL;
}

static const char *mesh_fault(const LogicalMesh *mesh)
{
    CHECK(mesh->n_axes >= 1, "a mesh has no axes");
    int64_t devices = 1;
    for (int32_t i = 0; i < mesh->n_axes; i++) {
        CHECK(mesh->axis[i].size >= 1, "a mesh axis is empty");
        CHECK(mul_i64(devices, mesh->axis[i].size, &devices),
              "a mesh is too large");
    }
    return NULL;
}

static const char *sharding_fault(const LogicalMesh *mesh, const Type *type,
                                  const Sharding *sharding)
{
    CHECK(sharding_fits(mesh, &type->shape, sharding),
          "a sharding does not fit its shape");
    return NULL;
}

static const char *buffer_fault(const ProgramStage *stage, const Buffer *b)
{
    CHECK_ALL(type_fault(&b->type));
    CHECK(b->slots >= 1 && b->offset >= 0, "a buffer has no place");
    CHECK(b->slot_bytes >= type_bytes(&b->type), "a slot is too small");
    int64_t end;
    CHECK(mul_i64(b->slots, b->slot_bytes, &end) &&
              add_i64(end, b->offset, &end) && end <= stage->arena_bytes,
          "a buffer leaves the arena");
    return NULL;
}

static const char *dot_fault(const DotCall *dot)
{
    CHECK(dot->m >= 1 && dot->n >= 1 && dot->k >= 1 && dot->n_batch >= 0 &&
              dot->n_batch <= DOT_BATCH_MAX,
          "a matrix product has no size");
    return NULL;
}

static const char *instruction_fault(const Program *program,
                                     const ProgramStage *stage,
                                     const Instruction *i)
{
    for (int32_t b = 0; b < i->n_buffers; b++)
        CHECK(index_in(i->buffers[b], stage->buffers.count),
              "an instruction names a buffer that is not there");
    switch (i->kind) {
    case INSTRUCTION_RUN:
        CHECK(index_in(i->kernel, stage->kernels.count),
              "an instruction names a kernel that is not there");
        CHECK(i->n_buffers >= 1, "a kernel has no result");
        break;
    case INSTRUCTION_COLLECTIVE:
        CHECK(i->n_buffers == 2 && op_has(i->collective, TRAIT_COLLECTIVE),
              "a collective is malformed");
        CHECK((i->collective_attr.axes & AXIS_MASK_TIME) == 0 &&
                  i->collective_attr.axes >> stage->mesh.n_axes == 0,
              "a collective names axes that are not there");
        break;
    case INSTRUCTION_SEND:
    case INSTRUCTION_RECEIVE:
        CHECK(i->n_buffers == 1 &&
                  index_in(i->transfer, program->transfers.count),
              "a transfer is malformed");
        break;
    case INSTRUCTION_WORLD_SUM:
        CHECK(i->n_buffers >= 1 &&
                  index_in(i->world_sum, program->world_sums.count),
              "a world sum is malformed");
        break;
    }
    return NULL;
}

static const char *schedule_fault(const Program *program,
                                  const ProgramStage *stage)
{
    for (int64_t t = 0; t < stage->schedule.count; t++) {
        const Task *task = &stage->schedule.data[t];
        CHECK(index_in(task->microbatch, program->n_microbatches),
              "a task names a microbatch that is not there");
        CHECK(task->first >= 0 && task->first <= task->end &&
                  task->end <=
                      stage->segments[task->segment].instructions.count,
              "a task names instructions that are not there");
    }
    return NULL;
}

static const char *stage_fault(const Program *program,
                               const ProgramStage *stage)
{
    CHECK_ALL(mesh_fault(&stage->mesh));
    CHECK(stage->mesh.axis[AXIS_MICROBATCH].size == program->n_microbatches,
          "a stage has another number of microbatches");
    for (int64_t i = 0; i < mesh_devices(&stage->mesh); i++)
        CHECK(index_in(stage->ranks[i], program->n_ranks),
              "a rank is out of range");
    for (int64_t i = 0; i < stage->buffers.count; i++)
        CHECK_ALL(buffer_fault(stage, &stage->buffers.data[i]));
    for (int64_t i = 0; i < stage->kernels.count; i++)
        if (stage->kernels.data[i].kind == KERNEL_DOT)
            CHECK_ALL(dot_fault(&stage->kernels.data[i].dot));
    for (int64_t i = 0; i < stage->inputs.count; i++) {
        const StageInput *input = &stage->inputs.data[i];
        CHECK(index_in(input->input, program->inputs.count) &&
                  index_in(input->buffer, stage->buffers.count),
              "a stage reads an input that is not there");
        CHECK_ALL(sharding_fault(&stage->mesh,
                                 &program->inputs.data[input->input].type,
                                 &input->sharding));
    }
    for (int s = 0; s < SEGMENT_COUNT; s++)
        for (int64_t i = 0; i < stage->segments[s].instructions.count; i++)
            CHECK_ALL(instruction_fault(
                program, stage, &stage->segments[s].instructions.data[i]));
    return schedule_fault(program, stage);
}

static const char *transfer_fault(const Program *program, const Transfer *t)
{
    CHECK_ALL(type_fault(&t->type));
    CHECK(index_in(t->from_stage, program->stages.count) &&
              index_in(t->to_stage, program->stages.count),
          "a transfer names a stage that is not there");
    CHECK_ALL(sharding_fault(&program->stages.data[t->from_stage].mesh,
                             &t->type, &t->from));
    CHECK_ALL(sharding_fault(&program->stages.data[t->to_stage].mesh, &t->type,
                             &t->to));
    CHECK(!t->from.partial && !t->to.partial, "a transfer is partial");
    return NULL;
}

static const char *variable_fault(const Program *program,
                                  const ProgramVariable *v)
{
    CHECK_ALL(type_fault(&v->type));
    CHECK(index_in(v->stage, program->stages.count),
          "a variable names a stage that is not there");
    const ProgramStage *stage = &program->stages.data[v->stage];
    CHECK(index_in(v->buffer, stage->buffers.count),
          "a variable names a buffer that is not there");
    CHECK(!v->sharding.partial, "a variable is partial");
    return sharding_fault(&stage->mesh, &v->type, &v->sharding);
}

static const char *output_fault(const Program *program, const ProgramOutput *o)
{
    CHECK_ALL(type_fault(&o->type));
    CHECK(o->buffers.count == program->stages.count,
          "an output does not list every stage");
    for (int64_t s = 0; s < o->buffers.count; s++)
        CHECK(o->buffers.data[s] == -1 ||
                  index_in(o->buffers.data[s],
                           program->stages.data[s].buffers.count),
              "an output names a buffer that is not there");
    if (o->kind != OUTPUT_VALUE)
        return NULL;
    CHECK(index_in(o->stage, program->stages.count),
          "an output names a stage that is not there");
    return sharding_fault(&program->stages.data[o->stage].mesh, &o->type,
                          &o->sharding);
}

const char *program_fault(const Program *program)
{
    CHECK(program->n_microbatches >= 1 && program->n_ranks >= 1 &&
              program->batch >= 1,
          "it has no work");
    for (int64_t i = 0; i < program->inputs.count; i++) {
        const ProgramInput *input = &program->inputs.data[i];
        CHECK_ALL(type_fault(&input->type));
        CHECK(input->shift_of == -1 ||
                  index_in(input->shift_of, program->inputs.count),
              "an input names an input that is not there");
    }
    for (int64_t i = 0; i < program->stages.count; i++)
        CHECK_ALL(stage_fault(program, &program->stages.data[i]));
    for (int64_t i = 0; i < program->transfers.count; i++)
        CHECK_ALL(transfer_fault(program, &program->transfers.data[i]));
    for (int64_t i = 0; i < program->world_sums.count; i++) {
        const WorldSum *sum = &program->world_sums.data[i];
        for (int64_t t = 0; t < sum->terms.count; t++)
            CHECK(index_in(sum->terms.data[t].stage, program->stages.count),
                  "a world sum names a stage that is not there");
    }
    for (int64_t i = 0; i < program->variables.count; i++)
        CHECK_ALL(variable_fault(program, &program->variables.data[i]));
    for (int64_t i = 0; i < program->outputs.count; i++)
        CHECK_ALL(output_fault(program, &program->outputs.data[i]));
    return NULL;
}
