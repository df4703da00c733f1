/* Map elements: arithmetic on elements at one index, and random numbers. */
#include "codegen/element.h"
#include "codegen/math.h"
#include "support/philox.h"

#include <assert.h>
#include <stddef.h>

static LLVMValueRef truth(const Emitter *e, LLVMValueRef condition)
{
    const Build *b = &e->build;
    return build_select(b, condition, build_f32(b, 1), build_f32(b, 0));
}

LLVMValueRef context_field(Emitter *e, int64_t offset)
{
    const Build *b = &e->build;
    scope_enter(e, e->top);
    LLVMValueRef at = build_i64(b, offset);
    LLVMValueRef place = LLVMBuildInBoundsGEP2(
        b->builder, LLVMInt8TypeInContext(b->context), e->context, &at, 1, "");
    return LLVMBuildLoad2(b->builder, b->i64, place, "");
}

static LLVMValueRef sign_value(const Emitter *e, LLVMValueRef x)
{
    const Build *b = &e->build;
    LLVMValueRef zero = build_f32(b, 0);
    LLVMValueRef above = build_fcmp(b, LLVMRealOGT, x, zero);
    LLVMValueRef below = build_fcmp(b, LLVMRealOLT, x, zero);
    return build_fsub(b, truth(e, above), truth(e, below));
}

static LLVMValueRef map_f32(const Emitter *e, Op op, LLVMValueRef x,
                            LLVMValueRef y)
{
    const Build *b = &e->build;
    switch (op) {
    case OP_NEG: return LLVMBuildFNeg(b->builder, x, "");
    case OP_EXP: return math_exp(b, x);
    case OP_LOG: return math_log(b, x);
    case OP_TANH: return math_tanh(b, x);
    case OP_SIN: return math_sin(b, x);
    case OP_COS: return math_cos(b, x);
    case OP_SQRT: return build_intrinsic1(b, "llvm.sqrt", x);
    case OP_RSQRT:
        return build_fdiv(b, build_f32(b, 1),
                          build_intrinsic1(b, "llvm.sqrt", x));
    case OP_ABS: return build_intrinsic1(b, "llvm.fabs", x);
    case OP_SIGN: return sign_value(e, x);
    case OP_FLOOR: return build_intrinsic1(b, "llvm.floor", x);
    case OP_TO_I32: return build_saturating_i32(b, x);
    case OP_ADD: return build_fadd(b, x, y);
    case OP_SUB: return build_fsub(b, x, y);
    case OP_MUL: return build_fmul(b, x, y);
    case OP_DIV: return build_fdiv(b, x, y);
    case OP_MAX: return build_extremum(b, LLVMRealUGT, x, y);
    case OP_MIN: return build_extremum(b, LLVMRealULT, x, y);
    case OP_POW: return build_intrinsic2(b, "llvm.pow", x, y);
    case OP_REM: return LLVMBuildFRem(b->builder, x, y, "");
    case OP_EQ: return truth(e, build_fcmp(b, LLVMRealOEQ, x, y));
    case OP_LT: return truth(e, build_fcmp(b, LLVMRealOLT, x, y));
    case OP_LE: return truth(e, build_fcmp(b, LLVMRealOLE, x, y));
    default: assert(!"an f32 map"); return NULL;
    }
}

/* Quotient or remainder of i32 values; 0 where y is 0.  In 64 bits the one
 * overflow, INT32_MIN / -1, is an ordinary quotient that wraps. */
static LLVMValueRef divide_i32(const Emitter *e, LLVMOpcode op, LLVMValueRef x,
                               LLVMValueRef y)
{
    const Build *b = &e->build;
    LLVMValueRef zero = build_icmp(b, LLVMIntEQ, y, build_i32(b, 0));
    LLVMValueRef by = build_select(b, zero, build_i32(b, 1), y);
    LLVMValueRef wide_by = LLVMBuildSExt(b->builder, by, b->i64, "");
    LLVMValueRef wide_x = LLVMBuildSExt(b->builder, x, b->i64, "");
    LLVMValueRef wide = LLVMBuildBinOp(b->builder, op, wide_x, wide_by, "");
    return build_select(b, zero, build_i32(b, 0),
                        LLVMBuildTrunc(b->builder, wide, b->i32, ""));
}

static LLVMValueRef map_i32(const Emitter *e, Op op, LLVMValueRef x,
                            LLVMValueRef y)
{
    const Build *b = &e->build;
    switch (op) {
    case OP_NEG: return LLVMBuildNeg(b->builder, x, "");
    case OP_ABS:
        return build_intrinsic2(b, "llvm.smax", x,
                                LLVMBuildNeg(b->builder, x, ""));
    case OP_SIGN:
        return build_intrinsic2(
            b, "llvm.smax", build_i32(b, -1),
            build_intrinsic2(b, "llvm.smin", x, build_i32(b, 1)));
    case OP_TO_F32: return LLVMBuildSIToFP(b->builder, x, b->f32, "");
    case OP_ADD: return LLVMBuildAdd(b->builder, x, y, "");
    case OP_SUB: return LLVMBuildSub(b->builder, x, y, "");
    case OP_MUL: return LLVMBuildMul(b->builder, x, y, "");
    case OP_DIV: return divide_i32(e, LLVMSDiv, x, y);
    case OP_MAX: return build_intrinsic2(b, "llvm.smax", x, y);
    case OP_MIN: return build_intrinsic2(b, "llvm.smin", x, y);
    case OP_REM: return divide_i32(e, LLVMSRem, x, y);
    case OP_EQ: return truth(e, build_icmp(b, LLVMIntEQ, x, y));
    case OP_LT: return truth(e, build_icmp(b, LLVMIntSLT, x, y));
    case OP_LE: return truth(e, build_icmp(b, LLVMIntSLE, x, y));
    default: assert(!"an i32 map"); return NULL;
    }
}

