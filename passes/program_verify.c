/* Program verify: every stage's instructions are executed in their order with
 * a stamp (the microbatch) in place of data; stages meet at transfers. */
#include "passes/program_verify.h"

#include "passes/lower.h"
#include "support/checked.h"

#include <assert.h>

enum {
    STAMP_NONE = -1, /* holds nothing meaningful */
};

typedef struct StageRun {
    const ProgramStage *stage;
    const StageBodies *bodies;
    int32_t number;
    int64_t **stamp;   /* [buffer][slot] */
    bool *from_loop;   /* by buffer: written once a microbatch */
    bool *accumulates; /* by buffer */
    bool *written;     /* by buffer: a variable that has its new value */
    const Task *tasks; /* of the phase */
    int64_t n_tasks, task;
    int32_t instruction;
    int64_t loaded; /* microbatches whose inputs are there */
} StageRun;

typedef struct Verifier {
    const Program *program;
    StageRun *runs;
    Arena *arena;
    Str fault;
} Verifier;

static const Instruction *current(const StageRun *run)
{
    if (run->task == run->n_tasks)
        return NULL;
    const Task *task = &run->tasks[run->task];
    return &run->stage->segments[task->segment]
                .instructions.data[run->instruction];
}

static void fail(Verifier *v, const StageRun *run, const char *what,
                 int32_t buffer)
{
    if (v->fault.length)
        return;
    const Task *task = &run->tasks[run->task];
    v->fault = str_format(
        v->arena, "stage %d, %s %lld, instruction %d: buffer %d \"%.*s\" %s",
        run->number, segment_name(task->segment), (long long)task->microbatch,
        run->instruction, buffer,
        STR_ARG(run->stage->buffers.data[buffer].name), what);
}

/* -- stamps ---------------------------------------------------------------- */

static bool is_loop(SegmentKind segment)
{
    return segment == SEGMENT_FORWARD || segment == SEGMENT_BACKWARD ||
           segment == SEGMENT_EVAL;
}

static int64_t slot_of(const StageRun *run, int32_t buffer, int64_t microbatch)
{
    return microbatch % run->stage->buffers.data[buffer].slots;
}

/* What a correct read finds: this microbatch's value; outside the loop the
 * last microbatch's; a per-step value has stamp 0. */
static int64_t expected_stamp(const Verifier *v, const StageRun *run,
                              int32_t buffer)
{
    const Task *task = &run->tasks[run->task];
    if (!run->from_loop[buffer])
        return 0;
    return is_loop(task->segment) ? task->microbatch
                                  : v->program->n_microbatches - 1;
}

static void read_buffer(Verifier *v, const StageRun *run, int32_t buffer)
{
    int64_t wanted = expected_stamp(v, run, buffer);
    if (run->stamp[buffer][slot_of(run, buffer, wanted)] != wanted)
        fail(v, run, "does not hold the value that is read", buffer);
}

/* Whatever else lies in the slot's bytes is gone. */
static void overwrite(const StageRun *run, int32_t buffer, int64_t slot)
{
    const Buffer *buffers = run->stage->buffers.data;
    int64_t begin = buffers[buffer].offset + slot * buffers[buffer].slot_bytes;
    int64_t end = begin + buffers[buffer].slot_bytes;
    for (int32_t b = 0; b < run->stage->buffers.count; b++) {
        const Buffer *other = &buffers[b];
        if (other->offset >= end ||
            other->offset + other->slots * other->slot_bytes <= begin)
            continue;
        for (int64_t s = 0; s < other->slots; s++) {
            int64_t at = other->offset + s * other->slot_bytes;
            if (at < end && at + other->slot_bytes > begin)
                run->stamp[b][s] = STAMP_NONE;
        }
    }
}

static void write_buffer(Verifier *v, StageRun *run, int32_t buffer)
{
    const Task *task = &run->tasks[run->task];
    int64_t stamp = run->from_loop[buffer] ? task->microbatch : 0;
    int64_t slot = slot_of(run, buffer, stamp);
    if (run->accumulates[buffer] && stamp > 0 &&
        run->stamp[buffer][slot] != stamp - 1)
        fail(v, run, "does not hold the sum so far", buffer);
    overwrite(run, buffer, slot);
    run->stamp[buffer][slot] = stamp;
    run->written[buffer] = true;
}

