/* Cluster: groups the nodes of a training graph into layers.
 *
 * Alpa's operator clustering (OSDI'22, section 5.2): forward nodes that depend
 * on an input, in graph order, are a line that is cut into L runs of about
 * equal work, so that the most bytes that a run receives are least
 * (solver/segment.h).  A cut may lie once between two contractions, where the
 * fewest bytes cross: all else is little work, and moving it across a cut
 * changes nothing but bytes.
 *
 * L, unless given, is the one of 1 ... LAYERS_MAX with the largest share of
 * layers that repeat an earlier one (equal layers are planned once), the
 * greatest of these, among those whose cuts cost at most BYTES_RATIO_MAX times
 * the fewest bytes: a transformer is cut along its blocks, a model that repeats
 * nothing into as many layers as its cuts allow.
 *
 * A plan that is given says the layers instead.
 *
 * Then everything else follows: a variable takes the layer of its first
 * forward reader, and so does what depends on variables alone; backward nodes
 * that of their forward node; update nodes that of their variable.  What every
 * stage computes for itself (passes/layer.h) has LAYER_NONE.
 */
#include "passes/layer.h"
#include "passes/pass.h"
#include "solver/segment.h"

#include <stddef.h>

enum {
    LAYERS_MAX = 16,
    BYTES_RATIO_MAX = 2, /* more layers may cost this much more bytes */
    NOT_AN_ITEM = -1,
};

/* How far above the average a layer's work may be where cuts allow it. */
static const double TOLERANCE = 0.5;

/* The forward nodes to be cut, and the groups between possible cuts. */
typedef struct Line {
    const Graph *graph;
    bool *is_free, *is_item; /* by node */
    int32_t n_items;
    NodeId *items;
    int32_t *item_of; /* by node */
    int32_t n_groups;
    int32_t *group_of; /* by item */
} Line;

/* -- the line -------------------------------------------------------------- */

static void find_items(Line *line, Arena *arena)
{
    const Graph *graph = line->graph;
    line->is_free = arena_new(arena, bool, graph->nodes.count);
    line->is_item = layer_items(graph, arena);
    line->items = arena_new(arena, NodeId, graph->nodes.count);
    line->item_of = arena_new(arena, int32_t, graph->nodes.count);
    for (int32_t i = 0; i < graph->nodes.count; i++) {
        const Node *node = &graph->nodes.data[i];
        line->is_free[i] = i == 0 || layer_is_free(graph, node, line->is_free);
        line->item_of[i] = NOT_AN_ITEM;
        if (!line->is_item[i])
            continue;
        line->item_of[i] = line->n_items;
        line->items[line->n_items++] = (NodeId){i};
    }
}

static const Node *item_node(const Line *line, int32_t item)
{
    return graph_node(line->graph, line->items[item]);
}

/* crossing[j]: bytes that items before j make and items from j on read. */
static int64_t *crossing_bytes(const Line *line, Arena *arena)
{
    int32_t *last_use = arena_new(arena, int32_t, line->n_items);
    int64_t *crossing = arena_new(arena, int64_t, line->n_items + 1);
    for (int32_t j = 0; j < line->n_items; j++) {
        const Node *node = item_node(line, j);
        for (int32_t k = 0; k < node->n_operands; k++) {
            int32_t producer = line->item_of[node->operands[k].index];
            if (producer != NOT_AN_ITEM)
                last_use[producer] = j;
        }
    }
    for (int32_t i = 0; i < line->n_items; i++) {
        int64_t bytes = type_bytes(&item_node(line, i)->type);
        for (int32_t j = i + 1; j <= last_use[i]; j++)
            crossing[j] += bytes;
    }
    return crossing;
}

/* Items between two cuts that may be made.  Within a gap from one contraction
 * to the next, the cut is where the fewest bytes cross: at the first such
 * place, but behind what follows there without more bytes (bias, relu). */
