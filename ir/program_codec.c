/* Program, as bytes: one visitor walks the format for both directions.
 *
 * Numbers are little-endian and of fixed width.  The decoder trusts nothing:
 * a count may not exceed what the remaining bytes could hold, and what refers
 * to something else is checked afterwards (ir/program_check.c), so a damaged
 * job is an error and not a crash.
 */
#include "ir/program.h"
#include "ir/program_check.h"

#include <string.h>

static const char MAGIC[8] = "dnncprog";

typedef struct Codec {
    bool decoding;
    Arena *arena;
    Text out;                        /* encoding */
    const unsigned char *next, *end; /* decoding */
    const char *fault;               /* NULL: none so far */
} Codec;

static void fail(Codec *c, const char *fault)
{
    if (!c->fault)
        c->fault = fault;
    c->next = c->end;
}

/* The low `n` bytes of a number. */
static uint64_t visit_word(Codec *c, uint64_t value, int n)
{
    unsigned char bytes[8];
    if (!c->decoding) {
        for (int i = 0; i < n; i++)
            bytes[i] = (unsigned char)(value >> 8 * i);
        text_append(&c->out, (Str){(const char *)bytes, n});
        return value;
    }
    if (c->end - c->next < n) {
        fail(c, "it ends too early");
        return 0;
    }
    value = 0;
    for (int i = 0; i < n; i++)
        value |= (uint64_t)c->next[i] << 8 * i;
    c->next += n;
    return value;
}

static void visit_u8(Codec *c, uint8_t *v)
{
    *v = (uint8_t)visit_word(c, *v, 1);
}

static void visit_bool(Codec *c, bool *v)
{
    *v = visit_word(c, *v, 1) != 0;
}

static void visit_i32(Codec *c, int32_t *v)
{
    *v = (int32_t)visit_word(c, (uint32_t)*v, 4);
}

static void visit_i64(Codec *c, int64_t *v)
{
    *v = (int64_t)visit_word(c, (uint64_t)*v, 8);
}

static void visit_u64(Codec *c, uint64_t *v)
{
    *v = visit_word(c, *v, 8);
}

static void visit_f64(Codec *c, double *v)
{
    uint64_t bits;
    memcpy(&bits, v, sizeof bits);
    bits = visit_word(c, bits, 8);
    memcpy(v, &bits, sizeof bits);
}

/* An enumerator of [0, count), as its value; enums differ in type, so the
 * caller assigns the result. */
static int visit_enum(Codec *c, int value, int count)
{
    uint64_t word = visit_word(c, (uint64_t)value, 1);
    if (word >= (uint64_t)count) {
        fail(c, "an enumerator is out of range");
        return 0;
    }
    return (int)word;
}
#define VISIT_ENUM(c, field, Type, count) \
    ((field) = (Type)visit_enum((c), (int)(field), (count)))

/* How many elements follow; each takes at least one byte. */
static int64_t visit_count(Codec *c, int64_t count)
{
    visit_i64(c, &count);
    if (c->decoding && (count < 0 || count > c->end - c->next)) {
        fail(c, "a count is larger than the data");
        return 0;
    }
    return count;
}

static void visit_str(Codec *c, Str *s)
{
    int64_t length = visit_count(c, s->length);
    if (!c->decoding) {
        text_append(&c->out, *s);
        return;
    }
    *s = str_copy(c->arena, (Str){(const char *)c->next, length});
    c->next += length;
}

#define VISIT_VECTOR(c, vector, visit)                             \
    do {                                                           \
        int64_t count_ = visit_count((c), (vector)->count);        \
        if ((c)->decoding)                                         \
            for (int64_t i_ = 0; i_ < count_ && !(c)->fault; i_++) \
                visit((c), vector_push((c)->arena, (vector)));     \
        else                                                       \
            for (int64_t i_ = 0; i_ < count_; i_++)                \
                visit((c), &(vector)->data[i_]);                   \
    } while (0)

