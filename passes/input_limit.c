/* Input limits, read off the model before its composite ops are expanded. */
#include "passes/input_limit.h"

#include "support/checked.h"

/* What an index of the node must stay below; 0 when it has none. */
static int64_t rows_of(const Graph *graph, const Node *node)
{
    const Shape *shape = &graph_operand(graph, node, 0)->type.shape;
    switch (node->op) {
    case OP_GATHER: return shape->extent[0];
    case OP_CROSS_ENTROPY: return shape->extent[shape->rank - 1];
    default: return 0;
    }
}

int64_t *input_limits(Arena *arena, const Graph *graph)
{
    int64_t *limits = arena_new(arena, int64_t, graph->inputs.count);
    for (int32_t i = 1; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, (NodeId){i});
        int64_t rows = node->n_operands == 2 ? rows_of(graph, node) : 0;
        if (rows == 0)
            continue;
        const Node *index = graph_operand(graph, node, 1);
        while (index->op == OP_RESHAPE)
            index = graph_operand(graph, index, 0);
        if (index->op != OP_INPUT)
            continue;
        int64_t *limit = &limits[index->attr.input.input];
        *limit = *limit ? min_i64(*limit, rows) : rows;
    }
    return limits;
}
