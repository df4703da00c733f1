/* Improve: where to free, how much, and what came of it. */
#include "solver/improve.h"

#include "solver/branch.h"
#include "support/philox.h"

#include <string.h>

/* Uniform in [0, 1), the n-th of this round. */
static double uniform(const Improver *m, uint32_t n)
{
    return (double)philox_uniform(philox(m->seed, m->round, n, 0, 0).word[0]);
}

/* Sum of prices over rows before r. */
static double *price_sums(const Network *net, Arena *arena)
{
    double *sum = arena_new(arena, double, net->n_rows + 1);
    for (int32_t r = 0; r < net->n_rows; r++)
        sum[r + 1] = sum[r] + net->price[r];
    return sum;
}

static double node_share(const Assignment *a, int32_t v, const double *sum,
                         double *cost)
{
    const Network *net = a->net;
    const NetworkNode *n = &net->nodes[v];
    memcpy(cost, n->cost, sizeof(double) * (size_t)n->n_choices);
    for (int64_t k = 0; k < n->intervals.count; k++) {
        const UsageInterval *u = &n->intervals.data[k];
        double price = sum[u->end] - sum[u->begin];
        for (int32_t i = 0; price > 0 && i < n->n_choices; i++)
            cost[i] += price * u->usage[i];
    }
    double least = NEVER;
    for (int32_t i = 0; i < n->n_choices; i++)
        least = smaller(least, cost[i]);
    return cost[a->x[v]] - least;
}

static void compute_shares(Improver *m, Arena scratch)
{
    const Network *net = m->a->net;
    double *sum = price_sums(net, &scratch);
    int32_t widest = 0;
    for (int32_t v = 0; v < net->n_nodes; v++)
        widest =
            net->nodes[v].n_choices > widest ? net->nodes[v].n_choices : widest;
    double *cost = arena_new(&scratch, double, widest);
    for (int32_t v = 0; v < net->n_nodes; v++)
        m->share[v] = node_share(m->a, v, sum, cost);
    for (int64_t k = 0; k < net->edges.count; k++) {
        const NetworkEdge *e = &net->edges.data[k];
        if (!e->cost)
            continue;
        double half =
            e->cost[(int64_t)m->a->x[e->a] * net->nodes[e->b].n_choices +
                    m->a->x[e->b]] /
            2;
        m->share[e->a] += half;
        m->share[e->b] += half;
    }
    m->share_sum = 0;
    for (int32_t v = 0; v < net->n_nodes; v++)
        m->share_sum += m->share[v] = larger(0, m->share[v]);
}

Improver improver_new(Arena *arena, Assignment *a, double unit, uint64_t seed)
{
    Improver m = {.a = a,
                  .unit = unit,
                  .seed = seed,
                  .position = arena_new(arena, int32_t, a->net->n_nodes),
                  .share = arena_new(arena, double, a->net->n_nodes)};
    memset(m.position, 0xff, sizeof(int32_t) * (size_t)a->net->n_nodes);
    for (int s = 0; s < REGION_SIZES; s++) {
        m.gained[s] = 1;
        m.worked[s] = 1;
    }
    return m;
}

static int32_t draw_seed(const Improver *m)
{
    int32_t n = m->a->net->n_nodes;
    if (uniform(m, 0) < 0.2 || !(m->share_sum > 0))
        return (int32_t)(uniform(m, 1) * n);
    double left = uniform(m, 1) * m->share_sum;
    for (int32_t v = 0; v < n; v++) {
        left -= m->share[v];
        if (left < 0)
            return v;
    }
    return n - 1;
}

static int draw_size(const Improver *m)
{
    double rate[REGION_SIZES], sum = 0;
    for (int s = 0; s < REGION_SIZES; s++)
        sum += rate[s] = m->gained[s] / m->worked[s];
    double left = uniform(m, 2) * sum;
    if (uniform(m, 3) < 0.3)
        return (int)(uniform(m, 4) * (double)REGION_SIZES);
    for (int s = 0; s < REGION_SIZES; s++) {
        left -= rate[s];
        if (left < 0)
            return s;
    }
    return REGION_SIZES - 1;
}

/* Neighbours of v that are not in the region yet join the frontier. */
static int32_t extend_frontier(const Improver *m, int32_t v, int32_t *frontier,
                               int32_t n, int32_t most)
{
    const Network *net = m->a->net;
    const NetworkNode *node = &net->nodes[v];
    int64_t count = node->edges.count;
    int64_t start = count > 0 ? (int64_t)(uniform(m, 5) * (double)count) : 0;
    for (int64_t k = 0; k < count && n < most; k++) {
        const NetworkEdge *e =
            &net->edges.data[node->edges.data[(start + k) % count]];
        int32_t u = e->a == v ? e->b : e->a;
        if (e->cost && m->position[u] < 0)
            frontier[n++] = u;
    }
    return n;
}

/* A random connected region of at most `most` nodes around `seed`. */
static int32_t grow_region(Improver *m, int32_t seed, int32_t most,
                           int32_t *nodes, Arena scratch)
{
    int32_t n = 0, n_frontier = 1, room = 32 * most + 64;
    int32_t *frontier = arena_new(&scratch, int32_t, room);
    frontier[0] = seed;
    uint32_t draws = 16;
    while (n < most && n_frontier > 0) {
        int32_t k = (int32_t)(uniform(m, draws++) * n_frontier);
        int32_t v = frontier[k];
        frontier[k] = frontier[--n_frontier];
        if (m->position[v] >= 0)
            continue;
        m->position[v] = n;
        nodes[n++] = v;
        int32_t limit = n_frontier + 24 < room ? n_frontier + 24 : room;
        n_frontier = extend_frontier(m, v, frontier, n_frontier, limit);
    }
    for (int32_t k = 0; k < n; k++)
        m->position[nodes[k]] = -1;
    return n;
}

bool improver_round(Improver *m, Arena networks, Arena scratch)
{
    if (m->round++ == 0)
        compute_shares(m, scratch);
    int size = draw_size(m);
    int32_t most = 4 << size;
    int32_t *nodes = arena_new(&scratch, int32_t, most);
    int32_t *choice = arena_new(&scratch, int32_t, most);
    int32_t n = grow_region(m, draw_seed(m), most, nodes, scratch);
    double own_cost;
    Network part = region_extract(&networks, scratch, m->a, nodes, n,
                                  m->position, &own_cost);
    Branching b = {.cutoff = own_cost,
                   .unit = m->unit,
                   .work_limit = 200000 + 30 * part.work,
                   .stopped = m->stopped,
                   .context = m->context,
                   .open_bound = NEVER};
    bool found = branch(&b, &part, choice, networks, scratch);
    m->work += b.work;
    m->worked[size] = m->worked[size] * 0.98 + (double)b.work;
    m->gained[size] *= 0.98;
    if (!found)
        return false;
    m->gained[size] += own_cost - b.cutoff;
    region_assign(m->a, nodes, n, choice, own_cost - b.cutoff);
    compute_shares(m, scratch);
    return true;
}
