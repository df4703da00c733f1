/* Contraction: einsum, matrix products and convolutions.
 *
 * einsum("bik,bkj->bij", x, y): a label in one operand only and not in the
 * result is summed first; what is left is one `dot` per pair of operands, from
 * the left, keeping the labels that later operands or the result need.
 */
#include "frontend/builtin.h"

#include <string.h>

enum { EINSUM_OPERANDS_MAX = 3 };

typedef struct Einsum {
    char operand[EINSUM_OPERANDS_MAX][RANK_MAX + 1];
    char result[RANK_MAX + 1];
    int n;
} Einsum;

static const char MALFORMED[] =
    "write lower-case labels, as in \"bik,bkj->bij\"";

/* Reads lower-case letters from *at on; NULL, or what is wrong with them. */
static const char *read_labels(const char **at, const char *limit, char *to)
{
    int n = 0;
    for (; *at < limit && **at >= 'a' && **at <= 'z'; ++*at) {
        if (strchr(to, **at))
            return "a label may occur once in an operand and in the result";
        if (n == RANK_MAX)
            return "an operand or result has more than 8 labels";
        to[n++] = **at;
        to[n] = 0;
    }
    return NULL;
}

/* NULL, or what is wrong. */
static const char *parse_equation(Str text, Einsum *out)
{
    const char *at = text.data, *limit = text.data + text.length;
    memset(out, 0, sizeof *out);
    for (;;) {
        if (out->n == EINSUM_OPERANDS_MAX)
            return "it has more than 3 operands: use the result of one "
                   "einsum in another";
        const char *wrong = read_labels(&at, limit, out->operand[out->n++]);
        if (wrong)
            return wrong;
        if (at == limit || *at != ',')
            break;
        at++;
    }
    if (limit - at < 2 || at[0] != '-' || at[1] != '>')
        return MALFORMED;
    at += 2;
    const char *wrong = read_labels(&at, limit, out->result);
    return wrong || at == limit ? wrong : MALFORMED;
}

static bool equation_fails(Lowering *l, const Call *call, const char *why)
{
    Str text = call->argument[0].as.text;
    complain(l, call->argument_span[0], einsum_unfit, STR_ARG(text), why);
    return false;
}

/* Appends `labels` to what `to` holds. */
static char *add_labels(char *to, const char *labels)
{
    memcpy(to + strlen(to), labels, strlen(labels) + 1);
    return to;
}

/* Labels and extents agree, and every result label occurs. */
static bool check_equation(Lowering *l, const Call *call, const Einsum *e)
{
    int64_t extent[256] = {0};
    int from[256] = {0};
    for (int i = 0; i < e->n; i++) {
        const Type *type = value_type(l, &call->argument[i + 1]);
        if ((size_t)type->shape.rank != strlen(e->operand[i]))
            return equation_fails(
                l, call, "an operand has another number of dimensions");
        for (int k = 0; k < type->shape.rank; k++) {
            unsigned char label = (unsigned char)e->operand[i][k];
            int64_t here = type->shape.extent[k];
            if (extent[label] && extent[label] != here) {
                Diagnostic *d =
                    complain(l, call->span, einsum_extent, (char)label,
                             (long long)extent[label], (long long)here);
                explain(l, d, call->argument[from[label]].span, "%lld here",
                        (long long)extent[label]);
                explain(l, d, call->argument[i + 1].span, "%lld here",
                        (long long)here);
                return false;
            }
            extent[label] = here;
            from[label] = i + 1;
        }
    }
    for (const char *label = e->result; *label; label++)
        if (!extent[(unsigned char)*label])
            return equation_fails(l, call,
                                  "a label of the result is in no operand");
    return true;
}

/* Sums the labels of x that nobody else needs; rewrites `labels`. */
static Value sum_lonely(Lowering *l, Span span, NodeId x, char *labels,
                        const char *needed)
{
    uint32_t mask = 0;
    int kept = 0;
    size_t n = strlen(labels);
    for (size_t i = 0; i < n; i++) {
        if (strchr(needed, labels[i]))
            labels[kept++] = labels[i];
        else
            mask |= 1u << i;
    }
    labels[kept] = 0;
    if (mask == 0)
        return value_node(span, x);
    return append(l, span, OP_SUM, &x, 1, (Attr){.reduce = {mask}}, (Type){0});
}

