/* Expression: evaluating names, tuples, choices, members and subscripts. */
#include "frontend/lower.h"
#include "support/checked.h"

static Value eval_name(Lowering *l, const Expr *expr)
{
    Binding *found = scope_find(l->frame->scope, expr->as.text);
    if (found)
        return found->value;
    const Builtin *builtin = builtin_find(expr->as.text);
    if (builtin) {
        Value v = {.kind = VALUE_BUILTIN, .span = expr->span};
        v.as.builtin = builtin;
        return v;
    }
    if (str_equal(expr->as.text, STR("training")))
        return value_bool(expr->span, l->training);
    Diagnostic *d =
        complain(l, expr->span, name_unknown, STR_ARG(expr->as.text));
    Str near = scope_nearest(l->frame->scope, expr->as.text);
    if (near.length)
        advise(l, d, "did you mean '%.*s'?", STR_ARG(near));
    return poison(expr->span);
}

static Value eval_tuple(Lowering *l, const Expr *expr)
{
    int64_t n = expr->as.items.count;
    if (n > TUPLE_ITEMS_MAX) {
        complain(l, expr->span, tuple_too_long, TUPLE_ITEMS_MAX);
        return poison(expr->span);
    }
    Value *items = arena_new(l->arena, Value, n);
    for (int64_t i = 0; i < n; i++) {
        items[i] = eval(l, expr->as.items.data[i], false);
        if (is_poison(&items[i]))
            return poison(expr->span);
    }
    Value v = {.kind = VALUE_TUPLE, .span = expr->span};
    v.as.tuple.items = items;
    v.as.tuple.count = n;
    return v;
}

static Value eval_choice(Lowering *l, const Expr *expr, bool is_root)
{
    bool condition;
    Value v = eval(l, expr->as.choice.condition, false);
    if (!need_bool(l, &v, expr->as.choice.condition->span,
                   "the condition of 'if'", &condition))
        return poison(expr->span);
    return eval(l, condition ? expr->as.choice.then : expr->as.choice.otherwise,
                is_root);
}

static Value eval_member(Lowering *l, const Expr *expr)
{
    Value base = eval(l, expr->as.member.base, false);
    Name name = expr->as.member.name;
    if (is_poison(&base))
        return base;
    if (base.kind != VALUE_INSTANCE) {
        Str got = value_describe(l, &base);
        Diagnostic *d = complain(l, expr->span, member_of_nothing, STR_ARG(got),
                                 STR_ARG(name.text));
        explain(l, d, base.span, "the value comes from here");
        return poison(expr->span);
    }
    Scope *scope = base.as.function.scope;
    int64_t *index = map_find(&scope->names, name.text);
    if (!index) {
        const Stmt *module = base.as.function.declaration;
        Diagnostic *d =
            complain(l, name.span, member_unknown, STR_ARG(module->name.text),
                     STR_ARG(name.text));
        explain(l, d, module->span, "the module is declared here");
        return poison(expr->span);
    }
    Value v = scope->bindings.data[*index].value;
    if (v.kind == VALUE_FUNCTION) {
        v.as.function.path = base.as.function.path;
        v.as.function.is_method = true;
    }
    return v;
}

/* -- subscripts ------------------------------------------------------------------ */

/* An index or end of a range, counted from the end when negative; it must lie
 * in [0, extent + beyond]. */
static bool eval_position(Lowering *l, const Expr *expr, int64_t extent,
                          int64_t beyond, int64_t standard, int64_t *out)
{
    *out = standard;
    if (!expr)
        return true;
    Value v = eval(l, expr, false);
    int64_t at;
    if (!need_int(l, &v, expr->span, "an index", &at))
        return false;
    *out = at < 0 ? at + extent : at;
    if (*out >= 0 && *out < extent + beyond)
        return true;
    complain(l, expr->span, index_outside, (long long)at, (long long)extent);
    return false;
}

