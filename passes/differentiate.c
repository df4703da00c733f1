/* Differentiate: reverse-mode differentiation on the graph.
 *
 * For L the loss, dL/dx of every value x that depends on a parameter is the
 * sum over the uses of x of what each use contributes (Griewank and Walther,
 * "Evaluating Derivatives", chapter 3).  Nodes are in topological order, so
 * one walk backwards meets all uses of a value before the value itself; a
 * shared parameter is one node, and its contributions are added once.
 *
 * A contribution belongs to the node that makes it, and so does the addition
 * to what later uses have contributed: between two pipeline stages only the
 * running sum travels, from each stage to the one before.
 *
 * What no parameter needs is not computed: a value needs a gradient when it is
 * f32, a parameter is below it and its op has a derivative.  stop_gradient
 * nodes have done their work here and are left out of the result.
 *
 * Needs FORM_PRIMITIVE and one loss.  Gives an OUTPUT_GRADIENT for every
 * parameter, zeros where the loss does not depend on it.
 */
#include "passes/gradient.h"
#include "passes/pass.h"

#include <assert.h>
#include <stddef.h>

static GradientRule *const RULES[OP_COUNT] = {
#define OP(NAME, text, operands, attr, rule, gradient, work, linear, traits) \
    [OP_##NAME] = gradient_##gradient,
#include "ir/ops.def"
#undef OP
};

typedef struct Backward {
    const Graph *from;
    Graph *to;
    const NodeId *map;  /* value in `to` of each node of `from` */
    const bool *needed; /* by node of `from`: a gradient is wanted */
    NodeId *gradient;   /* by node of `from`: in `to`, of the uses so far */
} Backward;

/* A variable's gradient is complete when the walk reaches it. */
NodeId gradient_leaf(const Adjoint *a, int32_t operand)
{
    (void)a, (void)operand;
    return (NodeId){0};
}

/* Diagnosed before it could be called. */
NodeId gradient_none(const Adjoint *a, int32_t operand)
{
    (void)a, (void)operand;
    assert(false && "no derivative");
    return (NodeId){0};
}

NodeId gradient_composite(const Adjoint *a, int32_t operand)
{
    (void)a, (void)operand;
    assert(false && "expand comes before differentiate");
    return (NodeId){0};
}

static bool is_parameter(const Graph *graph, const Node *node)
{
    return node->op == OP_VARIABLE &&
           graph->variables.data[node->attr.variable.variable].kind ==
               VARIABLE_PARAMETER;
}

static bool *find_needed(const Graph *graph, Arena *arena)
{
    bool *needed = arena_new(arena, bool, graph->nodes.count);
    for (int64_t i = 1; i < graph->nodes.count; i++) {
        const Node *node = &graph->nodes.data[i];
        needed[i] = is_parameter(graph, node);
        if (node->type.dtype != DTYPE_F32 || RULES[node->op] == gradient_zero)
            continue;
        for (int32_t k = 0; k < node->n_operands; k++)
            needed[i] |= needed[node->operands[k].index];
    }
    return needed;
}

static NodeId find_loss(const Graph *graph)
{
    for (int64_t i = 0; i < graph->outputs.count; i++) {
        if (graph->outputs.data[i].kind == OUTPUT_LOSS)
            return graph->outputs.data[i].node;
    }
    assert(false && "a model that is trained has a loss");
    return (NodeId){0};
}

/* Nodes for the use of operand k are named after the node, or after the
 * parameter whose gradient they make. */
static NodeOrigin use_origin(const Backward *b, NodeId id, int32_t k)
{
    const Node *node = graph_node(b->from, id);
    const Node *operand = graph_operand(b->from, node, k);
    NodeId named = is_parameter(b->from, operand) ? node->operands[k] : id;
    NodeOrigin origin = node_origin(b->to, b->map[named.index], "gradient");
    origin.region = REGION_BACKWARD;
    origin.forward = b->map[id.index];
    origin.span = node->span;
    return origin;
}

static void accumulate(Backward *b, NodeId operand, NodeId part,
                       NodeOrigin origin)
{
    NodeId *sum = &b->gradient[operand.index];
    if (!node_is(part))
        return;
    *sum =
        node_is(*sum) ? graph_binary(b->to, OP_ADD, *sum, part, origin) : part;
}

static void visit(Backward *b, NodeId id, Arena scratch)
{
    const Node *node = graph_node(b->from, id);
    Type *types = arena_new(&scratch, Type, node->n_operands);
    NodeId *operands = arena_new(&scratch, NodeId, node->n_operands);
    for (int32_t k = 0; k < node->n_operands; k++) {
        types[k] = graph_operand(b->from, node, k)->type;
        operands[k] = b->map[node->operands[k].index];
    }
    for (int32_t k = 0; k < node->n_operands; k++) {
        if (!b->needed[node->operands[k].index])
            continue;
        Adjoint adjoint = {b->to,
                           node,
                           types,
                           operands,
                           b->map[id.index],
                           b->gradient[id.index],
                           use_origin(b, id, k)};
        NodeId part = RULES[node->op](&adjoint, k);
        accumulate(b, node->operands[k], part, adjoint.origin);
    }
}

static bool diagnose_underivable(const Graph *graph, NodeId id,
                                 Diagnostics *diagnostics)
{
    const Node *node = graph_node(graph, id);
    if (RULES[node->op] != gradient_none)
        return false;
    diagnose(diagnostics, node->span, not_differentiable,
             op_info(node->op)->text);
    return true;
}

/* False after diagnostics. */
static bool walk_backwards(Backward *b, NodeId loss, Diagnostics *diagnostics,
                           Arena scratch)
{
    NodeOrigin origin = node_origin(b->to, b->map[loss.index], "gradient");
    origin.region = REGION_BACKWARD;
    origin.forward = b->map[loss.index];
    b->gradient[loss.index] =
        graph_constant(b->to, 1, graph_node(b->from, loss)->type, origin);
    bool is_legal = true;
    for (int32_t i = loss.index; i > 0; i--) {
        if (!b->needed[i] || !node_is(b->gradient[i]))
            continue;
        if (diagnose_underivable(b->from, (NodeId){i}, diagnostics))
            is_legal = false;
        else
            visit(b, (NodeId){i}, scratch);
    }
    return is_legal;
}

static void append_gradients(Backward *b)
{
    for (int32_t i = 0; i < b->from->variables.count; i++) {
        const Variable *variable = &b->from->variables.data[i];
        if (variable->kind != VARIABLE_PARAMETER)
            continue;
        NodeId gradient = b->gradient[variable->node.index];
        if (!node_is(gradient)) {
            NodeId node = b->map[variable->node.index];
            NodeOrigin origin = node_origin(b->to, node, "gradient");
            origin.region = REGION_BACKWARD;
            origin.forward = node;
            gradient = graph_constant(b->to, 0, variable->type, origin);
        }
        graph_add_output(b->to, (Output){OUTPUT_GRADIENT, variable->name,
                                         gradient, i, variable->span});
    }
}

Graph *pass_differentiate(const Graph *from, const PassOptions *options,
                          Arena *perm, Arena scratch)
{
    Graph *to = graph_like(perm, from, from->name);
    NodeId *map = graph_clone_all(to, from, OP_STOP_GRADIENT, &scratch);
    Backward b = {from, to, map, find_needed(from, &scratch),
                  arena_new(&scratch, NodeId, from->nodes.count)};
    if (!walk_backwards(&b, find_loss(from), options->diagnostics, scratch))
        return NULL;
    append_gradients(&b);
    return to;
}
