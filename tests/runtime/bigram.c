/* A job made by hand: a byte-pair model whose program and kernels are written
 * here instead of compiled, so that the runtime is tested without a compiler.
 *
 * logits[b, t, :] = table[tokens[b, t], :], loss = mean cross entropy, SGD with
 * momentum.  DNNC_TEST_PLAN chooses the program:
 *
 *     single    one device
 *     data      two devices, batch split, table replicated, all-reduce
 *     sharded   two devices, batch split, table and momentum split by rows:
 *               all-gather before, reduce-scatter after
 *     pipeline  two stages: the table on the first, the loss on the second
 *
 * All compute the same numbers up to the order of additions.  With
 * DNNC_TEST_FAULT set the second device's table goes astray in step 5, or, with
 * the value "nan", every loss is NaN from there on; with "infinite" the table is
 * infinite after step 5, and with "hang" that step does not end.
 */
#include "runtime/job.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 8, TOKENS = 32, VOCAB = 256, MICROBATCHES = 2 };

static const float learning_rate = 40.0f, momentum = 0.9f;

static Arena *arena;

/* -- kernels -------------------------------------------------------------- */

/* The extents that kernels need; the programs of one process agree on them. */
static int64_t rows_per_microbatch; /* samples of one block */
static int64_t table_rows;          /* of one block of the table */

/* table -> zeros; momentum -> zeros */
static void kernel_init(char *const *buffers, const KernelContext *context)
{
    (void)context;
    size_t bytes = (size_t)(table_rows * VOCAB) * sizeof(float);
    memset(buffers[0], 0, bytes);
    memset(buffers[1], 0, bytes);
}

/* tokens, table -> logits */
static void kernel_gather(char *const *buffers, const KernelContext *context)
{
    (void)context;
    const int32_t *tokens = (const int32_t *)buffers[0];
    const float *table = (const float *)buffers[1];
    float *logits = (float *)buffers[2];
    for (int64_t i = 0; i < rows_per_microbatch * TOKENS; i++)
        memcpy(logits + i * VOCAB, table + (int64_t)tokens[i] * VOCAB,
               VOCAB * sizeof(float));
}

/* -log softmax(logits)[target]; the gradient to `gradient` unless NULL. */
static double cross_entropy(const float *logits, int32_t target, float scale,
                            float *gradient)
{
    double sum = 0;
    for (int v = 0; v < VOCAB; v++)
        sum += exp((double)logits[v]);
    for (int v = 0; gradient && v < VOCAB; v++)
        gradient[v] =
            (float)(exp((double)logits[v]) / sum - (v == target)) * scale;
    return log(sum) - (double)logits[target];
}

/* The first global sample of this device's block. */
static int64_t first_sample(const KernelContext *context)
{
    int64_t per_microbatch = BATCH / MICROBATCHES;
    return context->coordinate[0] * per_microbatch +
           context->coordinate[1] * rows_per_microbatch;
}

static void accumulate_loss(float *loss, double sum,
                            const KernelContext *context)
{
    const char *fault = getenv("DNNC_TEST_FAULT");
    if (fault && strcmp(fault, "nan") == 0 && context->step >= 5)
        sum = (double)NAN;
    float mean = (float)(sum / (BATCH * TOKENS));
    *loss = context->coordinate[0] == 0 ? mean : *loss + mean;
}

/* logits, targets -> gradient of logits, loss */
static void kernel_loss(char *const *buffers, const KernelContext *context)
{
    const float *logits = (const float *)buffers[0];
    const int32_t *targets = (const int32_t *)buffers[1];
    float *gradient = (float *)buffers[2];
    double sum = 0;
    for (int64_t i = 0; i < rows_per_microbatch * TOKENS; i++)
        sum += cross_entropy(logits + i * VOCAB, targets[i],
                             1.0f / (BATCH * TOKENS), gradient + i * VOCAB);
    accumulate_loss((float *)buffers[3], sum, context);
}

/* logits, targets -> loss over the samples that count */
static void kernel_eval(char *const *buffers, const KernelContext *context)
{
    const float *logits = (const float *)buffers[0];
    const int32_t *targets = (const int32_t *)buffers[1];
    double sum = 0;
    for (int64_t s = 0; s < rows_per_microbatch; s++)
        for (int64_t t = 0; t < TOKENS; t++)
            if (first_sample(context) + s < context->sample_count)
                sum += cross_entropy(logits + (s * TOKENS + t) * VOCAB,
                                     targets[s * TOKENS + t], 0, NULL);
    accumulate_loss((float *)buffers[2], sum, context);
}

