/* Network: nodes, tables, intervals, and the way back. */
#include "solver/network.h"

#include "solver/proof.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

Network network_new(Arena *arena, int32_t n_nodes, int32_t n_rows,
                    const double *limit)
{
    Network net = {.arena = arena,
                   .n_nodes = n_nodes,
                   .nodes = arena_new(arena, NetworkNode, n_nodes),
                   .n_rows = n_rows,
                   .limit = arena_new(arena, double, n_rows + 1),
                   .usage_step = arena_new(arena, double, n_rows + 1),
                   .price = arena_new(arena, double, n_rows + 1),
                   .time = arena_new(arena, int64_t, n_rows + 1)};
    if (n_rows > 0)
        memcpy(net.limit, limit, sizeof(double) * (size_t)n_rows);
    return net;
}

void network_queue_node(Network *net, int32_t node)
{
    net->nodes[node].changed = true;
    if (net->nodes[node].queued || net->nodes[node].n_choices == 0)
        return;
    net->nodes[node].queued = true;
    *vector_push(net->arena, &net->node_queue) = node;
}

void network_queue_edge(Network *net, int32_t edge)
{
    if (net->edges.data[edge].queued)
        return;
    net->edges.data[edge].queued = true;
    *vector_push(net->arena, &net->edge_queue) = edge;
}

void network_set_node(Network *net, int32_t node, int32_t n_choices,
                      const double *cost, const int32_t *label)
{
    NetworkNode *n = &net->nodes[node];
    int32_t *labels = arena_new(net->arena, int32_t, n_choices);
    n->cost = arena_new(net->arena, double, n_choices);
    n->n_choices = n_choices;
    n->label = labels;
    for (int32_t i = 0; i < n_choices; i++) {
        labels[i] = label ? label[i] : i;
        n->cost[i] = cost[i];
    }
    network_queue_node(net, node);
}

static void take_off(Network *net, int32_t begin, int32_t end, double usage)
{
    net->usage_step[begin] += usage;
    net->usage_step[end] -= usage;
}

/* Appends an interval, less its least usage. `usage` is kept. */
static void store_interval(Network *net, NetworkNode *n, int32_t begin,
                           int32_t end, double *usage)
{
    double least = NEVER, most = 0;
    for (int32_t i = 0; i < n->n_choices; i++)
        least = smaller(least, usage[i]);
    for (int32_t i = 0; i < n->n_choices; i++) {
        usage[i] -= least;
        most = larger(most, usage[i]);
    }
    take_off(net, begin, end, least);
    net->work += 4 * n->n_choices;
    if (most > 0)
        *vector_push(net->arena, &n->intervals) =
            (UsageInterval){begin, end, usage};
}

