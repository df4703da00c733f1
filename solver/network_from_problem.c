/* From a choice problem to a network: scale, and times to rows.
 *
 * Between two neighbouring begin or end times nothing changes, so one row
 * stands for each such run.  The scale is the largest power of two (at most
 * 2^24) that keeps the sum of all largest costs below 2^51: room for prices.
 * Where that is below 1, costs are rounded down: a bound stays a bound, and
 * only the last few digits of a proof are lost.
 */
#include "solver/network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* All begins and ends, sorted, each once. */
static int64_t *distinct_times(const ChoiceProblem *p, Arena *arena,
                               int32_t *count)
{
    int64_t n = 0, n_distinct = 0;
    for (int32_t v = 0; v < p->n_nodes; v++)
        n += 2 * p->nodes[v].n_intervals;
    int64_t *times = arena_new(arena, int64_t, n + 1);
    n = 0;
    for (int32_t v = 0; v < p->n_nodes; v++)
        for (int32_t k = 0; k < p->nodes[v].n_intervals; k++) {
            times[n++] = p->nodes[v].intervals[k].begin;
            times[n++] = p->nodes[v].intervals[k].end;
        }
    qsort(times, (size_t)n, sizeof *times, compare_times);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || times[i] != times[i - 1])
            times[n_distinct++] = times[i];
    *count = (int32_t)n_distinct;
    return times;
}

static int32_t row_of(const int64_t *times, int32_t n, int64_t time)
{
    const int64_t *found =
        bsearch(&time, times, (size_t)n, sizeof *times, compare_times);
    return (int32_t)(found - times);
}

static double largest(const int64_t *cost, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        if (cost[i] < CHOICE_FORBIDDEN)
            most = fmax(most, fabs((double)cost[i]));
    return most;
}

static double choose_scale(const ChoiceProblem *p)
{
    double sum = 1, scale = 1;
    for (int32_t v = 0; v < p->n_nodes; v++)
        sum += largest(p->nodes[v].cost, p->nodes[v].n_choices);
    for (int32_t e = 0; e < p->n_edges; e++)
        sum += largest(p->edges[e].cost,
                       (int64_t)p->nodes[p->edges[e].a].n_choices *
                           p->nodes[p->edges[e].b].n_choices);
    while (scale < 0x1p24 && sum * scale * 2 < 0x1p51)
        scale *= 2;
    while (sum * scale >= 0x1p51)
        scale /= 2;
    return scale;
}

static void scale_costs(const int64_t *cost, int64_t n, double scale,
                        double *out)
{
    int shift = scale < 1 ? -ilogb(scale) : 0;
    double factor = larger(1, scale);
    for (int64_t i = 0; i < n; i++)
        out[i] = cost[i] >= CHOICE_FORBIDDEN
                     ? NEVER
                     : (double)(cost[i] >> shift) * factor;
}

/* A node's costs; a self edge's diagonal belongs to them. */
static void set_nodes(Network *net, Arena scratch, const ChoiceProblem *p,
                      double scale, const int64_t *times, int32_t n_times)
{
    double **cost = arena_new(&scratch, double *, p->n_nodes);
    for (int32_t v = 0; v < p->n_nodes; v++) {
        cost[v] = arena_new(&scratch, double, p->nodes[v].n_choices);
        scale_costs(p->nodes[v].cost, p->nodes[v].n_choices, scale, cost[v]);
    }
    for (int32_t e = 0; e < p->n_edges; e++) {
        const ChoiceEdge *edge = &p->edges[e];
        int32_t n = p->nodes[edge->a].n_choices;
        if (edge->a != edge->b)
            continue;
        for (int32_t i = 0; i < n; i++) {
            double diagonal;
            scale_costs(edge->cost + (int64_t)i * (n + 1), 1, scale, &diagonal);
            cost[edge->a][i] += diagonal;
        }
    }
    for (int32_t v = 0; v < p->n_nodes; v++) {
        const ChoiceNode *node = &p->nodes[v];
        Arena inner = scratch;
        network_set_node(net, v, node->n_choices, cost[v], NULL);
        double *usage = arena_new(&inner, double, node->n_choices);
        bool *keep = arena_new(&inner, bool, node->n_choices);
        for (int32_t k = 0; k < node->n_intervals; k++) {
            const ChoiceInterval *interval = &node->intervals[k];
            for (int32_t i = 0; i < node->n_choices; i++)
                usage[i] = (double)interval->usage[i];
            network_add_usage(net, v, row_of(times, n_times, interval->begin),
                              row_of(times, n_times, interval->end), usage);
        }
        for (int32_t i = 0; i < node->n_choices; i++)
            keep[i] = cost[v][i] < NEVER;
        network_keep(net, v, keep);
    }
}

Network network_from_problem(Arena *arena, Arena scratch,
                             const ChoiceProblem *p, double *scale)
{
    *scale = choose_scale(p);
    int32_t n_times = 0;
    int64_t *times = distinct_times(p, &scratch, &n_times);
    double *limit = arena_new(&scratch, double, n_times + 1);
    for (int32_t r = 0; r < n_times; r++)
        limit[r] = (double)p->usage_limit;
    Network net =
        network_new(arena, p->n_nodes, n_times > 0 ? n_times - 1 : 0, limit);
    for (int32_t r = 0; r < net.n_rows; r++)
        net.time[r] = times[r];
    set_nodes(&net, scratch, p, *scale, times, n_times);
    if (net.contradiction)
        return net;
    for (int32_t e = 0; e < p->n_edges; e++) {
        const ChoiceEdge *edge = &p->edges[e];
        if (edge->a == edge->b)
            continue;
        const NetworkNode *a = &net.nodes[edge->a], *b = &net.nodes[edge->b];
        int32_t n_b = p->nodes[edge->b].n_choices;
        double *cost =
            arena_new(arena, double, (int64_t)a->n_choices * b->n_choices);
        for (int32_t i = 0; i < a->n_choices; i++)
            for (int32_t j = 0; j < b->n_choices; j++)
                scale_costs(edge->cost + (int64_t)a->label[i] * n_b +
                                b->label[j],
                            1, *scale, &cost[(int64_t)i * b->n_choices + j]);
        network_add_edge(&net, edge->a, edge->b, cost);
    }
    return net;
}
