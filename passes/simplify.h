/* Simplify's parts: a graph built so that every node is in simplest form.
 *
 * A Draft is a node that is not there yet.  simplify_build tries the rules on
 * it; a rule answers with an equal value, building drafts of its own where it
 * must (each simpler than the one it got), or with none.
 */
#ifndef DNNC_PASSES_SIMPLIFY_H
#define DNNC_PASSES_SIMPLIFY_H

#include "ir/graph.h"

typedef struct Draft {
    Op op;
    NodeId *operands; /* in the graph that is built */
    int32_t n_operands;
    Attr attr;
    Type type; /* of the result */
    NodeOrigin origin;
} Draft;

typedef struct Simplifier {
    Graph *to;
    Map keys; /* structure without attribute -> latest such node */
    VECTOR(int32_t) earlier; /* by node: an earlier one of equal key, or 0 */
    VECTOR(bool) is_free;    /* by node: layer_is_free of passes/layer.h */
    Arena *scratch;
} Simplifier;

/* The node for the draft: an existing one where an equal value exists. */
NodeId simplify_build(Simplifier *s, const Draft *draft);

/* The rules by kind; each answers none when nothing applies. */
NodeId simplify_constants(Simplifier *s, const Draft *draft);
NodeId simplify_arithmetic(Simplifier *s, const Draft *draft);
NodeId simplify_movement(Simplifier *s, const Draft *draft);

/* The node of operand i; valid until the next node is built. */
const Node *draft_operand(const Simplifier *s, const Draft *draft, int32_t i);
/* Whether operand i is a constant; its number. */
bool draft_constant(const Simplifier *s, const Draft *draft, int32_t i,
                    double *value);

#endif
