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
 */
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
            most = fmax(most, new - old);
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

static bool dominates(Network *net, const EdgeView *views, int32_t n_views,
                      const NetworkNode *n, int32_t j, int32_t i)
{
    if (!uses_no_more(n, j, i))
        return false;
    double added = n->cost[j] - n->cost[i];
    for (int32_t e = 0; e < n_views; e++) {
        net->work += views[e].n_other;
        double most = most_added(views[e], i, j);
        if (most == NEVER)
            return false;
        added += most;
    }
    return added < 0 || (added <= 0 && j < i);
}

bool reduce_dominated(Network *net, int32_t node, Arena scratch)
{
    NetworkNode *n = &net->nodes[node];
    int32_t n_views = 0, n_kept = n->n_choices;
    EdgeView *views = arena_new(&scratch, EdgeView, n->degree);
    for (int64_t k = 0; k < n->edges.count; k++)
        if (net->edges.data[n->edges.data[k]].cost)
            views[n_views++] = edge_view(net, n->edges.data[k], node);
    bool *keep = arena_new(&scratch, bool, n->n_choices);
    for (int32_t i = 0; i < n->n_choices; i++)
        keep[i] = true;
    for (int32_t i = n->n_choices - 1; i >= 0; i--)
        for (int32_t j = 0; j < n->n_choices && keep[i]; j++)
            if (j != i && keep[j] && dominates(net, views, n_views, n, j, i)) {
                keep[i] = false;
                n_kept--;
            }
    if (n_kept == n->n_choices)
        return false;
    network_keep(net, node, keep);
    return true;
}
