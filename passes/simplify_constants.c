/* Rules on constants: what is known at compile time is computed there.
 *
 * Elementwise ops are folded by the interpreter, so folding cannot disagree
 * with execution.  Constants have one number whatever their shape, so moving
 * them only changes their type.  Nothing that is not finite is folded.
 */
#include "ir/interpret.h"
#include "passes/simplify.h"

#include <math.h>

enum { OPERANDS_FOLDED_MAX = 3 };

static NodeId constant(Simplifier *s, const Draft *draft, double value)
{
    if (!isfinite(value))
        return (NodeId){0};
    return simplify_build(s, &(Draft){.op = OP_CONSTANT,
                                      .attr.constant.value = value,
                                      .type = draft->type,
                                      .origin = draft->origin});
}

/* The op applied to the numbers of its constant operands. */
static double interpret_scalar(const Simplifier *s, const Draft *draft)
{
    Arena scratch = *s->scratch;
    Graph *graph = graph_new(&scratch, STR("fold"));
    NodeId operands[OPERANDS_FOLDED_MAX];
    for (int32_t i = 0; i < draft->n_operands; i++) {
        const Node *node = draft_operand(s, draft, i);
        Type scalar = {.dtype = node->type.dtype};
        operands[i] = graph_constant(graph, node->attr.constant.value, scalar,
                                     (NodeOrigin){0});
    }
    NodeId result = graph_append(graph, draft->op, operands, draft->n_operands,
                                 draft->attr, (NodeOrigin){0});
    Tensor *values = arena_new(&scratch, Tensor, graph->nodes.count);
    graph_interpret(graph, &(Environment){0}, &scratch, values);
    Tensor value = values[result.index];
    return draft->type.dtype == DTYPE_I32 ? (double)*tensor_i32(value)
                                          : (double)*tensor_f32(value);
}

static NodeId fold_map(Simplifier *s, const Draft *draft)
{
    double value;
    for (int32_t i = 0; i < draft->n_operands; i++) {
        if (!draft_constant(s, draft, i, &value))
            return (NodeId){0};
    }
    return constant(s, draft, interpret_scalar(s, draft));
}

/* How many operand elements a reduction adds up in each of its result's. */
static double folded_count(const Simplifier *s, const Draft *draft)
{
    return (double)shape_count(&draft_operand(s, draft, 0)->type.shape) /
           (double)shape_count(&draft->type.shape);
}

static bool has_padding(const SpatialAttr *spatial)
{
    return spatial->padding[0] != 0 || spatial->padding[1] != 0;
}

static NodeId fold_moved(Simplifier *s, const Draft *draft)
{
    double value;
    if (draft->n_operands != 1 || !draft_constant(s, draft, 0, &value))
        return (NodeId){0};
    switch (draft->op) {
    case OP_BROADCAST:
    case OP_RESHAPE:
    case OP_TRANSPOSE:
    case OP_SLICE:
    case OP_REDUCE_MAX: return constant(s, draft, value);
    case OP_PAD: return value == 0 ? constant(s, draft, value) : (NodeId){0};
    case OP_UNFOLD:
        return has_padding(&draft->attr.spatial) &&
                       value != draft->attr.spatial.fill
                   ? (NodeId){0}
                   : constant(s, draft, value);
    case OP_SUM:
        return draft->type.dtype == DTYPE_I32
                   ? (NodeId){0}
                   : constant(s, draft, value * folded_count(s, draft));
    default: return (NodeId){0};
    }
}

NodeId simplify_constants(Simplifier *s, const Draft *draft)
{
    if (op_has(draft->op, TRAIT_MAP) && draft->op != OP_RANDOM)
        return fold_map(s, draft);
    return fold_moved(s, draft);
}
