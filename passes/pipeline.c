/* Pipeline: who computes which microbatch when, and the total order of
 * communication.
 *
 * Computation is 1F1B (Narayanan et al., "Memory-efficient pipeline-parallel
 * DNN training", ICML'21).  With unit times every task has a start; a transfer
 * takes place when the task that receives it starts, before any computation
 * that starts then.  "Time, then communication before computation, then
 * transfer, then microbatch" orders all events of all stages totally and every
 * stage executes its own in that order, so the first event that is not done
 * can always be done: blocking communication does not deadlock.
 */
#include "passes/lower.h"
#include "support/checked.h"

#include <assert.h>
#include <stdlib.h>

enum { FORWARD_TIME = 1, BACKWARD_TIME = 2 };

/* Where a transfer stands in one of its stages. */
typedef struct End {
    SegmentKind segment;
    int32_t instruction;
} End;

/* A transfer of forward or backward: once a microbatch. */
typedef struct Link1F1B {
    int32_t transfer, from_stage, to_stage;
    End send, receive;
} Link1F1B;

typedef struct StageOrder {
    Task *tasks; /* computation only, 2 x microbatches */
    int64_t *start;
    int64_t done;
} StageOrder;

typedef struct Pipeline {
    Program *program;
    Arena *arena;
    VECTOR(Link1F1B) links;
    StageOrder *stages;
} Pipeline;

static bool is_forward(SegmentKind segment)
{
    return segment == SEGMENT_FORWARD;
}

/* -- links ----------------------------------------------------------------- */

static Link1F1B *link_of(Pipeline *p, int32_t transfer)
{
    for (int64_t i = 0; i < p->links.count; i++)
        if (p->links.data[i].transfer == transfer)
            return &p->links.data[i];
    const Transfer *t = &p->program->transfers.data[transfer];
    Link1F1B *link = vector_push(p->arena, &p->links);
    *link = (Link1F1B){.transfer = transfer,
                       .from_stage = t->from_stage,
                       .to_stage = t->to_stage};
    return link;
}

static void find_links(Pipeline *p, const ProgramStage *stage,
                       SegmentKind segment)
{
    const Segment *s = &stage->segments[segment];
    for (int32_t i = 0; i < s->instructions.count; i++) {
        const Instruction *instruction = &s->instructions.data[i];
        End end = {segment, i};
        if (instruction->kind == INSTRUCTION_SEND)
            link_of(p, instruction->transfer)->send = end;
        if (instruction->kind == INSTRUCTION_RECEIVE)
            link_of(p, instruction->transfer)->receive = end;
    }
}

/* -- computation ----------------------------------------------------------- */

/* Warm-up forwards, then one forward, one backward, then the rest. */
static void order_tasks(StageOrder *order, int64_t stages_after,
                        int64_t n_microbatches)
{
    int64_t forwards = 0, backwards = 0, count = 0;
    int64_t ahead = min_i64(stages_after, n_microbatches - 1) + 1;
    while (backwards < n_microbatches) {
        bool forward =
            forwards < n_microbatches && forwards - backwards < ahead;
        order->tasks[count++] = forward ? (Task){.segment = SEGMENT_FORWARD,
                                                 .microbatch = forwards++}
                                        : (Task){.segment = SEGMENT_BACKWARD,
                                                 .microbatch = backwards++};
    }
}

static int64_t find_task(const StageOrder *order, SegmentKind segment,
                         int64_t microbatch)
{
    int64_t t = 0;
    while (order->tasks[t].segment != segment ||
           order->tasks[t].microbatch != microbatch)
        t++;
    return t;
}

static int64_t time_of(SegmentKind segment)
{
    return is_forward(segment) ? FORWARD_TIME : BACKWARD_TIME;
}

/* When the stage's next task can start; -1: a task it waits for has no time
 * yet. */
static int64_t ready_at(const Pipeline *p, int32_t s)
{
    const StageOrder *order = &p->stages[s];
    const Task *task = &order->tasks[order->done];
    int64_t ready = 0;
    if (order->done > 0)
        ready = order->start[order->done - 1] +
                time_of(order->tasks[order->done - 1].segment);
    for (int64_t i = 0; i < p->links.count; i++) {
        const Link1F1B *link = &p->links.data[i];
        if (link->to_stage != s || link->receive.segment != task->segment)
            continue;
        const StageOrder *from = &p->stages[link->from_stage];
        int64_t t = find_task(from, link->send.segment, task->microbatch);
        if (t >= from->done)
            return -1;
        ready = max_i64(ready, from->start[t] + time_of(link->send.segment));
    }
    return ready;
}

