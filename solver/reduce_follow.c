/* Functional merge: a node that follows a neighbour.
 *
 * If every choice i of u leaves one finite partner f(i) of v, then x_v =
 * f(x_u) in every solution of finite cost.  v's own cost, its usage over its
 * own intervals and its tables towards third nodes become u's, through f.
 * u may then carry several intervals; that is why nodes have lists of them.
 */
#include "solver/proof.h"
#include "solver/reduce.h"

#include <math.h>
#include <stddef.h>

/* f as an array of [n_choices of u], or NULL when it is no function. */
static int32_t *partner_function(Network *net, EdgeView view, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        int32_t partners = 0;
        for (int32_t j = 0; j < view.n_other; j++)
            partners += view.cost[i * view.own + j * view.other] < NEVER;
        if (partners != 1)
            return NULL;
    }
    int32_t *f = arena_new(net->arena, int32_t, n);
    for (int32_t i = 0; i < n; i++)
        for (int32_t j = 0; j < view.n_other; j++)
            if (view.cost[i * view.own + j * view.other] < NEVER)
                f[i] = j;
    return f;
}

static void move_edges(Network *net, int32_t from, int32_t to, const int32_t *f)
{
    NetworkNode *v = &net->nodes[from];
    int32_t n = net->nodes[to].n_choices;
    for (int64_t k = 0; k < v->edges.count; k++) {
        int32_t edge = v->edges.data[k];
        if (!net->edges.data[edge].cost)
            continue;
        EdgeView view = edge_view(net, edge, from);
        double *cost = arena_new(net->arena, double, (int64_t)n *view.n_other);
        for (int32_t i = 0; i < n; i++)
            for (int32_t j = 0; j < view.n_other; j++)
                cost[(int64_t)i * view.n_other + j] =
                    view.cost[f[i] * view.own + j * view.other];
        net->work += (int64_t)n * view.n_other;
        net->edges.data[edge].cost = NULL;
        v->degree--;
        net->nodes[view.neighbour].degree--;
        network_add_edge(net, to, view.neighbour, cost);
    }
    v->edges.count = 0;
}

static void move_usage(Network *net, int32_t from, int32_t to, const int32_t *f,
                       double *usage)
{
    NetworkNode *v = &net->nodes[from];
    for (int64_t k = 0; k < v->intervals.count; k++) {
        UsageInterval old = v->intervals.data[k];
        for (int32_t i = 0; i < net->nodes[to].n_choices; i++)
            usage[i] = old.usage[f[i]];
        network_add_usage(net, to, old.begin, old.end, usage);
    }
    v->intervals.count = 0;
}

static bool follow(Network *net, int32_t edge, int32_t to, int32_t from)
{
    NetworkNode *u = &net->nodes[to], *v = &net->nodes[from];
    EdgeView view = edge_view(net, edge, to);
    int32_t *f = partner_function(net, view, u->n_choices);
    if (!f)
        return false;
    proof_follow(net, from, to);
    double *usage = arena_new(net->arena, double, u->n_choices);
    int32_t *best = arena_new(net->arena, int32_t, u->n_choices);
    for (int32_t i = 0; i < u->n_choices; i++) {
        u->cost[i] +=
            v->cost[f[i]] + view.cost[i * view.own + f[i] * view.other];
        best[i] = v->label[f[i]];
    }
    network_remove_edge(net, edge);
    move_edges(net, from, to, f);
    move_usage(net, from, to, f, usage);
    network_remove_node(net, from,
                        (NetworkStep){.parent = {to, -1}, .best = best});
    network_queue_node(net, to);
    return true;
}

bool reduce_follow(Network *net, int32_t edge)
{
    int32_t a = net->edges.data[edge].a, b = net->edges.data[edge].b;
    return follow(net, edge, a, b) || follow(net, edge, b, a);
}
