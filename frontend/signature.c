/* Signature: types with symbolic dimensions, and matching values to them.
 *
 * In a parameter's type a name that is not bound yet stands for the extent it
 * meets first; everything else is computed and compared.  `...` stands for the
 * leading dimensions, the same ones everywhere in one signature.
 */
#include "frontend/lower.h"

#include <string.h>

static bool dtype_of(Lowering *l, const TypeRef *ref, DType *out)
{
    *out = DTYPE_F32;
    if (ref->dtype.text.length == 0 || dtype_parse(ref->dtype.text, out))
        return true;
    complain(l, ref->dtype.span, dtype_unknown, STR_ARG(ref->dtype.text));
    return false;
}

static bool append_extents(Lowering *l, const TypeRef *ref, Shape *shape,
                           const int64_t *extents, int64_t n)
{
    if (shape->rank + n > RANK_MAX) {
        complain(l, ref->span, rank_too_large, RANK_MAX);
        return false;
    }
    for (int64_t i = 0; i < n; i++)
        shape->extent[shape->rank++] = extents[i];
    return true;
}

static bool resolve_dim(Lowering *l, const Expr *dim, int64_t *out)
{
    Value v = eval(l, dim, false);
    if (!need_int(l, &v, dim->span, "a dimension", out))
        return false;
    if (*out >= 1)
        return true;
    complain(l, dim->span, extent_not_positive, (long long)*out);
    return false;
}

bool resolve_type(Lowering *l, const TypeRef *ref, Type *out)
{
    *out = (Type){0};
    if (!dtype_of(l, ref, &out->dtype))
        return false;
    for (int64_t i = 0; i < ref->dims.count; i++) {
        const Expr *dim = ref->dims.data[i];
        int64_t extent;
        if (dim->kind == EXPR_ELLIPSIS) {
            if (!l->frame->has_leading) {
                complain(l, dim->span, ellipsis_unbound);
                return false;
            }
            if (!append_extents(l, ref, &out->shape, l->frame->leading.extent,
                                l->frame->leading.rank))
                return false;
            continue;
        }
        if (!resolve_dim(l, dim, &extent) ||
            !append_extents(l, ref, &out->shape, &extent, 1))
            return false;
    }
    if (type_valid(out))
        return true;
    complain(l, ref->span, tensor_too_large);
    return false;
}

/* -- matching ------------------------------------------------------------------- */

typedef struct Match {
    const TypeRef *ref;
    const char *role; /* "argument", "result" */
    Name name;
    Span at;   /* where the mistake is the user's */
    Span made; /* where the value comes from */
} Match;

static void explain_ends(Lowering *l, Diagnostic *d, const Match *m)
{
    explain(l, d, m->ref->span, "'%.*s' is declared here",
            STR_ARG(m->name.text));
    if (m->made.begin != m->at.begin || m->made.source != m->at.source)
        explain(l, d, m->made, "the value comes from here");
}

/* Where the dimension got its number. */
static void explain_dim(Lowering *l, Diagnostic *d, const Expr *dim)
{
    if (dim->kind != EXPR_NAME)
        return;
    Binding *found = scope_find(l->frame->scope, dim->as.text);
    if (found)
        explain(l, d, found->span, "'%.*s' is bound here",
                STR_ARG(dim->as.text));
}

static bool dim_differs(Lowering *l, const Match *m, const Type *got,
                        int32_t position, const Expr *dim, int64_t wanted)
{
    Str type = type_print(l->arena, got);
    Str written = span_text(l->diagnostics, dim->span);
    Diagnostic *d = complain(l, m->at, dimension_mismatch, m->role,
                             STR_ARG(m->name.text), STR_ARG(type), position,
                             (long long)got->shape.extent[position],
                             STR_ARG(written), (long long)wanted);
    explain_ends(l, d, m);
    explain_dim(l, d, dim);
    return false;
}