#define VISIT_ARRAY(c, array, visit)                                     \
    do {                                                                 \
        for (size_t i_ = 0; i_ < sizeof(array) / sizeof(array)[0]; i_++) \
            visit((c), &(array)[i_]);                                    \
    } while (0)

static void visit_type(Codec *c, Type *type)
{
    VISIT_ENUM(c, type->dtype, DType, DTYPE_COUNT);
    visit_i32(c, &type->shape.rank);
    if (type->shape.rank < 0 || type->shape.rank > RANK_MAX) {
        fail(c, "a rank is out of range");
        type->shape.rank = 0;
    }
    for (int32_t i = 0; i < type->shape.rank; i++)
        visit_i64(c, &type->shape.extent[i]);
}

static void visit_sharding(Codec *c, Sharding *s)
{
    VISIT_ARRAY(c, s->axes, visit_u8);
    visit_u8(c, &s->partial);
    s->operator=(uint8_t) visit_enum(c, s->operator, REDUCE_MIN + 1);
}

static void visit_submesh(Codec *c, Submesh *s)
{
    visit_i32(c, &s->group);
    visit_i64(c, &s->host);
    visit_i64(c, &s->device);
    visit_i64(c, &s->n_hosts);
    visit_i64(c, &s->devices_per_host);
}

static void visit_mesh(Codec *c, LogicalMesh *mesh)
{
    mesh->n_axes = (int32_t)visit_enum(c, mesh->n_axes, MESH_AXES_MAX + 1);
    for (int32_t i = 0; i < mesh->n_axes; i++) {
        visit_str(c, &mesh->axis[i].name);
        visit_i64(c, &mesh->axis[i].size);
        visit_f64(c, &mesh->axis[i].latency_seconds);
        visit_f64(c, &mesh->axis[i].bandwidth_bytes_per_second);
    }
}

static void visit_buffer(Codec *c, Buffer *b)
{
    visit_str(c, &b->name);
    VISIT_ENUM(c, b->class, BufferClass, BUFFER_TEMPORARY + 1);
    visit_type(c, &b->type);
    visit_i64(c, &b->offset);
    visit_i64(c, &b->slots);
    visit_i64(c, &b->slot_bytes);
}

static void visit_dot(Codec *c, DotCall *d)
{
    visit_i64(c, &d->m);
    visit_i64(c, &d->n);
    visit_i64(c, &d->k);
    visit_i32(c, &d->n_batch);
    VISIT_ARRAY(c, d->batch, visit_i64);
    VISIT_ARRAY(c, d->a_batch, visit_i64);
    VISIT_ARRAY(c, d->b_batch, visit_i64);
    VISIT_ARRAY(c, d->c_batch, visit_i64);
    visit_i64(c, &d->a_row);
    visit_i64(c, &d->a_column);
    visit_i64(c, &d->b_row);
    visit_i64(c, &d->b_column);
    visit_i64(c, &d->c_row);
    visit_i64(c, &d->c_column);
}

static void visit_convolution(Codec *c, ConvolutionCall *v)
{
    VISIT_ENUM(c, v->kind, ConvolutionKind, CONVOLUTION_GRADIENT_FILTER + 1);
    visit_i64(c, &v->batch);
    visit_i64(c, &v->channels_in);
    visit_i64(c, &v->channels_out);
    VISIT_ARRAY(c, v->input, visit_i64);
    VISIT_ARRAY(c, v->output, visit_i64);
    VISIT_ARRAY(c, v->kernel, visit_i64);
    VISIT_ARRAY(c, v->stride, visit_i64);
    VISIT_ARRAY(c, v->padding, visit_i64);
}

static void visit_kernel(Codec *c, Kernel *k)
{
    VISIT_ENUM(c, k->kind, KernelKind, KERNEL_CONVOLUTION + 1);
    visit_str(c, &k->name);
    switch (k->kind) {
    case KERNEL_CODE: visit_i32(c, &k->code); break;
    case KERNEL_DOT: visit_dot(c, &k->dot); break;
    case KERNEL_CONVOLUTION: visit_convolution(c, &k->convolution); break;
    }
    visit_i64(c, &k->workspace_bytes);
}