static Value index_tuple(Lowering *l, const Expr *expr, const Value *base)
{
    const SubscriptList *subscripts = &expr->as.index.subscripts;
    int64_t n = base->as.tuple.count, low, high;
    if (subscripts->count != 1) {
        complain(l, expr->span, too_many_subscripts,
                 (long long)subscripts->count, 1LL);
        return poison(expr->span);
    }
    const Subscript *s = &subscripts->data[0];
    if (!s->is_range) {
        if (!eval_position(l, s->low, n, 0, 0, &low))
            return poison(expr->span);
        return base->as.tuple.items[low];
    }
    if (!eval_position(l, s->low, n, 1, 0, &low) ||
        !eval_position(l, s->high, n, 1, n, &high) ||
        !lower_steps(l, expr->span, high > low ? high - low : 0))
        return poison(expr->span);
    return value_tuple(l, expr->span, base->as.tuple.items + low,
                       high > low ? high - low : 0);
}

static Value index_tensor(Lowering *l, const Expr *expr, const Value *base)
{
    const SubscriptList *subscripts = &expr->as.index.subscripts;
    Type type = *value_type(l, base);
    if (subscripts->count > type.shape.rank) {
        Diagnostic *d =
            complain(l, expr->span, too_many_subscripts,
                     (long long)subscripts->count, (long long)type.shape.rank);
        explain(l, d, base->span, "the tensor comes from here");
        return poison(expr->span);
    }
    Attr attr = {0};
    Shape kept = {0};
    bool cuts = false;
    for (int32_t i = 0; i < type.shape.rank; i++) {
        int64_t extent = type.shape.extent[i], low = 0, high = extent;
        const Subscript *s =
            i < subscripts->count ? &subscripts->data[i] : NULL;
        if (s && (!eval_position(l, s->low, extent, s->is_range, 0, &low) ||
                  !eval_position(l, s->high, extent, 1, extent, &high)))
            return poison(expr->span);
        if (s && !s->is_range)
            high = low + 1;
        if (high <= low) {
            complain(l, s ? s->span : expr->span, extent_not_positive,
                     (long long)(high - low));
            return poison(expr->span);
        }
        attr.window.low[i] = low;
        attr.window.high[i] = extent - high;
        cuts = cuts || low > 0 || high < extent;
        if (!s || s->is_range)
            kept.extent[kept.rank++] = high - low;
    }
    Value v = *base;
    if (cuts)
        v = append(l, expr->span, OP_SLICE, &v.as.node, 1, attr, (Type){0});
    return is_poison(&v) ? v : append_reshape(l, expr->span, v.as.node, kept);
}

static Value eval_index(Lowering *l, const Expr *expr)
{
    Value base = eval(l, expr->as.index.base, false);
    if (is_poison(&base))
        return base;
    if (base.kind == VALUE_TUPLE)
        return index_tuple(l, expr, &base);
    if (base.kind == VALUE_TENSOR)
        return index_tensor(l, expr, &base);
    Str got = value_describe(l, &base);
    Diagnostic *d = complain(l, expr->span, wrong_value, "what is indexed",
                             "a tensor or a tuple", STR_ARG(got));
    explain(l, d, base.span, "the value comes from here");
    return poison(expr->span);
}

static Value eval_inner(Lowering *l, const Expr *expr, bool is_root)
{
    switch (expr->kind) {
    case EXPR_INT: return value_int(expr->span, expr->as.integer);
    case EXPR_FLOAT: return value_real(expr->span, expr->as.real);
    case EXPR_BOOL: return value_bool(expr->span, expr->as.boolean);
    case EXPR_STRING: {
        Value v = {.kind = VALUE_STRING, .span = expr->span};
        v.as.text = expr->as.text;
        return v;
    }
    case EXPR_NAME: return eval_name(l, expr);
    case EXPR_TUPLE: return eval_tuple(l, expr);
    case EXPR_UNARY: return eval_unary(l, expr);
    case EXPR_BINARY: return eval_binary(l, expr);
    case EXPR_IF: return eval_choice(l, expr, is_root);
    case EXPR_CALL: return eval_call(l, expr, is_root);
    case EXPR_INDEX: return eval_index(l, expr);
    case EXPR_MEMBER: return eval_member(l, expr);
    case EXPR_ELLIPSIS:
    case EXPR_ERROR: break;
    }
    return poison(expr->span);
}

Value eval(Lowering *l, const Expr *expr, bool is_root)
{
    if (!lower_step(l, expr->span))
        return poison(expr->span);
    l->depth++;
    Value v = eval_inner(l, expr, is_root);
    l->depth--;
    return v;
}
