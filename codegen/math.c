/* Math: elementary functions as straight-line polynomials that vectorise.
 *
 * exp and log follow Cephes (Moshier, expf.c, logf.c), tanh is the rational
 * minimax approximation of Eigen's packet math, sin and cos use Cephes'
 * polynomials after a Cody-Waite reduction in double precision.
 */
#include "codegen/math.h"

#include <math.h>

/* coefficient[0] x^(n-1) + ... + coefficient[n-1] by Horner's rule. */
static LLVMValueRef polynomial(const Build *b, LLVMValueRef x,
                               const double *coefficient, int n)
{
    LLVMValueRef sum = build_f32(b, coefficient[0]);
    for (int i = 1; i < n; i++)
        sum = build_fma(b, sum, x, build_f32(b, coefficient[i]));
    return sum;
}

/* Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits. */
static const double ROUNDING = 12582912.0;

LLVMValueRef math_exp(const Build *b, LLVMValueRef x)
{
    static const double p[] = {1.9875691500E-4, 1.3981999507E-3,
                               8.3334519073E-3, 4.1665795894E-2,
                               1.6666665459E-1, 5.0000001201E-1};
    /* x = n ln 2 + r; the integer n stays in the low bits of `shifted` */
    LLVMValueRef shifted = build_fma(b, x, build_f32(b, 1.44269504088896341),
                                     build_f32(b, ROUNDING));
    LLVMValueRef n = build_fsub(b, shifted, build_f32(b, ROUNDING));
    LLVMValueRef r = build_fma(b, n, build_f32(b, -0.693359375), x);
    r = build_fma(b, n, build_f32(b, 2.12194440e-4), r);
    LLVMValueRef e = polynomial(b, r, p, 6);
    e = build_fma(b, e, build_fmul(b, r, r), r);
    e = build_fadd(b, e, build_f32(b, 1));
    /* times 2^n by adding to the exponent */
    LLVMValueRef exponent = LLVMBuildShl(b->builder, build_as_i32(b, shifted),
                                         build_i32(b, 23), "");
    e = build_as_f32(
        b, LLVMBuildAdd(b->builder, build_as_i32(b, e), exponent, ""));
    LLVMValueRef normal =
        build_fcmp(b, LLVMRealOGE, x, build_f32(b, -87.3365447));
    e = build_select(b, normal, e, build_f32(b, 0));
    /* above the range inf, for NaN NaN: both are x * inf there; the compare
     * is unordered so that NaN goes the same way */
    LLVMValueRef beyond =
        build_fcmp(b, LLVMRealUGT, x, build_f32(b, 88.7228394));
    return build_select(b, beyond, build_fmul(b, x, build_f32(b, HUGE_VAL)), e);
}

LLVMValueRef math_log(const Build *b, LLVMValueRef x)
{
    static const double p[] = {
        7.0376836292E-2,  -1.1514610310E-1, 1.1676998740E-1,
        -1.2420140846E-1, 1.4249322787E-1,  -1.6668057665E-1,
        2.0000714765E-1,  -2.4999993993E-1, 3.3333331174E-1};
    /* denormals are scaled into the normal numbers */
    LLVMValueRef tiny = build_fcmp(b, LLVMRealOLT, x, build_f32(b, 0x1p-126));
    LLVMValueRef scaled =
        build_select(b, tiny, build_fmul(b, x, build_f32(b, 0x1p25)), x);
    /* scaled = 2^n m with m in [sqrt(1/2), sqrt(2)) */
    LLVMValueRef bits = build_as_i32(b, scaled);
    LLVMValueRef above =
        LLVMBuildSub(b->builder, bits, build_i32(b, 0x3f3504f3), "");
    LLVMValueRef exponent =
        LLVMBuildAShr(b->builder, above, build_i32(b, 23), "");
    LLVMValueRef mantissa = LLVMBuildSub(
        b->builder, bits,
        LLVMBuildShl(b->builder, exponent, build_i32(b, 23), ""), "");
    LLVMValueRef n = LLVMBuildSIToFP(b->builder, exponent, b->f32, "");
    n = build_fsub(b, n,
                   build_select(b, tiny, build_f32(b, 25), build_f32(b, 0)));
    LLVMValueRef m = build_fsub(b, build_as_f32(b, mantissa), build_f32(b, 1));
    LLVMValueRef square = build_fmul(b, m, m);
    LLVMValueRef y =
        build_fmul(b, polynomial(b, m, p, 9), build_fmul(b, m, square));
    y = build_fma(b, n, build_f32(b, -2.12194440e-4), y);
    y = build_fma(b, square, build_f32(b, -0.5), y);
    y = build_fma(b, n, build_f32(b, 0.693359375), build_fadd(b, m, y));
    /* 0 -> -inf; inf and NaN -> themselves; below 0 -> NaN */
    LLVMValueRef finite = build_fcmp(b, LLVMRealOLT, x, build_f32(b, HUGE_VAL));
    y = build_select(b, finite, y, x);
    LLVMValueRef zero = build_fcmp(b, LLVMRealOEQ, x, build_f32(b, 0));
    y = build_select(b, zero, build_f32(b, -HUGE_VAL), y);
    LLVMValueRef negative = build_fcmp(b, LLVMRealOLT, x, build_f32(b, 0));
    return build_select(b, negative, build_f32(b, (double)NAN), y);
}

