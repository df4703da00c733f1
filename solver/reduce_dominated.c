/* Dead-end elimination with usage.
 *
 * Replace choice i of v by j in any solution: the cost changes by at most
 *
 *     cost_v(j) - cost_v(i) + sum over edges of max_k (cost(j, k) - cost(i, k))
 *
 * over the partners k that i allows.  If that is <= 0 and j uses no more than
 * i in every interval, some optimum is without i.  Of equal choices the
 * higher goes.  Choices are removed one at a time: a later test must not rest
 * on a choice that is gone.
 *
 * Most pairs fail at the partners that i likes best, one an edge: the sum over
 * those alone is already positive.  That is tried first.
 */
#include "solver/proof.h"
#include "solver/reduce.h"

#include <math.h>

/* The most that going from i to j can add over one edge. */
static double most_added(EdgeView view, int32_t i, int32_t j)
{
    double most = -NEVER;
    const double *from = view.cost + i * view.own;
    const double *to = view.cost + j * view.own;
    for (int32_t k = 0; k < view.n_other; k++) {
        double old = from[k * view.other], new = to[k * view.other];
        if (old < NEVER)
            most = larger(most, new - old);
    }
    return most;
}

static bool uses_no_more(const NetworkNode *n, int32_t j, int32_t i)
{
    for (int64_t k = 0; k < n->intervals.count; k++)
        if (n->intervals.data[k].usage[j] > n->intervals.data[k].usage[i])
            return false;
    return true;
}

/* liked[i * n_views + e] = the partner with which i is cheapest on edge e. */
static int32_t *liked_partners(const EdgeView *views, int32_t n_views,
                               int32_t n, Arena *arena)
{
    int32_t *liked = arena_new(arena, int32_t, (int64_t)n *n_views);
    for (int32_t i = 0; i < n; i++)
        for (int32_t e = 0; e < n_views; e++) {
            const double *row = views[e].cost + i * views[e].own;
            int32_t best = 0;
            for (int32_t k = 1; k < views[e].n_other; k++)
                if (row[k * views[e].other] < row[best * views[e].other])
                    best = k;
            liked[(int64_t)i * n_views + e] = best;
        }
    return liked;
}

typedef struct Dominance {
    Network *net;
    const NetworkNode *n;
    EdgeView *views; /* of its live edges */
    int32_t n_views;
    const int32_t *liked;
} Dominance;

static bool dominates(const Dominance *d, int32_t j, int32_t i)
{
    double least = d->n->cost[j] - d->n->cost[i], most = least;
    const int32_t *liked = d->liked + (int64_t)i * d->n_views;
    for (int32_t e = 0; e < d->n_views; e++) {
        const EdgeView *v = &d->views[e];
        const double *column = v->cost + liked[e] * v->other;
        least += column[j * v->own] - column[i * v->own];
    }
    d->net->work += d->n_views + 1;
    if (least > 0 || !uses_no_more(d->n, j, i))
        return false;
    for (int32_t e = 0; e < d->n_views; e++) {
        double added = most_added(d->views[e], i, j);
        d->net->work += d->views[e].n_other;
        if (added == NEVER)
            return false;
        most += added;
    }
    return most < 0 || (most <= 0 && j < i);
}

bool reduce_dominated(Network *net, int32_t node, Arena scratch)
{
    NetworkNode *n = &net->nodes[node];
    Dominance d = {
        .net = net, .n = n, .views = arena_new(&scratch, EdgeView, n->degree)};
    int32_t n_kept = n->n_choices;
    for (int64_t k = 0; k < n->edges.count; k++)
        if (net->edges.data[n->edges.data[k]].cost)
            d.views[d.n_views++] = edge_view(net, n->edges.data[k], node);
    d.liked = liked_partners(d.views, d.n_views, n->n_choices, &scratch);
    bool *keep = arena_new(&scratch, bool, n->n_choices);
    for (int32_t i = 0; i < n->n_choices; i++)
        keep[i] = true;
    for (int32_t i = n->n_choices - 1; i >= 0; i--)
        for (int32_t j = 0; j < n->n_choices && keep[i]; j++)
            if (j != i && keep[j] && dominates(&d, j, i)) {
                proof_dominated(net, node, i, j);
                keep[i] = false;
                n_kept--;
            }
    if (n_kept == n->n_choices)
        return false;
    network_keep(net, node, keep);
    return true;
}
