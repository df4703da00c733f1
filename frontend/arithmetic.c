/* Arithmetic: operators on numbers, tuples and tensors.
 *
 * Numbers are folded at compile time with Python's rules: `/` gives a
 * fraction, `//` rounds down.  Between tensors dimensions are matched from the
 * last; a dimension of extent 1, or an absent one, is repeated (NumPy's rule).
 * A number takes the element type of the tensor it meets.
 */
#include "frontend/lower.h"
#include "support/checked.h"

#include <math.h>

static Value unfit(Lowering *l, Span span, Operator operator, const Value * a,
                   const Value *b)
{
    Str left = value_describe(l, a), right = value_describe(l, b);
    Diagnostic *d = complain(l, span, operator_unfit, operator_text(operator),
                             STR_ARG(left), STR_ARG(right));
    if (a->span.source && a->kind == VALUE_TENSOR)
        explain(l, d, a->span, "left side: %.*s", STR_ARG(left));
    if (b->span.source && b->kind == VALUE_TENSOR)
        explain(l, d, b->span, "right side: %.*s", STR_ARG(right));
    return poison(span);
}

/* -- numbers ------------------------------------------------------------------ */

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

static bool int_power(int64_t base, int64_t exponent, int64_t *out)
{
    *out = 1;
    if (base >= -1 && base <= 1)
        exponent = exponent ? 2 - exponent % 2 : 0; /* periodic */
    for (; exponent > 0; exponent--)
        if (!mul_i64(*out, base, out))
            return false;
    return true;
}

static Value overflow(Lowering *l, Span span, Operator operator)
{
    complain(l, span, arithmetic_overflow, operator_text(operator));
    return poison(span);
}

static Value fold_ints(Lowering *l, Span span, Operator operator, int64_t a,
                       int64_t b)
{
    int64_t out = 0;
    bool fits = true;
    switch (operator) {
    case OPERATOR_ADD: fits = add_i64(a, b, &out); break;
    case OPERATOR_SUB: fits = !__builtin_sub_overflow(a, b, &out); break;
    case OPERATOR_MUL: fits = mul_i64(a, b, &out); break;
    case OPERATOR_POW: fits = int_power(a, b, &out); break;
    case OPERATOR_INT_DIV:
        fits = !(a == INT64_MIN && b == -1);
        out = fits ? floor_div(a, b) : 0;
        break;
    default: out = b == -1 ? 0 : a - floor_div(a, b) * b; break;
    }
    return fits ? value_int(span, out) : overflow(l, span, operator);
}

static Value fold_reals(Lowering *l, Span span, Operator operator, double a,
                        double b)
{
    double out = 0;
    switch (operator) {
    case OPERATOR_ADD: out = a + b; break;
    case OPERATOR_SUB: out = a - b; break;
    case OPERATOR_MUL: out = a * b; break;
    case OPERATOR_DIV: out = a / b; break;
    case OPERATOR_INT_DIV: out = floor(a / b); break;
    case OPERATOR_POW: out = pow(a, b); break;
    default: out = a - floor(a / b) * b; break;
    }
    return isfinite(out) ? value_real(span, out) : overflow(l, span, operator);
}

static Value fold_comparison(Span span, Operator operator, double a, double b)
{
    switch (operator) {
    case OPERATOR_EQ: return value_bool(span, a == b);
    case OPERATOR_NE: return value_bool(span, a != b);
    case OPERATOR_LT: return value_bool(span, a < b);
    case OPERATOR_LE: return value_bool(span, a <= b);
    case OPERATOR_GT: return value_bool(span, a > b);
    default: return value_bool(span, a >= b);
    }
}

static bool is_comparison(Operator operator)
{
    return operator>= OPERATOR_EQ && operator<= OPERATOR_GE;
}

