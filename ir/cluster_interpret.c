/* Virtual cluster: a program executed in one process.
 *
 * The devices of a stage execute each instruction together; stages advance
 * until they must meet.  Memory that holds nothing yet is full of NaN, so that
 * what is read too early shows.
 */
#include "ir/cluster_interpret.h"

#include <assert.h>
#include <string.h>

void virtual_coordinates(const VirtualStage *stage, int64_t device,
                         int64_t microbatch, int64_t *coordinates)
{
    memset(coordinates, 0, MESH_AXES_MAX * sizeof *coordinates);
    mesh_coordinates(&stage->stage->mesh, device, coordinates);
    coordinates[AXIS_MICROBATCH] = microbatch;
}

char *virtual_bytes(const VirtualStage *stage, int64_t device, int32_t buffer,
                    int64_t microbatch)
{
    const Buffer *b = &stage->stage->buffers.data[buffer];
    return stage->memory[device] + b->offset +
           microbatch % b->slots * b->slot_bytes;
}

static void fill_with_nan(char *bytes, int64_t count)
{
    memset(bytes, 0xff, (size_t)count);
}

VirtualCluster *cluster_new(Arena *arena, const Program *program,
                            const ProgramCode *code, uint64_t seed)
{
    VirtualCluster *cluster = arena_new(arena, VirtualCluster, 1);
    *cluster = (VirtualCluster){
        .arena = arena,
        .program = program,
        .code = code,
        .stages = arena_new(arena, VirtualStage, program->stages.count),
        .context = {.seed = seed},
    };
    for (int64_t s = 0; s < program->stages.count; s++) {
        VirtualStage *stage = &cluster->stages[s];
        stage->stage = &program->stages.data[s];
        stage->bodies = &code->stages.data[s];
        stage->n_devices = mesh_devices(&stage->stage->mesh);
        stage->memory = arena_new(arena, char *, stage->n_devices);
        for (int64_t d = 0; d < stage->n_devices; d++) {
            int64_t bytes = stage->stage->arena_bytes;
            stage->memory[d] = arena_alloc(arena, bytes, 1, 64);
            fill_with_nan(stage->memory[d], bytes);
        }
    }
    return cluster;
}

void cluster_use_code(VirtualCluster *cluster, KernelFunction *const *code)
{
    cluster->functions = code;
}

/* -- inputs ---------------------------------------------------------------- */

static void load_block(VirtualStage *stage, const StageInput *input,
                       const Tensor *whole, int64_t device, int64_t microbatch)
{
    const LogicalMesh *mesh = &stage->stage->mesh;
    const Shape *shape = &whole->type.shape;
    int64_t at[MESH_AXES_MAX], begin[RANK_MAX] = {0}, length[RANK_MAX] = {0};
    virtual_coordinates(stage, device, microbatch, at);
    for (int32_t d = 0; d < shape->rank; d++)
        sharding_local_range(mesh, shape->extent[d], input->sharding.axes[d],
                             at, &begin[d], &length[d]);
    char *bytes = virtual_bytes(stage, device, input->buffer, microbatch);
    BlockView to = block_view(bytes, &whole->type, mesh, &input->sharding, at);
    BlockView from = {.data = whole->data, .shape = *shape};
    fill_with_nan(bytes,
                  type_bytes(&stage->stage->buffers.data[input->buffer].type));
    block_copy(&to, &from, begin, length, dtype_bytes(whole->type.dtype));
}

/* What is split over microbatches is filled before the first task of each;
 * other inputs before the first task of all. */
static void load_inputs(VirtualStage *stage, const Task *task,
                        const Tensor *inputs)
{
    bool eval = task->segment >= SEGMENT_EVAL_BEGIN;
    bool next =
        (task->segment == SEGMENT_EVAL || task->segment == SEGMENT_FORWARD) &&
        task->microbatch >= stage->loaded;
    if (next)
        stage->loaded = task->microbatch + 1;
    bool begins = eval ? next && task->microbatch == 0
                       : task->segment != SEGMENT_INIT && stage->task == 0;
    for (int64_t i = 0; i < stage->stage->inputs.count; i++) {
        const StageInput *input = &stage->stage->inputs.data[i];
        bool in_time = input->sharding.axes[0] & AXIS_MASK_TIME;
        if (input->eval != eval || !(in_time ? next : begins))
            continue;
        for (int64_t d = 0; d < stage->n_devices; d++)
            load_block(stage, input, &inputs[input->input], d,
                       task->microbatch);
    }
}

/* -- execution ------------------------------------------------------------- */

static const Instruction *current(const VirtualStage *stage)
{
    if (stage->task == stage->n_tasks)
        return NULL;
    const Task *task = &stage->tasks[stage->task];
    return &stage->stage->segments[task->segment]
                .instructions.data[stage->instruction];
}

static int64_t microbatch_of(const VirtualStage *stage)
{
    return stage->tasks[stage->task].microbatch;
}