/* The loader fills what is split over the microbatches before each one's
 * segment begins, other inputs before the step or batch. */
static void load_inputs(Verifier *v, StageRun *run, const Task *task)
{
    bool eval = task->segment >= SEGMENT_EVAL_BEGIN;
    if (task->segment == SEGMENT_EVAL_END)
        run->loaded = 0; /* another batch may follow */
    bool next =
        (task->segment == SEGMENT_EVAL || task->segment == SEGMENT_FORWARD) &&
        task->microbatch >= run->loaded;
    if (next)
        run->loaded = task->microbatch + 1;
    bool begins = eval ? next && task->microbatch == 0
                       : task->segment != SEGMENT_INIT && run->task == 0;
    for (int64_t i = 0; i < run->stage->inputs.count; i++) {
        const StageInput *input = &run->stage->inputs.data[i];
        bool in_time = input->sharding.axes[0] & AXIS_MASK_TIME;
        if (input->eval == eval && (in_time ? next : begins))
            write_buffer(v, run, input->buffer);
    }
}

/* -- instructions ---------------------------------------------------------- */

static bool bytes_overlap(const StageRun *run, int32_t a, int32_t b)
{
    const Buffer *x = &run->stage->buffers.data[a];
    const Buffer *y = &run->stage->buffers.data[b];
    return x->offset < y->offset + y->slots * y->slot_bytes &&
           y->offset < x->offset + x->slots * x->slot_bytes;
}

static void check_in_place(Verifier *v, const StageRun *run,
                           const Instruction *in, int32_t operand)
{
    int32_t result = in->buffers[in->n_buffers - 1];
    int32_t source = in->buffers[operand];
    const Buffer *buffers = run->stage->buffers.data;
    if (!bytes_overlap(run, source, result))
        return;
    bool legal = buffers[source].offset == buffers[result].offset;
    if (in->kind == INSTRUCTION_COLLECTIVE)
        legal = legal && in->collective == OP_ALL_REDUCE;
    if (in->kind == INSTRUCTION_RUN) {
        const KernelBody *body = &run->bodies->kernels.data[in->kernel];
        legal = legal &&
                run->stage->kernels.data[in->kernel].kind == KERNEL_CODE &&
                kernel_reads_in_place(body, body->operands.data[operand]);
    }
    if (!legal)
        fail(v, run, "is overwritten by what reads it", source);
}

/* A kernel that means a variable's old value may not find the new one. */
static void check_old_value(Verifier *v, const StageRun *run,
                            const Instruction *in, int32_t operand)
{
    const KernelBody *body = &run->bodies->kernels.data[in->kernel];
    const Node *node = graph_node(body->graph, body->operands.data[operand]);
    while (node->op == OP_RESHAPE)
        node = graph_operand(body->graph, node, 0);
    int32_t buffer = in->buffers[operand];
    if (node->op == OP_VARIABLE && run->written[buffer])
        fail(v, run, "has its new value already", buffer);
}

static void execute(Verifier *v, StageRun *run, const Instruction *in)
{
    bool writes = in->kind != INSTRUCTION_SEND;
    for (int32_t b = 0; b < in->n_buffers - writes; b++) {
        read_buffer(v, run, in->buffers[b]);
        if (writes)
            check_in_place(v, run, in, b);
        if (in->kind == INSTRUCTION_RUN)
            check_old_value(v, run, in, b);
    }
    if (writes)
        write_buffer(v, run, in->buffers[in->n_buffers - 1]);
}

/* -- the run --------------------------------------------------------------- */

static void enter_task(Verifier *v, StageRun *run)
{
    while (run->task < run->n_tasks) {
        const Task *task = &run->tasks[run->task];
        run->instruction = task->first;
        load_inputs(v, run, task);
        if (task->first < task->end)
            return;
        run->task++;
    }
}

