/* Place: every buffer's offset in a stage's arena.
 *
 * The training step, evaluation and initialisation are three timelines that
 * share the arena; variables are in all of them.  On a timeline instructions
 * have positions (segment after segment), and a buffer lives from its first
 * write to its last read.  What lives across tasks of a loop over microbatches
 * lives through the whole loop, once for each microbatch in flight.
 *
 * Offsets are first fit, the largest buffers first, ties in buffer order.
 */
#include "passes/lower.h"
#include "support/checked.h"

#include <assert.h>
#include <stdlib.h>

enum { ALIGNMENT = 64 };

typedef enum Timeline {
    TIMELINE_TRAIN,
    TIMELINE_EVAL,
    TIMELINE_INIT,
    TIMELINE_ALL, /* variables */
} Timeline;

static Timeline timeline_of(SegmentKind segment)
{
    switch (segment) {
    case SEGMENT_INIT: return TIMELINE_INIT;
    case SEGMENT_EVAL_BEGIN:
    case SEGMENT_EVAL:
    case SEGMENT_EVAL_END: return TIMELINE_EVAL;
    default: return TIMELINE_TRAIN;
    }
}

typedef struct Life {
    bool used;
    Timeline timeline;
    uint32_t segments;   /* mask: where it is touched */
    int64_t first, last; /* positions */
    bool accumulates;    /* keeps its value from microbatch to microbatch */
    bool crosses;        /* is sent or received in a pipelined segment */
    bool is_result;      /* the job reads it afterwards */
    int32_t merged;      /* the buffer in whose place it lies, or itself */
} Life;

typedef struct Placer {
    const Program *program;
    ProgramStage *stage;
    const StageBodies *bodies;
    int32_t number;
    int64_t base[SEGMENT_COUNT + 1]; /* position of each segment's first */
    Life *life;                      /* by buffer */
    Arena *arena;
} Placer;

static uint32_t bit(SegmentKind segment)
{
    return 1u << segment;
}

static int64_t end_of(const Placer *p, SegmentKind segment)
{
    return p->base[segment + 1] - 1;
}

static bool is_variable(const Placer *p, int32_t buffer)
{
    return p->stage->buffers.data[buffer].class == BUFFER_VARIABLE;
}

/* -- lives ----------------------------------------------------------------- */

static void touch(Placer *p, int32_t buffer, SegmentKind segment, int64_t at)
{
    Life *life = &p->life[buffer];
    life->first = life->used ? min_i64(life->first, at) : at;
    life->last = life->used ? max_i64(life->last, at) : at;
    life->used = true;
    life->timeline = timeline_of(segment);
    life->segments |= bit(segment);
}

static void touch_instructions(Placer *p, SegmentKind segment)
{
    const Segment *s = &p->stage->segments[segment];
    bool pipelined = segment == SEGMENT_FORWARD || segment == SEGMENT_BACKWARD;
    for (int64_t i = 0; i < s->instructions.count; i++) {
        const Instruction *in = &s->instructions.data[i];
        for (int32_t b = 0; b < in->n_buffers; b++)
            touch(p, in->buffers[b], segment, p->base[segment] + i);
        int32_t result = in->buffers[in->n_buffers - 1];
        p->life[result].accumulates |=
            in->kind == INSTRUCTION_RUN &&
            p->bodies->kernels.data[in->kernel].accumulates;
        p->life[result].crosses |=
            pipelined &&
            (in->kind == INSTRUCTION_SEND || in->kind == INSTRUCTION_RECEIVE);
    }
}

/* The loader fills an input before its segment runs, or before the step where
 * it is not split over microbatches; results are read when their segment, or
 * the step, is over. */
static void touch_from_outside(Placer *p)
{
    for (int64_t i = 0; i < p->stage->inputs.count; i++) {
        const StageInput *input = &p->stage->inputs.data[i];
        SegmentKind segment = input->eval ? SEGMENT_EVAL : SEGMENT_FORWARD;
        bool in_time = input->sharding.axes[0] & AXIS_MASK_TIME;
        touch(p, input->buffer, segment,
              p->base[in_time || input->eval ? segment : SEGMENT_BEGIN]);
    }
    for (int64_t i = 0; i < p->program->outputs.count; i++) {
        const ProgramOutput *output = &p->program->outputs.data[i];
        int32_t buffer = output->buffers.data[p->number];
        if (buffer >= 0)
            p->life[buffer].is_result = true;
    }
}