/* tokens, gradient of logits -> gradient of the whole table */
static void kernel_scatter(char *const *buffers, const KernelContext *context)
{
    const int32_t *tokens = (const int32_t *)buffers[0];
    const float *gradient = (const float *)buffers[1];
    float *table = (float *)buffers[2];
    if (context->coordinate[0] == 0)
        memset(table, 0, sizeof(float) * VOCAB * VOCAB);
    for (int64_t i = 0; i < rows_per_microbatch * TOKENS; i++)
        for (int v = 0; v < VOCAB; v++)
            table[(int64_t)tokens[i] * VOCAB + v] += gradient[i * VOCAB + v];
}

/* What goes wrong in the update of step 5. */
static void go_wrong(const char *fault, float *table,
                     const KernelContext *context)
{
    if (strcmp(fault, "infinite") == 0)
        table[3] = INFINITY;
    else if (context->coordinate[1] == 1)
        table[3] += 1e-6f; /* one device goes its own way */
    if (strcmp(fault, "hang") == 0)
        fputs("hangs\n", stderr); /* from here on no step's end is near */
    while (strcmp(fault, "hang") == 0)
        pause();
}

/* gradient, table (in place), momentum (in place) */
static void kernel_update(char *const *buffers, const KernelContext *context)
{
    const float *gradient = (const float *)buffers[0];
    float *table = (float *)buffers[1], *velocity = (float *)buffers[2];
    const char *fault = getenv("DNNC_TEST_FAULT");
    if (fault && context->step == 5)
        go_wrong(fault, table, context);
    for (int64_t i = 0; i < table_rows * VOCAB; i++) {
        velocity[i] = momentum * velocity[i] + gradient[i];
        table[i] -= learning_rate * velocity[i];
    }
}

enum { INIT, GATHER, LOSS, EVAL, SCATTER, UPDATE, KERNELS };
static KernelFunction *const code[KERNELS] = {kernel_init,    kernel_gather,
                                              kernel_loss,    kernel_eval,
                                              kernel_scatter, kernel_update};
static const char *const kernel_names[KERNELS] = {"init", "gather",  "loss",
                                                  "eval", "scatter", "update"};

/* -- programs ------------------------------------------------------------- */

static Type type_of(DType dtype, int32_t rank, int64_t a, int64_t b, int64_t c)
{
    Type type = {dtype, {.rank = rank, .extent = {a, b, c}}};
    for (int32_t d = rank; d < RANK_MAX; d++)
        type.shape.extent[d] = 0;
    return type;
}

static ProgramStage *add_stage(Program *p, int64_t devices)
{
    ProgramStage *s = vector_push(arena, &p->stages);
    s->mesh = (LogicalMesh){
        .n_axes = 2,
        .axis = {{.name = STR("microbatch"), .size = MICROBATCHES},
                 {.name = STR("x"), .size = devices}}};
    s->ranks = arena_new(arena, int64_t, devices);
    for (int64_t d = 0; d < devices; d++)
        s->ranks[d] = p->n_ranks++;
    for (int32_t k = 0; k < KERNELS; k++)
        *vector_push(arena, &s->kernels) = (Kernel){
            .kind = KERNEL_CODE, .name = str_from(kernel_names[k]), .code = k};
    return s;
}

static int32_t add_buffer(ProgramStage *s, const char *name, BufferClass class,
                          Type type, int64_t slots)
{
    int64_t bytes = (type_bytes(&type) + 63) / 64 * 64;
    *vector_push(arena, &s->buffers) = (Buffer){.name = str_from(name),
                                                .class = class,
                                                .type = type,
                                                .offset = s->arena_bytes,
                                                .slots = slots,
                                                .slot_bytes = bytes};
    s->arena_bytes += bytes * slots;
    return (int32_t)s->buffers.count - 1;
}

/* An instruction over up to four buffers; -1 ends them. */
static Instruction *add(ProgramStage *s, SegmentKind segment,
                        InstructionKind kind, int32_t a, int32_t b, int32_t c,
                        int32_t d)
{
    const int32_t buffers[] = {a, b, c, d};
    Instruction *in = vector_push(arena, &s->segments[segment].instructions);
    in->kind = kind;
    in->buffers = arena_new(arena, int32_t, 4);
    for (int i = 0; i < 4 && buffers[i] >= 0; i++)
        in->buffers[in->n_buffers++] = buffers[i];
    return in;
}