static Value fold_numbers(Lowering *l, Span span, Operator operator,
                          const Value * a, const Value *b)
{
    bool both_int = a->kind == VALUE_INT && b->kind == VALUE_INT;
    if (is_comparison(operator))
        return fold_comparison(span, operator, value_number(a),
                               value_number(b));
    bool divides = operator== OPERATOR_DIV || operator==
        OPERATOR_INT_DIV || operator== OPERATOR_REM;
    if (divides && value_number(b) == 0) {
        complain(l, span, division_by_zero);
        return poison(span);
    }
    if (operator== OPERATOR_MATMUL)
        return unfit(l, span, operator, a, b);
    if (both_int && operator!=
        OPERATOR_DIV && !(operator== OPERATOR_POW && b->as.integer<0))
        return fold_ints(l, span, operator, a->as.integer, b->as.integer);
    return fold_reals(l, span, operator, value_number(a), value_number(b));
}

/* -- tuples, strings, truth ----------------------------------------------------- */

static bool values_equal(Lowering *l, const Value *a, const Value *b)
{
    if (is_number(a) && is_number(b))
        return value_number(a) == value_number(b);
    if (a->kind != b->kind || !lower_step(l, a->span))
        return false;
    if (a->kind == VALUE_BOOL)
        return a->as.boolean == b->as.boolean;
    if (a->kind == VALUE_STRING)
        return str_equal(a->as.text, b->as.text);
    if (a->kind != VALUE_TUPLE || a->as.tuple.count != b->as.tuple.count)
        return false;
    l->depth++;
    bool equal = true;
    for (int64_t i = 0; equal && i < a->as.tuple.count; i++)
        equal = values_equal(l, &a->as.tuple.items[i], &b->as.tuple.items[i]);
    l->depth--;
    return equal;
}

static Value concatenate(Lowering *l, Span span, const Value *a, const Value *b)
{
    int64_t n = a->as.tuple.count + b->as.tuple.count;
    if (n > TUPLE_ITEMS_MAX) {
        complain(l, span, tuple_too_long, TUPLE_ITEMS_MAX);
        return poison(span);
    }
    if (!lower_steps(l, span, n))
        return poison(span);
    Value *items = arena_new(l->arena, Value, n);
    for (int64_t i = 0; i < n; i++)
        items[i] = i < a->as.tuple.count
                       ? a->as.tuple.items[i]
                       : b->as.tuple.items[i - a->as.tuple.count];
    Value v = {.kind = VALUE_TUPLE, .span = span};
    v.as.tuple.items = items;
    v.as.tuple.count = n;
    return v;
}

/* -- tensors --------------------------------------------------------------------- */

static bool common_shape(const Shape *a, const Shape *b, Shape *out)
{
    *out = (Shape){.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int32_t i = 1; i <= out->rank; i++) {
        int64_t x = i <= a->rank ? a->extent[a->rank - i] : 1;
        int64_t y = i <= b->rank ? b->extent[b->rank - i] : 1;
        if (x != y && x != 1 && y != 1)
            return false;
        out->extent[out->rank - i] = x == 1 ? y : x;
    }
    return true;
}

static void shapes_differ(Lowering *l, Span span, const Value *a,
                          const Value *b)
{
    Str left = type_print(l->arena, value_type(l, a));
    Str right = type_print(l->arena, value_type(l, b));
    Diagnostic *d =
        complain(l, span, shapes_incompatible, STR_ARG(left), STR_ARG(right));
    explain(l, d, a->span, "%.*s comes from here", STR_ARG(left));
    explain(l, d, b->span, "%.*s comes from here", STR_ARG(right));
}

/* A number as a constant of the other side's type. */
static bool constant_like(Lowering *l, Span span, const Value *number,
                          const Value *like, Value *out)
{
    DType dtype = value_type(l, like)->dtype;
    if (dtype == DTYPE_I32 && number->kind == VALUE_FLOAT) {
        Diagnostic *d = complain(l, span, dtype_mismatch, "i32", "f32");
        explain(l, d, like->span, "the i32 tensor comes from here");
        return false;
    }
    double value = value_number(number);
    if (dtype == DTYPE_I32 && (value > INT32_MAX || value < INT32_MIN)) {
        complain(l, span, arithmetic_overflow, "i32");
        return false;
    }
    *out = append(l, span, OP_CONSTANT, NULL, 0, (Attr){.constant = {value}},
                  *value_type(l, like));
    return !is_poison(out);
}

