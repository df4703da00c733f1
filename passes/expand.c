/* Expand: replaces composite ops by their reference decompositions.
 *
 * Composites (softmax, norms, cross entropy, gelu) are rows of ir/ops.def with
 * a meaning in ir/compose.c.  From here on every node is primitive, so
 * differentiation and everything after it need no case for them.  One walk
 * over the nodes; paths of all other nodes stay, and a decomposition's last
 * node takes the composite's.
 */
#include "ir/compose.h"
#include "passes/pass.h"

static NodeId expand_node(Graph *to, const Graph *from, NodeId id,
                          const NodeId *map)
{
    const Node *node = graph_node(from, id);
    NodeId operands[2];
    for (int32_t i = 0; i < node->n_operands; i++)
        operands[i] = map[node->operands[i].index];
    return compose(to, node->op, &node->attr, operands,
                   node_origin(from, id, ""));
}

Graph *pass_expand(const Graph *from, const PassOptions *options, Arena *perm,
                   Arena scratch)
{
    (void)options;
    Graph *to = graph_like(perm, from, from->name);
    NodeId *map = arena_new(&scratch, NodeId, from->nodes.count);
    for (int32_t i = 1; i < from->nodes.count; i++) {
        NodeId id = {i};
        bool is_composite = op_has(graph_node(from, id)->op, TRAIT_COMPOSITE);
        map[i] = is_composite ? expand_node(to, from, id, map)
                              : graph_clone(to, from, id, map);
    }
    graph_clone_outputs(to, from, map);
    return to;
}
