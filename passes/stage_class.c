/* Stage class: the text of a range, with nodes numbered from its beginning, is
 * what two ranges must have in common. */
#include "passes/stage_class.h"

#include "passes/strategy_table.h"

#include <string.h>

typedef struct Describer {
    const Graph *graph;
    const NodeStorage *storage;
    int32_t first, end;
    int32_t *kind;   /* by node, interned */
    int32_t *number; /* by node: in the range, or 0 */
    Text text;
} Describer;

static bool in_range(const Describer *d, const Node *node)
{
    return node->layer >= d->first && node->layer < d->end;
}

/* An operand: its number, or from which side it comes. */
static void describe_operand(Describer *d, NodeId operand)
{
    const Node *node = graph_node(d->graph, operand);
    if (d->number[operand.index])
        text_format(&d->text, " %d", d->number[operand.index]);
    else if (node->layer == LAYER_NONE)
        text_append(&d->text, STR(" free"));
    else
        text_append(&d->text,
                    node->layer < d->first ? STR(" before") : STR(" after"));
}

static void describe_node(Describer *d, NodeId id)
{
    const Node *node = graph_node(d->graph, id);
    const NodeStorage *storage = &d->storage[id.index];
    text_format(&d->text, "\n%d:%d:%d", d->kind[id.index], (int)storage->part,
                storage->microbatch);
    if (node->op == OP_VARIABLE)
        text_format(
            &d->text, "v%d",
            (int)d->graph->variables.data[node->attr.variable.variable].kind);
    for (int32_t k = 0; k < node->n_operands; k++)
        describe_operand(d, node->operands[k]);
}

/* Values of the range that other layers read. */
static void describe_readers(Describer *d)
{
    for (int32_t i = 1; i < d->graph->nodes.count; i++) {
        const Node *node = graph_node(d->graph, (NodeId){i});
        if (d->storage[i].free || in_range(d, node))
            continue;
        for (int32_t k = 0; k < node->n_operands; k++)
            if (d->number[node->operands[k].index])
                text_format(&d->text, "\n> %d %d",
                            d->number[node->operands[k].index],
                            d->storage[i].microbatch);
    }
}

static void describe_outputs(Describer *d)
{
    for (int64_t i = 0; i < d->graph->outputs.count; i++) {
        const Output *output = &d->graph->outputs.data[i];
        if (!d->number[output->node.index] ||
            graph_node(d->graph, output->node)->layer == LAYER_NONE)
            continue;
        text_format(&d->text, "\n= %d %d", (int)output->kind,
                    d->number[output->node.index]);
        if (output->kind == OUTPUT_UPDATE)
            describe_operand(d,
                             d->graph->variables.data[output->variable].node);
    }
}

static void number_nodes(Describer *d)
{
    int32_t n = 0;
    memset(d->number, 0, (size_t)d->graph->nodes.count * sizeof *d->number);
    for (int32_t i = 1; i < d->graph->nodes.count; i++) {
        const Node *node = graph_node(d->graph, (NodeId){i});
        if (d->storage[i].free || !in_range(d, node))
            continue;
        for (int32_t k = 0; k < node->n_operands; k++) {
            int32_t *input = &d->number[node->operands[k].index];
            if (graph_operand(d->graph, node, k)->op == OP_INPUT && !*input)
                *input = ++n;
        }
        d->number[i] = ++n;
    }
}

static Str describe(Describer *d)
{
    d->text.length = 0;
    number_nodes(d);
    for (int32_t i = 1; i < d->graph->nodes.count; i++)
        if (d->number[i])
            describe_node(d, (NodeId){i});
    describe_readers(d);
    describe_outputs(d);
    return text_str(&d->text);
}

static int32_t *intern_kinds(const Graph *graph, const NodeStorage *storage,
                             Arena *arena)
{
    Map map = {0};
    int32_t *kinds = arena_new(arena, int32_t, graph->nodes.count);
    for (int32_t i = 1; i < graph->nodes.count; i++) {
        if (storage[i].free)
            continue;
        Str key = strategy_kind(graph, storage, (NodeId){i}, arena);
        kinds[i] =
            (int32_t)*map_insert(arena, &map, key, map.entries.count, NULL);
    }
    return kinds;
}

StageClasses stage_classes_of(const Graph *graph, const NodeStorage *storage,
                              int32_t n_layers, Arena *arena, Arena scratch)
{
    StageClasses classes = {
        .n_layers = n_layers,
        .of = arena_new(arena, int32_t, n_layers *(n_layers + 1)),
    };
    Describer d = {
        .graph = graph,
        .storage = storage,
        .kind = intern_kinds(graph, storage, &scratch),
        .number = arena_new(&scratch, int32_t, graph->nodes.count),
        .text = text_new(&scratch),
    };
    Map map = {0};
    for (d.first = 0; d.first < n_layers; d.first++)
        for (d.end = d.first + 1; d.end <= n_layers; d.end++) {
            bool is_new;
            Str text = describe(&d);
            int64_t *number = map_find(&map, text);
            if (!number)
                number = map_insert(&scratch, &map, str_copy(&scratch, text),
                                    map.entries.count, &is_new);
            classes.of[d.first * (n_layers + 1) + d.end] = (int32_t)*number;
        }
    classes.count = (int32_t)map.entries.count;
    return classes;
}