/* Values are given to the user after each microbatch of evaluation. */
static void check_values(Verifier *v, const StageRun *run)
{
    for (int64_t o = 0; o < v->program->outputs.count; o++) {
        const ProgramOutput *output = &v->program->outputs.data[o];
        if (output->kind == OUTPUT_VALUE && output->stage == run->number)
            read_buffer(v, run, output->buffers.data[run->number]);
    }
}

static void advance(Verifier *v, StageRun *run)
{
    const Task *task = &run->tasks[run->task];
    execute(v, run, current(run));
    if (++run->instruction < task->end)
        return;
    run->instruction--;
    if (task->segment == SEGMENT_EVAL)
        check_values(v, run);
    run->task++;
    enter_task(v, run);
}

/* The peer of a transfer stands at the other end of the same microbatch. */
static bool meets(const Verifier *v, const StageRun *run)
{
    const Instruction *in = current(run);
    bool sends = in->kind == INSTRUCTION_SEND;
    const Transfer *t = &v->program->transfers.data[in->transfer];
    const StageRun *peer = &v->runs[sends ? t->to_stage : t->from_stage];
    const Instruction *other = current(peer);
    return other && other->transfer == in->transfer &&
           other->kind == (sends ? INSTRUCTION_RECEIVE : INSTRUCTION_SEND) &&
           peer->tasks[peer->task].microbatch ==
               run->tasks[run->task].microbatch;
}

static bool all_at_world_sum(const Verifier *v, int32_t world_sum)
{
    for (int64_t s = 0; s < v->program->stages.count; s++) {
        const Instruction *in = current(&v->runs[s]);
        if (!in || in->kind != INSTRUCTION_WORLD_SUM ||
            in->world_sum != world_sum)
            return false;
    }
    return true;
}

/* One step of one stage, or of those that meet; false when it is blocked. */
static bool step(Verifier *v, StageRun *run)
{
    const Instruction *in = current(run);
    if (!in)
        return false;
    if (in->kind == INSTRUCTION_WORLD_SUM) {
        if (!all_at_world_sum(v, in->world_sum))
            return false;
        for (int64_t s = 0; s < v->program->stages.count; s++)
            advance(v, &v->runs[s]);
        return true;
    }
    if (in->kind == INSTRUCTION_SEND || in->kind == INSTRUCTION_RECEIVE) {
        if (!meets(v, run))
            return false;
        const Transfer *t = &v->program->transfers.data[in->transfer];
        advance(v, &v->runs[t->from_stage]);
        advance(v, &v->runs[t->to_stage]);
        return true;
    }
    advance(v, run);
    return true;
}

static void forget(const Verifier *v, StageRun *run)
{
    for (int32_t b = 0; b < run->stage->buffers.count; b++) {
        const Buffer *buffer = &run->stage->buffers.data[b];
        run->written[b] = false;
        for (int64_t s = 0; s < buffer->slots; s++)
            run->stamp[b][s] =
                buffer->class == BUFFER_VARIABLE ? 0 : STAMP_NONE;
    }
    run->task = run->loaded = 0;
    (void)v;
}

static void check_results(Verifier *v, bool eval)
{
    for (int64_t o = 0; o < v->program->outputs.count; o++) {
        const ProgramOutput *output = &v->program->outputs.data[o];
        if (output->eval != eval || output->kind == OUTPUT_VALUE)
            continue;
        for (int64_t s = 0; s < v->program->stages.count; s++) {
            int32_t b = output->buffers.data[s];
            StageRun *run = &v->runs[s];
            if (b < 0)
                continue;
            run->task = run->n_tasks - 1;
            int64_t wanted =
                run->from_loop[b] ? v->program->n_microbatches - 1 : 0;
            if (run->stamp[b][slot_of(run, b, wanted)] != wanted)
                fail(v, run, "does not hold a result at the end", b);
        }
    }
}

