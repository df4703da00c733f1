/* Kernel bodies: which are equal, and which may write over what they read. */
#include "passes/lower.h"

/* Where `id` stands in an array of nodes, or -1. */
static int32_t find(const NodeId *ids, int64_t count, NodeId id)
{
    for (int32_t i = 0; i < count; i++)
        if (ids[i].index == id.index)
            return i;
    return -1;
}

static void append_bytes(Text *text, const void *bytes, int64_t count)
{
    text_append(text, (Str){bytes, count});
}

static void append_node(Text *text, const KernelBody *body, NodeId id)
{
    const Node *node = graph_node(body->graph, id);
    int32_t head[3] = {node->op, node->type.dtype, node->n_operands};
    append_bytes(text, head, sizeof head);
    append_bytes(text, &node->type.shape, sizeof node->type.shape);
    append_bytes(text, &node->attr, sizeof node->attr);
    for (int32_t k = 0; k < node->n_operands; k++) {
        NodeId operand = node->operands[k];
        int32_t at = find(body->nodes.data, body->nodes.count, operand);
        if (at < 0)
            at = -1 - find(body->operands.data, body->operands.count, operand);
        append_bytes(text, &at, sizeof at);
    }
}

int32_t code_number(CodeNumbers *numbers, const KernelBody *body,
                    const LogicalMesh *mesh, Arena *arena)
{
    Text text = text_new(arena);
    bool is_local = false;
    for (int64_t i = 0; i < body->operands.count; i++) {
        const Node *node = graph_node(body->graph, body->operands.data[i]);
        append_bytes(&text, &node->type, sizeof node->type);
    }
    for (int64_t i = 0; i < body->nodes.count; i++) {
        append_node(&text, body, body->nodes.data[i]);
        is_local |= op_has(graph_node(body->graph, body->nodes.data[i])->op,
                           TRAIT_LOCAL);
    }
    /* Block starts depend on the sizes of the axes. */
    for (int32_t i = 0; is_local && i < mesh->n_axes; i++)
        append_bytes(&text, &mesh->axis[i].size, sizeof mesh->axis[i].size);
    int64_t *number = map_insert(arena, &numbers->numbers, text_str(&text),
                                 numbers->numbers.entries.count, NULL);
    return (int32_t)*number;
}

/* The element of the operand has the same offset as the result's. */
static bool keeps_offset(Op op)
{
    return op_has(op, TRAIT_MAP) || op == OP_RESHAPE || op == OP_ACCUMULATE;
}

bool kernel_reads_in_place(const KernelBody *body, NodeId operand)
{
    enum { NODES_MAX = 1024 };
    bool aligned[NODES_MAX]; /* node i is read at the offset it writes */
    if (body->nodes.count > NODES_MAX)
        return false;
    for (int64_t i = 0; i < body->nodes.count; i++)
        aligned[i] = true;
    for (int64_t i = body->nodes.count - 1; i >= 0; i--) {
        const Node *node = graph_node(body->graph, body->nodes.data[i]);
        bool keeps = aligned[i] && keeps_offset(node->op);
        for (int32_t k = 0; k < node->n_operands; k++) {
            int32_t at =
                find(body->nodes.data, body->nodes.count, node->operands[k]);
            if (at >= 0)
                aligned[at] &= keeps;
            else if (node->operands[k].index == operand.index && !keeps)
                return false;
        }
    }
    return true;
}
