/* Statement: running the statements of a block. */
#include "frontend/lower.h"

static void enter_statement(Lowering *l, Str label, bool fresh)
{
    l->frame->label = label;
    l->frame->fresh = fresh;
}

static void no_value_for(Lowering *l, const Expr *expr)
{
    complain(l, expr->span, no_value);
}

/* A name may be bound again, except one of a function or module. */
static bool may_rebind(Lowering *l, const Binding *old, Name name)
{
    ValueKind kind = old->value.kind;
    if (kind != VALUE_FUNCTION && kind != VALUE_MODULE)
        return true;
    Diagnostic *d = complain(l, name.span, name_taken, STR_ARG(name.text));
    explain(l, d, old->span, "declared here");
    return false;
}

static void bind(Lowering *l, Name name, Value value)
{
    Scope *scope = l->frame->scope;
    Binding *old = scope_find_local(scope, name.text);
    if (!old) {
        scope_bind(l, scope, name, value);
        return;
    }
    if (may_rebind(l, old, name))
        *old = (Binding){value, name.span};
}

/* a, b = pair */
static void bind_tuple(Lowering *l, const NameList *names, const Value *value,
                       Span span)
{
    bool fits =
        value->kind == VALUE_TUPLE && value->as.tuple.count == names->count;
    if (!fits && !is_poison(value)) {
        Str got = value_describe(l, value);
        complain(l, span, wrong_tuple, (long long)names->count, STR_ARG(got));
    }
    for (int64_t i = 0; i < names->count; i++)
        bind(l, names->data[i], fits ? value->as.tuple.items[i] : poison(span));
}

static void exec_bind(Lowering *l, const Stmt *stmt)
{
    const NameList *names = &stmt->as.bind.names;
    const Expr *expr = stmt->as.bind.value;
    bool fresh = !scope_find_local(l->frame->scope, stmt->name.text);
    enter_statement(l, stmt->name.text, fresh);
    Value value = eval(l, expr, true);
    if (value.kind == VALUE_NONE) {
        no_value_for(l, expr);
        value = poison(expr->span);
    }
    if (names->count == 1)
        bind(l, names->data[0], value);
    else
        bind_tuple(l, names, &value, expr->span);
}

static void exec_return(Lowering *l, const Stmt *stmt)
{
    Frame *f = l->frame;
    if (!f->may_return) {
        complain(l, stmt->span, return_outside);
        return;
    }
    enter_statement(l, STR(""), false);
    f->result = eval(l, stmt->as.bind.value, true);
    if (f->result.kind == VALUE_NONE) {
        no_value_for(l, stmt->as.bind.value);
        f->result = poison(stmt->span);
    }
    f->returned = true;
}

static void exec_expr(Lowering *l, const Stmt *stmt)
{
    enter_statement(l, STR(""), false);
    Value v = eval(l, stmt->as.bind.value, false);
    if (v.kind != VALUE_NONE && !is_poison(&v))
        complain(l, stmt->span, value_unused);
}

/* The body in a scope of its own. */
static void exec_inner(Lowering *l, const StmtList *body, const Name *name,
                       const Value *value)
{
    Frame *f = l->frame;
    Scope *outer = f->scope;
    f->scope = scope_new(l, outer, false);
    if (name)
        scope_bind(l, f->scope, *name, *value);
    exec_block(l, body);
    f->scope = outer;
}

static void exec_iteration(Lowering *l, const Stmt *stmt, int64_t index,
                           Value value)
{
    Frame *f = l->frame;
    Str outer = f->indices;
    f->indices =
        str_format(l->arena, "%.*s.%lld", STR_ARG(outer), (long long)index);
    exec_inner(l, &stmt->as.loop.body, &stmt->name, &value);
    f->indices = outer;
}

static void exec_range(Lowering *l, const Stmt *stmt, const Value *first,
                       const Value *limit)
{
    int64_t from, to;
    Span from_span = stmt->as.loop.first->span;
    Span to_span = stmt->as.loop.limit->span;
    if (!need_int(l, first, from_span, "the start of a range", &from) ||
        !need_int(l, limit, to_span, "the end of a range", &to))
        return;
    for (int64_t i = from; i < to && !l->frame->returned; i++) {
        if (!lower_step(l, stmt->span))
            return;
        exec_iteration(l, stmt, i, value_int(stmt->name.span, i));
    }
}

static void exec_for(Lowering *l, const Stmt *stmt)
{
    enter_statement(l, STR(""), false);
    Value first = eval(l, stmt->as.loop.first, false);
    if (stmt->as.loop.limit) {
        Value limit = eval(l, stmt->as.loop.limit, false);
        exec_range(l, stmt, &first, &limit);
        return;
    }
    if (first.kind != VALUE_TUPLE) {
        if (!is_poison(&first)) {
            Str got = value_describe(l, &first);
            complain(l, stmt->as.loop.first->span, wrong_value,
                     "what 'for' goes over", "a range (0..n) or a tuple",
                     STR_ARG(got));
        }
        return;
    }
    for (int64_t i = 0; i < first.as.tuple.count; i++) {
        if (l->frame->returned || !lower_step(l, stmt->span))
            return;
        exec_iteration(l, stmt, i, first.as.tuple.items[i]);
    }
}

static void exec_if(Lowering *l, const Stmt *stmt)
{
    enter_statement(l, STR(""), false);
    const Expr *condition = stmt->as.branch.condition;
    Value v = eval(l, condition, false);
    bool holds;
    if (!need_bool(l, &v, condition->span, "the condition of 'if'", &holds))
        return;
    exec_inner(l, holds ? &stmt->as.branch.then : &stmt->as.branch.otherwise,
               NULL, NULL);
}

static void exec(Lowering *l, const Stmt *stmt)
{
    switch (stmt->kind) {
    case STMT_BIND: exec_bind(l, stmt); break;
    case STMT_RETURN: exec_return(l, stmt); break;
    case STMT_EXPR: exec_expr(l, stmt); break;
    case STMT_FOR: exec_for(l, stmt); break;
    case STMT_IF: exec_if(l, stmt); break;
    default:
        enter_statement(l, STR(""), false);
        exec_declaration(l, stmt);
        break;
    }
}

void exec_block(Lowering *l, const StmtList *statements)
{
    l->depth++;
    for (int64_t i = 0; i < statements->count; i++) {
        if (l->frame->returned || !lower_step(l, statements->data[i]->span))
            break;
        exec(l, statements->data[i]);
    }
    l->depth--;
}