static void visit_instruction(Codec *c, Instruction *i)
{
    VISIT_ENUM(c, i->kind, InstructionKind, INSTRUCTION_WORLD_SUM + 1);
    i->n_buffers = (int32_t)visit_count(c, i->n_buffers);
    if (c->decoding)
        i->buffers = arena_new(c->arena, int32_t, i->n_buffers);
    for (int32_t b = 0; b < i->n_buffers; b++)
        visit_i32(c, &i->buffers[b]);
    visit_i32(c, &i->kernel);
    VISIT_ENUM(c, i->collective, Op, OP_COUNT);
    visit_u8(c, &i->collective_attr.axes);
    VISIT_ENUM(c, i->collective_attr.operator, ReduceOp, REDUCE_MIN + 1);
    visit_i32(c, &i->transfer);
    visit_i32(c, &i->world_sum);
}

static void visit_segment(Codec *c, Segment *s)
{
    VISIT_VECTOR(c, &s->instructions, visit_instruction);
}

static void visit_task(Codec *c, Task *t)
{
    VISIT_ENUM(c, t->segment, SegmentKind, SEGMENT_COUNT);
    visit_i64(c, &t->microbatch);
    visit_i32(c, &t->first);
    visit_i32(c, &t->end);
}

static void visit_stage_input(Codec *c, StageInput *i)
{
    visit_i32(c, &i->input);
    visit_i32(c, &i->buffer);
    visit_sharding(c, &i->sharding);
    visit_bool(c, &i->eval);
}

/* The product of the axes tells how many ranks there are; a damaged one may
 * not ask for more than the data holds. */
static void visit_ranks(Codec *c, ProgramStage *s)
{
    int64_t n = visit_count(c, c->decoding ? 0 : mesh_devices(&s->mesh));
    if (c->decoding) {
        int64_t devices = 1;
        for (int32_t i = 1; i < s->mesh.n_axes; i++)
            if (__builtin_mul_overflow(devices, s->mesh.axis[i].size, &devices))
                devices = -1;
        if (devices != n)
            fail(c, "a stage's ranks do not match its mesh");
        s->ranks = arena_new(c->arena, int64_t, n);
    }
    for (int64_t i = 0; i < n && !c->fault; i++)
        visit_i64(c, &s->ranks[i]);
}

static void visit_stage(Codec *c, ProgramStage *s)
{
    visit_submesh(c, &s->submesh);
    visit_mesh(c, &s->mesh);
    visit_ranks(c, s);
    VISIT_VECTOR(c, &s->buffers, visit_buffer);
    VISIT_VECTOR(c, &s->kernels, visit_kernel);
    VISIT_VECTOR(c, &s->inputs, visit_stage_input);
    VISIT_ARRAY(c, s->segments, visit_segment);
    VISIT_VECTOR(c, &s->schedule, visit_task);
    visit_i64(c, &s->arena_bytes);
    visit_i64(c, &s->reserve_bytes);
    visit_i64(c, &s->memory_bytes);
}

static void visit_transfer(Codec *c, Transfer *t)
{
    visit_str(c, &t->name);
    visit_i32(c, &t->from_stage);
    visit_i32(c, &t->to_stage);
    visit_type(c, &t->type);
    visit_sharding(c, &t->from);
    visit_sharding(c, &t->to);
}

static void visit_world_sum_term(Codec *c, WorldSumTerm *t)
{
    visit_i32(c, &t->stage);
    visit_u8(c, &t->partial);
}

static void visit_world_sum(Codec *c, WorldSum *w)
{
    visit_str(c, &w->name);
    VISIT_VECTOR(c, &w->terms, visit_world_sum_term);
}

