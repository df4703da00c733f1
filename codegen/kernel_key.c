/* Kernel keys: which kernels may share one body. */
#include "codegen/kernel.h"

static void append_bytes(Text *text, const void *bytes, size_t count)
{
    text_append(text, (Str){bytes, (int64_t)count});
}

/* Where `id` stands among the body's nodes or, negative, its operands. */
static int32_t place_of(const KernelBody *body, NodeId id)
{
    for (int32_t i = 0; i < body->nodes.count; i++)
        if (body->nodes.data[i].index == id.index)
            return i;
    for (int32_t i = 0; i < body->operands.count; i++)
        if (body->operands.data[i].index == id.index)
            return -1 - i;
    return INT32_MIN;
}

static void append_node(Text *text, const KernelBody *body, const Node *node)
{
    Attr attr = node->attr;
    if (node->op == OP_RANDOM)
        attr.random.stream = 0;
    append_bytes(text, &node->op, sizeof(node->op));
    append_bytes(text, &node->type, sizeof(node->type));
    append_bytes(text, &attr, sizeof(attr));
    for (int32_t k = 0; k < node->n_operands; k++) {
        int32_t place = place_of(body, node->operands[k]);
        append_bytes(text, &place, sizeof(place));
    }
}

Str kernel_key(Arena *arena, const KernelCode *code)
{
    const KernelBody *body = code->body;
    Text text = text_new(arena);
    bool is_local = false;
    for (int64_t i = 0; i < code->variants.count; i++)
        append_bytes(&text, &code->variants.data[i], sizeof(InPlace));
    append_bytes(&text, &body->accumulates, sizeof(body->accumulates));
    for (int64_t i = 0; i < body->operands.count; i++)
        append_bytes(&text,
                     &graph_node(body->graph, body->operands.data[i])->type,
                     sizeof(Type));
    for (int64_t i = 0; i < body->nodes.count; i++) {
        const Node *node = graph_node(body->graph, body->nodes.data[i]);
        append_node(&text, body, node);
        is_local |= op_has(node->op, TRAIT_LOCAL);
    }
    /* what a device's block is depends on the sizes of the axes */
    for (int32_t i = 0; is_local && i < code->mesh->n_axes; i++)
        append_bytes(&text, &code->mesh->axis[i].size, sizeof(int64_t));
    return text_str(&text);
}