static bool match_dim(Lowering *l, const Match *m, const Type *got,
                      int32_t position, const Expr *dim)
{
    int64_t extent = got->shape.extent[position], wanted;
    if (dim->kind == EXPR_NAME && !scope_find(l->frame->scope, dim->as.text)) {
        scope_bind(l, l->frame->scope, (Name){dim->as.text, m->at},
                   value_int(dim->span, extent));
        return true;
    }
    return resolve_dim(l, dim, &wanted) &&
           (wanted == extent || dim_differs(l, m, got, position, dim, wanted));
}

static bool rank_differs(Lowering *l, const Match *m, const Type *got)
{
    Str type = type_print(l->arena, got);
    Str wanted = span_text(l->diagnostics, m->ref->span);
    Diagnostic *d =
        complain(l, m->at, rank_mismatch, m->role, STR_ARG(m->name.text),
                 STR_ARG(type), STR_ARG(wanted));
    explain_ends(l, d, m);
    return false;
}

static bool match_leading(Lowering *l, const Match *m, const Type *got,
                          int32_t n)
{
    Shape leading = {.rank = n};
    memcpy(leading.extent, got->shape.extent, sizeof(int64_t) * (size_t)n);
    Frame *f = l->frame;
    if (!f->has_leading) {
        f->leading = leading;
        f->has_leading = true;
        return true;
    }
    if (shape_equal(&f->leading, &leading))
        return true;
    Str type = type_print(l->arena, got);
    Type expected = {got->dtype, f->leading};
    Str wanted = type_print(l->arena, &expected);
    Diagnostic *d =
        complain(l, m->at, leading_mismatch, m->role, STR_ARG(m->name.text),
                 STR_ARG(type), STR_ARG(wanted));
    explain_ends(l, d, m);
    return false;
}

static bool match_shape(Lowering *l, const Match *m, const Type *got)
{
    int64_t n = m->ref->dims.count, ellipsis = -1;
    for (int64_t i = 0; i < n; i++)
        if (m->ref->dims.data[i]->kind == EXPR_ELLIPSIS)
            ellipsis = i;
    if (ellipsis > 0) {
        complain(l, m->ref->dims.data[ellipsis]->span, ellipsis_not_first);
        return false;
    }
    int32_t leading = got->shape.rank - (int32_t)n + (ellipsis == 0);
    if (ellipsis == 0 ? leading < 0 : leading != 0)
        return rank_differs(l, m, got);
    if (ellipsis == 0 && !match_leading(l, m, got, leading))
        return false;
    for (int64_t i = ellipsis + 1; i < n; i++)
        if (!match_dim(l, m, got, leading + (int32_t)(i - ellipsis - 1),
                       m->ref->dims.data[i]))
            return false;
    return true;
}

static bool match(Lowering *l, const Match *m, Value *v)
{
    DType dtype;
    if (is_poison(v) || !dtype_of(l, m->ref, &dtype))
        return false;
    if (is_number(v) && m->ref->dims.count == 0)
        *v = append_constant(l, m->at, value_number(v), dtype);
    if (is_poison(v))
        return false;
    if (v->kind != VALUE_TENSOR) {
        Str got = value_describe(l, v);
        Str wanted = span_text(l->diagnostics, m->ref->span);
        Diagnostic *d =
            complain(l, m->at, not_a_tensor, m->role, STR_ARG(m->name.text),
                     STR_ARG(got), STR_ARG(wanted));
        explain_ends(l, d, m);
        return false;
    }
    Type got = *value_type(l, v);
    if (got.dtype != dtype) {
        Str type = type_print(l->arena, &got);
        Diagnostic *d =
            complain(l, m->at, element_type_mismatch, m->role,
                     STR_ARG(m->name.text), STR_ARG(type), dtype_name(dtype));
        explain_ends(l, d, m);
        return false;
    }
    return match_shape(l, m, &got);
}

bool match_type(Lowering *l, const TypeRef *ref, Name name, Value *v,
                Span argument)
{
    Match m = {ref, "argument", name, argument, v->span};
    return match(l, &m, v);
}

bool match_result(Lowering *l, const TypeRef *ref, Value *v,
                  const Stmt *function)
{
    Match m = {ref, "the result of", function->name, v->span, v->span};
    return match(l, &m, v);
}
