/* Build: typed shorthands over LLVM's instruction builder.
 *
 * Generated arithmetic is f32, i32 (the model's) and i64 (indices).  Ordinary
 * floating-point instructions may be contracted into fused multiply-adds and
 * are otherwise exact as written; only the additions of a reduction may be
 * reassociated, which is what lets them vectorise.  No flag promises the
 * absence of NaN or infinity: masks are made of them.
 */
#ifndef DNNC_CODEGEN_BUILD_H
#define DNNC_CODEGEN_BUILD_H

#include <llvm-c/Core.h>
#include <stdint.h>

typedef struct Build {
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    LLVMTypeRef f32, f64, i1, i32, i64, pointer, nothing;
} Build;

/* Borrows all three; the types belong to the context. */
Build build_new(LLVMContextRef context, LLVMModuleRef module,
                LLVMBuilderRef builder);

LLVMValueRef build_f32(const Build *b, double value);
LLVMValueRef build_i32(const Build *b, int64_t value);
LLVMValueRef build_i64(const Build *b, int64_t value);

LLVMValueRef build_fadd(const Build *b, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef build_fsub(const Build *b, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef build_fmul(const Build *b, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef build_fdiv(const Build *b, LLVMValueRef x, LLVMValueRef y);
/* x * y + z, in one rounding where the target has an instruction for it. */
LLVMValueRef build_fma(const Build *b, LLVMValueRef x, LLVMValueRef y,
                       LLVMValueRef z);
/* An addition whose order among its like is free. */
LLVMValueRef build_reassociable_add(const Build *b, LLVMValueRef x,
                                    LLVMValueRef y);
LLVMValueRef build_fcmp(const Build *b, LLVMRealPredicate predicate,
                        LLVMValueRef x, LLVMValueRef y);
LLVMValueRef build_icmp(const Build *b, LLVMIntPredicate predicate,
                        LLVMValueRef x, LLVMValueRef y);
LLVMValueRef build_select(const Build *b, LLVMValueRef condition,
                          LLVMValueRef x, LLVMValueRef y);
/* The greater (predicate UGT) or lesser (ULT) of two f32; NaN if either is. */
LLVMValueRef build_extremum(const Build *b, LLVMRealPredicate predicate,
                            LLVMValueRef x, LLVMValueRef y);
/* The greater, in the form that vectorises in a reduction; NaN if either is,
 * and of zeros any. */
LLVMValueRef build_maximum(const Build *b, LLVMValueRef x, LLVMValueRef y);
/* f32 to i32 towards zero; out of range saturates, NaN gives 0. */
LLVMValueRef build_saturating_i32(const Build *b, LLVMValueRef x);
/* The same bits as another type. */
LLVMValueRef build_as_i32(const Build *b, LLVMValueRef x);
LLVMValueRef build_as_f32(const Build *b, LLVMValueRef x);

/* An intrinsic overloaded on the type of its operands, which are alike:
 * "llvm.sqrt", "llvm.maximum", ... */
LLVMValueRef build_intrinsic(const Build *b, const char *name,
                             LLVMValueRef *arguments, int32_t n);
LLVMValueRef build_intrinsic1(const Build *b, const char *name, LLVMValueRef x);
LLVMValueRef build_intrinsic2(const Build *b, const char *name, LLVMValueRef x,
                              LLVMValueRef y);

#endif