static void extend(Life *life, int64_t first, int64_t last)
{
    life->first = min_i64(life->first, first);
    life->last = max_i64(life->last, last);
}

/* Whether the stage runs one microbatch's forward and backward before the
 * next, so that what is saved lives from its place to its place. */
static bool one_in_flight(const ProgramStage *stage)
{
    int64_t in_flight = -1;
    for (int64_t t = 0; t < stage->schedule.count; t++) {
        const Task *task = &stage->schedule.data[t];
        if (task->segment == SEGMENT_BACKWARD)
            in_flight = -1;
        else if (task->segment == SEGMENT_FORWARD) {
            if (in_flight >= 0 && in_flight != task->microbatch)
                return false;
            in_flight = task->microbatch;
        }
    }
    return true;
}

static void extend_train(const Placer *p, Life *life, bool alone)
{
    uint32_t loop = bit(SEGMENT_FORWARD) | bit(SEGMENT_BACKWARD);
    int64_t first = p->base[SEGMENT_FORWARD],
            last = end_of(p, SEGMENT_BACKWARD);
    bool loops = p->program->n_microbatches > 1;
    bool outside = (life->segments & ~loop) != 0;
    if (life->is_result)
        extend(life, life->first, end_of(p, SEGMENT_UPDATE));
    if ((life->segments & loop) == 0)
        return;
    if (life->crosses || (loops && (life->accumulates || outside)))
        extend(life, life->segments & bit(SEGMENT_BEGIN) ? life->first : first,
               last);
    else if (life->segments == loop && !alone)
        extend(life, first, last);
}

static void extend_eval(const Placer *p, Life *life)
{
    bool loops = p->program->n_microbatches > 1;
    int64_t end = end_of(p, SEGMENT_EVAL_END);
    if (life->segments & bit(SEGMENT_EVAL_BEGIN) &&
        life->segments != bit(SEGMENT_EVAL_BEGIN)) {
        extend(life, life->first, end); /* batch after batch */
        return;
    }
    if (life->is_result)
        extend(life, life->first,
               life->segments == bit(SEGMENT_EVAL) ? end_of(p, SEGMENT_EVAL)
                                                   : end);
    if (life->accumulates && loops)
        extend(life, p->base[SEGMENT_EVAL], life->last);
}

static void find_lives(Placer *p)
{
    bool alone = one_in_flight(p->stage);
    for (int s = 0; s < SEGMENT_COUNT; s++)
        touch_instructions(p, (SegmentKind)s);
    touch_from_outside(p);
    for (int32_t b = 0; b < p->stage->buffers.count; b++) {
        Life *life = &p->life[b];
        life->merged = b;
        if (is_variable(p, b)) {
            *life = (Life){.used = true, .timeline = TIMELINE_ALL, .merged = b};
        } else if (life->used) {
            if (life->timeline == TIMELINE_TRAIN)
                extend_train(p, life, alone);
            else if (life->timeline == TIMELINE_EVAL)
                extend_eval(p, life);
        }
    }
}

/* -- classes and slots ----------------------------------------------------- */

static bool instruction_touches(const Instruction *in, int32_t buffer)
{
    for (int32_t b = 0; b < in->n_buffers; b++)
        if (in->buffers[b] == buffer)
            return true;
    return false;
}

/* The instructions of forward and backward that touch a buffer. */
typedef struct Touches {
    VECTOR(int32_t) at[SEGMENT_COUNT];
    bool is_input; /* filled when a microbatch's forward begins */
} Touches;

static Touches touches_of(const Placer *p, int32_t buffer, Arena *arena)
{
    Touches t = {0};
    for (int s = SEGMENT_FORWARD; s <= SEGMENT_BACKWARD; s++) {
        const Segment *segment = &p->stage->segments[s];
        for (int32_t i = 0; i < segment->instructions.count; i++)
            if (instruction_touches(&segment->instructions.data[i], buffer))
                *vector_push(arena, &t.at[s]) = i;
    }
    for (int64_t i = 0; i < p->stage->inputs.count; i++)
        t.is_input |= p->stage->inputs.data[i].buffer == buffer;
    return t;
}

