/* Parse: from a source text to its tree.
 *
 * Every function reports what is wrong to `diagnostics`, goes on after a
 * mistake where it can, and returns false when there was one.  Trees live in
 * `arena` and borrow from the source.
 */
#ifndef DNNC_FRONTEND_PARSE_H
#define DNNC_FRONTEND_PARSE_H

#include "frontend/ast.h"
#include "frontend/token.h"

typedef struct Parser {
    Arena *arena;
    Diagnostics *diagnostics;
    const TokenList *tokens;
    int64_t next; /* the token that the parser reads next */
    int start;    /* pseudo token that selects the start symbol; 0 if read */
    StmtList statements; /* result: model and cluster files */
    Name setting_name;   /* result: settings */
    Expr *expression;
    bool too_deep; /* was diagnosed */
} Parser;

bool parse_model(Arena *arena, int32_t source, Diagnostics *diagnostics,
                 StmtList *out);
bool parse_cluster(Arena *arena, int32_t source, Diagnostics *diagnostics,
                   StmtList *out);
/* `name=expression` of --set. */
bool parse_setting(Arena *arena, int32_t source, Diagnostics *diagnostics,
                   Name *name, Expr **out);

/* For grammar.y: tree nodes (build.c) and the report (syntax_error.c). */
Expr *build_expr(Parser *p, ExprKind kind, Span span);
Expr *build_number(Parser *p, Span span, bool is_integer);
Expr *build_string(Parser *p, Span span);
Expr *build_name(Parser *p, Span span);
Expr *build_binary(Parser *p, Operator operator, Span operator_span, Expr *left,
                   Expr *right);
Expr *build_unary(Parser *p, Operator operator, Span operator_span, Expr *x);
Expr *build_choice(Parser *p, Span span, Expr *condition, Expr *then,
                   Expr *otherwise);
Expr *build_tuple(Parser *p, Span span, ExprList items);
Expr *build_call(Parser *p, Expr *callee, ArgumentList arguments, Span end);
Expr *build_index(Parser *p, Expr *base, SubscriptList subscripts, Span end);
Expr *build_member(Parser *p, Expr *base, Name name);
TypeRef *build_type(Parser *p, Name dtype, ExprList dims, Span span);
Stmt *build_stmt(Parser *p, StmtKind kind, Span span, Name name);
Name build_word(Parser *p, Span span);
Quantity build_quantity(Parser *p, Span number, bool negative, Name unit);

#endif