/* Labels that operands after `i` or the result have, without doubles. */
static void later_labels(const Einsum *e, int i, char *out)
{
    int n = 0;
    for (int k = i + 1; k <= e->n; k++) {
        const char *labels = k < e->n ? e->operand[k] : e->result;
        for (; *labels; labels++)
            if (!memchr(out, *labels, (size_t)n))
                out[n++] = *labels;
    }
    out[n] = 0;
}

/* The result labels of the product of a and b: those still needed. */
static bool product_labels(const char *a, const char *b, const char *needed,
                           char *out)
{
    int n = 0;
    for (const char *side = a; side; side = side == a ? b : NULL)
        for (const char *c = side; *c; c++) {
            if (!strchr(needed, *c) || memchr(out, *c, (size_t)n))
                continue;
            if (n == RANK_MAX)
                return false;
            out[n++] = *c;
        }
    out[n] = 0;
    return true;
}

static Value order_labels(Lowering *l, Span span, NodeId x, const char *from,
                          const char *to)
{
    int32_t dims[RANK_MAX] = {0};
    for (int32_t i = 0; to[i]; i++)
        dims[i] = (int32_t)(strchr(from, to[i]) - from);
    return append_transpose(l, span, x, dims);
}

static Value append_dot(Lowering *l, Span span, NodeId x, NodeId y,
                        const char *a, const char *b, const char *result)
{
    Attr attr = {0};
    memcpy(attr.dot.left, a, strlen(a));
    memcpy(attr.dot.right, b, strlen(b));
    memcpy(attr.dot.result, result, strlen(result));
    return append(l, span, OP_DOT, (NodeId[]){x, y}, 2, attr, (Type){0});
}

/* The product of `left`, whose labels are `labels`, with operand i; `labels`
 * becomes the product's. */
static Value multiply(Lowering *l, Span span, NodeId left, char *labels,
                      Einsum *e, int i, NodeId right)
{
    char later[4 * RANK_MAX + 1];
    char by_left[6 * RANK_MAX + 1] = {0}, by_right[6 * RANK_MAX + 1] = {0};
    later_labels(e, i, later);
    add_labels(add_labels(by_left, later), e->operand[i]);
    Value x = sum_lonely(l, span, left, labels, by_left);
    add_labels(add_labels(by_right, later), labels);
    Value y = sum_lonely(l, span, right, e->operand[i], by_right);
    char result[RANK_MAX + 1] = {0};
    bool fits = true;
    if (i + 1 == e->n)
        add_labels(result, e->result);
    else
        fits = product_labels(labels, e->operand[i], later, result);
    if (!fits)
        complain(l, span, rank_too_large, RANK_MAX);
    if (!fits || is_poison(&x) || is_poison(&y))
        return poison(span);
    Value product = append_dot(l, span, x.as.node, y.as.node, labels,
                               e->operand[i], result);
    memcpy(labels, result, sizeof result);
    return product;
}

static bool einsum_operands(Lowering *l, const Call *call, Einsum *e)
{
    int given = 0;
    for (int i = 1; i <= EINSUM_OPERANDS_MAX && is_given(call, i); i++) {
        NodeId x;
        if (!f32_argument(l, call, i, &x))
            return false;
        if (call->argument[i].kind != VALUE_TENSOR)
            return equation_fails(l, call, "an operand is not a tensor");
        given++;
    }
    if (given != e->n)
        return equation_fails(l, call, "it names another number of operands");
    return check_equation(l, call, e);
}

Value builtin_einsum(Lowering *l, const Call *call)
{
    Str text;
    Einsum e;
    if (!need_string(l, &call->argument[0], call->argument_span[0],
                     "the equation", &text))
        return poison(call->span);
    const char *wrong = parse_equation(text, &e);
    if (wrong) {
        equation_fails(l, call, wrong);
        return poison(call->span);
    }
    if (!einsum_operands(l, call, &e))
        return poison(call->span);
    char labels[RANK_MAX + 1] = {0};
    add_labels(labels, e.operand[0]);
    Value v = call->argument[1];
    for (int i = 1; i < e.n && !is_poison(&v); i++)
        v = multiply(l, call->span, v.as.node, labels, &e, i,
                     call->argument[i + 1].as.node);
    if (e.n == 1)
        v = sum_lonely(l, call->span, v.as.node, labels, e.result);
    return is_poison(&v)
               ? v
               : order_labels(l, call->span, v.as.node, labels, e.result);
}

