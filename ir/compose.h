/* Compose: reference decompositions of composite ops into primitive ones.
 * The interpreter and passes/expand.c share them, so a composite has one
 * meaning. */
#ifndef DNNC_IR_COMPOSE_H
#define DNNC_IR_COMPOSE_H

#include "ir/graph.h"

/* Appends the decomposition of composite `op` applied to operands that are
 * already in `to`; returns the result's node.  Asserts on other ops. */
NodeId compose(Graph *to, Op op, const Attr *attr, const NodeId *operands,
               NodeOrigin origin);

#endif
