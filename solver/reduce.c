/* Reductions: the work lists.
 *
 * Edges first (they remove choices and nodes at the least cost), then nodes,
 * then, when both lists are empty, the tests that look at a whole node or at
 * the whole time line, which may fill the lists again.
 */
#include "solver/reduce.h"

void reduce_arcs(Network *net, Arena scratch)
{
    for (int64_t k = 0; k < net->edge_queue.count && !net->contradiction; k++) {
        int32_t edge = net->edge_queue.data[k];
        net->edges.data[edge].queued = false;
        if (net->edges.data[edge].cost)
            reduce_arc(net, edge, scratch);
    }
    net->edge_queue.count = 0;
}

static void reduce_edge(Network *net, int32_t edge, Arena scratch)
{
    net->edges.data[edge].queued = false;
    if (!net->edges.data[edge].cost)
        return;
    reduce_arc(net, edge, scratch);
    if (net->contradiction || !net->edges.data[edge].cost)
        return;
    if (!reduce_modular(net, edge))
        reduce_follow(net, edge);
}

static void reduce_node(Network *net, int32_t node)
{
    net->nodes[node].queued = false;
    if (net->nodes[node].n_choices == 1)
        network_fix(net, node);
    else if (net->nodes[node].n_choices > 1)
        reduce_eliminate(net, node);
}

static void drain(Network *net, Arena scratch)
{
    int64_t next_edge = 0, next_node = 0;
    while (!net->contradiction) {
        if (next_edge < net->edge_queue.count)
            reduce_edge(net, net->edge_queue.data[next_edge++], scratch);
        else if (next_node < net->node_queue.count)
            reduce_node(net, net->node_queue.data[next_node++]);
        else
            break;
    }
    net->edge_queue.count = net->node_queue.count = 0;
}

static bool remove_dominated(Network *net, Arena scratch)
{
    bool removed = false;
    for (int32_t v = 0; v < net->n_nodes; v++) {
        if (net->nodes[v].n_choices < 2 || !net->nodes[v].changed)
            continue;
        net->nodes[v].changed = false;
        removed |= reduce_dominated(net, v, scratch);
    }
    return removed;
}

void reduce(Network *net, Arena scratch)
{
    bool more = true;
    while (more && !net->contradiction) {
        drain(net, scratch);
        if (net->contradiction)
            return;
        more = remove_dominated(net, scratch);
        if (!more)
            more = reduce_rows(net, scratch);
        more = more || net->node_queue.count > 0 || net->edge_queue.count > 0;
    }
}