/* -- @ ------------------------------------------------------------------------------ */

static Value matmul_fails(Lowering *l, Span span, const Value *a,
                          const Value *b)
{
    Str left = value_describe(l, a), right = value_describe(l, b);
    Diagnostic *d =
        complain(l, span, matmul_unfit, STR_ARG(left), STR_ARG(right));
    explain(l, d, a->span, "left side: %.*s", STR_ARG(left));
    explain(l, d, b->span, "right side: %.*s", STR_ARG(right));
    return poison(span);
}

/* [..., n] @ [n, m] -> [..., m]; with more dimensions on the right, the
 * leading ones of both sides are a batch: [b, i, n] @ [b, n, m].  Transposed:
 * the right side's last dimension is the contracted one. */
static Value multiply_matrices(Lowering *l, Span span, const Value *a,
                               const Value *b, bool transposed)
{
    if (a->kind != VALUE_TENSOR || b->kind != VALUE_TENSOR)
        return matmul_fails(l, span, a, b);
    const Type x = *value_type(l, a), y = *value_type(l, b);
    int32_t n = x.shape.rank, m = y.shape.rank, batch = m > 2 ? m - 2 : 0;
    bool fits = n >= 1 && m >= 1 && x.dtype == DTYPE_F32 &&
                y.dtype == DTYPE_F32 && (batch == 0 || n == m);
    int32_t row = m > 1 && !transposed ? m - 2 : m - 1; /* contracted */
    int32_t column = transposed ? m - 2 : m - 1;        /* kept, if m > 1 */
    fits = fits && x.shape.extent[n - 1] == y.shape.extent[row < 0 ? 0 : row];
    for (int32_t i = 0; fits && i < batch; i++)
        fits = x.shape.extent[i] == y.shape.extent[i];
    if (!fits)
        return matmul_fails(l, span, a, b);
    char left[RANK_MAX + 1] = {0}, right[RANK_MAX + 1] = {0};
    char result[RANK_MAX + 1] = {0};
    for (int32_t i = 0; i < n; i++)
        left[i] = result[i] = (char)(i < batch ? 'a' + i : 'i' + i);
    left[n - 1] = right[row] = 'z';
    for (int32_t i = 0; i < batch; i++)
        right[i] = (char)('a' + i);
    result[n - 1] = 0;
    if (m > 1)
        right[column] = result[n - 1] = 'y';
    return append_dot(l, span, a->as.node, b->as.node, left, right, result);
}

Value apply_matmul(Lowering *l, Span span, const Value *a, const Value *b)
{
    return multiply_matrices(l, span, a, b, false);
}

Value builtin_matmul(Lowering *l, const Call *call)
{
    bool transposed = false;
    if (is_given(call, 2) &&
        !need_bool(l, &call->argument[2], call->argument_span[2], "transposed",
                   &transposed))
        return poison(call->span);
    return multiply_matrices(l, call->span, &call->argument[0],
                             &call->argument[1], transposed);
}

/* -- convolution ----------------------------------------------------------------------- */

Value builtin_convolve(Lowering *l, const Call *call)
{
    NodeId x[2];
    SpatialAttr s = {0};
    if (!f32_argument(l, call, 0, &x[0]) || !f32_argument(l, call, 1, &x[1]) ||
        !pair_argument(l, call, 2, 1, s.stride) ||
        !pair_argument(l, call, 3, 0, s.padding))
        return poison(call->span);
    const Shape *image = &graph_node(l->graph, x[0])->type.shape;
    const Shape *weight = &graph_node(l->graph, x[1])->type.shape;
    for (int i = 0; i < 2; i++) {
        s.input[i] = image->rank == 4 ? image->extent[2 + i] : 0;
        s.kernel[i] = weight->rank == 4 ? weight->extent[2 + i] : 0;
    }
    return append(l, call->span, OP_CONV2D, x, 2, (Attr){.spatial = s},
                  (Type){0});
}
