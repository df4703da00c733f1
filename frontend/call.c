/* Call: functions, modules, methods and builtins applied to arguments. */
#include "frontend/lower.h"

#include <string.h>

/* Evaluated arguments, in the order written. */
typedef struct Given {
    const ArgumentList *list;
    Value *values;
    bool *used;
} Given;

static bool eval_arguments(Lowering *l, const ArgumentList *list, Given *out)
{
    *out = (Given){list, arena_new(l->arena, Value, list->count),
                   arena_new(l->arena, bool, list->count)};
    bool ok = true;
    for (int64_t i = 0; i < list->count; i++) {
        const Argument *a = &list->data[i];
        out->values[i] = eval(l, a->value, false);
        ok = ok && !is_poison(&out->values[i]);
        if (out->values[i].kind == VALUE_NONE) {
            complain(l, a->span, no_value);
            ok = false;
        }
        if (a->on) {
            complain(l, a->on->span, on_outside_optimizer);
            ok = false;
        }
    }
    return ok;
}

/* The argument for parameter `position` called `name`; -1 when left out. */
static int64_t argument_for(Given *given, int64_t position, Str name)
{
    int64_t positional = 0;
    for (int64_t i = 0; i < given->list->count; i++) {
        const Name *written = &given->list->data[i].name;
        bool fits = written->text.length ? str_equal(written->text, name)
                                         : positional++ == position;
        if (fits && !given->used[i]) {
            given->used[i] = true;
            return i;
        }
    }
    return -1;
}

/* What was given twice, under an unknown name, or is too many. */
static bool all_used(Lowering *l, const Given *given, Str callee,
                     const char *signature, Span declared)
{
    for (int64_t i = 0; i < given->list->count; i++) {
        if (given->used[i])
            continue;
        const Argument *a = &given->list->data[i];
        Diagnostic *d;
        if (a->name.text.length)
            d = complain(l, a->name.span, argument_unknown, STR_ARG(callee),
                         STR_ARG(a->name.text));
        else
            d = complain(l, a->span, too_many_arguments, STR_ARG(callee));
        if (declared.source)
            explain(l, d, declared, "'%.*s' is declared here", STR_ARG(callee));
        else
            advise(l, d, "its arguments are (%s)", signature);
        return false;
    }
    return true;
}

/* -- functions and modules --------------------------------------------------------- */

static void missing(Lowering *l, const Stmt *function, const Parameter *p,
                    Span call)
{
    Diagnostic *d =
        complain(l, call, argument_missing, STR_ARG(function->name.text),
                 STR_ARG(p->name.text));
    explain(l, d, p->span, "the parameter is declared here");
}

/* Untyped arguments come first, since types may use their names; then, in
 * order, types are matched and defaults computed. */
static bool bind_parameters(Lowering *l, const Stmt *function, Given *given,
                            Frame *callee, Span call)
{
    const ParameterList *parameters = &function->as.function.parameters;
    int64_t at[PARAMETERS_MAX];
    for (int64_t i = 0; i < parameters->count; i++) {
        const Parameter *p = &parameters->data[i];
        at[i] = argument_for(given, i, p->name.text);
        if (at[i] < 0 && !p->standard) {
            missing(l, function, p, call);
            return false;
        }
        if (at[i] >= 0 && !p->type)
            scope_bind(l, callee->scope, p->name, given->values[at[i]]);
    }
    if (!all_used(l, given, function->name.text, "", function->span))
        return false;
    Frame *caller = l->frame;
    bool ok = true;
    l->frame = callee;
    for (int64_t i = 0; i < parameters->count; i++) {
        const Parameter *p = &parameters->data[i];
        if (at[i] >= 0 && !p->type)
            continue;
        Value v =
            at[i] >= 0 ? given->values[at[i]] : eval(l, p->standard, false);
        Span where = at[i] >= 0 ? given->list->data[at[i]].span : call;
        if (p->type)
            ok = match_type(l, p->type, p->name, &v, where) && ok;
        ok = ok && !is_poison(&v);
        scope_bind(l, callee->scope, p->name, v);
    }
    l->frame = caller;
    return ok;
}

static bool enter(Lowering *l, Frame *frame, Span call)
{
    if (frame->n_frames > LOWER_FRAMES_MAX ||
        frame->path.length > PATH_LENGTH_MAX) {
        complain(l, call, calls_too_deep, LOWER_FRAMES_MAX);
        l->stopped = true;
        return false;
    }
    l->frame = frame;
    return true;
}

static Frame frame_for(Lowering *l, const Value *callee, Str path, Span call)
{
    const Stmt *declaration = callee->as.function.declaration;
    return (Frame){
        .caller = l->frame,
        .name = declaration->name.text,
        .call = call,
        .path = path,
        .scope = scope_new(l, callee->as.function.scope, true),
        .n_frames = l->frame->n_frames + 1,
    };
}

static Value call_function(Lowering *l, const Value *callee, Given *given,
                           Str path, Span call)
{
    const Stmt *declaration = callee->as.function.declaration;
    Frame frame = frame_for(l, callee, path, call);
    if (!bind_parameters(l, declaration, given, &frame, call) ||
        !enter(l, &frame, call))
        return poison(call);
    frame.may_return = true;
    int64_t errors = l->diagnostics->list.count;
    exec_block(l, &declaration->as.function.body);
    const TypeRef *type = declaration->as.function.result;
    bool failed = l->diagnostics->list.count > errors || l->stopped;
    Value result = {.kind = VALUE_NONE, .span = call};
    if (type && !frame.returned && !failed)
        complain(l, declaration->span, no_return,
                 STR_ARG(declaration->name.text));
    if (frame.returned)
        result = frame.result;
    else if (type || failed)
        result = poison(call);
    if (type && !is_poison(&result) &&
        !match_result(l, type, &result, declaration))
        result = poison(call);
    l->frame = frame.caller;
    result.span = call;
    return result;
}

