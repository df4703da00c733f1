/* Kernel: the function of one kernel body.
 *
 * The body becomes a function whose buffers are `noalias` parameters, which
 * is what lets its loops vectorise without tests.  A kernel may write its
 * result in place of an operand; then both are one parameter, in a variant of
 * its own.  The entry, a KernelFunction, loads the pointers and chooses.
 */
#include "codegen/kernel.h"

#include "codegen/element.h"

#include <assert.h>
#include <string.h>

enum { EMISSIONS_MAX = 64, BUFFER_ALIGN_BYTES = 64 };

static LLVMAttributeRef flag(const Build *b, const char *name, uint64_t value)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    assert(kind != 0);
    return LLVMCreateEnumAttribute(b->context, kind, value);
}

static void describe_buffer(const Build *b, LLVMValueRef function,
                            unsigned parameter, const Type *type)
{
    unsigned index = parameter + 1; /* 0 is the return value */
    LLVMAddAttributeAtIndex(function, index, flag(b, "noalias", 0));
    LLVMAddAttributeAtIndex(function, index, flag(b, "nocapture", 0));
    LLVMAddAttributeAtIndex(function, index,
                            flag(b, "align", BUFFER_ALIGN_BYTES));
    LLVMAddAttributeAtIndex(
        function, index,
        flag(b, "dereferenceable", (uint64_t)type_bytes(type)));
}

static bool is_random(const KernelBody *body, int64_t i)
{
    return graph_node(body->graph, body->nodes.data[i])->op == OP_RANDOM;
}

static int64_t n_streams(const KernelBody *body)
{
    int64_t n = 0;
    for (int64_t i = 0; i < body->nodes.count; i++)
        n += is_random(body, i);
    return n;
}

/* void name(operand..., result, context, stream...) */
static LLVMValueRef declare_body(Arena *scratch, const Build *b,
                                 const KernelBody *body, const char *name)
{
    int64_t n_pointers = body->operands.count + 2;
    int64_t n = n_pointers + n_streams(body);
    LLVMTypeRef *types = arena_new(scratch, LLVMTypeRef, n);
    for (int64_t i = 0; i < n; i++)
        types[i] = i < n_pointers ? b->pointer : b->i32;
    LLVMTypeRef type = LLVMFunctionType(b->nothing, types, (unsigned)n, 0);
    LLVMValueRef function = LLVMAddFunction(b->module, name, type);
    LLVMSetLinkage(function, LLVMInternalLinkage);
    LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex,
                            flag(b, "nounwind", 0));
    LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex,
                            flag(b, "noinline", 0));
    for (int64_t i = 0; i < body->operands.count; i++)
        describe_buffer(b, function, (unsigned)i,
                        &graph_node(body->graph, body->operands.data[i])->type);
    describe_buffer(b, function, (unsigned)n_pointers - 2,
                    &graph_node(body->graph, body->root)->type);
    return function;
}

static void emitter_buffers(Emitter *e, const KernelBody *body,
                            InPlace in_place)
{
    int64_t n = body->operands.count;
    e->result = LLVMGetParam(e->function, (unsigned)n);
    e->context = LLVMGetParam(e->function, (unsigned)n + 1);
    e->buffers = arena_new(e->arena, LLVMValueRef, n);
    e->operand_of = arena_new(e->arena, int32_t, body->graph->nodes.count);
    for (int64_t i = 0; i < n; i++) {
        e->buffers[i] = in_place >> i & 1
                            ? e->result
                            : LLVMGetParam(e->function, (unsigned)i);
        e->operand_of[body->operands.data[i].index] = (int32_t)i + 1;
    }
}

static void emitter_streams(Emitter *e, const KernelBody *body)
{
    unsigned parameter = (unsigned)body->operands.count + 2;
    e->streams = arena_new(e->arena, LLVMValueRef, body->graph->nodes.count);
    for (int64_t i = 0; i < body->nodes.count; i++)
        if (is_random(body, i))
            e->streams[body->nodes.data[i].index] =
                LLVMGetParam(e->function, parameter++);
}

/* One emission; true when a split was asked for on the way. */
static bool emit_once(Arena scratch, Emitter e, const KernelCode *code,
                      InPlace in_place)
{
    const Build *b = &e.build;
    e.arena = &scratch;
    e.top = arena_new(&scratch, Scope, 1);
    e.top->block =
        LLVMAppendBasicBlockInContext(b->context, e.function, "entry");
    emitter_buffers(&e, code->body, in_place);
    emitter_streams(&e, code->body);
    rows_init(&e);
    kernel_nest(&e);
    scope_enter(&e, e.top);
    LLVMBuildRetVoid(b->builder);
    return e.split_asked;
}

/* The body in one variant, which the module may have already.  Each emission
 * may ask for finer loops; units form chains of divisors, so the asking
 * ends. */
