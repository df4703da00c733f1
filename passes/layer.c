/* Layer: what is said about the layers of a graph. */
#include "passes/layer.h"

#include <ctype.h>

bool layer_is_free(const Graph *graph, const Node *node, const bool *is_free)
{
    if (op_has(node->op, TRAIT_LEAF))
        return node->op != OP_VARIABLE;
    if (node->op == OP_WORLD_SUM)
        return true;
    for (int32_t i = 0; i < node->n_operands; i++) {
        if (!is_free[node->operands[i].index] ||
            graph_operand(graph, node, i)->op == OP_INPUT)
            return false;
    }
    return true;
}

int32_t layer_count(const Graph *graph)
{
    int32_t n = 0;
    for (int64_t i = 1; i < graph->nodes.count; i++) {
        if (graph->nodes.data[i].layer >= n)
            n = graph->nodes.data[i].layer + 1;
    }
    return n;
}

/* "block.3.attention.q.dot" -> "block.3": up to the first numbered part, or
 * the first part of a path without one. */
static Str binding_of(Str path)
{
    int64_t first = path.length, begin = 0;
    for (int64_t i = 0; i <= path.length; i++) {
        if (i < path.length && path.data[i] != '.')
            continue;
        if (begin > 0 && i > begin && isdigit((unsigned char)path.data[begin]))
            return (Str){path.data, i};
        if (first == path.length)
            first = i;
        begin = i + 1;
    }
    return (Str){path.data, first};
}

static bool is_forward(const Node *node)
{
    return node->region == REGION_FORWARD && node->op != OP_VARIABLE &&
           node->layer != LAYER_NONE;
}

/* Named by the bindings of its first and last contraction, or of its first
 * node when it has none. */
static Str layer_name(const Graph *graph, int32_t layer, Arena *arena)
{
    Str any = {0}, first = {0}, last = {0};
    for (int64_t i = 1; i < graph->nodes.count; i++) {
        const Node *node = &graph->nodes.data[i];
        if (!is_forward(node) || node->layer != layer)
            continue;
        Str binding = binding_of(node->path);
        if (any.length == 0)
            any = binding;
        if (!op_has(node->op, TRAIT_CONTRACTION))
            continue;
        if (first.length == 0)
            first = binding;
        last = binding;
    }
    if (first.length == 0)
        return str_copy(arena, any);
    if (str_equal(first, last))
        return str_copy(arena, first);
    return str_format(arena, "%.*s..%.*s", STR_ARG(first), STR_ARG(last));
}

void layer_describe(const Graph *graph, Arena *arena, Plan *plan)
{
    int32_t n = layer_count(graph);
    int64_t base = plan->layers.count;
    for (int32_t layer = 0; layer < n; layer++)
        vector_push(arena, &plan->layers)->name =
            layer_name(graph, layer, arena);
    for (int64_t i = 1; i < graph->nodes.count; i++) {
        const Node *node = &graph->nodes.data[i];
        if (!is_forward(node))
            continue;
        PlanLayer *layer = &plan->layers.data[base + node->layer];
        *vector_push(arena, &layer->paths) = node->path;
    }
}