static void find_groups(Line *line, Arena *arena, Arena scratch)
{
    line->group_of = arena_new(arena, int32_t, line->n_items);
    int64_t *crossing = crossing_bytes(line, &scratch);
    bool *begins = arena_new(&scratch, bool, line->n_items + 1);
    int32_t best = 0; /* 0: before the first contraction */
    for (int32_t j = 0; j < line->n_items; j++) {
        bool is_less = crossing[j] < crossing[best];
        bool is_next = crossing[j] == crossing[best] && best == j - 1;
        if (best > 0 && (is_less || is_next))
            best = j;
        if (!op_has(item_node(line, j)->op, TRAIT_CONTRACTION))
            continue;
        begins[best] = true;
        best = j + 1;
    }
    int32_t group = 0;
    for (int32_t j = 0; j < line->n_items; j++) {
        group += j > 0 && begins[j];
        line->group_of[j] = group;
    }
    line->n_groups = group + 1;
}

/* -- cutting --------------------------------------------------------------- */

static int64_t work_flops(const Graph *graph, NodeId id)
{
    static const LogicalMesh ONE_DEVICE = {.n_axes = 1, .axis = {{.size = 1}}};
    Rule rule = rule_of(graph, id);
    return (int64_t)rule_flops(graph, id, &rule, &ONE_DEVICE, &(Strategy){0});
}

/* A use of each value that leaves its group, once for each reading node. */
static void find_uses(const Line *line, SegmentProblem *p, Arena *arena)
{
    SegmentValue *values = arena_new(arena, SegmentValue, line->n_items);
    VECTOR(SegmentUse) uses = {0};
    for (int32_t i = 0; i < line->n_items; i++)
        values[i] = (SegmentValue){line->group_of[i],
                                   type_bytes(&item_node(line, i)->type)};
    for (int32_t j = 0; j < line->n_items; j++) {
        const Node *node = item_node(line, j);
        for (int32_t k = 0; k < node->n_operands; k++) {
            int32_t i = line->item_of[node->operands[k].index];
            if (i != NOT_AN_ITEM && line->group_of[i] < line->group_of[j])
                *vector_push(arena, &uses) = (SegmentUse){i, line->group_of[j]};
        }
    }
    p->n_values = line->n_items;
    p->values = values;
    p->n_uses = (int32_t)uses.count;
    p->uses = uses.data;
}

static SegmentProblem problem_of(const Line *line, Arena *arena)
{
    SegmentProblem p = {.n_items = line->n_groups};
    int64_t *work = arena_new(arena, int64_t, line->n_groups);
    for (int32_t j = 0; j < line->n_items; j++)
        work[line->group_of[j]] += work_flops(line->graph, line->items[j]);
    p.work = work;
    find_uses(line, &p, arena);
    return p;
}

/* The best cut into n layers; the tolerance grows where it must. */
static SegmentCut cut_into(SegmentProblem p, int32_t n, Arena *arena,
                           Arena scratch)
{
    double least = 0;
    p.n_segments = n;
    p.tolerance = TOLERANCE;
    SegmentCut cut = segment_solve(arena, scratch, &p, &least);
    if (cut.feasible)
        return cut;
    p.tolerance = least;
    return segment_solve(arena, scratch, &p, NULL);
}

static int32_t *layers_of_items(const Line *line, const SegmentCut *cut,
                                Arena *arena)
{
    int32_t *layer = arena_new(arena, int32_t, line->n_items);
    int32_t l = 0;
    for (int32_t j = 0; j < line->n_items; j++) {
        while (line->group_of[j] >= cut->end[l])
            l++;
        layer[j] = l;
    }
    return layer;
}

/* -- how many layers ------------------------------------------------------- */

/* Appends what item j is, with operands relative to the item where they are in
 * the same layer. */
static void append_shape_of(const Line *line, const int32_t *layer, int32_t j,
                            Text *text)
{
    const Node *node = item_node(line, j);
    text_format(text, "%d:%.*s(", node->op,
                STR_ARG(type_print(text->arena, &node->type)));
    for (int32_t k = 0; k < node->n_operands; k++) {
        int32_t i = line->item_of[node->operands[k].index];
        bool is_inside = i != NOT_AN_ITEM && layer[i] == layer[j];
        text_format(text, "%d,", is_inside ? j - i : 0);
    }
    text_append(text, STR(")"));
}