/* -- random numbers (support/philox.h) ------------------------------------ */

/* The 64-bit product of two 32-bit words, as its halves. */
static void wide_multiply(const Build *b, uint32_t factor, LLVMValueRef x,
                          LLVMValueRef *high, LLVMValueRef *low)
{
    LLVMValueRef product =
        LLVMBuildMul(b->builder, LLVMBuildZExt(b->builder, x, b->i64, ""),
                     build_i64(b, factor), "");
    *low = LLVMBuildTrunc(b->builder, product, b->i32, "");
    *high = LLVMBuildTrunc(
        b->builder, LLVMBuildLShr(b->builder, product, build_i64(b, 32), ""),
        b->i32, "");
}

static LLVMValueRef xor3(const Build *b, LLVMValueRef x, LLVMValueRef y,
                         LLVMValueRef z)
{
    return LLVMBuildXor(b->builder, LLVMBuildXor(b->builder, x, y, ""), z, "");
}

/* PHILOX_ROUNDS rounds in place on counter[4] with key[2]. */
static void philox_words(const Build *b, LLVMValueRef *counter,
                         LLVMValueRef *key)
{
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        LLVMValueRef high0, low0, high1, low1;
        wide_multiply(b, PHILOX_MULTIPLIER_0, counter[0], &high0, &low0);
        wide_multiply(b, PHILOX_MULTIPLIER_1, counter[2], &high1, &low1);
        counter[0] = xor3(b, high1, counter[1], key[0]);
        counter[1] = low1;
        counter[2] = xor3(b, high0, counter[3], key[1]);
        counter[3] = low0;
        key[0] =
            LLVMBuildAdd(b->builder, key[0], build_i32(b, PHILOX_WEYL_0), "");
        key[1] =
            LLVMBuildAdd(b->builder, key[1], build_i32(b, PHILOX_WEYL_1), "");
    }
}

static LLVMValueRef uniform_value(const Build *b, LLVMValueRef word)
{
    LLVMValueRef bits = LLVMBuildLShr(b->builder, word, build_i32(b, 8), "");
    return build_fmul(b, LLVMBuildSIToFP(b->builder, bits, b->f32, ""),
                      build_f32(b, 0x1p-24));
}

/* Box-Muller: 1 - u0 is in (0, 1], so the logarithm is finite. */
static LLVMValueRef normal_value(const Build *b, LLVMValueRef word0,
                                 LLVMValueRef word1)
{
    LLVMValueRef u0 = uniform_value(b, word0), u1 = uniform_value(b, word1);
    LLVMValueRef logarithm = math_log(b, build_fsub(b, build_f32(b, 1), u0));
    LLVMValueRef radius = build_intrinsic1(
        b, "llvm.sqrt", build_fmul(b, build_f32(b, -2), logarithm));
    return build_fmul(b, radius, math_cos_turn(b, u1));
}

static LLVMValueRef random_value(Emitter *e, const RandomAttr *random,
                                 LLVMValueRef stream, LLVMValueRef high,
                                 LLVMValueRef low)
{
    const Build *b = &e->build;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(b->builder);
    LLVMValueRef seed = context_field(e, offsetof(KernelContext, seed));
    LLVMValueRef step = context_field(e, offsetof(KernelContext, step));
    LLVMPositionBuilderAtEnd(b->builder, here);
    LLVMValueRef key[] = {
        LLVMBuildTrunc(b->builder, seed, b->i32, ""),
        LLVMBuildTrunc(b->builder,
                       LLVMBuildLShr(b->builder, seed, build_i64(b, 32), ""),
                       b->i32, ""),
    };
    LLVMValueRef counter[] = {
        low,
        high,
        stream,
        random->by_step ? LLVMBuildTrunc(b->builder, step, b->i32, "")
                        : build_i32(b, 0),
    };
    philox_words(b, counter, key);
    return random->distribution == DISTRIBUTION_UNIFORM
               ? uniform_value(b, counter[0])
               : normal_value(b, counter[0], counter[1]);
}

/* -- the map ops ---------------------------------------------------------- */

LLVMValueRef map_value(Emitter *e, const Node *node, const LLVMValueRef *x)
{
    const Build *b = &e->build;
    const Graph *graph = e->body->graph;
    if (node->op == OP_RANDOM)
        return random_value(e, &node->attr.random,
                            e->streams[node - graph->nodes.data], x[0], x[1]);
    if (node->op == OP_SELECT) {
        LLVMValueRef chosen = build_fcmp(b, LLVMRealUNE, x[0], build_f32(b, 0));
        return build_select(b, chosen, x[1], x[2]);
    }
    LLVMValueRef y = node->n_operands > 1 ? x[1] : NULL;
    return graph_operand(graph, node, 0)->type.dtype == DTYPE_F32
               ? map_f32(e, node->op, x[0], y)
               : map_i32(e, node->op, x[0], y);
}
