/* Align: gives the nodes of eval the layers of the train graph.
 *
 * Eval is the model lowered again, so its nodes have the paths of train's
 * forward nodes but for what dropout added.  A node takes the layer of its
 * namesake, or the last of the layers that it reads, whichever is later: so
 * data never flows back.  Variables have the layers they have in train.
 */
#include "passes/layer.h"
#include "passes/pass.h"

static int32_t layer_of_namesake(const Graph *train, Str path)
{
    const int64_t *found = map_find(&train->paths, path);
    return found ? train->nodes.data[*found].layer : LAYER_NONE;
}

static int32_t layer_of(const Graph *to, const Graph *train, const Node *node)
{
    if (node->op == OP_VARIABLE) {
        int32_t index = node->attr.variable.variable;
        return graph_node(train, train->variables.data[index].node)->layer;
    }
    int32_t layer = layer_of_namesake(train, node->path);
    if (layer == LAYER_NONE)
        layer = 0;
    for (int32_t k = 0; k < node->n_operands; k++) {
        const Node *operand = graph_operand(to, node, k);
        if (operand->op != OP_VARIABLE && operand->layer > layer)
            layer = operand->layer;
    }
    return layer;
}

Graph *pass_align(const Graph *from, const PassOptions *options, Arena *perm,
                  Arena scratch)
{
    Graph *to = graph_like(perm, from, from->name);
    NodeId *map = arena_new(&scratch, NodeId, from->nodes.count);
    bool *is_free = arena_new(&scratch, bool, from->nodes.count);
    for (int32_t i = 1; i < from->nodes.count; i++) {
        const Node *node = graph_node(from, (NodeId){i});
        map[i] = graph_clone(to, from, (NodeId){i}, map);
        is_free[i] = layer_is_free(from, node, is_free);
        Node *copy = graph_node(to, map[i]);
        copy->layer =
            is_free[i] ? LAYER_NONE : layer_of(to, options->train, copy);
    }
    graph_clone_outputs(to, from, map);
    return to;
}
