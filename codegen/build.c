/* Build: typed shorthands over LLVM's instruction builder. */
#include "codegen/build.h"

#include <assert.h>
#include <string.h>

enum {
    FLAGS_EXACT = LLVMFastMathAllowContract,
    FLAGS_REDUCTION = LLVMFastMathAllowReassoc | LLVMFastMathAllowContract |
                      LLVMFastMathNoSignedZeros | LLVMFastMathAllowReciprocal,
};

Build build_new(LLVMContextRef context, LLVMModuleRef module,
                LLVMBuilderRef builder)
{
    return (Build){
        .context = context,
        .module = module,
        .builder = builder,
        .f32 = LLVMFloatTypeInContext(context),
        .f64 = LLVMDoubleTypeInContext(context),
        .i1 = LLVMInt1TypeInContext(context),
        .i32 = LLVMInt32TypeInContext(context),
        .i64 = LLVMInt64TypeInContext(context),
        .pointer = LLVMPointerTypeInContext(context, 0),
        .nothing = LLVMVoidTypeInContext(context),
    };
}

LLVMValueRef build_f32(const Build *b, double value)
{
    return LLVMConstReal(b->f32, value);
}

LLVMValueRef build_i32(const Build *b, int64_t value)
{
    return LLVMConstInt(b->i32, (unsigned long long)value, 1);
}

LLVMValueRef build_i64(const Build *b, int64_t value)
{
    return LLVMConstInt(b->i64, (unsigned long long)value, 1);
}

/* The builder folds constants, so a result need not be an instruction. */
static LLVMValueRef flagged(LLVMValueRef value, LLVMFastMathFlags flags)
{
    if (LLVMIsAInstruction(value) && LLVMCanValueUseFastMathFlags(value))
        LLVMSetFastMathFlags(value, flags);
    return value;
}

LLVMValueRef build_fadd(const Build *b, LLVMValueRef x, LLVMValueRef y)
{
    return flagged(LLVMBuildFAdd(b->builder, x, y, ""), FLAGS_EXACT);
}

LLVMValueRef build_fsub(const Build *b, LLVMValueRef x, LLVMValueRef y)
{
    return flagged(LLVMBuildFSub(b->builder, x, y, ""), FLAGS_EXACT);
}

LLVMValueRef build_fmul(const Build *b, LLVMValueRef x, LLVMValueRef y)
{
    return flagged(LLVMBuildFMul(b->builder, x, y, ""), FLAGS_EXACT);
}

LLVMValueRef build_fdiv(const Build *b, LLVMValueRef x, LLVMValueRef y)
{
    return flagged(LLVMBuildFDiv(b->builder, x, y, ""), FLAGS_EXACT);
}

LLVMValueRef build_fma(const Build *b, LLVMValueRef x, LLVMValueRef y,
                       LLVMValueRef z)
{
    return build_intrinsic(b, "llvm.fmuladd", (LLVMValueRef[]){x, y, z}, 3);
}

LLVMValueRef build_reassociable_add(const Build *b, LLVMValueRef x,
                                    LLVMValueRef y)
{
    return flagged(LLVMBuildFAdd(b->builder, x, y, ""), FLAGS_REDUCTION);
}

LLVMValueRef build_fcmp(const Build *b, LLVMRealPredicate predicate,
                        LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildFCmp(b->builder, predicate, x, y, "");
}

LLVMValueRef build_icmp(const Build *b, LLVMIntPredicate predicate,
                        LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildICmp(b->builder, predicate, x, y, "");
}

LLVMValueRef build_select(const Build *b, LLVMValueRef condition,
                          LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildSelect(b->builder, condition, x, y, "");
}

LLVMValueRef build_extremum(const Build *b, LLVMRealPredicate predicate,
                            LLVMValueRef x, LLVMValueRef y)
{
    /* an unordered compare keeps a NaN in x; one in y needs a test, which a
     * constant (relu's 0) does not */
    LLVMValueRef chosen = build_select(b, build_fcmp(b, predicate, x, y), x, y);
    if (LLVMIsAConstantFP(y))
        return chosen;
    return build_select(b, build_fcmp(b, LLVMRealUNO, y, y), y, chosen);
}

LLVMValueRef build_maximum(const Build *b, LLVMValueRef x, LLVMValueRef y)
{
    LLVMValueRef value = build_intrinsic2(b, "llvm.maximum", x, y);
    return flagged(value, FLAGS_EXACT | LLVMFastMathNoSignedZeros);
}

LLVMValueRef build_saturating_i32(const Build *b, LLVMValueRef x)
{
    const char name[] = "llvm.fptosi.sat";
    unsigned id = LLVMLookupIntrinsicID(name, sizeof(name) - 1);
    LLVMTypeRef types[] = {b->i32, b->f32};
    LLVMValueRef callee = LLVMGetIntrinsicDeclaration(b->module, id, types, 2);
    LLVMTypeRef function = LLVMIntrinsicGetType(b->context, id, types, 2);
    return LLVMBuildCall2(b->builder, function, callee, &x, 1, "");
}

LLVMValueRef build_as_i32(const Build *b, LLVMValueRef x)
{
    return LLVMBuildBitCast(b->builder, x, b->i32, "");
}

LLVMValueRef build_as_f32(const Build *b, LLVMValueRef x)
{
    return LLVMBuildBitCast(b->builder, x, b->f32, "");
}

LLVMValueRef build_intrinsic(const Build *b, const char *name,
                             LLVMValueRef *arguments, int32_t n)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    assert(id != 0);
    LLVMTypeRef type = LLVMTypeOf(arguments[0]);
    LLVMValueRef callee = LLVMGetIntrinsicDeclaration(b->module, id, &type, 1);
    LLVMTypeRef function = LLVMIntrinsicGetType(b->context, id, &type, 1);
    return flagged(LLVMBuildCall2(b->builder, function, callee, arguments,
                                  (unsigned)n, ""),
                   FLAGS_EXACT);
}

LLVMValueRef build_intrinsic1(const Build *b, const char *name, LLVMValueRef x)
{
    return build_intrinsic(b, name, &x, 1);
}

LLVMValueRef build_intrinsic2(const Build *b, const char *name, LLVMValueRef x,
                              LLVMValueRef y)
{
    return build_intrinsic(b, name, (LLVMValueRef[]){x, y}, 2);
}
