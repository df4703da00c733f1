/* Stage tie: see the header. */
#include "passes/stage_tie.h"

#include "support/checked.h"

#include <assert.h>
#include <string.h>

typedef struct Tie {
    const StageNetwork *network;
    const Graph *graph;
    Arena *arena;
    int32_t *of;       /* by node of the network */
    int32_t *first_of; /* by node of the problem: its first twin */
    int32_t *twins;    /* by node of the problem: how many */
    VECTOR(ChoiceEdge) edges;
} Tie;

/* By layer: the first inner layer of its kind, or itself. */
static bool pair_layers(const int32_t *layer_kind, const StageShape *shape,
                        int32_t *like)
{
    bool any = false;
    for (int32_t l = shape->first_layer; l < shape->end_layer; l++) {
        like[l] = l;
        bool is_inner = l > shape->first_layer && l + 1 < shape->end_layer;
        for (int32_t k = shape->first_layer + 1; is_inner && k < l; k++)
            if (layer_kind[k] == layer_kind[l]) {
                like[l] = k;
                any = true;
                break;
            }
    }
    return any;
}

typedef struct NodeList {
    VECTOR(int32_t) list;
} NodeList;

/* Twins are alike in their layers' order of nodes; of equal layers the first
 * keeps its nodes. */
static int32_t number_twins(Tie *t, const int32_t *like, int32_t n_layers)
{
    int32_t count = 0, n = t->network->problem.n_nodes;
    NodeList *kept = arena_new(t->arena, NodeList, n_layers);
    int32_t *next = arena_new(t->arena, int32_t, n_layers);
    for (int32_t v = 0; v < n; v++) {
        int32_t layer = graph_node(t->graph, t->network->nodes[v].id)->layer;
        if (layer != LAYER_NONE && like[layer] != layer)
            continue;
        t->of[v] = count;
        t->first_of[count] = v;
        t->twins[count++] = 1;
        if (layer != LAYER_NONE)
            *vector_push(t->arena, &kept[layer].list) = t->of[v];
    }
    for (int32_t v = 0; v < n; v++) {
        int32_t layer = graph_node(t->graph, t->network->nodes[v].id)->layer;
        if (layer == LAYER_NONE || like[layer] == layer)
            continue;
        assert(next[layer] < kept[like[layer]].list.count);
        t->of[v] = kept[like[layer]].list.data[next[layer]++];
        t->twins[t->of[v]]++;
    }
    return count;
}

static int64_t add_prices(int64_t a, int64_t b)
{
    return a >= CHOICE_FORBIDDEN || b >= CHOICE_FORBIDDEN ? CHOICE_FORBIDDEN
                                                          : a + b;
}

static void sum_into(int64_t *sum, const int64_t *price, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sum[i] = add_prices(sum[i], price[i]);
}

/* One node for all twins. */
static void fold_nodes(Tie *t, ChoiceNode *folded, int32_t count)
{
    const ChoiceProblem *p = &t->network->problem;
    int64_t **sums = arena_new(t->arena, int64_t *, count);
    for (int32_t v = 0; v < p->n_nodes; v++) {
        int32_t to = t->of[v];
        const ChoiceNode *from = &p->nodes[v];
        if (t->twins[to] == 1) {
            folded[to] = *from;
            continue;
        }
        if (!sums[to]) {
            sums[to] = arena_new(t->arena, int64_t, from->n_choices);
            folded[to] =
                (ChoiceNode){.n_choices = from->n_choices, .cost = sums[to]};
        }
        assert(folded[to].n_choices == from->n_choices);
        sum_into(sums[to], from->cost, from->n_choices);
        folded[to].n_intervals += from->n_intervals;
    }
}

static void fold_intervals(Tie *t, ChoiceNode *folded, int32_t count)
{
    const ChoiceProblem *p = &t->network->problem;
    ChoiceInterval **intervals = arena_new(t->arena, ChoiceInterval *, count);
    int32_t *n = arena_new(t->arena, int32_t, count);
    for (int32_t i = 0; i < count; i++) {
        if (t->twins[i] == 1)
            continue;
        intervals[i] =
            arena_new(t->arena, ChoiceInterval, folded[i].n_intervals);
        folded[i].intervals = intervals[i];
    }
    for (int32_t v = 0; v < p->n_nodes; v++)
        for (int32_t k = 0; intervals[t->of[v]] && k < p->nodes[v].n_intervals;
             k++)
            intervals[t->of[v]][n[t->of[v]]++] = p->nodes[v].intervals[k];
}

/* An edge times how often it is there. */
static void push_edge(Tie *t, const ChoiceEdge *edge, int64_t times)
{
    ChoiceEdge folded = *edge;
    if (times > 1) {
        int64_t n =
            (int64_t)t->network->problem.nodes[t->first_of[edge->a]].n_choices *
            t->network->problem.nodes[t->first_of[edge->b]].n_choices;
        int64_t *cost = arena_new(t->arena, int64_t, n);
        for (int64_t i = 0; i < n; i++)
            cost[i] = edge->cost[i] >= CHOICE_FORBIDDEN ? CHOICE_FORBIDDEN
                                                        : edge->cost[i] * times;
        folded.cost = cost;
    }
    *vector_push(t->arena, &t->edges) = folded;
}

/* Equal edges between the same nodes become one. */
static void fold_edges(Tie *t, int32_t count)
{
    typedef struct Found {
        ChoiceEdge edge;
        int64_t times;
        int32_t next; /* of the same first node, -1 at the end */
    } Found;
    const ChoiceProblem *p = &t->network->problem;
    VECTOR(Found) found = {0};
    int32_t *head = arena_new(t->arena, int32_t, count);
    memset(head, -1, (size_t)count * sizeof *head);
    for (int32_t e = 0; e < p->n_edges; e++) {
        ChoiceEdge edge = {t->of[p->edges[e].a], t->of[p->edges[e].b],
                           p->edges[e].cost};
        int32_t at = head[edge.a];
        while (at >= 0 && (found.data[at].edge.b != edge.b ||
                           found.data[at].edge.cost != edge.cost))
            at = found.data[at].next;
        if (at >= 0) {
            found.data[at].times++;
            continue;
        }
        *vector_push(t->arena, &found) = (Found){edge, 1, head[edge.a]};
        head[edge.a] = (int32_t)found.count - 1;
    }
    for (int64_t i = 0; i < found.count; i++)
        push_edge(t, &found.data[i].edge, found.data[i].times);
}

bool stage_tie(Arena *arena, const StageNetwork *network, const Graph *graph,
               const int32_t *layer_kind, const StageShape *shape,
               TiedNetwork *out)
{
    int32_t n = network->problem.n_nodes;
    int32_t *like = arena_new(arena, int32_t, shape->end_layer);
    if (!pair_layers(layer_kind, shape, like))
        return false;
    Tie t = {
        .network = network,
        .graph = graph,
        .arena = arena,
        .of = arena_new(arena, int32_t, n),
        .first_of = arena_new(arena, int32_t, n),
        .twins = arena_new(arena, int32_t, n),
    };
    int32_t count = number_twins(&t, like, shape->end_layer);
    ChoiceNode *nodes = arena_new(arena, ChoiceNode, count);
    fold_nodes(&t, nodes, count);
    fold_intervals(&t, nodes, count);
    fold_edges(&t, count);
    *out = (TiedNetwork){
        .problem = {.n_nodes = count,
                    .n_edges = (int32_t)t.edges.count,
                    .nodes = nodes,
                    .edges = t.edges.data,
                    .usage_limit = network->problem.usage_limit},
        .of = t.of,
    };
    return true;
}
