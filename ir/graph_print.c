/* Graph print: a graph as text, one line a row or node (docs/ir.md). */
#include "ir/graph_text.h"
#include "ir/ir_text.h"

static void print_type(Text *text, const Type *type)
{
    text_format(text, " : %.*s", STR_ARG(type_print(text->arena, type)));
}

static void print_input(Text *text, int32_t index, const Input *row)
{
    text_format(text, "input %d ", index);
    text_quoted(text, row->name);
    print_type(text, &row->type);
    if (row->shift_of != -1)
        text_format(text, " = input %d shifted %lld", row->shift_of,
                    (long long)row->shift);
    text_append(text, STR("\n"));
}

static void print_variable(Text *text, int32_t index, const Variable *row)
{
    text_format(text, "%s %d ", VARIABLE_WORDS[row->kind], index);
    text_quoted(text, row->name);
    print_type(text, &row->type);
    if (row->of != -1)
        text_format(text, " of %d", row->of);
    if (row->group != -1)
        text_format(text, " group %d", row->group);
    text_append(text, STR("\n"));
}

static void print_operands(Text *text, const Node *node)
{
    if (op_has(node->op, TRAIT_LEAF))
        return;
    text_append(text, STR("("));
    for (int32_t i = 0; i < node->n_operands; i++)
        text_format(text, i ? ", %%%d" : "%%%d", node->operands[i].index);
    text_append(text, STR(")"));
}

static void print_node(Text *text, const Graph *graph, int32_t index)
{
    const Node *node = &graph->nodes.data[index];
    text_format(text, "%%%d ", index);
    text_quoted(text, node->path);
    text_format(text, " = %s", op_info(node->op)->text);
    print_operands(text, node);
    Attr attr = node->attr;
    int32_t rank =
        node->n_operands ? graph_operand(graph, node, 0)->type.shape.rank : 0;
    attr_text(&(AttrText){.out = text, .rank = rank}, node->op, &attr);
    print_type(text, &node->type);
    if (node->region != REGION_FORWARD)
        text_format(text, " %s", REGION_WORDS[node->region]);
    if (node->layer != LAYER_NONE)
        text_format(text, " layer %d", node->layer);
    if (node_is(node->forward))
        text_format(text, " of %%%d", node->forward.index);
    text_append(text, STR("\n"));
}

static void print_output(Text *text, const Output *output)
{
    text_format(text, "%s ", OUTPUT_WORDS[output->kind]);
    text_quoted(text, output->name);
    text_format(text, " = %%%d", output->node.index);
    if (output->variable != -1)
        text_format(text, " variable %d", output->variable);
    text_append(text, STR("\n"));
}

Str graph_print(Arena *arena, const Graph *graph)
{
    Text text = text_new(arena);
    text_append(&text, STR("graph "));
    text_quoted(&text, graph->name);
    text_append(&text, STR("\n"));
    for (int32_t i = 0; i < graph->inputs.count; i++)
        print_input(&text, i, &graph->inputs.data[i]);
    for (int32_t i = 0; i < graph->variables.count; i++)
        print_variable(&text, i, &graph->variables.data[i]);
    for (int32_t i = 1; i < graph->nodes.count; i++)
        print_node(&text, graph, i);
    for (int64_t i = 0; i < graph->outputs.count; i++)
        print_output(&text, &graph->outputs.data[i]);
    return text_str(&text);
}
