/* Program print: the listing of --save-temps and of the golden tests.
 *
 *     stage 0: mesh microbatch=2 x=2, arena 4096 bytes
 *       buffer 3 temporary "fc.dot" f32[4, 16] @512
 *       forward
 *         run dot "fc.dot" m=4 n=16 k=8: 0 1 -> 3
 *         all_reduce(x, sum): 3 -> 3
 *       schedule begin forward(0) backward(0) update
 */
#include "ir/program.h"

static const char *const CLASS_NAMES[] = {"variable", "input", "saved", "step",
                                          "temporary"};
static const char *const REDUCE_NAMES[] = {"sum", "max", "min"};
static const char *const CONVOLUTION_NAMES[] = {"forward", "gradient_input",
                                                "gradient_filter"};

const char *segment_name(SegmentKind segment)
{
    static const char *const NAMES[SEGMENT_COUNT] = {
        "init",   "begin",      "forward", "backward",
        "update", "eval_begin", "eval",    "eval_end"};
    return NAMES[segment];
}

/* A value's sharding on a mesh of the program, after its type. */
static void print_typed(Text *text, Arena *arena, const LogicalMesh *mesh,
                        const Type *type, const Sharding *sharding)
{
    Str printed = type_print(arena, type);
    Str placed = sharding_print(arena, mesh, type->shape.rank, sharding);
    text_format(text, "%.*s %.*s", STR_ARG(printed), STR_ARG(placed));
}

static void print_buffer(Text *text, Arena *arena, const Buffer *b, int64_t i)
{
    Str type = type_print(arena, &b->type);
    text_format(text, "  buffer %lld %s \"%.*s\" %.*s @%lld", (long long)i,
                CLASS_NAMES[b->class], STR_ARG(b->name), STR_ARG(type),
                (long long)b->offset);
    if (b->slots > 1)
        text_format(text, " x%lld every %lld", (long long)b->slots,
                    (long long)b->slot_bytes);
    text_append(text, STR("\n"));
}

static void print_dot(Text *text, const DotCall *d)
{
    text_format(text,
                " m=%lld n=%lld k=%lld a=%lld,%lld b=%lld,%lld "
                "c=%lld,%lld",
                (long long)d->m, (long long)d->n, (long long)d->k,
                (long long)d->a_row, (long long)d->a_column,
                (long long)d->b_row, (long long)d->b_column,
                (long long)d->c_row, (long long)d->c_column);
    for (int32_t i = 0; i < d->n_batch; i++)
        text_format(text, " batch %lld: %lld,%lld,%lld", (long long)d->batch[i],
                    (long long)d->a_batch[i], (long long)d->b_batch[i],
                    (long long)d->c_batch[i]);
}

static void print_kernel(Text *text, const Kernel *kernel)
{
    static const char *const NAMES[] = {"code", "dot", "convolution"};
    text_format(text, "run %s", NAMES[kernel->kind]);
    if (kernel->kind == KERNEL_CODE)
        text_format(text, " %d", kernel->code);
    text_format(text, " \"%.*s\"", STR_ARG(kernel->name));
    if (kernel->kind == KERNEL_DOT)
        print_dot(text, &kernel->dot);
    if (kernel->kind == KERNEL_CONVOLUTION)
        text_format(text, " %s", CONVOLUTION_NAMES[kernel->convolution.kind]);
    if (kernel->workspace_bytes)
        text_format(text, " workspace=%lld",
                    (long long)kernel->workspace_bytes);
}

static void print_collective(Text *text, const LogicalMesh *mesh,
                             const Instruction *i)
{
    text_format(text, "%s(", op_info(i->collective)->text);
    const char *separator = "";
    for (int32_t axis = 0; axis < mesh->n_axes; axis++)
        if (i->collective_attr.axes >> axis & 1) {
            text_format(text, "%s%.*s", separator,
                        STR_ARG(mesh->axis[axis].name));
            separator = "*";
        }
    bool reduces =
        i->collective == OP_ALL_REDUCE || i->collective == OP_REDUCE_SCATTER;
    text_format(text, "%s%s)", reduces ? ", " : "",
                reduces ? REDUCE_NAMES[i->collective_attr.operator] : "");
}

/* "0 1 -> 3": the last buffer is what the instruction writes. */
static void print_operands(Text *text, const Instruction *i, int32_t n_results)
{
    text_append(text, STR(":"));
    for (int32_t b = 0; b < i->n_buffers; b++)
        text_format(text, "%s %d", b == i->n_buffers - n_results ? " ->" : "",
                    i->buffers[b]);
    text_append(text, STR("\n"));
}