bool unify(Lowering *l, Span span, const Value *a, const Value *b,
           NodeId operands[2])
{
    Value x = *a, y = *b;
    if (is_number(&x) && !constant_like(l, span, a, b, &x))
        return false;
    if (is_number(&y) && !constant_like(l, span, b, a, &y))
        return false;
    const Type *left = value_type(l, &x), *right = value_type(l, &y);
    if (left->dtype != right->dtype) {
        Diagnostic *d =
            complain(l, span, dtype_mismatch, dtype_name(left->dtype),
                     dtype_name(right->dtype));
        explain(l, d, x.span, "the left side comes from here");
        explain(l, d, y.span, "the right side comes from here");
        return false;
    }
    Shape shape;
    if (!common_shape(&left->shape, &right->shape, &shape)) {
        shapes_differ(l, span, &x, &y);
        return false;
    }
    x = append_stretch(l, span, x.as.node, shape);
    y = append_stretch(l, span, y.as.node, shape);
    if (is_poison(&x) || is_poison(&y))
        return false;
    operands[0] = x.as.node;
    operands[1] = y.as.node;
    return true;
}

static Value not_node(Lowering *l, Span span, NodeId x)
{
    Value zero = append(l, span, OP_CONSTANT, NULL, 0, (Attr){0},
                        graph_node(l->graph, x)->type);
    return is_poison(&zero) ? zero
                            : append_binary(l, span, OP_EQ, x, zero.as.node);
}

/* x ** number: the common powers have ops of their own. */
static Value power_of(Lowering *l, Span span, const Value *x, double power)
{
    if (power == 1)
        return *x;
    if (power == 2)
        return append_binary(l, span, OP_MUL, x->as.node, x->as.node);
    if (power == 0.5)
        return append_unary(l, span, OP_SQRT, x->as.node);
    if (power == -0.5)
        return append_unary(l, span, OP_RSQRT, x->as.node);
    return poison((Span){0});
}

static Value tensor_op(Lowering *l, Span span, Operator operator,
                       const Value * a, const Value *b)
{
    if (operator== OPERATOR_MATMUL)
        return apply_matmul(l, span, a, b);
    if (operator== OPERATOR_POW && a->kind == VALUE_TENSOR && is_number(b) &&
        value_type(l, a)->dtype == DTYPE_F32) {
        Value known = power_of(l, span, a, value_number(b));
        if (!is_poison(&known))
            return known;
    }
    NodeId x[2];
    if (!unify(l, span, a, b, x))
        return poison(span);
    bool is_f32 = graph_node(l->graph, x[0])->type.dtype == DTYPE_F32;
    switch (operator) {
    case OPERATOR_ADD: return append_binary(l, span, OP_ADD, x[0], x[1]);
    case OPERATOR_SUB: return append_binary(l, span, OP_SUB, x[0], x[1]);
    case OPERATOR_MUL: return append_binary(l, span, OP_MUL, x[0], x[1]);
    case OPERATOR_POW: return append_binary(l, span, OP_POW, x[0], x[1]);
    case OPERATOR_REM: return append_binary(l, span, OP_REM, x[0], x[1]);
    case OPERATOR_EQ: return append_binary(l, span, OP_EQ, x[0], x[1]);
    case OPERATOR_LT: return append_binary(l, span, OP_LT, x[0], x[1]);
    case OPERATOR_LE: return append_binary(l, span, OP_LE, x[0], x[1]);
    case OPERATOR_GT: return append_binary(l, span, OP_LT, x[1], x[0]);
    case OPERATOR_GE: return append_binary(l, span, OP_LE, x[1], x[0]);
    case OPERATOR_NE: {
        Value equal = append_binary(l, span, OP_EQ, x[0], x[1]);
        return is_poison(&equal) ? equal : not_node(l, span, equal.as.node);
    }
    case OPERATOR_DIV:
        if (!is_f32)
            break;
        return append_binary(l, span, OP_DIV, x[0], x[1]);
    case OPERATOR_INT_DIV:
        if (is_f32)
            break;
        return append_binary(l, span, OP_DIV, x[0], x[1]);
    default: break;
    }
    return unfit(l, span, operator, a, b);
}

