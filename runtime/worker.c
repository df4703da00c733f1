/* The worker's loop: tasks, instructions, inputs. */
#include "runtime/worker.h"

#include "runtime/memory_check.h"
#include "support/checked.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* -- instructions --------------------------------------------------------- */

static Status run_kernel(Worker *w, const Instruction *in, int64_t microbatch)
{
    char *buffers[INSTRUCTION_BUFFERS_MAX];
    for (int32_t i = 0; i < in->n_buffers; i++)
        buffers[i] = device_address(&w->device, in->buffers[i], microbatch);
    return w->device.interface->run(&w->device, in->kernel, buffers,
                                    &w->context);
}

static Status run_collective(Worker *w, const Instruction *in,
                             int64_t microbatch)
{
    const Buffer *from = &w->stage->buffers.data[in->buffers[0]];
    return collective_run(
        &w->collectives, in, &from->type,
        device_address(&w->device, in->buffers[0], microbatch),
        device_address(&w->device, in->buffers[1], microbatch));
}

static Status run_world_sum(Worker *w, const Instruction *in,
                            int64_t microbatch)
{
    float terms[INSTRUCTION_BUFFERS_MAX], result;
    int32_t n = in->n_buffers - 1;
    for (int32_t i = 0; i < n; i++)
        TRY(w->device.interface->read(
            &w->device, &terms[i],
            device_address(&w->device, in->buffers[i], microbatch),
            sizeof(float)));
    TRY(world_sum_run(&w->world_sums, in->world_sum, terms, &result));
    return w->device.interface->write(
        &w->device, device_address(&w->device, in->buffers[n], microbatch),
        &result, sizeof(float));
}

static Status run_instruction(Worker *w, const Instruction *in,
                              int64_t microbatch)
{
    if (in->kind == INSTRUCTION_RUN)
        return run_kernel(w, in, microbatch);
    TRY(w->device.interface->wait(&w->device));
    char *block = device_address(&w->device, in->buffers[0], microbatch);
    switch (in->kind) {
    case INSTRUCTION_RUN: break;
    case INSTRUCTION_COLLECTIVE: return run_collective(w, in, microbatch);
    case INSTRUCTION_SEND:
        return transfer_send(&w->transfers, in->transfer, block);
    case INSTRUCTION_RECEIVE:
        return transfer_receive(&w->transfers, in->transfer, block);
    case INSTRUCTION_WORLD_SUM: return run_world_sum(w, in, microbatch);
    }
    return status_ok();
}

/* Instructions [first, end) of a segment at one microbatch. */
static Status run_range(Worker *w, SegmentKind segment, int64_t first,
                        int64_t end, int64_t microbatch)
{
    const Segment *s = &w->stage->segments[segment];
    w->context.coordinate[AXIS_MICROBATCH] = microbatch;
    for (int64_t i = first; i < end; i++) {
        const Instruction *in = &s->instructions.data[i];
        double began = trace_now(w->trace);
        TRY(run_instruction(w, in, microbatch));
        trace_record(w->trace, segment, in, microbatch, began);
        TRY(w->communicator->interface->progress(w->communicator));
    }
    return status_ok();
}

static Status run_segment(Worker *w, SegmentKind segment, int64_t microbatch)
{
    return run_range(w, segment, 0,
                     w->stage->segments[segment].instructions.count,
                     microbatch);
}

/* -- inputs --------------------------------------------------------------- */

static bool is_split_in_time(const StageInput *input)
{
    return (input->sharding.axes[0] & AXIS_MASK_TIME) != 0;
}

static Status fill_input(Worker *w, const StageInput *input, int64_t microbatch,
                         const InputSource *source)
{
    const Buffer *buffer = &w->stage->buffers.data[input->buffer];
    const Shape *global = &w->program->inputs.data[input->input].type.shape;
    int64_t begin[RANK_MAX], length[RANK_MAX], coordinate[MESH_AXES_MAX];
    memcpy(coordinate, w->collectives.coordinate, sizeof(coordinate));
    coordinate[AXIS_MICROBATCH] = microbatch;
    bool is_padded = false;
    for (int32_t d = 0; d < global->rank; d++) {
        sharding_local_range(&w->stage->mesh, global->extent[d],
                             input->sharding.axes[d], coordinate, &begin[d],
                             &length[d]);
        is_padded |= length[d] != buffer->type.shape.extent[d];
    }
    int64_t bytes = type_bytes(&buffer->type);
    if (is_padded)
        memset(w->input_block, 0, (size_t)bytes);
    TRY(source->fill(source->context, input->input, begin, length,
                     &buffer->type.shape, w->input_block));
    return w->device.interface->write(
        &w->device, device_address(&w->device, input->buffer, microbatch),
        w->input_block, bytes);
}

/* The inputs of training or evaluation that change with the microbatch
 * (`in_time`) or do not. */
static Status fill_inputs(Worker *w, bool eval, bool in_time,
                          int64_t microbatch, const InputSource *source)
{
    double began = trace_now(w->trace);
    for (int64_t i = 0; i < w->stage->inputs.count; i++) {
        const StageInput *input = &w->stage->inputs.data[i];
        if (input->eval == eval && is_split_in_time(input) == in_time)
            TRY(fill_input(w, input, microbatch, source));
    }
    trace_record_input(w->trace, microbatch, began);
    return status_ok();
}

