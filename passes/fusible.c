/* Fusible: see the header. */
#include "passes/fusible.h"

enum { LIGHT_MAX = 6 };

bool fusible_is_root(Op op)
{
    return op_has(op, TRAIT_CONTRACTION) || op == OP_ARGMAX ||
           op == OP_SCATTER_ADD || op == OP_FOLD || op == OP_ACCUMULATE;
}

bool fusible_folds_rows(const Graph *graph, const Node *node)
{
    if (!op_has(node->op, TRAIT_REDUCE))
        return false;
    int32_t rank = graph_operand(graph, node, 0)->type.shape.rank;
    int32_t kept = node->type.shape.rank;
    return node->attr.reduce.dims >> kept == (1u << (rank - kept)) - 1 &&
           (node->attr.reduce.dims & ((1u << kept) - 1)) == 0;
}

/* Repeats its operand along new last dimensions: one element a row. */
static bool fills_rows(const Graph *graph, const Node *node)
{
    if (node->op != OP_BROADCAST)
        return false;
    int32_t rank = graph_operand(graph, node, 0)->type.shape.rank;
    for (int32_t i = 0; i < rank; i++)
        if (node->attr.broadcast.dims[i] != i)
            return false;
    return true;
}

bool fusible_keeps_rows(const Graph *graph, const Node *node)
{
    return op_has(node->op, TRAIT_MAP) || node->op == OP_ACCUMULATE ||
           fusible_folds_rows(graph, node) || fills_rows(graph, node);
}

bool fusible_reads_buffer(Op op, int32_t operand)
{
    return op_has(op, TRAIT_CONTRACTION) || op_has(op, TRAIT_COLLECTIVE) ||
           op_has(op, TRAIT_WORLD) || op == OP_SCATTER_ADD ||
           (op == OP_GATHER && operand == 0);
}

bool fusible_repeats(const Graph *graph, const Node *node)
{
    return node->op == OP_UNFOLD ||
           (node->op == OP_BROADCAST &&
            shape_count(&node->type.shape) >
                shape_count(&graph_operand(graph, node, 0)->type.shape));
}

/* -- work ------------------------------------------------------------------ */

static bool is_trivial(const Node *node, const bool *trivial)
{
    if (node->n_operands == 0)
        return op_has(node->op, TRAIT_FREE);
    if (!op_has(node->op, TRAIT_INDEX) &&
        !(op_has(node->op, TRAIT_MAP) && op_info(node->op)->work_flops <= 1))
        return false;
    for (int32_t k = 0; k < node->n_operands; k++)
        if (!trivial[node->operands[k].index])
            return false;
    return true;
}

/* Made by repeating a smaller value. */
static bool is_widened(const Graph *graph, NodeId id)
{
    const Node *node = graph_node(graph, id);
    return node->op == OP_BROADCAST && fusible_repeats(graph, node);
}

static int32_t light_work(const Graph *graph, const Node *node,
                          const FusibleWork *work)
{
    int32_t sources = 0, flops = 1;
    if (node->op == OP_COPY) /* an alias, or the buffer of a collective */
        return work->light[node->operands[0].index];
    if (!op_has(node->op, TRAIT_MAP) || op_info(node->op)->work_flops > 1)
        return FUSIBLE_NOT_LIGHT;
    for (int32_t k = 0; k < node->n_operands; k++) {
        NodeId operand = node->operands[k];
        bool again = k > 0 && operand.index == node->operands[0].index;
        if (work->trivial[operand.index] || is_widened(graph, operand) || again)
            continue;
        sources++;
        if (work->light[operand.index] != FUSIBLE_NOT_LIGHT)
            flops += work->light[operand.index];
    }
    return sources <= 1 && flops <= LIGHT_MAX ? flops : FUSIBLE_NOT_LIGHT;
}

FusibleWork fusible_work(const Graph *graph, Arena *arena)
{
    int64_t count = graph->nodes.count;
    FusibleWork work = {.trivial = arena_new(arena, bool, count),
                        .light = arena_new(arena, int32_t, count)};
    for (int32_t i = 1; i < count; i++) {
        const Node *node = graph_node(graph, (NodeId){i});
        work.trivial[i] = is_trivial(node, work.trivial);
        work.light[i] = light_work(graph, node, &work);
    }
    return work;
}

bool fusible_may_be_repeated(const FusibleWork *work, const Graph *graph,
                             NodeId id)
{
    return work->trivial[id.index] ||
           work->light[id.index] != FUSIBLE_NOT_LIGHT ||
           op_has(graph_node(graph, id)->op, TRAIT_INDEX);
}

bool fusible_is_view(const FusibleWork *work, const Graph *graph, NodeId id)
{
    const Node *node = graph_node(graph, id);
    return work->trivial[id.index] ||
           work->light[id.index] != FUSIBLE_NOT_LIGHT ||
           (op_has(node->op, TRAIT_INDEX) &&
            shape_count(&node->type.shape) >=
                shape_count(&graph_operand(graph, node, 0)->type.shape));
}