static int32_t distinct_layers(const Line *line, const int32_t *layer,
                               Arena scratch)
{
    Map seen = {0};
    for (int32_t j = 0; j < line->n_items;) {
        Text text = text_new(&scratch);
        int32_t begin = j;
        for (; j < line->n_items && layer[j] == layer[begin]; j++)
            append_shape_of(line, layer, j, &text);
        map_insert(&scratch, &seen, text_str(&text), 0, NULL);
    }
    return (int32_t)seen.entries.count;
}

/* The cuts into 1 ... most layers; *least_bytes: the smallest that a layer has
 * to receive when there are two or more. */
static SegmentCut *all_cuts(const SegmentProblem *p, int32_t most,
                            int64_t *least_bytes, Arena *arena, Arena scratch)
{
    SegmentCut *cuts = arena_new(arena, SegmentCut, most + 1);
    *least_bytes = INT64_MAX;
    for (int32_t n = 1; n <= most; n++) {
        cuts[n] = cut_into(*p, n, arena, scratch);
        if (n > 1 && cuts[n].most_bytes < *least_bytes)
            *least_bytes = cuts[n].most_bytes;
    }
    return cuts;
}

static int32_t *choose_layers(const Line *line, const SegmentProblem *p,
                              Arena *arena, Arena scratch)
{
    int32_t *best = NULL, best_n = 1, best_repeated = -1;
    int32_t most = line->n_groups < LAYERS_MAX ? line->n_groups : LAYERS_MAX;
    int64_t least_bytes;
    SegmentCut *cuts = all_cuts(p, most, &least_bytes, arena, scratch);
    for (int32_t n = most; n >= 1; n--) {
        if (n > 1 && cuts[n].most_bytes / BYTES_RATIO_MAX > least_bytes)
            continue;
        int32_t *layer = layers_of_items(line, &cuts[n], arena);
        int32_t repeated = n - distinct_layers(line, layer, scratch);
        if (best && repeated * best_n <= best_repeated * n)
            continue;
        best = layer;
        best_n = n;
        best_repeated = repeated;
    }
    return best;
}

static int32_t *cluster_items(Line *line, int32_t n_layers, Arena *arena,
                              Arena scratch)
{
    find_groups(line, arena, scratch);
    SegmentProblem p = problem_of(line, arena);
    if (n_layers == 0)
        return choose_layers(line, &p, arena, scratch);
    if (n_layers > line->n_groups)
        n_layers = line->n_groups;
    SegmentCut cut = cut_into(p, n_layers, arena, scratch);
    return layers_of_items(line, &cut, arena);
}

/* -- everything else ------------------------------------------------------- */

static int32_t earlier(int32_t a, int32_t b)
{
    return a == LAYER_NONE || (b != LAYER_NONE && b < a) ? b : a;
}

/* By node: the first layer whose items read it, directly or through forward
 * nodes that depend on variables alone. */
static int32_t *first_readers(const Line *line, const int32_t *layer,
                              Arena *arena)
{
    const Graph *graph = line->graph;
    int32_t *first = arena_new(arena, int32_t, graph->nodes.count);
    for (int64_t i = 0; i < graph->nodes.count; i++)
        first[i] = LAYER_NONE;
    for (int64_t i = graph->nodes.count - 1; i > 0; i--) {
        const Node *node = &graph->nodes.data[i];
        int32_t own = line->is_item[i] ? layer[i] : first[i];
        for (int32_t k = 0; k < node->n_operands; k++) {
            int32_t *reader = &first[node->operands[k].index];
            if (node->region == REGION_FORWARD)
                *reader = earlier(*reader, own);
        }
    }
    return first;
}

/* Variables: the layer of their first forward reader, optimizer state its
 * parameter's, and the first layer where nothing says otherwise. */
static void place_variables(const Line *line, int32_t *layer, Arena scratch)
{
    const Graph *graph = line->graph;
    int32_t *first = first_readers(line, layer, &scratch);
    for (int64_t v = 0; v < graph->variables.count; v++) {
        const Variable *variable = &graph->variables.data[v];
        int32_t own = variable->node.index;
        if (own == 0)
            continue;
        layer[own] = variable->of >= 0
                         ? layer[graph->variables.data[variable->of].node.index]
                         : first[own];
        if (layer[own] == LAYER_NONE)
            layer[own] = 0;
    }
}