static void enter_task(VirtualStage *stage, const Tensor *inputs)
{
    for (; stage->task < stage->n_tasks; stage->task++) {
        const Task *task = &stage->tasks[stage->task];
        stage->instruction = task->first;
        load_inputs(stage, task, inputs);
        if (task->first < task->end)
            return;
    }
}

static void advance(VirtualStage *stage, const Tensor *inputs)
{
    if (++stage->instruction < stage->tasks[stage->task].end)
        return;
    stage->task++;
    enter_task(stage, inputs);
}

static bool step_transfer(VirtualCluster *c, VirtualStage *stage,
                          const Tensor *inputs)
{
    const Instruction *in = current(stage);
    const Transfer *t = &c->program->transfers.data[in->transfer];
    VirtualStage *from = &c->stages[t->from_stage];
    VirtualStage *to = &c->stages[t->to_stage];
    const Instruction *send = current(from), *receive = current(to);
    if (!send || !receive || send->kind != INSTRUCTION_SEND ||
        receive->kind != INSTRUCTION_RECEIVE ||
        send->transfer != receive->transfer ||
        microbatch_of(from) != microbatch_of(to))
        return false;
    virtual_transfer(c, send, receive, microbatch_of(from));
    advance(from, inputs);
    advance(to, inputs);
    return true;
}

static bool step_world_sum(VirtualCluster *c, int32_t world_sum,
                           const Tensor *inputs)
{
    for (int64_t s = 0; s < c->program->stages.count; s++) {
        const Instruction *in = current(&c->stages[s]);
        if (!in || in->kind != INSTRUCTION_WORLD_SUM ||
            in->world_sum != world_sum)
            return false;
    }
    virtual_world_sum(c, world_sum);
    for (int64_t s = 0; s < c->program->stages.count; s++)
        advance(&c->stages[s], inputs);
    return true;
}

/* One instruction of a stage; false when it is done or must wait. */
static bool step(VirtualCluster *c, VirtualStage *stage, const Tensor *inputs)
{
    const Instruction *in = current(stage);
    if (!in)
        return false;
    switch (in->kind) {
    case INSTRUCTION_SEND:
    case INSTRUCTION_RECEIVE: return step_transfer(c, stage, inputs);
    case INSTRUCTION_WORLD_SUM: return step_world_sum(c, in->world_sum, inputs);
    case INSTRUCTION_RUN:
        virtual_run(c, stage, in, microbatch_of(stage));
        break;
    case INSTRUCTION_COLLECTIVE:
        virtual_collective(stage, in, microbatch_of(stage), *c->arena);
        break;
    }
    advance(stage, inputs);
    return true;
}

/* Runs every stage's tasks to their end. */
static Status run(VirtualCluster *c, const Tensor *inputs)
{
    bool progress = true;
    for (int64_t s = 0; s < c->program->stages.count; s++) {
        VirtualStage *stage = &c->stages[s];
        stage->task = stage->loaded = 0;
        enter_task(stage, inputs);
    }
    while (progress) {
        progress = false;
        for (int64_t s = 0; s < c->program->stages.count; s++)
            while (step(c, &c->stages[s], inputs))
                progress = true;
    }
    for (int64_t s = 0; s < c->program->stages.count; s++) {
        const VirtualStage *stage = &c->stages[s];
        if (current(stage))
            return status_error(
                STATUS_ENVIRONMENT, "deadlock: stage %lld waits in %s %lld",
                (long long)s, segment_name(stage->tasks[stage->task].segment),
                (long long)microbatch_of(stage));
    }
    return status_ok();
}

/* Whatever is no variable's is forgotten between phases. */
static void forget_temporaries(const VirtualCluster *c)
{
    for (int64_t s = 0; s < c->program->stages.count; s++) {
        const VirtualStage *stage = &c->stages[s];
        for (int64_t d = 0; d < stage->n_devices; d++) {
            Arena scratch = *c->arena;
            int64_t bytes = stage->stage->arena_bytes;
            char *kept = arena_alloc(&scratch, bytes, 1, 64);
            memcpy(kept, stage->memory[d], (size_t)bytes);
            fill_with_nan(stage->memory[d], bytes);
            for (int64_t b = 0; b < stage->stage->buffers.count; b++) {
                const Buffer *buffer = &stage->stage->buffers.data[b];
                if (buffer->class == BUFFER_VARIABLE)
                    memcpy(stage->memory[d] + buffer->offset,
                           kept + buffer->offset,
                           (size_t)type_bytes(&buffer->type));
            }
        }
    }
}

static Task whole(const VirtualStage *stage, SegmentKind segment, int64_t m)
{
    return (Task){segment, m, 0,
                  (int32_t)stage->stage->segments[segment].instructions.count};
}

Status cluster_init(VirtualCluster *c)
{
    Arena scratch = *c->arena;
    for (int64_t s = 0; s < c->program->stages.count; s++) {
        VirtualStage *stage = &c->stages[s];
        Task *task = arena_new(&scratch, Task, 1);
        *task = whole(stage, SEGMENT_INIT, 0);
        stage->tasks = task;
        stage->n_tasks = 1;
    }
    VirtualCluster running = *c;
    running.arena = &scratch;
    running.context.step = 0;
    return run(&running, NULL);
}

