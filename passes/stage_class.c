/* Stage class: what two ranges must have in common is written down as a list of
 * words, with nodes numbered from the range's beginning. */
#include "passes/stage_class.h"

#include "passes/strategy_table.h"

#include <string.h>

/* Words that cannot be numbers of nodes, which are positive. */
enum {
    WORD_FREE = 0, /* an operand that every stage makes for itself */
    WORD_BEFORE = -1,
    WORD_AFTER = -2,
    WORD_NODE = -3,
    WORD_READER = -4,
    WORD_OUTPUT = -5,
};

typedef struct Describer {
    const Graph *graph;
    const NodeStorage *storage;
    Arena *arena;
    int32_t first, end;
    int32_t *kind;   /* by node, interned */
    int32_t *number; /* by node: in the range, or 0 */
    VECTOR(int32_t) words;
} Describer;

static bool in_range(const Describer *d, const Node *node)
{
    return node->layer >= d->first && node->layer < d->end;
}

static void add_word(Describer *d, int32_t word)
{
    *vector_push(d->arena, &d->words) = word;
}

/* An operand: its number, or from which side it comes. */
static void describe_operand(Describer *d, NodeId operand)
{
    const Node *node = graph_node(d->graph, operand);
    add_word(d, d->number[operand.index]    ? d->number[operand.index]
                : node->layer == LAYER_NONE ? WORD_FREE
                : node->layer < d->first    ? WORD_BEFORE
                                            : WORD_AFTER);
}

static void describe_node(Describer *d, NodeId id)
{
    const Node *node = graph_node(d->graph, id);
    const NodeStorage *storage = &d->storage[id.index];
    add_word(d, WORD_NODE);
    add_word(d, d->kind[id.index]);
    add_word(d, 2 * (int32_t)storage->part + storage->microbatch);
    if (node->op == OP_VARIABLE)
        add_word(d,
                 (int32_t)d->graph->variables.data[node->attr.variable.variable]
                     .kind);
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
        for (int32_t k = 0; k < node->n_operands; k++) {
            if (!d->number[node->operands[k].index])
                continue;
            add_word(d, WORD_READER);
            add_word(d, d->number[node->operands[k].index]);
            add_word(d, d->storage[i].microbatch);
        }
    }
}

static void describe_outputs(Describer *d)
{
    for (int64_t i = 0; i < d->graph->outputs.count; i++) {
        const Output *output = &d->graph->outputs.data[i];
        if (!d->number[output->node.index] ||
            graph_node(d->graph, output->node)->layer == LAYER_NONE)
            continue;
        add_word(d, WORD_OUTPUT);
        add_word(d, (int32_t)output->kind);
        add_word(d, d->number[output->node.index]);
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

static void describe_nodes(Describer *d)
{
    d->words.count = 0;
    number_nodes(d);
    for (int32_t i = 1; i < d->graph->nodes.count; i++)
        if (d->number[i])
            describe_node(d, (NodeId){i});
    describe_outputs(d);
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

static Describer describer_of(const Graph *graph, const NodeStorage *storage,
                              Arena *arena)
{
    return (Describer){
        .graph = graph,
        .storage = storage,
        .arena = arena,
        .kind = intern_kinds(graph, storage, arena),
        .number = arena_new(arena, int32_t, graph->nodes.count),
    };
}

/* The number of the description in the map, which keeps a copy of it. */
static int32_t intern_words(const Describer *d, Map *map, Arena *arena)
{
    Str key = {(const char *)d->words.data,
               d->words.count * (int64_t)sizeof(int32_t)};
    int64_t *number = map_find(map, key);
    if (!number)
        number = map_insert(arena, map, str_copy(arena, key),
                            map->entries.count, NULL);
    return (int32_t)*number;
}

StageClasses stage_classes_of(const Graph *graph, const NodeStorage *storage,
                              int32_t n_layers, Arena *arena, Arena scratch)
{
    StageClasses classes = {
        .n_layers = n_layers,
        .of = arena_new(arena, int32_t, n_layers *(n_layers + 1)),
    };
    Arena keys = arena_split(&scratch);
    Describer d = describer_of(graph, storage, &scratch);
    Map map = {0};
    for (d.first = 0; d.first < n_layers; d.first++)
        for (d.end = d.first + 1; d.end <= n_layers; d.end++) {
            describe_nodes(&d);
            describe_readers(&d);
            classes.of[d.first * (n_layers + 1) + d.end] =
                intern_words(&d, &map, &keys);
        }
    classes.count = (int32_t)map.entries.count;
    return classes;
}

int32_t *layer_kinds(const Graph *graph, const NodeStorage *storage,
                     int32_t n_layers, Arena *arena, Arena scratch)
{
    int32_t *kinds = arena_new(arena, int32_t, n_layers);
    Arena keys = arena_split(&scratch);
    Describer d = describer_of(graph, storage, &scratch);
    Map map = {0};
    for (d.first = 0; d.first < n_layers; d.first++) {
        d.end = d.first + 1;
        describe_nodes(&d);
        kinds[d.first] = intern_words(&d, &map, &keys);
    }
    return kinds;
}