/* Runs one phase on all stages: tasks[s] are stage s's. */
static void run_phase(Verifier *v)
{
    int64_t n = v->program->stages.count;
    for (int64_t s = 0; s < n; s++) {
        forget(v, &v->runs[s]);
        enter_task(v, &v->runs[s]);
    }
    bool progress = true;
    while (progress && !v->fault.length) {
        progress = false;
        for (int64_t s = 0; s < n; s++)
            while (!v->fault.length && step(v, &v->runs[s]))
                progress = true;
    }
    for (int64_t s = 0; s < n && !v->fault.length; s++)
        if (current(&v->runs[s]))
            v->fault = str_format(
                v->arena,
                "deadlock: stage %lld waits in %s %lld, "
                "instruction %d",
                (long long)s,
                segment_name(v->runs[s].tasks[v->runs[s].task].segment),
                (long long)v->runs[s].tasks[v->runs[s].task].microbatch,
                v->runs[s].instruction);
}

static void find_writers(StageRun *run)
{
    for (int s = 0; s < SEGMENT_COUNT; s++) {
        const Segment *segment = &run->stage->segments[s];
        for (int64_t i = 0; i < segment->instructions.count; i++) {
            const Instruction *in = &segment->instructions.data[i];
            int32_t result = in->buffers[in->n_buffers - 1];
            if (in->kind == INSTRUCTION_SEND)
                continue;
            run->from_loop[result] |= is_loop((SegmentKind)s);
            run->accumulates[result] |=
                in->kind == INSTRUCTION_RUN &&
                run->bodies->kernels.data[in->kernel].accumulates;
        }
    }
    for (int64_t i = 0; i < run->stage->inputs.count; i++)
        run->from_loop[run->stage->inputs.data[i].buffer] = true;
}

static void begin_stage(Verifier *v, int32_t s, const ProgramCode *code)
{
    StageRun *run = &v->runs[s];
    run->stage = &v->program->stages.data[s];
    run->bodies = &code->stages.data[s];
    run->number = s;
    int64_t count = run->stage->buffers.count;
    run->stamp = arena_new(v->arena, int64_t *, count);
    run->from_loop = arena_new(v->arena, bool, count);
    run->accumulates = arena_new(v->arena, bool, count);
    run->written = arena_new(v->arena, bool, count);
    for (int64_t b = 0; b < count; b++)
        run->stamp[b] =
            arena_new(v->arena, int64_t, run->stage->buffers.data[b].slots);
    find_writers(run);
}

static Task whole(const ProgramStage *stage, SegmentKind segment, int64_t m)
{
    return (Task){segment, m, 0,
                  (int32_t)stage->segments[segment].instructions.count};
}

/* Evaluation of two batches as tasks. */
static void set_eval_tasks(Verifier *v, StageRun *run)
{
    int64_t m = v->program->n_microbatches, n = 0;
    Task *tasks = arena_new(v->arena, Task, 2 * m + 3);
    tasks[n++] = whole(run->stage, SEGMENT_EVAL_BEGIN, 0);
    for (int batch = 0; batch < 2; batch++) {
        for (int64_t i = 0; i < m; i++)
            tasks[n++] = whole(run->stage, SEGMENT_EVAL, i);
        tasks[n++] = whole(run->stage, SEGMENT_EVAL_END, 0);
    }
    run->tasks = tasks;
    run->n_tasks = n;
}

Str program_verify(const Program *program, const ProgramCode *code,
                   Arena *arena)
{
    int64_t n = program->stages.count;
    Verifier v = {.program = program,
                  .runs = arena_new(arena, StageRun, n),
                  .arena = arena,
                  .fault = STR("")};
    for (int32_t s = 0; s < n; s++)
        begin_stage(&v, s, code);
    for (int32_t s = 0; s < n; s++) {
        Task *init = arena_new(arena, Task, 1);
        *init = whole(v.runs[s].stage, SEGMENT_INIT, 0);
        v.runs[s].tasks = init;
        v.runs[s].n_tasks = 1;
    }
    run_phase(&v);
    for (int32_t s = 0; s < n; s++) {
        v.runs[s].tasks = v.runs[s].stage->schedule.data;
        v.runs[s].n_tasks = v.runs[s].stage->schedule.count;
    }
    if (!v.fault.length)
        run_phase(&v);
    if (!v.fault.length)
        check_results(&v, false);
    for (int32_t s = 0; s < n; s++)
        set_eval_tasks(&v, &v.runs[s]);
    if (!v.fault.length)
        run_phase(&v);
    if (!v.fault.length)
        check_results(&v, true);
    return v.fault;
}
