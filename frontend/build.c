/* Build: the tree nodes that the grammar's actions make.
 *
 * Depth is counted here, so that no later pass meets an expression deeper
 * than EXPRESSION_DEPTH_MAX.
 */
#include "frontend/parse.h"
#include "support/checked.h"

#include <errno.h>
#include <stdlib.h>

static const char *const operator_texts[] = {
#define OPERATOR_TEXT(name, text) text,
    OPERATOR_TABLE(OPERATOR_TEXT)
#undef OPERATOR_TEXT
};

const char *operator_text(Operator operator)
{
    return operator_texts[operator];
}

Str span_text(const Diagnostics *diagnostics, Span span)
{
    Str text = diagnostics->sources.data[span.source].text;
    return (Str){text.data + span.begin, span.end - span.begin};
}

Expr *build_expr(Parser *p, ExprKind kind, Span span)
{
    Expr *expr = arena_new(p->arena, Expr, 1);
    *expr = (Expr){.kind = kind, .depth = 1, .span = span};
    return expr;
}

/* An expression over parts whose depth is at most `depth`. */
static Expr *build_over(Parser *p, ExprKind kind, Span span, int32_t depth)
{
    if (depth >= EXPRESSION_DEPTH_MAX) {
        if (!p->too_deep)
            diagnose(p->diagnostics, span, nested_too_deeply,
                     EXPRESSION_DEPTH_MAX);
        p->too_deep = true;
        kind = EXPR_ERROR;
        depth = 0;
    }
    Expr *expr = build_expr(p, kind, span);
    expr->depth = depth + 1;
    return expr;
}

static int32_t deeper(const Expr *a, const Expr *b)
{
    return a->depth > b->depth ? a->depth : b->depth;
}

Expr *build_number(Parser *p, Span span, bool is_integer)
{
    Str digits = str_copy(p->arena, span_text(p->diagnostics, span));
    errno = 0;
    if (is_integer) {
        Expr *expr = build_expr(p, EXPR_INT, span);
        expr->as.integer = strtoll(digits.data, NULL, 10);
        if (errno == ERANGE)
            diagnose(p->diagnostics, span, number_too_large, STR_ARG(digits));
        return expr;
    }
    Expr *expr = build_expr(p, EXPR_FLOAT, span);
    expr->as.real = strtod(digits.data, NULL);
    if (errno == ERANGE && expr->as.real > 1)
        diagnose(p->diagnostics, span, number_too_large, STR_ARG(digits));
    return expr;
}

Expr *build_string(Parser *p, Span span)
{
    Str quoted = span_text(p->diagnostics, span);
    Expr *expr = build_expr(p, EXPR_STRING, span);
    bool closed = quoted.length > 1 && quoted.data[quoted.length - 1] == '"';
    expr->as.text = (Str){quoted.data + 1, quoted.length - 1 - closed};
    return expr;
}

Expr *build_name(Parser *p, Span span)
{
    Expr *expr = build_expr(p, EXPR_NAME, span);
    expr->as.text = span_text(p->diagnostics, span);
    return expr;
}

Name build_word(Parser *p, Span span)
{
    return (Name){span_text(p->diagnostics, span), span};
}

Expr *build_binary(Parser *p, Operator operator, Span operator_span, Expr *left,
                   Expr *right)
{
    Expr *expr = build_over(p, EXPR_BINARY, span_join(left->span, right->span),
                            deeper(left, right));
    if (expr->kind == EXPR_ERROR)
        return expr;
    expr->as.binary.operator= operator;
    expr->as.binary.operator_span = operator_span;
    expr->as.binary.left = left;
    expr->as.binary.right = right;
    return expr;
}

Expr *build_unary(Parser *p, Operator operator, Span operator_span, Expr *x)
{
    Expr *expr =
        build_over(p, EXPR_UNARY, span_join(operator_span, x->span), x->depth);
    if (expr->kind == EXPR_ERROR)
        return expr;
    expr->as.binary.operator= operator;
    expr->as.binary.operator_span = operator_span;
    expr->as.binary.left = x;
    return expr;
}

Expr *build_choice(Parser *p, Span span, Expr *condition, Expr *then,
                   Expr *otherwise)
{
    int32_t depth = deeper(then, otherwise);
    depth = condition->depth > depth ? condition->depth : depth;
    Expr *expr = build_over(p, EXPR_IF, span, depth);
    if (expr->kind == EXPR_ERROR)
        return expr;
    expr->as.choice.condition = condition;
    expr->as.choice.then = then;
    expr->as.choice.otherwise = otherwise;
    return expr;
}

Expr *build_tuple(Parser *p, Span span, ExprList items)
{
    int32_t depth = 0;
    for (int64_t i = 0; i < items.count; i++)
        depth = items.data[i]->depth > depth ? items.data[i]->depth : depth;
    Expr *expr = build_over(p, EXPR_TUPLE, span, depth);
    if (expr->kind == EXPR_TUPLE)
        expr->as.items = items;
    return expr;
}

Expr *build_call(Parser *p, Expr *callee, ArgumentList arguments, Span end)
{
    int32_t depth = callee->depth;
    for (int64_t i = 0; i < arguments.count; i++) {
        int32_t value = arguments.data[i].value->depth;
        depth = value > depth ? value : depth;
    }
    Expr *expr = build_over(p, EXPR_CALL, span_join(callee->span, end), depth);
    if (expr->kind == EXPR_ERROR)
        return expr;
    expr->as.call.callee = callee;
    expr->as.call.arguments = arguments;
    return expr;
}

Expr *build_index(Parser *p, Expr *base, SubscriptList subscripts, Span end)
{
    int32_t depth = base->depth;
    for (int64_t i = 0; i < subscripts.count; i++) {
        const Subscript *s = &subscripts.data[i];
        if (s->low && s->low->depth > depth)
            depth = s->low->depth;
        if (s->high && s->high->depth > depth)
            depth = s->high->depth;
    }
    Expr *expr = build_over(p, EXPR_INDEX, span_join(base->span, end), depth);
    if (expr->kind == EXPR_ERROR)
        return expr;
    expr->as.index.base = base;
    expr->as.index.subscripts = subscripts;
    return expr;
}

Expr *build_member(Parser *p, Expr *base, Name name)
{
    Expr *expr = build_over(p, EXPR_MEMBER, span_join(base->span, name.span),
                            base->depth);
    if (expr->kind == EXPR_ERROR)
        return expr;
    expr->as.member.base = base;
    expr->as.member.name = name;
    return expr;
}

TypeRef *build_type(Parser *p, Name dtype, ExprList dims, Span span)
{
    TypeRef *type = arena_new(p->arena, TypeRef, 1);
    *type = (TypeRef){.dtype = dtype, .dims = dims, .span = span};
    return type;
}

Stmt *build_stmt(Parser *p, StmtKind kind, Span span, Name name)
{
    Stmt *stmt = arena_new(p->arena, Stmt, 1);
    *stmt = (Stmt){.kind = kind, .span = span, .name = name};
    return stmt;
}

Quantity build_quantity(Parser *p, Span number, bool negative, Name unit)
{
    Str digits = str_copy(p->arena, span_text(p->diagnostics, number));
    double value = strtod(digits.data, NULL);
    Span span = unit.text.length ? span_join(number, unit.span) : number;
    return (Quantity){
        .value = negative ? -value : value, .unit = unit, .span = span};
}