static void print_instruction(Text *text, const Program *program,
                              const ProgramStage *stage, const Instruction *i)
{
    int32_t n_results = 1;
    text_append(text, STR("    "));
    switch (i->kind) {
    case INSTRUCTION_RUN:
        print_kernel(text, &stage->kernels.data[i->kernel]);
        n_results += stage->kernels.data[i->kernel].workspace_bytes > 0;
        break;
    case INSTRUCTION_COLLECTIVE: print_collective(text, &stage->mesh, i); break;
    case INSTRUCTION_SEND:
    case INSTRUCTION_RECEIVE:
        text_format(text, "%s %d \"%.*s\"",
                    i->kind == INSTRUCTION_SEND ? "send" : "receive",
                    i->transfer,
                    STR_ARG(program->transfers.data[i->transfer].name));
        n_results = i->kind == INSTRUCTION_RECEIVE;
        break;
    case INSTRUCTION_WORLD_SUM:
        text_format(text, "world_sum %d \"%.*s\"", i->world_sum,
                    STR_ARG(program->world_sums.data[i->world_sum].name));
        break;
    }
    print_operands(text, i, n_results);
}

static void print_schedule(Text *text, const ProgramStage *stage)
{
    text_append(text, STR("  schedule"));
    for (int64_t t = 0; t < stage->schedule.count; t++) {
        const Task *task = &stage->schedule.data[t];
        const Segment *segment = &stage->segments[task->segment];
        text_format(text, " %s", segment_name(task->segment));
        if (task->segment == SEGMENT_FORWARD ||
            task->segment == SEGMENT_BACKWARD)
            text_format(text, "(%lld)", (long long)task->microbatch);
        if (task->first != 0 || task->end != segment->instructions.count)
            text_format(text, "[%d,%d)", task->first, task->end);
    }
    text_append(text, STR("\n"));
}

static void print_stage(Text *text, Arena *arena, const Program *program,
                        int64_t number)
{
    const ProgramStage *stage = &program->stages.data[number];
    text_format(text, "stage %lld: mesh", (long long)number);
    for (int32_t i = 0; i < stage->mesh.n_axes; i++)
        text_format(text, " %.*s=%lld", STR_ARG(stage->mesh.axis[i].name),
                    (long long)stage->mesh.axis[i].size);
    text_format(text, ", arena %lld bytes\n", (long long)stage->arena_bytes);
    for (int64_t i = 0; i < stage->buffers.count; i++)
        print_buffer(text, arena, &stage->buffers.data[i], i);
    for (int64_t i = 0; i < stage->inputs.count; i++) {
        const StageInput *input = &stage->inputs.data[i];
        text_format(text, "  input %d -> %d%s\n", input->input, input->buffer,
                    input->eval ? " (eval)" : "");
    }
    for (int s = 0; s < SEGMENT_COUNT; s++) {
        const Segment *segment = &stage->segments[s];
        if (segment->instructions.count == 0)
            continue;
        text_format(text, "  %s\n", segment_name((SegmentKind)s));
        for (int64_t i = 0; i < segment->instructions.count; i++)
            print_instruction(text, program, stage,
                              &segment->instructions.data[i]);
    }
    print_schedule(text, stage);
}

static void print_tables(Text *text, Arena *arena, const Program *program)
{
    for (int64_t i = 0; i < program->variables.count; i++) {
        const ProgramVariable *v = &program->variables.data[i];
        text_format(text, "variable \"%.*s\" ", STR_ARG(v->name));
        print_typed(text, arena, &program->stages.data[v->stage].mesh, &v->type,
                    &v->sharding);
        text_format(text, " stage %d buffer %d\n", v->stage, v->buffer);
    }
    for (int64_t i = 0; i < program->transfers.count; i++) {
        const Transfer *t = &program->transfers.data[i];
        text_format(text, "transfer %lld \"%.*s\" stage %d ", (long long)i,
                    STR_ARG(t->name), t->from_stage);
        print_typed(text, arena, &program->stages.data[t->from_stage].mesh,
                    &t->type, &t->from);
        text_format(text, " -> stage %d ", t->to_stage);
        print_typed(text, arena, &program->stages.data[t->to_stage].mesh,
                    &t->type, &t->to);
        text_append(text, STR("\n"));
    }
    for (int64_t i = 0; i < program->world_sums.count; i++) {
        const WorldSum *sum = &program->world_sums.data[i];
        text_format(text, "world_sum %lld \"%.*s\" stages", (long long)i,
                    STR_ARG(sum->name));
        for (int64_t t = 0; t < sum->terms.count; t++)
            text_format(text, " %d:%x", sum->terms.data[t].stage,
                        sum->terms.data[t].partial);
        text_append(text, STR("\n"));
    }
}

Str program_print(Arena *arena, const Program *program)
{
    Text text = text_new(arena);
    text_format(&text,
                "program %.*s: batch %lld, %lld microbatches, "
                "%lld ranks\n",
                STR_ARG(program->model_name), (long long)program->batch,
                (long long)program->n_microbatches,
                (long long)program->n_ranks);
    print_tables(&text, arena, program);
    for (int64_t i = 0; i < program->stages.count; i++)
        print_stage(&text, arena, program, i);
    return text_str(&text);
}
