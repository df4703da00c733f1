/* Elements: the element of a node's value at an offset, by recursion.
 *
 * A node that lives in a buffer is loaded; any other is computed from its
 * operands' elements, once for each index in a scope.  Adding an op is a case
 * here.
 */
#include "codegen/element.h"

#include <assert.h>
#include <stddef.h>

static Element load_operand(Emitter *e, NodeId id, Index at)
{
    const Build *b = &e->build;
    const Node *node = graph_node(e->body->graph, id);
    LLVMValueRef base = e->buffers[e->operand_of[id.index] - 1];
    LLVMTypeRef type = node->type.dtype == DTYPE_F32 ? b->f32 : b->i32;
    LLVMValueRef offset = index_value(e, &at);
    Scope *scope = index_scope(e, &at);
    scope_enter(e, scope);
    LLVMValueRef place =
        LLVMBuildInBoundsGEP2(b->builder, type, base, &offset, 1, "");
    return (Element){LLVMBuildLoad2(b->builder, type, place, ""), scope};
}

static Element constant_element(Emitter *e, const Node *node)
{
    double value = node->attr.constant.value;
    LLVMValueRef constant = node->type.dtype == DTYPE_F32
                                ? build_f32(&e->build, value)
                                : build_i32(&e->build, (int64_t)value);
    return (Element){constant, e->top};
}

static Element scalar_element(Emitter *e, const Node *node)
{
    int64_t offset = node->attr.scalar.kind == SCALAR_STEP
                         ? (int64_t)offsetof(KernelContext, step)
                         : (int64_t)offsetof(KernelContext, sample_count);
    LLVMValueRef value = context_field(e, offset);
    return (Element){LLVMBuildTrunc(e->build.builder, value, e->build.i32, ""),
                     e->top};
}

enum { MAP_OPERANDS_MAX = 3 };

/* Operands in the order of their reductions' depth, so that what a reduction
 * leaves in a row is there for the others: in x / sum(x) the sum comes first. */
static void map_operands(Emitter *e, const Node *node, Index at,
                         Element *operands)
{
    bool done[MAP_OPERANDS_MAX] = {false};
    assert(node->n_operands <= MAP_OPERANDS_MAX);
    for (int32_t n = 0; n < node->n_operands; n++) {
        int32_t next = -1;
        for (int32_t i = 0; i < node->n_operands; i++) {
            if (!done[i] &&
                (next < 0 || e->folds[node->operands[i].index] >
                                 e->folds[node->operands[next].index]))
                next = i;
        }
        operands[next] = element(e, node->operands[next], at);
        done[next] = true;
    }
}

/* x / y with y known outside the loop of x: times its reciprocal. */
static Element divide_by_outer(Emitter *e, Element x, Element y)
{
    const Build *b = &e->build;
    scope_enter(e, y.scope);
    LLVMValueRef reciprocal = build_fdiv(b, build_f32(b, 1), y.value);
    scope_enter(e, x.scope);
    return (Element){build_fmul(b, x.value, reciprocal), x.scope};
}

static Element map_element(Emitter *e, const Node *node, Index at)
{
    Element operands[MAP_OPERANDS_MAX];
    LLVMValueRef values[MAP_OPERANDS_MAX];
    Scope *scope = e->top;
    map_operands(e, node, at, operands);
    for (int32_t i = 0; i < node->n_operands; i++) {
        values[i] = operands[i].value;
        scope = scope_inner(scope, operands[i].scope);
    }
    if (node->op == OP_DIV && node->type.dtype == DTYPE_F32 &&
        operands[1].scope->depth < operands[0].scope->depth)
        return divide_by_outer(e, operands[0], operands[1]);
    scope_enter(e, scope);
    return (Element){map_value(e, node, values), scope};
}

static Element compute(Emitter *e, NodeId id, Index at)
{
    const Node *node = graph_node(e->body->graph, id);
    switch (node->op) {
    case OP_CONSTANT: return constant_element(e, node);
    case OP_SCALAR: return scalar_element(e, node);
    case OP_IOTA: return element_iota(e, node, at);
    case OP_COPY:
    case OP_STOP_GRADIENT:
    case OP_ACCUMULATE: /* the nest adds the running sum */
    case OP_RESHAPE: return element(e, node->operands[0], at);
    case OP_BROADCAST:
    case OP_TRANSPOSE:
    case OP_SLICE: return element_view(e, node, at);
    case OP_PAD: return element_pad(e, node, at);
    case OP_UNFOLD: return element_unfold(e, node, at);
    case OP_SHARD_START: return element_shard_start(e, node);
    case OP_SHARD_SLICE: return element_shard_slice(e, node, at);
    case OP_GATHER: return element_gather(e, node, at);
    case OP_SUM:
    case OP_REDUCE_MAX:
    case OP_ARGMAX: return element_reduce(e, id, at);
    case OP_FOLD: return element_fold(e, id, at);
    case OP_SCATTER_ADD: return element_scatter_add(e, id, at);
    case OP_NEG:
    case OP_EXP:
    case OP_LOG:
    case OP_TANH:
    case OP_SQRT:
    case OP_RSQRT:
    case OP_SIN:
    case OP_COS:
    case OP_ABS:
    case OP_SIGN:
    case OP_FLOOR:
    case OP_TO_F32:
    case OP_TO_I32:
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_DIV:
    case OP_MAX:
    case OP_MIN:
    case OP_POW:
    case OP_REM:
    case OP_EQ:
    case OP_LT:
    case OP_LE:
    case OP_SELECT:
    case OP_RANDOM: return map_element(e, node, at);
    /* values from elsewhere are read from buffers; libraries compute the
     * contractions, expand.c has replaced the composites */
    case OP_INPUT:
    case OP_VARIABLE:
    case OP_RECEIVE:
    case OP_DOT:
    case OP_CONV2D:
    case OP_CONV2D_GRADIENT_INPUT:
    case OP_CONV2D_GRADIENT_FILTER:
    case OP_WORLD_SUM:
    case OP_SOFTMAX:
    case OP_LAYERNORM:
    case OP_RMSNORM:
    case OP_CROSS_ENTROPY:
    case OP_GELU:
    case OP_ALL_REDUCE:
    case OP_ALL_GATHER:
    case OP_REDUCE_SCATTER:
    case OP_ALL_TO_ALL:
    case OP_PERMUTE:
    case OP_NONE:
    case OP_COUNT: break;
    }
    assert(!"not an op of emitted code");
    return (Element){NULL, e->top};
}

Element element(Emitter *e, NodeId id, Index at)
{
    Scope *scope = index_scope(e, &at);
    const Memo *memo = scope_recall(scope, id.index, &at);
    if (memo)
        return memo->element;
    Element result;
    if (e->operand_of[id.index])
        result = load_operand(e, id, at);
    else if (!row_find(e, id, &at, &result))
        result = compute(e, id, at);
    scope_remember(e, scope, id.index, &at, result);
    return result;
}