/* -- what a job does ------------------------------------------------------ */

Status worker_init_variables(Worker *w)
{
    return w->stage ? run_segment(w, SEGMENT_INIT, 0) : status_ok();
}

Status worker_step(Worker *w, int64_t step, const InputSource *source)
{
    if (!w->stage)
        return status_ok();
    w->context.step = step;
    w->context.sample_count = w->program->batch;
    TRY(transfers_begin_step(&w->transfers));
    TRY(fill_inputs(w, false, false, 0, source));
    int64_t filled = -1;
    for (int64_t i = 0; i < w->stage->schedule.count; i++) {
        const Task *task = &w->stage->schedule.data[i];
        if (task->segment == SEGMENT_FORWARD && task->microbatch > filled) {
            filled = task->microbatch;
            TRY(fill_inputs(w, false, true, filled, source));
        }
        TRY(run_range(w, task->segment, task->first, task->end,
                      task->microbatch));
    }
    return w->device.interface->wait(&w->device);
}

Status worker_eval_begin(Worker *w, int64_t step)
{
    w->context.step = step;
    return w->stage ? run_segment(w, SEGMENT_EVAL_BEGIN, 0) : status_ok();
}

static Status give_outputs(Worker *w, int64_t microbatch,
                           const OutputSink *sink)
{
    for (int32_t i = 0; i < w->program->outputs.count; i++) {
        const ProgramOutput *o = &w->program->outputs.data[i];
        if (o->kind != OUTPUT_VALUE || !o->eval || o->stage != w->stage_index)
            continue;
        TRY(sink->take(sink->context, i, microbatch,
                       device_address(&w->device,
                                      o->buffers.data[w->stage_index],
                                      microbatch)));
    }
    return status_ok();
}

Status worker_eval_batch(Worker *w, int64_t sample_count,
                         const InputSource *source, const OutputSink *sink)
{
    if (!w->stage)
        return status_ok();
    w->context.sample_count = sample_count;
    TRY(fill_inputs(w, true, false, 0, source));
    for (int64_t m = 0; m < w->program->n_microbatches; m++) {
        TRY(fill_inputs(w, true, true, m, source));
        TRY(run_segment(w, SEGMENT_EVAL, m));
        if (sink) {
            TRY(w->device.interface->wait(&w->device));
            TRY(give_outputs(w, m, sink));
        }
    }
    TRY(run_segment(w, SEGMENT_EVAL_END, 0));
    return w->device.interface->wait(&w->device);
}

Status worker_scalar(Worker *w, int32_t output, float *value)
{
    const ProgramOutput *o = &w->program->outputs.data[output];
    assert(w->stage && o->buffers.data[w->stage_index] >= 0);
    return w->device.interface->read(
        &w->device, value,
        device_address(&w->device, o->buffers.data[w->stage_index], 0),
        sizeof(float));
}

/* -- making and ending ---------------------------------------------------- */

static int64_t longest_input_bytes(const ProgramStage *stage)
{
    int64_t longest = 64;
    for (int64_t i = 0; i < stage->inputs.count; i++) {
        int32_t buffer = stage->inputs.data[i].buffer;
        longest =
            max_i64(longest, type_bytes(&stage->buffers.data[buffer].type));
    }
    return longest;
}

static Status init_active(Worker *w, const WorkerOptions *options, Arena *arena)
{
    w->stage = &w->program->stages.data[w->stage_index];
    w->context.seed = options->seed;
    TRY(world_sums_init(&w->world_sums, w->communicator, w->program,
                        w->stage_index, arena));
    TRY(collectives_init(&w->collectives, w->communicator, w->stage,
                         w->device_index));
    memcpy(w->context.coordinate, w->collectives.coordinate,
           sizeof(w->context.coordinate));
    TRY(transfers_init(&w->transfers, w->communicator, w->program,
                       w->stage_index, w->device_index, arena));
    w->input_block = calloc(1, (size_t)longest_input_bytes(w->stage));
    if (!w->input_block)
        return status_error(STATUS_ENVIRONMENT, "out of memory");
    return cpu_device_init(&w->device, w->stage, &options->device);
}

Status worker_init(Worker *w, const Program *program,
                   Communicator *communicator, const WorkerOptions *options,
                   Arena *arena)
{
    *w = (Worker){.program = program,
                  .communicator = communicator,
                  .trace = options->trace};
    bool is_active = program_place(program, communicator->rank, &w->stage_index,
                                   &w->device_index);
    const ProgramStage *stage = &program->stages.data[w->stage_index];
    TRY(memory_check(communicator, is_active ? stage->arena_bytes : 0));
    Status status = status_ok();
    if (is_active)
        status = init_active(w, options, arena);
    return communicator_agree(communicator, status);
}

void worker_deinit(Worker *w)
{
    transfers_deinit(&w->transfers);
    collectives_deinit(&w->collectives);
    device_deinit(&w->device);
    free(w->input_block);
    *w = (Worker){0};
}
