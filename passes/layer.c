/* Layer: what is said about the layers of a graph. */
#include "passes/layer.h"

#include <ctype.h>
#include <stddef.h>

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

bool *layer_items(const Graph *graph, Arena *arena)
{
    bool *depends = arena_new(arena, bool, graph->nodes.count);
    bool *is_item = arena_new(arena, bool, graph->nodes.count);
    for (int64_t i = 1; i < graph->nodes.count; i++) {
        const Node *node = &graph->nodes.data[i];
        depends[i] = node->op == OP_INPUT;
        for (int32_t k = 0; k < node->n_operands; k++)
            depends[i] |= depends[node->operands[k].index];
        is_item[i] = depends[i] && node->region == REGION_FORWARD &&
                     node->op != OP_INPUT && node->op != OP_WORLD_SUM &&
                     node->op != OP_COPY;
    }
    return is_item;
}

/* -- layers that a plan names ---------------------------------------------- */

static bool read_layer(const Graph *graph, const Plan *plan, int32_t index,
                       const bool *is_item, int32_t *layer,
                       Diagnostics *diagnostics)
{
    const PlanLayer *row = &plan->layers.data[index];
    int64_t n_before = diagnostics->list.count;
    for (int64_t i = 0; i < row->paths.count; i++) {
        Str path = row->paths.data[i];
        const int64_t *found = map_find(&graph->paths, path);
        if (!found || !is_item[*found])
            diagnose(diagnostics, (Span){0}, plan_layer_unknown,
                     STR_ARG(row->name), STR_ARG(path));
        else if (layer[*found] != LAYER_NONE)
            diagnose(diagnostics, (Span){0}, plan_layer_twice, STR_ARG(path));
        else
            layer[*found] = index;
    }
    return diagnostics->list.count == n_before;
}

/* False when the item reads a value of a later layer. */
static bool check_order(const Graph *graph, const Node *node, int32_t own,
                        const bool *is_item, const int32_t *layer,
                        Diagnostics *diagnostics)
{
    for (int32_t k = 0; k < node->n_operands; k++) {
        int32_t operand = node->operands[k].index;
        if (!is_item[operand] || layer[operand] <= own)
            continue;
        diagnose(diagnostics, node->span, plan_layer_order, STR_ARG(node->path),
                 own, STR_ARG(graph->nodes.data[operand].path), layer[operand]);
        return false;
    }
    return true;
}

int32_t *layer_of_plan(const Graph *graph, const Plan *plan,
                       const bool *is_item, Diagnostics *diagnostics,
                       Arena *arena)
{
    int32_t *layer = arena_new(arena, int32_t, graph->nodes.count);
    bool is_legal = true;
    for (int64_t i = 0; i < graph->nodes.count; i++)
        layer[i] = LAYER_NONE;
    for (int32_t l = 0; l < plan->layers.count; l++)
        is_legal &= read_layer(graph, plan, l, is_item, layer, diagnostics);
    for (int64_t i = 1; i < graph->nodes.count; i++) {
        const Node *node = &graph->nodes.data[i];
        if (!is_item[i])
            continue;
        if (layer[i] == LAYER_NONE) {
            diagnose(diagnostics, node->span, plan_layer_missing,
                     STR_ARG(node->path));
            is_legal = false;
        }
        is_legal &=
            check_order(graph, node, layer[i], is_item, layer, diagnostics);
    }
    return is_legal ? layer : NULL;
}

/* -- what is said about layers --------------------------------------------- */

int32_t layer_count(const Graph *graph)
{
    int32_t n = 1;
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

/* Named by the bindings of its first and last contraction, or of its first
 * node when it has none. */
static Str layer_name(const Graph *graph, const bool *is_item, int32_t layer,
                      Arena *arena)
{
    Str any = {0}, first = {0}, last = {0};
    for (int64_t i = 1; i < graph->nodes.count; i++) {
        const Node *node = &graph->nodes.data[i];
        if (!is_item[i] || node->layer != layer)
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
    if (any.length == 0)
        return STR("nothing");
    if (first.length == 0)
        return str_copy(arena, any);
    if (str_equal(first, last))
        return str_copy(arena, first);
    return str_format(arena, "%.*s..%.*s", STR_ARG(first), STR_ARG(last));
}

void layer_describe(const Graph *graph, Arena *arena, Plan *plan)
{
    int32_t n = layer_count(graph);
    bool *is_item = layer_items(graph, arena);
    int64_t base = plan->layers.count;
    for (int32_t layer = 0; layer < n; layer++)
        vector_push(arena, &plan->layers)->name =
            layer_name(graph, is_item, layer, arena);
    for (int64_t i = 1; i < graph->nodes.count; i++) {
        const Node *node = &graph->nodes.data[i];
        if (!is_item[i])
            continue;
        PlanLayer *layer = &plan->layers.data[base + node->layer];
        *vector_push(arena, &layer->paths) = node->path;
    }
}
