/* Names: that the names of a text stand for something where no run looks.
 *
 * Functions are checked when they are called, and of a branch only the side
 * that is taken is run.  After a clean run this walks through the rest: a name
 * that is bound nowhere around it, and a declaration that belongs to the top
 * level, are mistakes whatever the arguments.  A name counts as bound in the
 * whole body in which some statement binds it, so nothing right is refused.
 */
#include "frontend/lower.h"

static void walk_body(Lowering *l, Scope *scope, const StmtList *body);
static void walk_expr(Lowering *l, Scope *scope, const Expr *expr);

/* -- what a body binds ------------------------------------------------------ */

static void note(Lowering *l, Scope *scope, Name name)
{
    if (name.text.length && !map_find(&scope->names, name.text))
        scope_bind(l, scope, name, poison(name.span));
}

static void note_body(Lowering *l, Scope *scope, const StmtList *body)
{
    for (int64_t i = 0; i < body->count; i++) {
        const Stmt *stmt = body->data[i];
        switch (stmt->kind) {
        case STMT_BIND:
            for (int64_t k = 0; k < stmt->as.bind.names.count; k++)
                note(l, scope, stmt->as.bind.names.data[k]);
            break;
        case STMT_FUNCTION:
        case STMT_MODULE:
        case STMT_INPUT:
        case STMT_PARAM:
        case STMT_STATE: note(l, scope, stmt->name); break;
        case STMT_FOR:
            note(l, scope, stmt->name);
            note_body(l, scope, &stmt->as.loop.body);
            break;
        case STMT_IF:
            note_body(l, scope, &stmt->as.branch.then);
            note_body(l, scope, &stmt->as.branch.otherwise);
            break;
        default: break;
        }
    }
}

/* In a signature a dimension's name binds itself. */
static void note_dims(Lowering *l, Scope *scope, const TypeRef *type)
{
    for (int64_t i = 0; type && i < type->dims.count; i++) {
        const Expr *dim = type->dims.data[i];
        if (dim->kind == EXPR_NAME)
            note(l, scope, (Name){dim->as.text, dim->span});
    }
}

/* -- expressions ------------------------------------------------------------ */

static void walk_name(Lowering *l, Scope *scope, const Expr *expr)
{
    Str text = expr->as.text;
    if (scope_find(scope, text) || builtin_find(text) ||
        str_equal(text, STR("training")))
        return;
    Diagnostic *d = complain(l, expr->span, name_unknown, STR_ARG(text));
    Str near = scope_nearest(scope, text);
    if (near.length)
        advise(l, d, "did you mean '%.*s'?", STR_ARG(near));
    note(l, scope, (Name){text, expr->span}); /* once is enough */
}

static void walk_index(Lowering *l, Scope *scope, const Expr *expr)
{
    const SubscriptList *subscripts = &expr->as.index.subscripts;
    walk_expr(l, scope, expr->as.index.base);
    for (int64_t i = 0; i < subscripts->count; i++) {
        walk_expr(l, scope, subscripts->data[i].low);
        walk_expr(l, scope, subscripts->data[i].high);
    }
}

static void walk_expr(Lowering *l, Scope *scope, const Expr *expr)
{
    if (!expr || !lower_step(l, expr->span))
        return;
    switch (expr->kind) {
    case EXPR_NAME: walk_name(l, scope, expr); break;
    case EXPR_TUPLE:
        for (int64_t i = 0; i < expr->as.items.count; i++)
            walk_expr(l, scope, expr->as.items.data[i]);
        break;
    case EXPR_UNARY:
    case EXPR_BINARY:
        walk_expr(l, scope, expr->as.binary.left);
        walk_expr(l, scope, expr->as.binary.right);
        break;
    case EXPR_IF:
        walk_expr(l, scope, expr->as.choice.condition);
        walk_expr(l, scope, expr->as.choice.then);
        walk_expr(l, scope, expr->as.choice.otherwise);
        break;
    case EXPR_CALL:
        walk_expr(l, scope, expr->as.call.callee);
        for (int64_t i = 0; i < expr->as.call.arguments.count; i++)
            walk_expr(l, scope, expr->as.call.arguments.data[i].value);
        break;
    case EXPR_INDEX: walk_index(l, scope, expr); break;
    case EXPR_MEMBER: walk_expr(l, scope, expr->as.member.base); break;
    default: break;
    }
}