static bool task_touches(const Touches *touches, const Task *task)
{
    if (touches->is_input && task->segment == SEGMENT_FORWARD)
        return true;
    for (int64_t i = 0; i < touches->at[task->segment].count; i++) {
        int32_t at = touches->at[task->segment].data[i];
        if (at >= task->first && at < task->end)
            return true;
    }
    return false;
}

/* The most microbatches whose value of the buffer is alive at once: from the
 * first task that touches it to the last. */
static int64_t slots_of(const Placer *p, int32_t buffer, Arena scratch)
{
    const ProgramStage *stage = p->stage;
    Touches touches = touches_of(p, buffer, &scratch);
    int64_t *last =
        arena_new(&scratch, int64_t, p->program->n_microbatches + 1);
    for (int64_t t = 0; t < stage->schedule.count; t++)
        if (task_touches(&touches, &stage->schedule.data[t]))
            last[stage->schedule.data[t].microbatch] = t;
    int64_t begun = 0, ended = 0, most = 1;
    for (int64_t t = 0; t < stage->schedule.count; t++) {
        const Task *task = &stage->schedule.data[t];
        if (!task_touches(&touches, task))
            continue;
        begun = max_i64(begun, task->microbatch + 1);
        most = max_i64(most, begun - ended);
        while (ended < begun && last[ended] <= t)
            ended++;
    }
    return most;
}

static void classify(Placer *p, int32_t b)
{
    Buffer *buffer = &p->stage->buffers.data[b];
    const Life *life = &p->life[b];
    uint32_t loop = bit(SEGMENT_FORWARD) | bit(SEGMENT_BACKWARD);
    bool in_loop = life->segments && (life->segments & ~loop) == 0;
    if (buffer->class == BUFFER_VARIABLE)
        return;
    if (in_loop && !life->accumulates &&
        (life->segments == loop || life->crosses))
        buffer->slots = slots_of(p, b, *p->arena);
    if (buffer->class == BUFFER_INPUT)
        return;
    bool one_segment = (life->segments & (life->segments - 1)) == 0;
    buffer->class = one_segment && !life->accumulates && !life->crosses
                        ? BUFFER_TEMPORARY
                    : in_loop && !life->accumulates ? BUFFER_SAVED
                                                    : BUFFER_STEP;
}

/* -- in place -------------------------------------------------------------- */

static int32_t root_of(const Placer *p, int32_t buffer)
{
    while (p->life[buffer].merged != buffer)
        buffer = p->life[buffer].merged;
    return buffer;
}

static bool may_merge(const Placer *p, int32_t operand, int32_t result,
                      int64_t at)
{
    const Buffer *from = &p->stage->buffers.data[operand];
    const Buffer *to = &p->stage->buffers.data[result];
    const Life *dies = &p->life[root_of(p, operand)];
    const Life *born = &p->life[result];
    return from->class != BUFFER_VARIABLE && to->class != BUFFER_VARIABLE &&
           root_of(p, operand) != result && born->merged == result &&
           dies->last == at && born->first == at && from->slots == 1 &&
           to->slots == 1 && type_bytes(&from->type) == type_bytes(&to->type);
}

static void merge(Placer *p, int32_t operand, int32_t result)
{
    Life *place = &p->life[root_of(p, operand)];
    place->last = p->life[result].last;
    p->life[result].merged = root_of(p, operand);
}

/* The operand over which the instruction may write its result. */
static void merge_instruction(Placer *p, const Instruction *in, int64_t at)
{
    int32_t result = in->buffers[in->n_buffers - 1];
    if (in->kind == INSTRUCTION_COLLECTIVE) {
        if (in->collective == OP_ALL_REDUCE &&
            may_merge(p, in->buffers[0], result, at))
            merge(p, in->buffers[0], result);
        return;
    }
    if (in->kind != INSTRUCTION_RUN ||
        p->stage->kernels.data[in->kernel].kind != KERNEL_CODE)
        return;
    const KernelBody *body = &p->bodies->kernels.data[in->kernel];
    if (body->accumulates)
        return;
    for (int32_t k = 0; k < body->operands.count; k++) {
        bool in_place = may_merge(p, in->buffers[k], result, at);
        for (int32_t o = 0; o < body->operands.count && in_place; o++)
            if (in->buffers[o] == in->buffers[k])
                in_place = kernel_reads_in_place(body, body->operands.data[o]);
        if (in_place) {
            merge(p, in->buffers[k], result);
            return;
        }
    }
}