static int compare_intervals(const void *a, const void *b)
{
    const UsageInterval *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

void network_merge_usage(Network *net, int32_t node)
{
    NetworkNode *n = &net->nodes[node];
    UsageInterval *all = n->intervals.data;
    int64_t count = n->intervals.count;
    if (count < 2)
        return;
    qsort(all, (size_t)count, sizeof *all, compare_intervals);
    n->intervals.count = 0; /* refilled in place, never ahead of the reader */
    for (int64_t k = 0; k < count;) {
        int64_t run = k + 1;
        while (run < count && compare_intervals(&all[k], &all[run]) == 0)
            run++;
        UsageInterval first = all[k];
        if (run == k + 1) {
            n->intervals.data[n->intervals.count++] = first;
        } else {
            double *usage = arena_new(net->arena, double, n->n_choices);
            for (int64_t m = k; m < run; m++)
                for (int32_t i = 0; i < n->n_choices; i++)
                    usage[i] += all[m].usage[i];
            store_interval(net, n, first.begin, first.end, usage);
        }
        k = run;
    }
}

void network_add_usage(Network *net, int32_t node, int32_t begin, int32_t end,
                       const double *usage)
{
    NetworkNode *n = &net->nodes[node];
    if (begin >= end)
        return;
    double *copy = arena_new(net->arena, double, n->n_choices);
    memcpy(copy, usage, sizeof(double) * (size_t)n->n_choices);
    store_interval(net, n, begin, end, copy);
}

int32_t network_find_edge(const Network *net, int32_t a, int32_t b)
{
    const NetworkNode *n = &net->nodes[a];
    if (net->nodes[b].edges.count < n->edges.count) {
        n = &net->nodes[b];
        b = a;
    }
    for (int64_t k = 0; k < n->edges.count; k++) {
        const NetworkEdge *e = &net->edges.data[n->edges.data[k]];
        if (e->cost && (e->a == b || e->b == b))
            return n->edges.data[k];
    }
    return -1;
}

/* Sweeps dead edges when they are the majority. */
static void sweep_edges(Network *net, int32_t node)
{
    NetworkNode *n = &net->nodes[node];
    if (n->edges.count <= 2 * n->degree + 8)
        return;
    int64_t kept = 0;
    for (int64_t k = 0; k < n->edges.count; k++)
        if (net->edges.data[n->edges.data[k]].cost)
            n->edges.data[kept++] = n->edges.data[k];
    n->edges.count = kept;
}

static void add_table(Network *net, int32_t edge, int32_t a, double *cost)
{
    EdgeView view = edge_view(net, edge, a);
    int32_t n_a = net->nodes[a].n_choices;
    net->work += (int64_t)n_a * view.n_other;
    for (int32_t i = 0; i < n_a; i++)
        for (int32_t j = 0; j < view.n_other; j++)
            view.cost[i * view.own + j * view.other] +=
                cost[(int64_t)i * view.n_other + j];
}

int32_t network_append_edge(Network *net, int32_t a, int32_t b, double *cost)
{
    int32_t edge = (int32_t)net->edges.count;
    *vector_push(net->arena, &net->edges) =
        (NetworkEdge){.a = a, .b = b, .cost = cost};
    for (int side = 0; side < 2; side++) {
        NetworkNode *n = &net->nodes[side ? b : a];
        *vector_push(net->arena, &n->edges) = edge;
        n->degree++;
    }
    network_queue_edge(net, edge);
    return edge;
}

void network_add_edge(Network *net, int32_t a, int32_t b, double *cost)
{
    assert(a != b);
    int32_t edge = network_find_edge(net, a, b);
    if (edge >= 0)
        add_table(net, edge, a, cost);
    else
        edge = network_append_edge(net, a, b, cost);
    network_queue_node(net, a);
    network_queue_node(net, b);
    network_queue_edge(net, edge);
}

void network_remove_edge(Network *net, int32_t edge)
{
    NetworkEdge *e = &net->edges.data[edge];
    e->cost = NULL;
    net->nodes[e->a].degree--;
    net->nodes[e->b].degree--;
    sweep_edges(net, e->a);
    sweep_edges(net, e->b);
    network_queue_node(net, e->a);
    network_queue_node(net, e->b);
}

/* The table of an edge without the choices of `node` that go. */
static void keep_in_table(Network *net, int32_t edge, int32_t node,
                          const bool *keep, int32_t n_kept)
{
    NetworkEdge *e = &net->edges.data[edge];
    EdgeView old = edge_view(net, edge, node);
    bool first = e->a == node;
    double *cost = arena_new(net->arena, double, (int64_t)n_kept *old.n_other);
    int64_t own = first ? old.n_other : 1, other = first ? 1 : n_kept;
    int32_t n = 0;
    for (int32_t i = 0; i < net->nodes[node].n_choices; i++) {
        if (!keep[i])
            continue;
        for (int32_t j = 0; j < old.n_other; j++)
            cost[n * own + j * other] = old.cost[i * old.own + j * old.other];
        n++;
    }
    net->work += (int64_t)n_kept * old.n_other;
    e->cost = cost;
    network_queue_edge(net, edge);
}

static void keep_in_intervals(Network *net, NetworkNode *n, const int32_t *kept)
{
    UsageInterval *old = n->intervals.data;
    int64_t count = n->intervals.count;
    n->intervals.data = NULL;
    n->intervals.count = n->intervals.capacity = 0;
    for (int64_t k = 0; k < count; k++) {
        double *usage = arena_new(net->arena, double, n->n_choices);
        for (int32_t i = 0; i < n->n_choices; i++)
            usage[i] = old[k].usage[kept[i]];
        store_interval(net, n, old[k].begin, old[k].end, usage);
    }
}

void network_keep(Network *net, int32_t node, const bool *keep)
{
    NetworkNode *n = &net->nodes[node];
    int32_t n_old = n->n_choices, n_kept = 0;
    int32_t *kept = arena_new(net->arena, int32_t, n_old);
    for (int32_t i = 0; i < n_old; i++)
        if (keep[i])
            kept[n_kept++] = i;
    if (n_kept == n_old)
        return;
    if (n_kept == 0) {
        net->contradiction = true;
        return;
    }
    for (int64_t k = 0; k < n->edges.count; k++)
        if (net->edges.data[n->edges.data[k]].cost)
            keep_in_table(net, n->edges.data[k], node, keep, n_kept);
    int32_t *label = arena_new(net->arena, int32_t, n_kept);
    double *cost = arena_new(net->arena, double, n_kept);
    for (int32_t i = 0; i < n_kept; i++) {
        label[i] = n->label[kept[i]];
        cost[i] = n->cost[kept[i]];
    }
    n->n_choices = n_kept;
    n->label = label;
    n->cost = cost;
    keep_in_intervals(net, n, kept);
    network_queue_node(net, node);
}

void network_remove_node(Network *net, int32_t node, NetworkStep step)
{
    NetworkNode *n = &net->nodes[node];
    assert(n->degree == 0 && n->intervals.count == 0);
    step.node = node;
    for (int p = 0; p < 2; p++) {
        if (step.parent[p] < 0)
            continue;
        const NetworkNode *parent = &net->nodes[step.parent[p]];
        step.parent_label[p] = parent->label;
        step.n_parent_choices[p] = parent->n_choices;
    }
    *vector_push(net->arena, &net->steps) = step;
    n->n_choices = 0;
}

void network_fix(Network *net, int32_t node)
{
    NetworkNode *n = &net->nodes[node];
    assert(n->n_choices == 1 && n->intervals.count == 0);
    proof_eliminate(net, node);
    net->constant += n->cost[0];
    for (int64_t k = 0; k < n->edges.count; k++) {
        int32_t edge = n->edges.data[k];
        if (!net->edges.data[edge].cost)
            continue;
        EdgeView view = edge_view(net, edge, node);
        NetworkNode *other = &net->nodes[view.neighbour];
        bool *keep = arena_new(net->arena, bool, view.n_other);
        for (int32_t j = 0; j < view.n_other; j++) {
            double cost = view.cost[j * view.other];
            keep[j] = cost < NEVER;
            if (keep[j])
                other->cost[j] += cost;
        }
        net->edges.data[edge].cost = NULL;
        n->degree--;
        other->degree--;
        sweep_edges(net, view.neighbour);
        network_queue_node(net, view.neighbour);
        network_keep(net, view.neighbour, keep);
        if (net->contradiction)
            return;
    }
    n->edges.count = 0;
    int32_t *label = arena_new(net->arena, int32_t, 1);
    label[0] = n->label[0];
    network_remove_node(net, node,
                        (NetworkStep){.parent = {-1, -1}, .best = label});
}

void network_forget_costs(Network *net)
{
    net->constant = 0;
    for (int32_t v = 0; v < net->n_nodes; v++)
        for (int32_t i = 0; i < net->nodes[v].n_choices; i++)
            net->nodes[v].cost[i] = 0;
    for (int64_t k = 0; k < net->edges.count; k++) {
        NetworkEdge *e = &net->edges.data[k];
        int64_t n =
            (int64_t)net->nodes[e->a].n_choices * net->nodes[e->b].n_choices;
        for (int64_t i = 0; e->cost && i < n; i++)
            e->cost[i] = e->cost[i] < NEVER ? 0 : NEVER;
    }
}

double *network_room(const Network *net, Arena *arena)
{
    double *room = arena_new(arena, double, net->n_rows + 1);
    double used = 0;
    for (int32_t r = 0; r < net->n_rows; r++) {
        used += net->usage_step[r];
        room[r] = net->limit[r] - used;
    }
    return room;
}

/* The names in the proof of the nodes that live[] lists. */
static int32_t *name_live(Arena *arena, const Network *net, const int32_t *live,
                          int32_t n)
{
    int32_t *name = arena_new(arena, int32_t, n);
    for (int32_t i = 0; i < n; i++)
        name[i] = net->name ? net->name[live[i]] : live[i];
    return name;
}

Network network_extract(Arena *arena, const Network *net, int32_t **name)
{
    int32_t n_live = 0;
    int32_t *number = arena_new(arena, int32_t, net->n_nodes);
    *name = arena_new(arena, int32_t, net->n_nodes);
    for (int32_t v = 0; v < net->n_nodes; v++)
        if (net->nodes[v].n_choices > 0) {
            (*name)[n_live] = v;
            number[v] = n_live++;
        }
    double *room = network_room(net, arena);
    Network out = network_new(arena, n_live, net->n_rows, room);
    out.constant = net->constant;
    out.proof = net->proof;
    if (net->proof)
        out.name = name_live(arena, net, *name, n_live);
    if (net->n_rows > 0)
        memcpy(out.price, net->price, sizeof(double) * (size_t)net->n_rows);
    if (net->n_rows > 0)
        memcpy(out.time, net->time, sizeof(int64_t) * (size_t)net->n_rows);
    for (int32_t i = 0; i < n_live; i++) {
        const NetworkNode *n = &net->nodes[(*name)[i]];
        network_set_node(&out, i, n->n_choices, n->cost, n->label);
        for (int64_t k = 0; k < n->intervals.count; k++)
            network_add_usage(&out, i, n->intervals.data[k].begin,
                              n->intervals.data[k].end,
                              n->intervals.data[k].usage);
    }
    for (int64_t k = 0; k < net->edges.count; k++) {
        const NetworkEdge *e = &net->edges.data[k];
        if (!e->cost)
            continue;
        int64_t entries =
            (int64_t)net->nodes[e->a].n_choices * net->nodes[e->b].n_choices;
        double *cost = arena_new(arena, double, entries);
        memcpy(cost, e->cost, sizeof(double) * (size_t)entries);
        network_append_edge(&out, number[e->a], number[e->b], cost);
        out.work += entries;
    }
    return out;
}

static int32_t index_of_label(const int32_t *label, int32_t n, int32_t wanted)
{
    int32_t low = 0, high = n - 1;
    while (low < high) {
        int32_t middle = (low + high) / 2;
        if (label[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    assert(label[low] == wanted);
    return low;
}

void network_recover(const Network *net, int32_t *choice)
{
    for (int64_t s = net->steps.count - 1; s >= 0; s--) {
        const NetworkStep *step = &net->steps.data[s];
        int64_t index = 0;
        for (int p = 0; p < 2; p++)
            if (step->parent[p] >= 0)
                index = index * step->n_parent_choices[p] +
                        index_of_label(step->parent_label[p],
                                       step->n_parent_choices[p],
                                       choice[step->parent[p]]);
        choice[step->node] = step->best[index];
    }
}