static void add_run(ProgramStage *s, SegmentKind segment, int32_t kernel,
                    int32_t a, int32_t b, int32_t c, int32_t d)
{
    add(s, segment, INSTRUCTION_RUN, a, b, c, d)->kernel = kernel;
}

static void add_collective(ProgramStage *s, SegmentKind segment, Op op,
                           int32_t from, int32_t to)
{
    Instruction *in = add(s, segment, INSTRUCTION_COLLECTIVE, from, to, -1, -1);
    in->collective = op;
    in->collective_attr.axes = 1 << 1;
}

static void add_task(ProgramStage *s, SegmentKind segment, int64_t microbatch)
{
    *vector_push(arena, &s->schedule) =
        (Task){segment, microbatch, 0,
               (int32_t)s->segments[segment].instructions.count};
}

static void add_input(Program *p, ProgramStage *s, int32_t input,
                      int32_t buffer)
{
    (void)p;
    for (int eval = 0; eval < 2; eval++)
        *vector_push(arena, &s->inputs) =
            (StageInput){.input = input,
                         .buffer = buffer,
                         .sharding = {.axes = {3}},
                         .eval = eval != 0};
}

/* What all programs share: inputs, the loss, the table's two variables. */
static void add_tables(Program *p, int32_t table, int32_t velocity,
                       uint8_t row_axes)
{
    Type tokens = type_of(DTYPE_I32, 2, BATCH, TOKENS, 0);
    *vector_push(arena, &p->inputs) =
        (ProgramInput){STR("tokens"), tokens, VOCAB, -1, 0};
    *vector_push(arena, &p->inputs) =
        (ProgramInput){STR("targets"), tokens, VOCAB, 0, 1};
    Type whole = type_of(DTYPE_F32, 2, VOCAB, VOCAB, 0);
    Sharding sharding = {.axes = {row_axes}};
    *vector_push(arena, &p->variables) = (ProgramVariable){
        STR("table"), VARIABLE_PARAMETER, whole, 0, table, sharding};
    *vector_push(arena, &p->variables) =
        (ProgramVariable){STR("table.momentum"),
                          VARIABLE_OPTIMIZER,
                          whole,
                          0,
                          velocity,
                          sharding};
}

static ProgramOutput *add_loss(Program *p, bool eval)
{
    ProgramOutput *o = vector_push(arena, &p->outputs);
    *o = (ProgramOutput){.kind = OUTPUT_LOSS,
                         .name = STR("loss"),
                         .type = type_of(DTYPE_F32, 0, 0, 0, 0),
                         .eval = eval};
    return o;
}

/* `output logits`, as evaluation computes them on `stage`. */
static void add_logits(Program *p, int32_t stage, int32_t buffer, uint8_t axes)
{
    ProgramOutput *o = vector_push(arena, &p->outputs);
    *o = (ProgramOutput){
        .kind = OUTPUT_VALUE,
        .name = STR("logits"),
        .type = type_of(DTYPE_F32, 3, BATCH, TOKENS, VOCAB),
        .eval = true,
        .stage = stage,
        .sharding = {.axes = {axes}},
    };
    for (int32_t s = 0; s < p->stages.count; s++)
        *vector_push(arena, &o->buffers) = s == stage ? buffer : -1;
}

/* The buffers that a stage may have. */
typedef struct Buffers {
    int32_t tokens, targets, whole, table, velocity, logits, dlogits, gradient,
        shard, loss, total;
} Buffers;

static Buffers add_buffers(ProgramStage *s, int64_t rows, bool is_sharded)
{
    Type tokens = type_of(DTYPE_I32, 2, rows, TOKENS, 0);
    Type logits = type_of(DTYPE_F32, 3, rows, TOKENS, VOCAB);
    Type whole = type_of(DTYPE_F32, 2, VOCAB, VOCAB, 0);
    Type block = type_of(DTYPE_F32, 2, table_rows, VOCAB, 0);
    Type parts = type_of(DTYPE_F32, 3, VOCAB / table_rows, table_rows, VOCAB);
    Type scalar = type_of(DTYPE_F32, 0, 0, 0, 0);
    Buffers b = {.tokens = add_buffer(s, "tokens", BUFFER_INPUT, tokens, 2),
                 .targets = add_buffer(s, "targets", BUFFER_INPUT, tokens, 2),
                 .table = add_buffer(s, "table", BUFFER_VARIABLE, block, 1),
                 .velocity =
                     add_buffer(s, "momentum", BUFFER_VARIABLE, block, 1),
                 .logits = add_buffer(s, "logits", BUFFER_SAVED, logits, 2),
                 .dlogits = add_buffer(s, "dlogits", BUFFER_SAVED, logits, 2),
                 .loss = add_buffer(s, "loss", BUFFER_STEP, scalar, 1),
                 .total = add_buffer(s, "total", BUFFER_STEP, scalar, 1)};
    b.whole = b.table;
    b.gradient =
        add_buffer(s, "gradient", BUFFER_STEP, is_sharded ? parts : whole, 1);
    b.shard = b.gradient;
    if (is_sharded) {
        b.whole = add_buffer(s, "table.whole", BUFFER_STEP, parts, 1);
        b.shard = add_buffer(s, "gradient.shard", BUFFER_STEP, block, 1);
    }
    return b;
}