LLVMValueRef math_tanh(const Build *b, LLVMValueRef x)
{
    static const double p[] = {-2.76076847742355e-16, 2.00018790482477e-13,
                               -8.60467152213735e-11, 5.12229709037114e-08,
                               1.48572235717979e-05,  6.37261928875436e-04,
                               4.89352455891786e-03};
    static const double q[] = {1.19825839466702e-06, 1.18534705686654e-04,
                               2.26843463243900e-03, 4.89352518554385e-03};
    /* beyond the bound tanh rounds to +-1; NaN passes both selects */
    LLVMValueRef bound = build_f32(b, 7.90531110763549805);
    LLVMValueRef least = build_f32(b, -7.90531110763549805);
    LLVMValueRef v =
        build_select(b, build_fcmp(b, LLVMRealOGT, x, bound), bound, x);
    v = build_select(b, build_fcmp(b, LLVMRealOLT, v, least), least, v);
    LLVMValueRef square = build_fmul(b, v, v);
    LLVMValueRef above = build_fmul(b, v, polynomial(b, square, p, 7));
    LLVMValueRef y = build_fdiv(b, above, polynomial(b, square, q, 4));
    LLVMValueRef magnitude = build_intrinsic1(b, "llvm.fabs", x);
    LLVMValueRef small =
        build_fcmp(b, LLVMRealOLT, magnitude, build_f32(b, 0.0004));
    return build_select(b, small, x, y);
}

/* sin(wide + quarter * pi / 2), as f32; `wide` is a double. */
static LLVMValueRef sine_shifted(const Build *b, LLVMValueRef wide,
                                 int64_t quarter)
{
    static const double sine[] = {-1.9515295891E-4, 8.3321608736E-3,
                                  -1.6666654611E-1};
    static const double cosine[] = {2.443315711809948E-5, -1.388731625493765E-3,
                                    4.166664568298827E-2};
    /* x = n pi/2 + r with |r| <= pi/4, in double: exact enough for every
     * argument whose n fits; the double's low bits hold n */
    double shift = 6755399441055744.0; /* 1.5 * 2^52 */
    LLVMValueRef shifted = LLVMBuildFAdd(
        b->builder,
        LLVMBuildFMul(b->builder, wide, LLVMConstReal(b->f64, M_2_PI), ""),
        LLVMConstReal(b->f64, shift), "");
    LLVMValueRef n =
        LLVMBuildFSub(b->builder, shifted, LLVMConstReal(b->f64, shift), "");
    /* pi/2 in two parts: results near 0 keep their digits */
    LLVMValueRef rest = build_fma(b, n, LLVMConstReal(b->f64, -M_PI_2), wide);
    rest = build_fma(b, n, LLVMConstReal(b->f64, -6.123233995736766e-17), rest);
    LLVMValueRef r = LLVMBuildFPTrunc(b->builder, rest, b->f32, "");
    LLVMValueRef bits = LLVMBuildTrunc(
        b->builder, LLVMBuildBitCast(b->builder, shifted, b->i64, ""), b->i32,
        "");
    LLVMValueRef quadrant =
        LLVMBuildAdd(b->builder, bits, build_i32(b, quarter), "");

    LLVMValueRef square = build_fmul(b, r, r);
    LLVMValueRef s = build_fma(
        b, build_fmul(b, polynomial(b, square, sine, 3), square), r, r);
    LLVMValueRef low =
        build_fma(b, square, build_f32(b, -0.5), build_f32(b, 1));
    LLVMValueRef fourth = build_fmul(b, square, square);
    LLVMValueRef c =
        build_fma(b, polynomial(b, square, cosine, 3), fourth, low);
    LLVMValueRef zero = build_i32(b, 0);
    LLVMValueRef odd = build_icmp(
        b, LLVMIntNE, LLVMBuildAnd(b->builder, quadrant, build_i32(b, 1), ""),
        zero);
    LLVMValueRef half = build_icmp(
        b, LLVMIntNE, LLVMBuildAnd(b->builder, quadrant, build_i32(b, 2), ""),
        zero);
    LLVMValueRef y = build_select(b, odd, c, s);
    return build_select(b, half, LLVMBuildFNeg(b->builder, y, ""), y);
}

LLVMValueRef math_sin(const Build *b, LLVMValueRef x)
{
    return sine_shifted(b, LLVMBuildFPExt(b->builder, x, b->f64, ""), 0);
}

LLVMValueRef math_cos(const Build *b, LLVMValueRef x)
{
    return sine_shifted(b, LLVMBuildFPExt(b->builder, x, b->f64, ""), 1);
}

LLVMValueRef math_cos_turn(const Build *b, LLVMValueRef x)
{
    LLVMValueRef wide = LLVMBuildFPExt(b->builder, x, b->f64, "");
    return sine_shifted(
        b, LLVMBuildFMul(b->builder, wide, LLVMConstReal(b->f64, 2 * M_PI), ""),
        1);
}