static int32_t latest_operand(const Node *node, const int32_t *layer)
{
    int32_t latest = 0;
    for (int32_t k = 0; k < node->n_operands; k++) {
        int32_t of_operand = layer[node->operands[k].index];
        latest = of_operand > latest ? of_operand : latest;
    }
    return latest;
}

/* A forward node that depends on variables alone: the last of their layers.
 * Others: the layer of the forward node (or variable) they belong to; where
 * simplification has left none, the earliest of the layers that they read. */
static int32_t layer_of_rest(const Node *node, const int32_t *layer)
{
    if (node->region == REGION_FORWARD)
        return latest_operand(node, layer);
    if (layer[node->forward.index] != LAYER_NONE)
        return layer[node->forward.index];
    int32_t least = LAYER_NONE;
    for (int32_t k = 0; k < node->n_operands; k++)
        least = earlier(least, layer[node->operands[k].index]);
    return least == LAYER_NONE ? 0 : least;
}

/* Gradients flow from later layers to earlier ones.  Where simplification has
 * merged equal nodes, one may stand in an earlier layer than a node that reads
 * it: it moves there. */
static void order_gradients(const Graph *graph, const bool *is_free,
                            int32_t *layer)
{
    for (int32_t i = (int32_t)graph->nodes.count - 1; i > 0; i--) {
        const Node *node = &graph->nodes.data[i];
        if (node->region != REGION_BACKWARD || is_free[i])
            continue;
        for (int32_t k = 0; k < node->n_operands; k++) {
            int32_t operand = node->operands[k].index;
            if (graph_node(graph, node->operands[k])->region ==
                    REGION_BACKWARD &&
                !is_free[operand] && layer[operand] < layer[i])
                layer[operand] = layer[i];
        }
    }
}

/* By node; NULL after diagnostics. */
static int32_t *layers_of_line(Line *line, const PassOptions *options,
                               Arena *arena, Arena scratch)
{
    int64_t n_nodes = line->graph->nodes.count;
    if (options->plan)
        return layer_of_plan(line->graph, options->plan, line->is_item,
                             options->diagnostics, arena);
    int32_t *layer = arena_new(arena, int32_t, n_nodes);
    for (int32_t i = 0; i < n_nodes; i++)
        layer[i] = LAYER_NONE;
    if (line->n_items == 0)
        return layer;
    Arena inner = arena_split(&scratch);
    int32_t *of_item = cluster_items(line, options->n_layers, &scratch, inner);
    for (int32_t j = 0; j < line->n_items; j++)
        layer[line->items[j].index] = of_item[j];
    return layer;
}

static int32_t *layers_of_nodes(const Graph *graph, const PassOptions *options,
                                Arena *arena, Arena scratch)
{
    Line line = {.graph = graph};
    find_items(&line, &scratch);
    int32_t *layer = layers_of_line(&line, options, arena, scratch);
    if (!layer)
        return NULL;
    place_variables(&line, layer, scratch);
    for (int32_t i = 1; i < graph->nodes.count; i++) {
        if (layer[i] == LAYER_NONE && !line.is_free[i])
            layer[i] = layer_of_rest(&graph->nodes.data[i], layer);
    }
    order_gradients(graph, line.is_free, layer);
    return layer;
}

Graph *pass_cluster(const Graph *from, const PassOptions *options, Arena *perm,
                    Arena scratch)
{
    Arena inner = arena_split(&scratch);
    int32_t *layer = layers_of_nodes(from, options, &scratch, inner);
    if (!layer)
        return NULL;
    Graph *to = graph_like(perm, from, from->name);
    NodeId *map = arena_new(&scratch, NodeId, from->nodes.count);
    for (int32_t i = 1; i < from->nodes.count; i++) {
        map[i] = graph_clone(to, from, (NodeId){i}, map);
        graph_node(to, map[i])->layer = layer[i];
    }
    graph_clone_outputs(to, from, map);
    return to;
}