/* One stage of `devices` devices. */
static Program flat_program(int64_t devices, bool is_sharded)
{
    Program p = {0};
    rows_per_microbatch = BATCH / MICROBATCHES / devices;
    table_rows = is_sharded ? VOCAB / devices : VOCAB;
    ProgramStage *s = add_stage(&p, devices);
    Buffers b = add_buffers(s, rows_per_microbatch, is_sharded);
    add_tables(&p, b.table, b.velocity, is_sharded ? 1 << 1 : 0);
    add_input(&p, s, 0, b.tokens);
    add_input(&p, s, 1, b.targets);
    WorldSum *sum = vector_push(arena, &p.world_sums);
    sum->name = STR("loss");
    *vector_push(arena, &sum->terms) = (WorldSumTerm){0, 1 << 1};
    for (int eval = 0; eval < 2; eval++) {
        ProgramOutput *o = add_loss(&p, eval != 0);
        *vector_push(arena, &o->buffers) = b.total;
    }

    add_logits(&p, 0, b.logits, 3);

    add_run(s, SEGMENT_INIT, INIT, b.table, b.velocity, -1, -1);
    for (int eval = 0; is_sharded && eval < 2; eval++)
        add_collective(s, eval ? SEGMENT_EVAL_BEGIN : SEGMENT_BEGIN,
                       OP_ALL_GATHER, b.table, b.whole);
    add_run(s, SEGMENT_FORWARD, GATHER, b.tokens, b.whole, b.logits, -1);
    add_run(s, SEGMENT_FORWARD, LOSS, b.logits, b.targets, b.dlogits, b.loss);
    add_run(s, SEGMENT_BACKWARD, SCATTER, b.tokens, b.dlogits, b.gradient, -1);
    if (devices > 1)
        add_collective(s, SEGMENT_UPDATE,
                       is_sharded ? OP_REDUCE_SCATTER : OP_ALL_REDUCE,
                       b.gradient, b.shard);
    add(s, SEGMENT_UPDATE, INSTRUCTION_WORLD_SUM, b.loss, b.total, -1, -1);
    add_run(s, SEGMENT_UPDATE, UPDATE, b.shard, b.table, b.velocity, -1);
    add_run(s, SEGMENT_EVAL, GATHER, b.tokens, b.whole, b.logits, -1);
    add_run(s, SEGMENT_EVAL, EVAL, b.logits, b.targets, b.loss, -1);
    add(s, SEGMENT_EVAL_END, INSTRUCTION_WORLD_SUM, b.loss, b.total, -1, -1);

    add_task(s, SEGMENT_BEGIN, 0);
    for (int64_t m = 0; m < MICROBATCHES; m++) {
        add_task(s, SEGMENT_FORWARD, m);
        add_task(s, SEGMENT_BACKWARD, m);
    }
    add_task(s, SEGMENT_UPDATE, 0);
    return p;
}

static void add_transfer(ProgramStage *s, SegmentKind segment,
                         InstructionKind kind, int32_t transfer, int32_t buffer)
{
    add(s, segment, kind, buffer, -1, -1, -1)->transfer = transfer;
}

