/* Ast: a model or a cluster file as its author wrote it.
 *
 * Trees live in one arena and borrow names from the source text.  Every node
 * has the span it was written at, and an expression knows its depth, so that
 * hostile nesting is diagnosed while parsing and later passes may recurse.
 */
#ifndef DNNC_FRONTEND_AST_H
#define DNNC_FRONTEND_AST_H

#include "support/diagnostic.h"
#include "support/vector.h"

#include <stddef.h>

enum { EXPRESSION_DEPTH_MAX = 200 };

typedef struct Expr Expr;
typedef struct Stmt Stmt;

/* A name with the place where it is written. */
typedef struct Name {
    Str text;
    Span span;
} Name;

typedef enum ExprKind {
    EXPR_ERROR, /* was diagnosed */
    EXPR_INT,
    EXPR_FLOAT,
    EXPR_BOOL,
    EXPR_STRING,
    EXPR_NAME,
    EXPR_TUPLE,
    EXPR_UNARY,
    EXPR_BINARY,
    EXPR_IF, /* if condition then a else b */
    EXPR_CALL,
    EXPR_INDEX, /* x[0, :, 2:5] */
    EXPR_MEMBER,
    EXPR_ELLIPSIS, /* in types: the leading dimensions */
} ExprKind;

/* Operators: enumerator, spelling. */
#define OPERATOR_TABLE(X) \
    X(ADD, "+")           \
    X(SUB, "-")           \
    X(MUL, "*")           \
    X(DIV, "/")           \
    X(INT_DIV, "//")      \
    X(REM, "%")           \
    X(MATMUL, "@")        \
    X(POW, "**")          \
    X(EQ, "==")           \
    X(NE, "!=")           \
    X(LT, "<")            \
    X(LE, "<=")           \
    X(GT, ">")            \
    X(GE, ">=")           \
    X(AND, "and")         \
    X(OR, "or")           \
    X(NOT, "not")

typedef enum Operator {
#define OPERATOR_ENUM(name, text) OPERATOR_##name,
    OPERATOR_TABLE(OPERATOR_ENUM)
#undef OPERATOR_ENUM
} Operator;

typedef VECTOR(Expr *) ExprList;
typedef VECTOR(Name) NameList;
typedef VECTOR(Stmt *) StmtList;

typedef struct Argument {
    Name name; /* empty: by position */
    Expr *value;
    Expr *on; /* `decay = 0.1 on matrices`; else NULL */
    Span span;
} Argument;
typedef VECTOR(Argument) ArgumentList;

/* One subscript: an index, or low:high with either end absent. */
typedef struct Subscript {
    bool is_range;
    Expr *low, *high; /* NULL: the dimension's end; an index is in `low` */
    Span span;
} Subscript;
typedef VECTOR(Subscript) SubscriptList;

struct Expr {
    ExprKind kind;
    int32_t depth;
    Span span;
    union {
        int64_t integer;
        double real;
        bool boolean;
        Str text; /* EXPR_STRING (without quotes), EXPR_NAME */
        ExprList items;
        struct {
            Operator operator;
            Span operator_span;
            Expr *left, *right; /* unary: right is NULL */
        } binary;
        struct {
            Expr *condition, *then, *otherwise;
        } choice;
        struct {
            Expr *callee;
            ArgumentList arguments;
        } call;
        struct {
            Expr *base;
            SubscriptList subscripts;
        } index;
        struct {
            Expr *base;
            Name name;
        } member;
    } as;
};

/* f32[..., n]; no brackets at all: dims is a scalar's. */
typedef struct TypeRef {
    Name dtype; /* empty: f32 */
    ExprList dims;
    Span span;
} TypeRef;

typedef struct Parameter {
    Name name;
    TypeRef *type;  /* NULL: any value */
    Expr *standard; /* default, or NULL */
    Span span;
} Parameter;
typedef VECTOR(Parameter) ParameterList;

typedef enum StmtKind {
    STMT_ERROR,
    STMT_MODEL,
    STMT_FUNCTION,
    STMT_MODULE,
    STMT_INPUT,
    STMT_PARAM,
    STMT_STATE,
    STMT_BIND,
    STMT_UPDATE,
    STMT_LOSS,
    STMT_METRIC,
    STMT_OUTPUT,
    STMT_RETURN,
    STMT_EXPR,
    STMT_FOR,
    STMT_IF,
    STMT_TRAIN,
    /* inside train { } */
    STMT_OPTIMIZER,
    STMT_GROUP,
    /* cluster files */
    STMT_QUANTITY, /* name = number unit, or name = word */
    STMT_SECTION,  /* word name { ... } */
} StmtKind;

/* A number with its unit as written: 12.5 GB/s. */
typedef struct Quantity {
    double value;
    Name unit; /* empty: a plain number; "GB/s" otherwise */
    Name word; /* a name or string instead of a number; else empty */
    bool is_string;
    Span span;
} Quantity;

struct Stmt {
    StmtKind kind;
    Span span;
    Name name; /* what it declares; the first name of a binding */
    union {
        struct { /* MODEL, FUNCTION, MODULE */
            ParameterList parameters;
            TypeRef *result; /* or NULL */
            StmtList body;
        } function;
        struct { /* INPUT, PARAM, STATE */
            TypeRef *type;
            Expr *value;  /* initial value, or NULL */
            Name source;  /* input ... = source shifted amount */
            Expr *amount; /* or NULL */
        } declaration;
        struct { /* BIND, UPDATE, LOSS, METRIC, OUTPUT, RETURN, EXPR */
            NameList names; /* BIND only */
            Expr *value;    /* NULL: `output x`, or `return` alone */
        } bind;
        struct {                 /* FOR */
            Expr *first, *limit; /* limit NULL: over a tuple */
            StmtList body;
        } loop;
        struct { /* IF */
            Expr *condition;
            StmtList then, otherwise;
        } branch;
        struct {       /* TRAIN, SECTION */
            Name word; /* SECTION: its first word */
            StmtList body;
        } block;
        struct { /* OPTIMIZER */
            ArgumentList arguments;
        } optimizer;
        struct { /* GROUP name = selector { settings } */
            Expr *selector;
            StmtList body;
        } group;
        Quantity quantity;
    } as;
};

/* The characters of a span, borrowed. */
Str span_text(const Diagnostics *diagnostics, Span span);
const char *operator_text(Operator operator);
static inline Span span_join(Span a, Span b)
{
    return (Span){a.source, a.begin < b.begin ? a.begin : b.begin,
                  a.end > b.end ? a.end : b.end};
}

#endif