static void time_tasks(Pipeline *p)
{
    int64_t total = 2 * p->program->n_microbatches;
    int32_t n_stages = (int32_t)p->program->stages.count;
    bool progress = true;
    while (progress) {
        progress = false;
        for (int32_t s = 0; s < n_stages; s++) {
            StageOrder *order = &p->stages[s];
            int64_t at = order->done < total ? ready_at(p, s) : -1;
            if (at < 0)
                continue;
            order->start[order->done++] = at;
            progress = true;
        }
    }
    for (int32_t s = 0; s < n_stages; s++)
        assert(p->stages[s].done == total && "stages wait for each other");
}

/* -- schedules ------------------------------------------------------------- */

typedef struct Event {
    int64_t time;
    bool computes;
    int32_t transfer;
    Task task; /* one instruction, or the computation of a segment */
} Event;

static int compare_events(const void *a, const void *b)
{
    const Event *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    if (x->computes != y->computes)
        return x->computes ? 1 : -1;
    if (x->transfer != y->transfer)
        return x->transfer < y->transfer ? -1 : 1;
    return (x->task.microbatch > y->task.microbatch) -
           (x->task.microbatch < y->task.microbatch);
}

static Task transfer_task(End end, int64_t microbatch)
{
    return (Task){end.segment, microbatch, end.instruction,
                  end.instruction + 1};
}

static int64_t add_transfers(const Pipeline *p, int32_t s, Event *events)
{
    int64_t count = 0;
    for (int64_t i = 0; i < p->links.count; i++) {
        const Link1F1B *link = &p->links.data[i];
        const StageOrder *to = &p->stages[link->to_stage];
        for (int64_t m = 0; m < p->program->n_microbatches; m++) {
            int64_t time = to->start[find_task(to, link->receive.segment, m)];
            if (link->from_stage == s)
                events[count++] = (Event){time, false, link->transfer,
                                          transfer_task(link->send, m)};
            if (link->to_stage == s)
                events[count++] = (Event){time, false, link->transfer,
                                          transfer_task(link->receive, m)};
        }
    }
    return count;
}

/* What of a segment is computation: neither the receives before nor the sends
 * after. */
static void set_computation(const Segment *segment, Task *task)
{
    int32_t first = 0, end = (int32_t)segment->instructions.count;
    const Instruction *instructions = segment->instructions.data;
    while (first < end && instructions[first].kind == INSTRUCTION_RECEIVE)
        first++;
    while (end > first && instructions[end - 1].kind == INSTRUCTION_SEND)
        end--;
    task->first = first;
    task->end = end;
}

/* Appends a task, or makes the last one longer. */
static void add_task(ProgramStage *stage, Task task, Arena *arena)
{
    Task *last = stage->schedule.count
                     ? &stage->schedule.data[stage->schedule.count - 1]
                     : NULL;
    if (task.first == task.end)
        return;
    if (last && last->segment == task.segment &&
        last->microbatch == task.microbatch && last->end == task.first)
        last->end = task.end;
    else
        *vector_push(arena, &stage->schedule) = task;
}

static void add_whole(ProgramStage *stage, SegmentKind segment, Arena *arena)
{
    add_task(
        stage,
        (Task){.segment = segment,
               .end = (int32_t)stage->segments[segment].instructions.count},
        arena);
}

static void schedule_stage(const Pipeline *p, int32_t s)
{
    ProgramStage *stage = &p->program->stages.data[s];
    const StageOrder *order = &p->stages[s];
    int64_t m = p->program->n_microbatches;
    Event *events = arena_new(p->arena, Event, 2 * m * (p->links.count + 1));
    int64_t count = add_transfers(p, s, events);
    for (int64_t t = 0; t < 2 * m; t++) {
        Task task = order->tasks[t];
        set_computation(&stage->segments[task.segment], &task);
        events[count++] = (Event){order->start[t], true, 0, task};
    }
    qsort(events, (size_t)count, sizeof *events, compare_events);
    add_whole(stage, SEGMENT_BEGIN, p->arena);
    for (int64_t e = 0; e < count; e++)
        add_task(stage, events[e].task, p->arena);
    add_whole(stage, SEGMENT_UPDATE, p->arena);
}

void schedule_pipeline(Program *program, Arena *arena)
{
    int32_t n_stages = (int32_t)program->stages.count;
    int64_t m = program->n_microbatches;
    Pipeline p = {.program = program,
                  .arena = arena,
                  .stages = arena_new(arena, StageOrder, n_stages)};
    for (int32_t s = 0; s < n_stages; s++) {
        p.stages[s].tasks = arena_new(arena, Task, 2 * m);
        p.stages[s].start = arena_new(arena, int64_t, 2 * m);
        order_tasks(&p.stages[s], n_stages - 1 - s, m);
        find_links(&p, &program->stages.data[s], SEGMENT_FORWARD);
        find_links(&p, &program->stages.data[s], SEGMENT_BACKWARD);
    }
    time_tasks(&p);
    for (int32_t s = 0; s < n_stages; s++)
        schedule_stage(&p, s);
}