/* The first stage owns the table, the second computes the loss. */
static Program pipeline_program(void)
{
    Program p = {0};
    rows_per_microbatch = BATCH / MICROBATCHES;
    table_rows = VOCAB;
    add_stage(&p, 1);
    add_stage(&p, 1);
    ProgramStage *first = &p.stages.data[0], *second = &p.stages.data[1];
    Buffers a = add_buffers(first, rows_per_microbatch, false);
    Buffers b = add_buffers(second, rows_per_microbatch, false);
    add_tables(&p, a.table, a.velocity, 0);
    add_input(&p, first, 0, a.tokens);
    add_input(&p, second, 1, b.targets);
    WorldSum *sum = vector_push(arena, &p.world_sums);
    sum->name = STR("loss");
    *vector_push(arena, &sum->terms) = (WorldSumTerm){1, 0};
    for (int eval = 0; eval < 2; eval++) {
        ProgramOutput *o = add_loss(&p, eval != 0);
        *vector_push(arena, &o->buffers) = a.total;
        *vector_push(arena, &o->buffers) = b.total;
    }
    add_logits(&p, 1, b.logits, 1);
    Type logits = type_of(DTYPE_F32, 3, BATCH, TOKENS, VOCAB);
    Sharding by_time = {.axes = {1}};
    *vector_push(arena, &p.transfers) =
        (Transfer){STR("logits"), 0, 1, logits, by_time, by_time};
    *vector_push(arena, &p.transfers) =
        (Transfer){STR("dlogits"), 1, 0, logits, by_time, by_time};

    add_run(first, SEGMENT_INIT, INIT, a.table, a.velocity, -1, -1);
    for (int eval = 0; eval < 2; eval++) {
        SegmentKind segment = eval ? SEGMENT_EVAL : SEGMENT_FORWARD;
        add_run(first, segment, GATHER, a.tokens, a.table, a.logits, -1);
        add_transfer(first, segment, INSTRUCTION_SEND, 0, a.logits);
        add_transfer(second, segment, INSTRUCTION_RECEIVE, 0, b.logits);
    }
    add_run(second, SEGMENT_FORWARD, LOSS, b.logits, b.targets, b.dlogits,
            b.loss);
    add_run(second, SEGMENT_EVAL, EVAL, b.logits, b.targets, b.loss, -1);
    add_transfer(second, SEGMENT_BACKWARD, INSTRUCTION_SEND, 1, b.dlogits);
    add_transfer(first, SEGMENT_BACKWARD, INSTRUCTION_RECEIVE, 1, a.dlogits);
    add_run(first, SEGMENT_BACKWARD, SCATTER, a.tokens, a.dlogits, a.gradient,
            -1);
    for (int end = 0; end < 2; end++) {
        SegmentKind segment = end ? SEGMENT_EVAL_END : SEGMENT_UPDATE;
        add(first, segment, INSTRUCTION_WORLD_SUM, a.total, -1, -1, -1);
        add(second, segment, INSTRUCTION_WORLD_SUM, b.loss, b.total, -1, -1);
    }
    add_run(first, SEGMENT_UPDATE, UPDATE, a.gradient, a.table, a.velocity, -1);
    add_task(first, SEGMENT_FORWARD, 0);
    add_task(first, SEGMENT_FORWARD, 1);
    for (int64_t m = 0; m < MICROBATCHES; m++) {
        add_task(first, SEGMENT_BACKWARD, m);
        add_task(second, SEGMENT_FORWARD, m);
        add_task(second, SEGMENT_BACKWARD, m);
    }
    add_task(first, SEGMENT_UPDATE, 0);
    add_task(second, SEGMENT_UPDATE, 0);
    return p;
}

static Program choose_program(const char *plan)
{
    if (strcmp(plan, "data") == 0)
        return flat_program(2, false);
    if (strcmp(plan, "sharded") == 0)
        return flat_program(2, true);
    if (strcmp(plan, "pipeline") == 0)
        return pipeline_program();
    return flat_program(1, false);
}

int main(int argc, char **argv)
{
    ArenaMemory memory;
    Arena whole = arena_reserve(&memory, 64 << 20, NULL);
    arena = &whole;
    const char *plan = getenv("DNNC_TEST_PLAN");
    Program program = choose_program(plan ? plan : "single");
    program.model_name = STR("bigram");
    program.batch = BATCH;
    program.n_microbatches = MICROBATCHES;
    program.parameter_count = VOCAB * VOCAB;
    if (getenv("DNNC_TEST_MEMORY")) /* more than any host has */
        program.stages.data[0].arena_bytes = (int64_t)1 << 50;
    const char *target = getenv("DNNC_TEST_TARGET");
    const char *features = getenv("DNNC_TEST_FEATURES");
    const JobImage image = {.program = &program,
                            .code = code,
                            .code_count = KERNELS,
                            .target = target ? target : "x86-64-v2",
                            .features = features ? features : ""};
    int status = job_run(&image, arena, argc, argv);
    arena_release(&memory);
    return status;
}
