/* Elimination: a node without usage and with at most two neighbours.
 *
 * min over x_v of cost_v(x_v) + cost_uv(x_u, x_v) + cost_wv(x_w, x_v) is a
 * table over (x_u, x_w): an edge between the neighbours replaces the node.
 * Its usage is the same whatever it chooses, so no limit is touched.  Of
 * equal choices the lowest is taken.
 */
#include "solver/proof.h"
#include "solver/reduce.h"

#include <math.h>

/* table[i] and best[i] = least of cost_v(j) + cost(i, j). */
static void eliminate_leaf(Network *net, int32_t node, int32_t edge)
{
    NetworkNode *v = &net->nodes[node];
    EdgeView view = edge_view(net, edge, node);
    NetworkNode *u = &net->nodes[view.neighbour];
    int32_t *best = arena_new(net->arena, int32_t, u->n_choices);
    for (int32_t i = 0; i < u->n_choices; i++) {
        double least = NEVER;
        for (int32_t j = 0; j < v->n_choices; j++) {
            double cost = v->cost[j] + view.cost[j * view.own + i * view.other];
            if (cost < least) {
                least = cost;
                best[i] = v->label[j];
            }
        }
        u->cost[i] += least;
    }
    net->work += (int64_t)u->n_choices * v->n_choices;
    network_remove_edge(net, edge);
    network_remove_node(
        net, node, (NetworkStep){.parent = {view.neighbour, -1}, .best = best});
}

static void eliminate_link(Network *net, int32_t node, const int32_t *edge)
{
    NetworkNode *v = &net->nodes[node];
    EdgeView p = edge_view(net, edge[0], node);
    EdgeView q = edge_view(net, edge[1], node);
    int64_t n = (int64_t)p.n_other * q.n_other;
    double *table = arena_new(net->arena, double, n);
    int32_t *best = arena_new(net->arena, int32_t, n);
    for (int64_t i = 0; i < n; i++)
        table[i] = NEVER;
    for (int32_t x = 0; x < v->n_choices; x++)
        for (int32_t i = 0; i < p.n_other; i++) {
            double first = v->cost[x] + p.cost[x * p.own + i * p.other];
            if (!(first < NEVER))
                continue;
            for (int32_t j = 0; j < q.n_other; j++) {
                double cost = first + q.cost[x * q.own + j * q.other];
                int64_t at = (int64_t)i * q.n_other + j;
                if (cost < table[at]) {
                    table[at] = cost;
                    best[at] = v->label[x];
                }
            }
        }
    net->work += n * v->n_choices;
    network_remove_edge(net, edge[0]);
    network_remove_edge(net, edge[1]);
    network_remove_node(
        net, node,
        (NetworkStep){.parent = {p.neighbour, q.neighbour}, .best = best});
    network_add_edge(net, p.neighbour, q.neighbour, table);
}

static void eliminate_alone(Network *net, int32_t node)
{
    NetworkNode *v = &net->nodes[node];
    int32_t *best = arena_new(net->arena, int32_t, 1);
    int32_t least = 0;
    for (int32_t i = 1; i < v->n_choices; i++)
        if (v->cost[i] < v->cost[least])
            least = i;
    best[0] = v->label[least];
    net->constant += v->cost[least];
    network_remove_node(net, node,
                        (NetworkStep){.parent = {-1, -1}, .best = best});
}

bool reduce_eliminate(Network *net, int32_t node)
{
    NetworkNode *v = &net->nodes[node];
    int32_t edge[2], n = 0;
    if (v->intervals.count > 0 || v->degree > 2)
        return false;
    for (int64_t k = 0; k < v->edges.count; k++)
        if (net->edges.data[v->edges.data[k]].cost)
            edge[n++] = v->edges.data[k];
    proof_eliminate(net, node);
    if (n == 0)
        eliminate_alone(net, node);
    else if (n == 1)
        eliminate_leaf(net, node, edge[0]);
    else
        eliminate_link(net, node, edge);
    return true;
}
