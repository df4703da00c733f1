/* Reductions that look at one edge.
 *
 * Arc consistency.  A choice whose row of the table is all forbidden is in no
 * solution of finite cost.
 *
 * Modular tables.  If cost(i, j) = f(i) + g(j) for all i, j, the edge adds
 * f(x_a) + g(x_b), whatever the choices: f and g move to the nodes' own costs.
 * With f(i) = cost(i, 0) and g(j) = cost(0, j) - cost(0, 0) the equation can
 * be tested directly.
 */
#include "solver/proof.h"
#include "solver/reduce.h"

#include <math.h>

static bool all_set(const bool *keep, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        if (!keep[i])
            return false;
    return true;
}

bool reduce_arc(Network *net, int32_t edge, Arena scratch)
{
    NetworkEdge *e = &net->edges.data[edge];
    int32_t a = e->a, b = e->b;
    int32_t n_a = net->nodes[a].n_choices, n_b = net->nodes[b].n_choices;
    bool *keep_a = arena_new(&scratch, bool, n_a);
    bool *keep_b = arena_new(&scratch, bool, n_b);
    net->work += (int64_t)n_a * n_b;
    for (int32_t i = 0; i < n_a; i++) {
        const double *row = e->cost + (int64_t)i * n_b;
        bool any = false;
        for (int32_t j = 0; j < n_b; j++) {
            bool finite = row[j] < NEVER;
            any |= finite;
            keep_b[j] |= finite;
        }
        keep_a[i] = any;
    }
    if (!all_set(keep_a, n_a) || !all_set(keep_b, n_b))
        proof_arc(net, edge);
    network_keep(net, a, keep_a);
    if (!net->contradiction)
        network_keep(net, b, keep_b);
    return net->nodes[a].n_choices < n_a || net->nodes[b].n_choices < n_b;
}

bool reduce_modular(Network *net, int32_t edge)
{
    NetworkEdge *e = &net->edges.data[edge];
    NetworkNode *a = &net->nodes[e->a], *b = &net->nodes[e->b];
    int32_t n_b = b->n_choices;
    for (int32_t i = 0; i < a->n_choices; i++) {
        const double *row = e->cost + (int64_t)i * n_b;
        for (int32_t j = 0; j < n_b; j++)
            if (!(row[j] < NEVER) || !(e->cost[j] < NEVER) ||
                row[j] - row[0] != e->cost[j] - e->cost[0])
                return false;
    }
    proof_modular(net, edge);
    for (int32_t i = 0; i < a->n_choices; i++)
        a->cost[i] += e->cost[(int64_t)i * n_b];
    for (int32_t j = 0; j < n_b; j++)
        b->cost[j] += e->cost[j] - e->cost[0];
    network_remove_edge(net, edge);
    return true;
}
