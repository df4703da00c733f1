/* Math: elementary functions as straight-line polynomials that vectorise.
 *
 * Every function takes and returns f32 values and works for all of them: NaN
 * gives NaN, infinities give their limits.  The errors below were measured
 * against double precision (tests/codegen/test_math.c) and are in units
 * in the last place of the result.  x86-64-v2 has no fused multiply-add: there
 * sines and cosines of arguments beyond some thousands lose digits where they
 * are near 0.
 */
#ifndef DNNC_CODEGEN_MATH_H
#define DNNC_CODEGEN_MATH_H

#include "codegen/build.h"

/* <= 2 ulp; results below the smallest normal number are 0. */
LLVMValueRef math_exp(const Build *b, LLVMValueRef x);
/* <= 2 ulp; negative arguments give NaN, 0 gives -inf. */
LLVMValueRef math_log(const Build *b, LLVMValueRef x);
/* <= 6 ulp. */
LLVMValueRef math_tanh(const Build *b, LLVMValueRef x);
/* <= 2 ulp for |x| <= 2^20; the argument is reduced in double precision. */
LLVMValueRef math_sin(const Build *b, LLVMValueRef x);
LLVMValueRef math_cos(const Build *b, LLVMValueRef x);
/* The cosine of x turns (2 pi x); <= 2 ulp. */
LLVMValueRef math_cos_turn(const Build *b, LLVMValueRef x);

#endif