static LLVMValueRef emit_variant(Arena scratch, const Build *build,
                                 const KernelCode *code, InPlace in_place)
{
    const char *body =
        str_format(&scratch, "body.%d.%x", code->shared, in_place).data;
    LLVMValueRef known = LLVMGetNamedFunction(build->module, body);
    if (known)
        return known;
    RangeSplits splits = {.arena = arena_split(&scratch)};
    Emitter e = {.build = *build,
                 .body = code->body,
                 .mesh = code->mesh,
                 .splits = &splits};
    for (int i = 0; i < EMISSIONS_MAX; i++) {
        e.function = declare_body(&scratch, build, code->body, body);
        if (!emit_once(scratch, e, code, in_place))
            return e.function;
        LLVMDeleteFunction(e.function);
    }
    assert(!"emission asks for splits without end");
    return NULL;
}

/* -- the entry ------------------------------------------------------------- */

/* What the entry passes on: buffers, context, streams. */
typedef struct Arguments {
    int64_t count, n_operands;
    LLVMValueRef *values; /* operands, result, context, streams */
} Arguments;

static Arguments load_arguments(Arena *scratch, const Build *b,
                                LLVMValueRef entry, const KernelBody *body)
{
    Arguments a = {.n_operands = body->operands.count};
    a.values =
        arena_new(scratch, LLVMValueRef, a.n_operands + 2 + n_streams(body));
    for (; a.count <= a.n_operands; a.count++) {
        LLVMValueRef at = build_i64(b, a.count);
        LLVMValueRef place = LLVMBuildInBoundsGEP2(
            b->builder, b->pointer, LLVMGetParam(entry, 0), &at, 1, "");
        a.values[a.count] = LLVMBuildLoad2(b->builder, b->pointer, place, "");
    }
    a.values[a.count++] = LLVMGetParam(entry, 1);
    for (int64_t i = 0; i < body->nodes.count; i++)
        if (is_random(body, i))
            a.values[a.count++] =
                build_i32(b, graph_node(body->graph, body->nodes.data[i])
                                 ->attr.random.stream);
    return a;
}

/* True when the operands of `in_place` are the result's buffer. */
static LLVMValueRef variant_fits(const Build *b, const Arguments *a,
                                 InPlace in_place)
{
    LLVMValueRef fits = LLVMConstInt(b->i1, 1, 0);
    for (int64_t i = 0; i < a->n_operands; i++)
        if (in_place >> i & 1)
            fits = LLVMBuildAnd(b->builder, fits,
                                build_icmp(b, LLVMIntEQ, a->values[i],
                                           a->values[a->n_operands]),
                                "");
    return fits;
}

static void call_body(const Build *b, LLVMValueRef body, const Arguments *a)
{
    LLVMBuildCall2(b->builder, LLVMGlobalGetValueType(body), body, a->values,
                   (unsigned)a->count, "");
    LLVMBuildRetVoid(b->builder);
}

/* Variants in the order of decreasing operands in place: the last, with the
 * fewest, is what is left. */
static void choose_variant(const Build *b, LLVMValueRef entry,
                           LLVMValueRef *bodies, const KernelCode *code,
                           const Arguments *a)
{
    for (int64_t i = 0; i + 1 < code->variants.count; i++) {
        LLVMBasicBlockRef here =
            LLVMAppendBasicBlockInContext(b->context, entry, "in_place");
        LLVMBasicBlockRef next =
            LLVMAppendBasicBlockInContext(b->context, entry, "otherwise");
        LLVMBuildCondBr(b->builder, variant_fits(b, a, code->variants.data[i]),
                        here, next);
        LLVMPositionBuilderAtEnd(b->builder, here);
        call_body(b, bodies[i], a);
        LLVMPositionBuilderAtEnd(b->builder, next);
    }
    call_body(b, bodies[code->variants.count - 1], a);
}

void kernel_emit(Arena scratch, const Build *b, const KernelCode *code,
                 const char *name)
{
    LLVMValueRef *bodies =
        arena_new(&scratch, LLVMValueRef, code->variants.count);
    for (int64_t i = 0; i < code->variants.count; i++)
        bodies[i] = emit_variant(scratch, b, code, code->variants.data[i]);
    LLVMTypeRef types[] = {b->pointer, b->pointer};
    LLVMValueRef entry = LLVMAddFunction(
        b->module, name, LLVMFunctionType(b->nothing, types, 2, 0));
    LLVMAddAttributeAtIndex(entry, LLVMAttributeFunctionIndex,
                            flag(b, "nounwind", 0));
    LLVMPositionBuilderAtEnd(
        b->builder, LLVMAppendBasicBlockInContext(b->context, entry, "entry"));
    Arguments arguments = load_arguments(&scratch, b, entry, code->body);
    choose_variant(b, entry, bodies, code, &arguments);
}