static void merge_lives(Placer *p)
{
    for (int s = 0; s < SEGMENT_COUNT; s++) {
        const Segment *segment = &p->stage->segments[s];
        for (int64_t i = 0; i < segment->instructions.count; i++)
            merge_instruction(p, &segment->instructions.data[i],
                              p->base[s] + i);
    }
}

/* -- offsets --------------------------------------------------------------- */

typedef struct Block {
    int32_t buffer;
    int64_t bytes, offset;
} Block;

static int by_size(const void *a, const void *b)
{
    const Block *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x->buffer - y->buffer;
}

static int by_offset(const void *a, const void *b)
{
    const Block *const *x = a, *const *y = b;
    if ((*x)->offset != (*y)->offset)
        return (*x)->offset < (*y)->offset ? -1 : 1;
    return (*x)->buffer - (*y)->buffer;
}

static bool lives_overlap(const Life *a, const Life *b)
{
    if (a->timeline == TIMELINE_ALL || b->timeline == TIMELINE_ALL)
        return true;
    return a->timeline == b->timeline && a->first <= b->last &&
           b->first <= a->last;
}

/* The lowest gap among the placed blocks that are alive with this one. */
static int64_t first_fit(const Placer *p, const Block *block, Block **placed,
                         int64_t n_placed, Block **busy)
{
    int64_t n = 0, offset = 0;
    for (int64_t i = 0; i < n_placed; i++)
        if (lives_overlap(&p->life[block->buffer], &p->life[placed[i]->buffer]))
            busy[n++] = placed[i];
    for (int64_t i = 0; i < n; i++) {
        if (busy[i]->offset >= offset + block->bytes)
            break;
        offset = max_i64(offset, busy[i]->offset + busy[i]->bytes);
    }
    return offset;
}

/* Keeps `placed` ordered by offset. */
static void insert_placed(Block **placed, int64_t count, Block *block)
{
    int64_t at = count;
    while (at > 0 && by_offset(&block, &placed[at - 1]) < 0) {
        placed[at] = placed[at - 1];
        at--;
    }
    placed[at] = block;
}

static void assign_offsets(Placer *p)
{
    ProgramStage *stage = p->stage;
    int64_t n = 0, count = stage->buffers.count;
    Block *blocks = arena_new(p->arena, Block, count);
    Block **placed = arena_new(p->arena, Block *, count);
    Block **busy = arena_new(p->arena, Block *, count);
    for (int32_t b = 0; b < count; b++) {
        Buffer *buffer = &stage->buffers.data[b];
        buffer->slot_bytes = round_up_i64(type_bytes(&buffer->type), ALIGNMENT);
        if (p->life[b].used && p->life[b].merged == b)
            blocks[n++] = (Block){b, buffer->slots * buffer->slot_bytes, 0};
    }
    qsort(blocks, (size_t)n, sizeof *blocks, by_size);
    stage->arena_bytes = 0;
    for (int64_t i = 0; i < n; i++) {
        blocks[i].offset = first_fit(p, &blocks[i], placed, i, busy);
        insert_placed(placed, i, &blocks[i]);
        stage->buffers.data[blocks[i].buffer].offset = blocks[i].offset;
        stage->arena_bytes =
            max_i64(stage->arena_bytes, blocks[i].offset + blocks[i].bytes);
    }
    for (int32_t b = 0; b < count; b++)
        stage->buffers.data[b].offset =
            stage->buffers.data[root_of(p, b)].offset;
}

void place_stage(Program *program, int32_t stage, const StageBodies *bodies,
                 Arena *arena)
{
    Placer p = {
        .program = program,
        .stage = &program->stages.data[stage],
        .bodies = bodies,
        .number = stage,
        .arena = arena,
    };
    p.life = arena_new(arena, Life, p.stage->buffers.count);
    for (int s = 0; s < SEGMENT_COUNT; s++)
        p.base[s + 1] = p.base[s] + p.stage->segments[s].instructions.count + 1;
    find_lives(&p);
    for (int32_t b = 0; b < p.stage->buffers.count; b++)
        classify(&p, b);
    merge_lives(&p);
    assign_offsets(&p);
}