/* Every device of every stage knows the same loss and metrics. */
static Status read_scalars(const VirtualCluster *c, bool eval, double *scalars)
{
    for (int64_t o = 0; o < c->program->outputs.count; o++) {
        const ProgramOutput *output = &c->program->outputs.data[o];
        if (output->eval != eval || output->kind == OUTPUT_VALUE)
            continue;
        float first = 0, value;
        for (int64_t s = 0; s < c->program->stages.count; s++)
            for (int64_t d = 0; d < c->stages[s].n_devices; d++) {
                memcpy(
                    &value,
                    virtual_bytes(&c->stages[s], d, output->buffers.data[s], 0),
                    sizeof value);
                if (s == 0 && d == 0)
                    first = value;
                else if (memcmp(&first, &value, sizeof value) != 0)
                    return status_error(
                        STATUS_ENVIRONMENT,
                        "'%.*s' differs between devices: stage %lld device "
                        "%lld",
                        STR_ARG(output->name), (long long)s, (long long)d);
            }
        if (scalars)
            *scalars++ = (double)first;
    }
    return status_ok();
}

Status cluster_step(VirtualCluster *c, const Tensor *inputs, int64_t step_,
                    double *scalars)
{
    c->context.step = step_;
    c->context.sample_count = c->program->batch;
    forget_temporaries(c);
    for (int64_t s = 0; s < c->program->stages.count; s++) {
        c->stages[s].tasks = c->stages[s].stage->schedule.data;
        c->stages[s].n_tasks = c->stages[s].stage->schedule.count;
    }
    TRY(run(c, inputs));
    return read_scalars(c, false, scalars);
}

Status cluster_eval(VirtualCluster *c, const Tensor *inputs,
                    int64_t sample_count, double *scalars)
{
    Arena scratch = *c->arena;
    int64_t m = c->program->n_microbatches;
    c->context.sample_count = sample_count;
    forget_temporaries(c);
    for (int64_t s = 0; s < c->program->stages.count; s++) {
        VirtualStage *stage = &c->stages[s];
        Task *tasks = arena_new(&scratch, Task, m + 2);
        stage->tasks = tasks;
        stage->n_tasks = m + 2;
        tasks[0] = whole(stage, SEGMENT_EVAL_BEGIN, 0);
        for (int64_t i = 0; i < m; i++)
            tasks[i + 1] = whole(stage, SEGMENT_EVAL, i);
        tasks[m + 1] = whole(stage, SEGMENT_EVAL_END, 0);
    }
    VirtualCluster running = *c;
    running.arena = &scratch;
    TRY(run(&running, inputs));
    return read_scalars(c, true, scalars);
}

/* -- variables ------------------------------------------------------------- */

/* Copies the device's valid elements into the whole value. */
static void read_block(VirtualCluster *c, int32_t variable, Tensor whole_value,
                       int64_t device)
{
    const ProgramVariable *v = &c->program->variables.data[variable];
    VirtualStage *stage = &c->stages[v->stage];
    const LogicalMesh *mesh = &stage->stage->mesh;
    int64_t at[MESH_AXES_MAX], begin[RANK_MAX] = {0}, length[RANK_MAX] = {0};
    virtual_coordinates(stage, device, 0, at);
    for (int32_t d = 0; d < v->type.shape.rank; d++)
        sharding_local_range(mesh, v->type.shape.extent[d], v->sharding.axes[d],
                             at, &begin[d], &length[d]);
    BlockView block = block_view(virtual_bytes(stage, device, v->buffer, 0),
                                 &v->type, mesh, &v->sharding, at);
    BlockView all = {.data = whole_value.data, .shape = v->type.shape};
    block_copy(&all, &block, begin, length, dtype_bytes(v->type.dtype));
}

Status cluster_read_variable(VirtualCluster *c, int32_t variable, Arena *arena,
                             Tensor *out)
{
    const ProgramVariable *v = &c->program->variables.data[variable];
    int64_t n = c->stages[v->stage].n_devices;
    *out = tensor_new(arena, v->type);
    for (int64_t d = 0; d < n; d++)
        read_block(c, variable, *out, d);
    /* A replica that differs shows when it is laid over the others. */
    Arena scratch = *arena;
    Tensor again = tensor_new(&scratch, v->type);
    int64_t bytes = type_bytes(&v->type);
    for (int64_t d = 0; d < n; d++) {
        memcpy(again.data, out->data, (size_t)bytes);
        read_block(c, variable, again, d);
        if (memcmp(again.data, out->data, (size_t)bytes) != 0)
            return status_error(STATUS_ENVIRONMENT,
                                "replicas of '%.*s' differ: device %lld",
                                STR_ARG(v->name), (long long)d);
    }
    return status_ok();
}