static Value call_module(Lowering *l, const Value *callee, Given *given,
                         Str path, Span call)
{
    const Stmt *declaration = callee->as.function.declaration;
    Frame frame = frame_for(l, callee, path, call);
    if (!bind_parameters(l, declaration, given, &frame, call) ||
        !enter(l, &frame, call))
        return poison(call);
    int64_t errors = l->diagnostics->list.count;
    exec_block(l, &declaration->as.function.body);
    l->frame = frame.caller;
    if (l->diagnostics->list.count > errors)
        return poison(call);
    Value v = {.kind = VALUE_INSTANCE, .span = call};
    v.as.function.declaration = declaration;
    v.as.function.scope = frame.scope;
    v.as.function.path = path;
    return v;
}

/* An instance is called through its function `apply`. */
static Value call_instance(Lowering *l, const Value *callee, Given *given,
                           Span call)
{
    Scope *scope = callee->as.function.scope;
    int64_t *index = map_find(&scope->names, STR("apply"));
    const Stmt *module = callee->as.function.declaration;
    if (!index || scope->bindings.data[*index].value.kind != VALUE_FUNCTION) {
        Diagnostic *d =
            complain(l, call, module_not_callable, STR_ARG(module->name.text));
        explain(l, d, module->span, "the module is declared here");
        return poison(call);
    }
    Value apply = scope->bindings.data[*index].value;
    return call_function(l, &apply, given, callee->as.function.path, call);
}

/* -- builtins ------------------------------------------------------------------------ */

/* Cuts the next "name" or "name?" of a signature; false at its end. */
static bool next_parameter(const char **signature, Str *name, bool *optional)
{
    const char *s = *signature;
    while (*s == ' ' || *s == ',')
        s++;
    size_t n = strcspn(s, ",?");
    *name = (Str){s, (int64_t)n};
    *optional = s[n] == '?';
    *signature = s + n + *optional;
    return n > 0;
}

static Value call_builtin(Lowering *l, const Builtin *builtin, Given *given,
                          Span span)
{
    Call call = {.builtin = builtin, .span = span};
    const char *rest = builtin->signature;
    Str name, callee = str_from(builtin->name);
    bool optional;
    for (int64_t i = 0; next_parameter(&rest, &name, &optional); i++) {
        int64_t at = argument_for(given, i, name);
        call.argument_span[i] = span;
        call.argument[i] = (Value){.kind = VALUE_NONE, .span = span};
        if (at >= 0) {
            call.argument[i] = given->values[at];
            call.argument_span[i] = given->list->data[at].span;
        } else if (!optional) {
            Diagnostic *d = complain(l, span, argument_missing, STR_ARG(callee),
                                     STR_ARG(name));
            advise(l, d, "its arguments are (%s)", builtin->signature);
            return poison(span);
        }
    }
    if (!all_used(l, given, callee, builtin->signature, (Span){0}))
        return poison(span);
    Value v = builtin->function(l, &call);
    v.span = span;
    return v;
}

/* -- the call expression ---------------------------------------------------------------- */

/* The last name of what is called: "linear", "transpose". */
static Str callee_name(const Expr *callee, const Value *v)
{
    if (v->kind == VALUE_FUNCTION || v->kind == VALUE_MODULE)
        return v->as.function.declaration->name.text;
    return callee->kind == EXPR_NAME ? callee->as.text : STR("call");
}

static bool is_callable(const Value *v)
{
    return v->kind == VALUE_FUNCTION || v->kind == VALUE_MODULE ||
           v->kind == VALUE_INSTANCE || v->kind == VALUE_BUILTIN;
}

/* A name that is called means the nearest function of that name, so that a
 * number may be called like a function: dropout(x, dropout). */
static Value eval_callee(Lowering *l, const Expr *callee, bool is_root)
{
    if (callee->kind != EXPR_NAME)
        return eval(l, callee, is_root && callee->kind == EXPR_CALL);
    for (Scope *s = l->frame->scope; s; s = s->parent) {
        int64_t *index = map_find(&s->names, callee->as.text);
        if (index && is_callable(&s->bindings.data[*index].value))
            return s->bindings.data[*index].value;
    }
    const Builtin *builtin = builtin_find(callee->as.text);
    if (!builtin)
        return eval(l, callee, false);
    Value v = {.kind = VALUE_BUILTIN, .span = callee->span};
    v.as.builtin = builtin;
    return v;
}

Value eval_call(Lowering *l, const Expr *expr, bool is_root)
{
    const Expr *written = expr->as.call.callee;
    Value callee = eval_callee(l, written, is_root);
    Given given;
    bool ok = eval_arguments(l, &expr->as.call.arguments, &given);
    if (is_poison(&callee) || !ok || l->stopped)
        return poison(expr->span);
    Str path = call_path(l, is_root, callee_name(written, &callee));
    switch (callee.kind) {
    case VALUE_FUNCTION:
        if (callee.as.function.is_method)
            path = callee.as.function.path;
        return call_function(l, &callee, &given, path, expr->span);
    case VALUE_MODULE: return call_module(l, &callee, &given, path, expr->span);
    case VALUE_INSTANCE: return call_instance(l, &callee, &given, expr->span);
    case VALUE_BUILTIN:
        return call_builtin(l, callee.as.builtin, &given, expr->span);
    default: break;
    }
    Str got = value_describe(l, &callee);
    Diagnostic *d = complain(l, written->span, not_callable, STR_ARG(got));
    explain(l, d, callee.span, "the value comes from here");
    return poison(expr->span);
}
