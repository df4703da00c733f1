/* Region: extraction and assignment. */
#include "solver/region.h"

#include "solver/dual.h"

#include <string.h>

void assignment_refresh(Assignment *a)
{
    network_usage(a->net, a->x, a->usage);
    a->cost = network_cost(a->net, a->x);
}

double assignment_over_use(const Assignment *a)
{
    double over = -NEVER;
    for (int32_t r = 0; r < a->net->n_rows; r++)
        over = larger(over, a->usage[r] - a->room[r]);
    return over;
}

/* segment[r] = number of the segment of row r; fills room and price. */
static int32_t segment_rows(const Assignment *a, const int32_t *nodes,
                            int32_t n, int32_t *segment, double *room,
                            double *price, Arena scratch)
{
    const Network *net = a->net;
    double *own = arena_new(&scratch, double, net->n_rows + 1);
    bool *border = arena_new(&scratch, bool, net->n_rows + 1);
    for (int32_t k = 0; k < n; k++) {
        const NetworkNode *v = &net->nodes[nodes[k]];
        for (int64_t i = 0; i < v->intervals.count; i++) {
            const UsageInterval *u = &v->intervals.data[i];
            double usage = u->usage[a->x[nodes[k]]];
            own[u->begin] += usage;
            own[u->end] -= usage;
            border[u->begin] = border[u->end] = true;
        }
    }
    int32_t count = 0;
    double used = 0;
    for (int32_t r = 0; r < net->n_rows; r++) {
        if (r == 0 || border[r]) {
            room[count] = NEVER;
            price[count++] = 0;
        }
        used += own[r];
        segment[r] = count - 1;
        double left = larger(a->room[r], a->usage[r]) - a->usage[r] + used;
        room[count - 1] = smaller(room[count - 1], left);
        price[count - 1] += net->price[r];
    }
    segment[net->n_rows] = count;
    return count;
}

/* Own costs with those of edges to fixed nodes. */
static void free_node(const Assignment *a, Network *out, int32_t v,
                      const int32_t *position, double *cost)
{
    const Network *net = a->net;
    const NetworkNode *node = &net->nodes[v];
    memcpy(cost, node->cost, sizeof(double) * (size_t)node->n_choices);
    for (int64_t k = 0; k < node->edges.count; k++) {
        int32_t edge = node->edges.data[k];
        if (!net->edges.data[edge].cost)
            continue;
        EdgeView view = edge_view(net, edge, v);
        if (position[view.neighbour] >= 0)
            continue;
        const double *column = view.cost + view.other * a->x[view.neighbour];
        for (int32_t i = 0; i < node->n_choices; i++)
            cost[i] += column[i * view.own];
        out->work += node->n_choices;
    }
}

static void set_free_node(const Assignment *a, Network *out, int32_t v,
                          int32_t at, const double *cost,
                          const int32_t *segment, Arena scratch)
{
    const NetworkNode *node = &a->net->nodes[v];
    bool *keep = arena_new(&scratch, bool, node->n_choices);
    for (int32_t i = 0; i < node->n_choices; i++)
        keep[i] = cost[i] < NEVER;
    network_set_node(out, at, node->n_choices, cost, NULL);
    for (int64_t i = 0; i < node->intervals.count; i++) {
        const UsageInterval *u = &node->intervals.data[i];
        network_add_usage(out, at, segment[u->begin], segment[u->end],
                          u->usage);
    }
    network_merge_usage(out, at);
    network_keep(out, at, keep);
}

/* The edges inside the region, cut to the choices that are left. */
static double add_inner_edges(const Assignment *a, Network *out,
                              const int32_t *nodes, int32_t at,
                              const int32_t *position)
{
    const Network *net = a->net;
    const NetworkNode *node = &net->nodes[nodes[at]];
    double cost = 0;
    for (int64_t k = 0; k < node->edges.count; k++) {
        int32_t edge = node->edges.data[k];
        if (!net->edges.data[edge].cost)
            continue;
        EdgeView view = edge_view(net, edge, nodes[at]);
        int32_t other = position[view.neighbour];
        if (other <= at)
            continue;
        const NetworkNode *p = &out->nodes[at], *q = &out->nodes[other];
        int64_t n = (int64_t)p->n_choices * q->n_choices;
        double *table = arena_new(out->arena, double, n);
        for (int32_t i = 0; i < p->n_choices; i++)
            for (int32_t j = 0; j < q->n_choices; j++)
                table[(int64_t)i * q->n_choices + j] =
                    view.cost[p->label[i] * view.own +
                              q->label[j] * view.other];
        out->work += n;
        network_append_edge(out, at, other, table);
        cost += view.cost[a->x[nodes[at]] * view.own +
                          a->x[view.neighbour] * view.other];
    }
    return cost;
}

Network region_extract(Arena *arena, Arena scratch, const Assignment *a,
                       const int32_t *nodes, int32_t n, int32_t *position,
                       double *own_cost)
{
    int32_t n_rows = a->net->n_rows, widest = 0;
    int32_t *segment = arena_new(&scratch, int32_t, n_rows + 1);
    double *room = arena_new(&scratch, double, n_rows + 1);
    double *price = arena_new(&scratch, double, n_rows + 1);
    int32_t count = segment_rows(a, nodes, n, segment, room, price, scratch);
    Network out = network_new(arena, n, count, room);
    memcpy(out.price, price, sizeof(double) * (size_t)count);
    out.work += 8 * n_rows;
    for (int32_t k = 0; k < n; k++) {
        position[nodes[k]] = k;
        int32_t choices = a->net->nodes[nodes[k]].n_choices;
        widest = choices > widest ? choices : widest;
    }
    double *cost = arena_new(&scratch, double, widest);
    *own_cost = 0;
    for (int32_t k = 0; k < n; k++) {
        free_node(a, &out, nodes[k], position, cost);
        *own_cost += cost[a->x[nodes[k]]];
        set_free_node(a, &out, nodes[k], k, cost, segment, scratch);
    }
    for (int32_t k = 0; k < n && !out.contradiction; k++)
        *own_cost += add_inner_edges(a, &out, nodes, k, position);
    for (int32_t k = 0; k < n; k++)
        position[nodes[k]] = -1;
    return out;
}

void region_assign(Assignment *a, const int32_t *nodes, int32_t n,
                   const int32_t *choice, double gain)
{
    for (int32_t k = 0; k < n; k++)
        a->x[nodes[k]] = choice[k];
    network_usage(a->net, a->x, a->usage);
    a->cost -= gain;
}
