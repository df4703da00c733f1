/* Formula: arithmetic on values of one type, written as nodes of one origin.
 *
 * C leaves the order in which arguments are evaluated open, and with it the
 * order of nodes: at most one argument of a call may append nodes. */
#ifndef DNNC_PASSES_FORMULA_H
#define DNNC_PASSES_FORMULA_H

#include "ir/graph.h"

typedef struct Formula {
    Graph *graph;
    Type type; /* of every value */
    NodeOrigin origin;
} Formula;

static inline NodeId formula_number(const Formula *f, double value)
{
    return graph_constant(f->graph, value, f->type, f->origin);
}

/* A scalar repeated to the formula's shape. */
static inline NodeId formula_splat(const Formula *f, NodeId scalar)
{
    return graph_splat(f->graph, scalar, f->type.shape, f->origin);
}

static inline NodeId formula_unary(const Formula *f, Op op, NodeId x)
{
    return graph_unary(f->graph, op, x, f->origin);
}

static inline NodeId formula_binary(const Formula *f, Op op, NodeId x, NodeId y)
{
    return graph_binary(f->graph, op, x, y, f->origin);
}

static inline NodeId formula_add(const Formula *f, NodeId x, NodeId y)
{
    return formula_binary(f, OP_ADD, x, y);
}

static inline NodeId formula_sub(const Formula *f, NodeId x, NodeId y)
{
    return formula_binary(f, OP_SUB, x, y);
}

static inline NodeId formula_mul(const Formula *f, NodeId x, NodeId y)
{
    return formula_binary(f, OP_MUL, x, y);
}

static inline NodeId formula_div(const Formula *f, NodeId x, NodeId y)
{
    return formula_binary(f, OP_DIV, x, y);
}

static inline NodeId formula_scale(const Formula *f, NodeId x, double factor)
{
    return formula_mul(f, x, formula_number(f, factor));
}

static inline NodeId formula_offset(const Formula *f, NodeId x, double term)
{
    return formula_add(f, x, formula_number(f, term));
}

#endif