Value apply_binary(Lowering *l, Span span, Operator operator, const Value * a,
                   const Value *b)
{
    if (is_poison(a) || is_poison(b))
        return poison(span);
    if (is_number(a) && is_number(b))
        return fold_numbers(l, span, operator, a, b);
    bool a_numeric = is_number(a) || a->kind == VALUE_TENSOR;
    bool b_numeric = is_number(b) || b->kind == VALUE_TENSOR;
    if (a_numeric && b_numeric)
        return tensor_op(l, span, operator, a, b);
    if (operator== OPERATOR_ADD && a->kind == VALUE_TUPLE &&
        b->kind == VALUE_TUPLE)
        return concatenate(l, span, a, b);
    bool comparable = a->kind == b->kind &&
                      (a->kind == VALUE_TUPLE || a->kind == VALUE_STRING ||
                       a->kind == VALUE_BOOL);
    if (comparable && operator== OPERATOR_EQ)
        return value_bool(span, values_equal(l, a, b));
    if (comparable && operator== OPERATOR_NE)
        return value_bool(span, !values_equal(l, a, b));
    return unfit(l, span, operator, a, b);
}

/* `and` and `or` look at the right side only when it matters. */
static Value eval_logic(Lowering *l, const Expr *expr)
{
    Operator operator= expr->as.binary.operator;
    const char *what = operator== OPERATOR_AND ? "the operand of 'and'"
                                               : "the operand of 'or'";
    bool left, right;
    Value a = eval(l, expr->as.binary.left, false);
    if (!need_bool(l, &a, expr->as.binary.left->span, what, &left))
        return poison(expr->span);
    if (left == (operator== OPERATOR_OR))
        return value_bool(expr->span, left);
    Value b = eval(l, expr->as.binary.right, false);
    if (!need_bool(l, &b, expr->as.binary.right->span, what, &right))
        return poison(expr->span);
    return value_bool(expr->span, right);
}

Value eval_binary(Lowering *l, const Expr *expr)
{
    Operator operator= expr->as.binary.operator;
    if (operator== OPERATOR_AND || operator== OPERATOR_OR)
        return eval_logic(l, expr);
    Value a = eval(l, expr->as.binary.left, false);
    Value b = eval(l, expr->as.binary.right, false);
    if (a.kind == VALUE_NONE || b.kind == VALUE_NONE)
        return unfit(l, expr->span, operator, & a, &b);
    Value result =
        apply_binary(l, expr->as.binary.operator_span, operator, & a, &b);
    result.span = expr->span;
    return result;
}

Value eval_unary(Lowering *l, const Expr *expr)
{
    Value x = eval(l, expr->as.binary.left, false);
    Span span = expr->span;
    if (is_poison(&x))
        return x;
    if (expr->as.binary.operator== OPERATOR_NOT) {
        bool truth;
        if (x.kind == VALUE_TENSOR && value_type(l, &x)->dtype == DTYPE_F32)
            return not_node(l, span, x.as.node);
        if (!need_bool(l, &x, span, "the operand of 'not'", &truth))
            return poison(span);
        return value_bool(span, !truth);
    }
    if (x.kind == VALUE_TENSOR)
        return append_unary(l, span, OP_NEG, x.as.node);
    double number;
    if (x.kind == VALUE_INT && x.as.integer != INT64_MIN)
        return value_int(span, -x.as.integer);
    if (!need_number(l, &x, span, "the operand of '-'", &number))
        return poison(span);
    return value_real(span, -number);
}
