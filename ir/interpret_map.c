/* Elementwise ops, element by element.
 *
 * f32 functions are computed in double and rounded once.  i32 arithmetic
 * wraps; division by zero gives 0, as does the remainder.
 */
#include "ir/interpret_op.h"
#include "support/philox.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static int64_t count(const Evaluation *e)
{
    return shape_count(&e->result.type.shape);
}

/* -- one operand ----------------------------------------------------------- */

static double unary_f32(Op op, double x)
{
    switch (op) {
    case OP_COPY:
    case OP_STOP_GRADIENT: return x;
    case OP_NEG: return -x;
    case OP_EXP: return exp(x);
    case OP_LOG: return log(x);
    case OP_TANH: return tanh(x);
    case OP_SQRT: return sqrt(x);
    case OP_RSQRT: return 1 / sqrt(x);
    case OP_SIN: return sin(x);
    case OP_COS: return cos(x);
    case OP_ABS: return fabs(x);
    case OP_SIGN: return (x > 0) - (x < 0); /* NaN gives 0 */
    case OP_FLOOR: return floor(x);
    default: assert(!"a unary f32 op"); return 0;
    }
}

static int32_t unary_i32(Op op, int32_t x)
{
    int32_t negative = (int32_t)(0 - (uint32_t)x);
    switch (op) {
    case OP_COPY:
    case OP_STOP_GRADIENT: return x;
    case OP_NEG: return negative;
    case OP_ABS: return x < 0 ? negative : x;
    case OP_SIGN: return (x > 0) - (x < 0);
    default: assert(!"a unary i32 op"); return 0;
    }
}

/* Towards zero; out of range saturates, NaN gives 0. */
static int32_t to_i32(float x)
{
    if (isnan(x))
        return 0;
    if (x >= 0x1p31f)
        return INT32_MAX;
    return x <= -0x1p31f ? INT32_MIN : (int32_t)x;
}

void evaluate_unary(const Evaluation *e)
{
    Op op = e->node->op;
    Tensor x = e->operands[0], y = e->result;
    for (int64_t i = 0; i < count(e); i++) {
        if (op == OP_TO_F32)
            tensor_f32(y)[i] = (float)tensor_i32(x)[i];
        else if (op == OP_TO_I32)
            tensor_i32(y)[i] = to_i32(tensor_f32(x)[i]);
        else if (x.type.dtype == DTYPE_I32)
            tensor_i32(y)[i] = unary_i32(op, tensor_i32(x)[i]);
        else
            tensor_f32(y)[i] = (float)unary_f32(op, (double)tensor_f32(x)[i]);
    }
}

/* -- two operands ---------------------------------------------------------- */

static double binary_f32(Op op, double x, double y)
{
    switch (op) {
    case OP_ADD: return x + y;
    case OP_SUB: return x - y;
    case OP_MUL: return x * y;
    case OP_DIV: return x / y;
    case OP_MAX: return x > y || isnan(x) ? x : y; /* a NaN is kept */
    case OP_MIN: return x < y || isnan(x) ? x : y;
    case OP_POW: return pow(x, y);
    case OP_REM: return fmod(x, y); /* the dividend's sign */
    default: assert(!"a binary f32 op"); return 0;
    }
}

/* In 64 bits nothing overflows but the result's conversion, which wraps. */
static int64_t binary_i64(Op op, int64_t x, int64_t y)
{
    switch (op) {
    case OP_ADD: return x + y;
    case OP_SUB: return x - y;
    case OP_MUL: return x * y;
    case OP_DIV: return y == 0 ? 0 : x / y;
    case OP_MAX: return x > y ? x : y;
    case OP_MIN: return x < y ? x : y;
    case OP_REM: return y == 0 ? 0 : x % y;
    default: assert(!"a binary i32 op"); return 0;
    }
}

void evaluate_binary(const Evaluation *e)
{
    Op op = e->node->op;
    Tensor x = e->operands[0], y = e->operands[1], z = e->result;
    for (int64_t i = 0; i < count(e); i++) {
        if (z.type.dtype == DTYPE_I32)
            tensor_i32(z)[i] =
                (int32_t)binary_i64(op, tensor_i32(x)[i], tensor_i32(y)[i]);
        else
            tensor_f32(z)[i] = (float)binary_f32(op, (double)tensor_f32(x)[i],
                                                 (double)tensor_f32(y)[i]);
    }
}

/* Both dtypes are exact in double; a NaN compares false. */
static bool holds(Op op, double x, double y)
{
    switch (op) {
    case OP_EQ: return x == y;
    case OP_LT: return x < y;
    case OP_LE: return x <= y;
    default: assert(!"a comparison"); return false;
    }
}

static double element(Tensor t, int64_t i)
{
    return t.type.dtype == DTYPE_I32 ? (double)tensor_i32(t)[i]
                                     : (double)tensor_f32(t)[i];
}

void evaluate_compare(const Evaluation *e)
{
    for (int64_t i = 0; i < count(e); i++) {
        bool result = holds(e->node->op, element(e->operands[0], i),
                            element(e->operands[1], i));
        tensor_f32(e->result)[i] = result ? 1.0f : 0.0f;
    }
}

void evaluate_select(const Evaluation *e)
{
    int64_t bytes = dtype_bytes(e->result.type.dtype);
    for (int64_t i = 0; i < count(e); i++) {
        bool first = tensor_f32(e->operands[0])[i] != 0;
        const char *from = e->operands[first ? 1 : 2].data;
        memcpy((char *)e->result.data + i * bytes, from + i * bytes,
               (size_t)bytes);
    }
}

/* -- random numbers -------------------------------------------------------- */

/* Box-Muller: 1 - u0 is in (0, 1], so the logarithm is finite. */
static float normal(PhiloxWords words)
{
    double u0 = (double)philox_uniform(words.word[0]);
    double u1 = (double)philox_uniform(words.word[1]);
    return (float)(sqrt(-2 * log(1 - u0)) * cos(2 * M_PI * u1));
}

void evaluate_random(const Evaluation *e)
{
    const RandomAttr *random = &e->node->attr.random;
    const KernelContext *context = &e->environment->context;
    uint32_t step = random->by_step ? (uint32_t)context->step : 0;
    for (int64_t i = 0; i < count(e); i++) {
        PhiloxWords words = philox(
            context->seed, (uint32_t)tensor_i32(e->operands[1])[i],
            (uint32_t)tensor_i32(e->operands[0])[i], random->stream, step);
        tensor_f32(e->result)[i] = random->distribution == DISTRIBUTION_UNIFORM
                                       ? philox_uniform(words.word[0])
                                       : normal(words);
    }
}
