/* Value: what the text computes at compile time. */
#include "frontend/lower.h"

double value_number(const Value *v)
{
    return v->kind == VALUE_INT ? (double)v->as.integer : v->as.real;
}

Value value_tuple(Lowering *l, Span span, const Value *items, int64_t n)
{
    Value *own = arena_new(l->arena, Value, n);
    for (int64_t i = 0; i < n; i++)
        own[i] = items[i];
    Value v = {.kind = VALUE_TUPLE, .span = span};
    v.as.tuple.items = own;
    v.as.tuple.count = n;
    return v;
}

const Type *value_type(const Lowering *l, const Value *tensor)
{
    return &graph_node(l->graph, tensor->as.node)->type;
}

Str value_describe(Lowering *l, const Value *v)
{
    switch (v->kind) {
    case VALUE_POISON: return STR("an invalid value");
    case VALUE_NONE: return STR("nothing");
    case VALUE_INT:
        return str_format(l->arena, "the whole number %lld",
                          (long long)v->as.integer);
    case VALUE_FLOAT: return str_format(l->arena, "the number %g", v->as.real);
    case VALUE_BOOL: return v->as.boolean ? STR("true") : STR("false");
    case VALUE_STRING: return STR("a string");
    case VALUE_TUPLE:
        return str_format(l->arena, "a tuple of %lld",
                          (long long)v->as.tuple.count);
    case VALUE_TENSOR: {
        Str type = type_print(l->arena, value_type(l, v));
        return str_format(l->arena, "a tensor %.*s", STR_ARG(type));
    }
    case VALUE_FUNCTION: return STR("a function");
    case VALUE_MODULE: return STR("a module");
    case VALUE_BUILTIN: return STR("a built-in function");
    case VALUE_INSTANCE: return STR("an instance of a module");
    case VALUE_INITIALIZER: return STR("an initializer");
    }
    return STR("a value");
}

/* Says that `v` is not what is needed; always false. */
static bool wrong_kind(Lowering *l, const Value *v, Span span, const char *what,
                       const char *wanted)
{
    if (is_poison(v))
        return false;
    Str got = value_describe(l, v);
    Diagnostic *d = complain(l, span, wrong_value, what, wanted, STR_ARG(got));
    if (v->span.source && v->span.begin != span.begin)
        explain(l, d, v->span, "the value comes from here");
    return false;
}

bool need_int(Lowering *l, const Value *v, Span span, const char *what,
              int64_t *out)
{
    if (v->kind != VALUE_INT)
        return wrong_kind(l, v, span, what, "a whole number");
    *out = v->as.integer;
    return true;
}

bool need_number(Lowering *l, const Value *v, Span span, const char *what,
                 double *out)
{
    if (!is_number(v))
        return wrong_kind(l, v, span, what, "a number");
    *out = value_number(v);
    return true;
}

bool need_bool(Lowering *l, const Value *v, Span span, const char *what,
               bool *out)
{
    if (v->kind != VALUE_BOOL)
        return wrong_kind(l, v, span, what, "true or false");
    *out = v->as.boolean;
    return true;
}

bool need_string(Lowering *l, const Value *v, Span span, const char *what,
                 Str *out)
{
    if (v->kind != VALUE_STRING)
        return wrong_kind(l, v, span, what, "a string");
    *out = v->as.text;
    return true;
}

bool need_ints(Lowering *l, const Value *v, Span span, const char *what,
               int64_t max, int64_t *out, int64_t *n)
{
    if (v->kind == VALUE_INT) {
        out[0] = v->as.integer;
        *n = 1;
        return true;
    }
    if (v->kind != VALUE_TUPLE || v->as.tuple.count > max)
        return wrong_kind(l, v, span, what,
                          "a whole number or a tuple of them");
    *n = v->as.tuple.count;
    for (int64_t i = 0; i < *n; i++)
        if (!need_int(l, &v->as.tuple.items[i], span, what, &out[i]))
            return false;
    return true;
}

bool need_shape(Lowering *l, const Value *v, Span span, Shape *out)
{
    int64_t extents[RANK_MAX], n;
    if (!need_ints(l, v, span, "a shape", RANK_MAX, extents, &n))
        return false;
    Type type = {.dtype = DTYPE_F32, .shape = {.rank = (int32_t)n}};
    for (int64_t i = 0; i < n; i++) {
        type.shape.extent[i] = extents[i];
        if (extents[i] >= 1)
            continue;
        complain(l, span, extent_not_positive, (long long)extents[i]);
        return false;
    }
    if (!type_valid(&type)) {
        complain(l, span, tensor_too_large);
        return false;
    }
    *out = type.shape;
    return true;
}

bool need_tensor(Lowering *l, const Value *v, Span span, const char *what,
                 NodeId *out)
{
    if (is_number(v)) {
        Value constant = append_constant(l, span, value_number(v), DTYPE_F32);
        *out = constant.as.node;
        return constant.kind == VALUE_TENSOR;
    }
    if (v->kind != VALUE_TENSOR)
        return wrong_kind(l, v, span, what, "a tensor");
    *out = v->as.node;
    return true;
}