static void walk_dims(Lowering *l, Scope *scope, const TypeRef *type)
{
    for (int64_t i = 0; type && i < type->dims.count; i++)
        walk_expr(l, scope, type->dims.data[i]);
}

/* -- statements ------------------------------------------------------------- */

static void walk_function(Lowering *l, Scope *outer, const Stmt *stmt)
{
    Scope *scope = scope_new(l, outer, true);
    const ParameterList *parameters = &stmt->as.function.parameters;
    for (int64_t i = 0; i < parameters->count; i++) {
        note(l, scope, parameters->data[i].name);
        note_dims(l, scope, parameters->data[i].type);
    }
    note_dims(l, scope, stmt->as.function.result);
    note_body(l, scope, &stmt->as.function.body);
    for (int64_t i = 0; i < parameters->count; i++) {
        walk_dims(l, scope, parameters->data[i].type);
        walk_expr(l, scope, parameters->data[i].standard);
    }
    walk_dims(l, scope, stmt->as.function.result);
    walk_body(l, scope, &stmt->as.function.body);
}

/* `what` may stand at the top level only. */
static void walk_top_only(Lowering *l, Scope *scope, const Stmt *stmt,
                          const char *what)
{
    if (scope->is_function && scope->parent != l->global)
        complain(l, stmt->span, not_at_top, what);
}

static void walk(Lowering *l, Scope *scope, const Stmt *stmt)
{
    switch (stmt->kind) {
    case STMT_FUNCTION:
    case STMT_MODULE: walk_function(l, scope, stmt); break;
    case STMT_MODEL: walk_top_only(l, scope, stmt, "a model"); break;
    case STMT_TRAIN: walk_top_only(l, scope, stmt, "a train block"); break;
    case STMT_INPUT: walk_top_only(l, scope, stmt, "an input"); break;
    case STMT_LOSS: walk_top_only(l, scope, stmt, "the loss"); break;
    case STMT_METRIC: walk_top_only(l, scope, stmt, "a metric"); break;
    case STMT_OUTPUT: walk_top_only(l, scope, stmt, "an output"); break;
    default: break;
    }
    switch (stmt->kind) {
    case STMT_INPUT:
    case STMT_PARAM:
    case STMT_STATE:
        walk_dims(l, scope, stmt->as.declaration.type);
        walk_expr(l, scope, stmt->as.declaration.value);
        walk_expr(l, scope, stmt->as.declaration.amount);
        break;
    case STMT_BIND:
    case STMT_UPDATE:
    case STMT_LOSS:
    case STMT_METRIC:
    case STMT_OUTPUT:
    case STMT_RETURN:
    case STMT_EXPR: walk_expr(l, scope, stmt->as.bind.value); break;
    case STMT_FOR:
        walk_expr(l, scope, stmt->as.loop.first);
        walk_expr(l, scope, stmt->as.loop.limit);
        walk_body(l, scope, &stmt->as.loop.body);
        break;
    case STMT_IF:
        walk_expr(l, scope, stmt->as.branch.condition);
        walk_body(l, scope, &stmt->as.branch.then);
        walk_body(l, scope, &stmt->as.branch.otherwise);
        break;
    default: break;
    }
}

static void walk_body(Lowering *l, Scope *scope, const StmtList *body)
{
    l->depth++;
    for (int64_t i = 0; i < body->count; i++) {
        if (!lower_step(l, body->data[i]->span))
            break;
        walk(l, scope, body->data[i]);
    }
    l->depth--;
}

void check_names(Lowering *l, const StmtList *program)
{
    Scope *scope = scope_new(l, l->global, true);
    note_body(l, scope, program);
    walk_body(l, scope, program);
}