static void visit_variable(Codec *c, ProgramVariable *v)
{
    visit_str(c, &v->name);
    VISIT_ENUM(c, v->kind, VariableKind, VARIABLE_OPTIMIZER + 1);
    visit_type(c, &v->type);
    visit_i32(c, &v->stage);
    visit_i32(c, &v->buffer);
    visit_sharding(c, &v->sharding);
}

static void visit_input(Codec *c, ProgramInput *i)
{
    visit_str(c, &i->name);
    visit_type(c, &i->type);
    visit_i64(c, &i->limit);
    visit_i32(c, &i->shift_of);
    visit_i64(c, &i->shift);
}

static void visit_output(Codec *c, ProgramOutput *o)
{
    VISIT_ENUM(c, o->kind, OutputKind, OUTPUT_GRADIENT + 1);
    visit_str(c, &o->name);
    visit_type(c, &o->type);
    visit_bool(c, &o->eval);
    visit_i32(c, &o->world_sum);
    visit_i32(c, &o->stage);
    visit_sharding(c, &o->sharding);
    VISIT_VECTOR(c, &o->buffers, visit_i32);
}

static void visit_schedule(Codec *c, Schedule *s)
{
    VISIT_ENUM(c, s->kind, ScheduleKind, SCHEDULE_STEPS + 1);
    visit_f64(c, &s->peak);
    visit_f64(c, &s->final);
    visit_f64(c, &s->factor);
    visit_i64(c, &s->warmup);
    visit_i64(c, &s->total);
    visit_i64(c, &s->every);
}

static void visit_program(Codec *c, Program *p)
{
    visit_str(c, &p->model_name);
    visit_u64(c, &p->plan_hash);
    visit_str(c, &p->target);
    visit_i64(c, &p->batch);
    visit_i64(c, &p->n_microbatches);
    visit_i64(c, &p->n_ranks);
    visit_f64(c, &p->planned_seconds);
    visit_schedule(c, &p->learning_rate);
    VISIT_VECTOR(c, &p->stages, visit_stage);
    VISIT_VECTOR(c, &p->transfers, visit_transfer);
    VISIT_VECTOR(c, &p->world_sums, visit_world_sum);
    VISIT_VECTOR(c, &p->variables, visit_variable);
    VISIT_VECTOR(c, &p->inputs, visit_input);
    VISIT_VECTOR(c, &p->outputs, visit_output);
    visit_i64(c, &p->parameter_count);
}

Str program_encode(Arena *arena, const Program *program)
{
    Codec c = {.arena = arena, .out = text_new(arena)};
    text_append(&c.out, (Str){MAGIC, sizeof MAGIC});
    visit_word(&c, PROGRAM_VERSION, 4);
    /* Encoding, the visitor writes back what it read. */
    Program copy = *program;
    visit_program(&c, &copy);
    return text_str(&c.out);
}

Status program_decode(Arena *arena, const void *bytes, size_t length,
                      Program *out)
{
    *out = (Program){0};
    Codec c = {.decoding = true,
               .arena = arena,
               .next = bytes,
               .end = (const unsigned char *)bytes + length};
    if (length < sizeof MAGIC || memcmp(bytes, MAGIC, sizeof MAGIC) != 0)
        return status_error(STATUS_ENVIRONMENT, "this is not a dnnc program");
    c.next += sizeof MAGIC;
    uint64_t version = visit_word(&c, 0, 4);
    if (version != PROGRAM_VERSION)
        return status_error(STATUS_ENVIRONMENT,
                            "program version %llu, this runtime reads %d",
                            (unsigned long long)version, PROGRAM_VERSION);
    visit_program(&c, out);
    if (!c.fault && c.next != c.end)
        c.fault = "bytes follow its end";
    if (!c.fault)
        c.fault = program_fault(out);
    if (c.fault)
        return status_error(STATUS_ENVIRONMENT, "the program is damaged: %s",
                            c.fault);
    return status_ok();
}
