/* check_certificate PROBLEM CERTIFICATE: re-derives the lower bound that a
 * certificate of `dnnc solve` claims, for problems whose edges have two nodes.
 *
 * Shares no code with the solver.  Every price >= 0 on a time and every set of
 * messages gives a bound by adding up minima, here in 128-bit integers in
 * units of 1/(denominator * price_denominator); choices without a finite
 * partner over some edge are left out.  So a certificate may be weak, but it
 * cannot lie.  Exit status 0 when the claimed bound is at most the derived.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const int64_t FORBIDDEN = 100000000000000000;
typedef __int128 Wide;

typedef struct Edge {
    int64_t a, b;  /* a < b */
    int64_t *cost; /* [n_a][n_b], parallel edges added up */
    const json_t *message_a, *message_b;
} Edge;

typedef struct Problem {
    int64_t n_nodes, n_edges, n_times, limit;
    int64_t *n_choices;
    int64_t **cost, **usage;
    int64_t *begin, *end;
    bool **dead; /* choices without a finite partner */
    Wide **node; /* potentials */
    Edge *edges;
} Problem;

static void *allocate(int64_t count, size_t size)
{
    void *memory = calloc((size_t)count + 1, size);
    if (!memory) {
        fputs("check_certificate: out of memory\n", stderr);
        exit(3);
    }
    return memory;
}

static json_t *load(const char *path)
{
    gzFile file = gzopen(path, "rb");
    size_t size = 0, capacity = 1 << 20;
    char *bytes = allocate((int64_t)capacity, 1);
    int got = 0;
    while (file && (got = gzread(file, bytes + size,
                                 (unsigned)(capacity - size))) > 0) {
        size += (size_t)got;
        if (size == capacity) {
            char *more = allocate((int64_t)(capacity *= 2), 1);
            memcpy(more, bytes, size);
            free(bytes);
            bytes = more;
        }
    }
    json_t *json = json_loadb(bytes, size, 0, NULL);
    free(bytes);
    if (!file || !json) {
        fprintf(stderr, "check_certificate: %s: unreadable\n", path);
        exit(2);
    }
    gzclose(file);
    return json;
}

static int64_t number(const json_t *array, int64_t i)
{
    return json_integer_value(json_array_get(array, (size_t)i));
}

static int64_t *numbers(const json_t *array)
{
    int64_t n = (int64_t)json_array_size(array);
    int64_t *out = allocate(n, sizeof *out);
    for (int64_t i = 0; i < n; i++)
        out[i] = number(array, i);
    return out;
}

static void read_nodes(Problem *p, const json_t *nodes)
{
    const json_t *costs = json_object_get(nodes, "costs");
    const json_t *spans = json_object_get(nodes, "intervals");
    p->n_nodes = (int64_t)json_array_size(costs);
    p->n_choices = allocate(p->n_nodes, sizeof *p->n_choices);
    p->cost = allocate(p->n_nodes, sizeof *p->cost);
    p->usage = allocate(p->n_nodes, sizeof *p->usage);
    p->begin = allocate(p->n_nodes, sizeof *p->begin);
    p->end = allocate(p->n_nodes, sizeof *p->end);
    p->dead = allocate(p->n_nodes, sizeof *p->dead);
    p->node = allocate(p->n_nodes, sizeof *p->node);
    for (int64_t v = 0; v < p->n_nodes; v++) {
        const json_t *cost = json_array_get(costs, (size_t)v);
        p->n_choices[v] = (int64_t)json_array_size(cost);
        p->cost[v] = numbers(cost);
        p->usage[v] = numbers(
            json_array_get(json_object_get(nodes, "usages"), (size_t)v));
        p->begin[v] = number(json_array_get(spans, (size_t)v), 0);
        p->end[v] = number(json_array_get(spans, (size_t)v), 1);
        p->n_times = p->end[v] > p->n_times ? p->end[v] : p->n_times;
        p->dead[v] = allocate(p->n_choices[v], sizeof(bool));
        p->node[v] = allocate(p->n_choices[v], sizeof(Wide));
        for (int64_t i = 0; i < p->n_choices[v]; i++)
            p->dead[v][i] = p->cost[v][i] >= FORBIDDEN;
    }
}

static int compare_edges(const void *x, const void *y)
{
    const Edge *p = x, *q = y;
    if (p->a != q->a)
        return p->a < q->a ? -1 : 1;
    return (p->b > q->b) - (p->b < q->b);
}

/* The table with the lower node's choices as rows. */
static int64_t *upright(const Problem *p, const json_t *cost, int64_t first,
                        int64_t second)
{
    int64_t n = p->n_choices[first], m = p->n_choices[second];
    int64_t *out = allocate(n * m, sizeof *out);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < m; j++)
            out[first < second ? i * m + j : j * n + i] =
                number(cost, i * m + j);
    return out;
}

static void add_self_edge(Problem *p, int64_t v, const json_t *cost)
{
    for (int64_t i = 0; i < p->n_choices[v]; i++) {
        int64_t own = number(cost, i * (p->n_choices[v] + 1));
        p->dead[v][i] |= own >= FORBIDDEN;
        p->cost[v][i] += own;
    }
}

static void merge_parallel(Problem *p)
{
    int64_t kept = 0;
    for (int64_t e = 0; e < p->n_edges; e++) {
        Edge *last = kept > 0 ? &p->edges[kept - 1] : NULL;
        const Edge *edge = &p->edges[e];
        if (!last || compare_edges(last, edge) != 0) {
            p->edges[kept++] = *edge;
            continue;
        }
        int64_t n = p->n_choices[edge->a] * p->n_choices[edge->b];
        for (int64_t i = 0; i < n; i++)
            last->cost[i] =
                last->cost[i] >= FORBIDDEN || edge->cost[i] >= FORBIDDEN
                    ? FORBIDDEN
                    : last->cost[i] + edge->cost[i];
    }
    p->n_edges = kept;
}

static void read_edges(Problem *p, const json_t *edges)
{
    const json_t *ends = json_object_get(edges, "nodes");
    const json_t *costs = json_object_get(edges, "costs");
    int64_t n = (int64_t)json_array_size(ends);
    p->edges = allocate(n, sizeof *p->edges);
    for (int64_t e = 0; e < n; e++) {
        const json_t *pair = json_array_get(ends, (size_t)e);
        const json_t *cost = json_array_get(costs, (size_t)e);
        int64_t a = number(pair, 0), b = number(pair, 1);
        if (json_array_size(pair) != 2) {
            fputs("check_certificate: an edge of not two nodes\n", stderr);
            exit(2);
        }
        if (a == b)
            add_self_edge(p, a, cost);
        else
            p->edges[p->n_edges++] = (Edge){.a = a < b ? a : b,
                                            .b = a < b ? b : a,
                                            .cost = upright(p, cost, a, b)};
    }
    qsort(p->edges, (size_t)p->n_edges, sizeof *p->edges, compare_edges);
    merge_parallel(p);
}

/* Marks choices without a live finite partner; true when any was marked. */
static bool mark_dead(Problem *p, const Edge *e, bool of_a)
{
    int64_t u = of_a ? e->a : e->b, v = of_a ? e->b : e->a;
    int64_t n_b = p->n_choices[e->b];
    bool any = false;
    for (int64_t i = 0; i < p->n_choices[u]; i++) {
        bool partner = false;
        for (int64_t j = 0; j < p->n_choices[v] && !partner; j++)
            partner = !p->dead[v][j] &&
                      e->cost[of_a ? i * n_b + j : j * n_b + i] < FORBIDDEN;
        any |= !partner && !p->dead[u][i];
        p->dead[u][i] |= !partner;
    }
    return any;
}

static void keep_arcs(Problem *p)
{
    for (bool more = true; more;) {
        more = false;
        for (int64_t e = 0; e < p->n_edges; e++) {
            more |= mark_dead(p, &p->edges[e], true);
            more |= mark_dead(p, &p->edges[e], false);
        }
    }
}

static void attach_messages(Problem *p, const json_t *list)
{
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *row = json_array_get(list, k);
        Edge key = {.a = number(row, 0), .b = number(row, 1)};
        Edge *edge = bsearch(&key, p->edges, (size_t)p->n_edges, sizeof key,
                             compare_edges);
        if (!edge)
            continue;
        edge->message_a = json_array_get(row, 2);
        edge->message_b = json_array_get(row, 3);
    }
}

/* Sum over edges of the least residual; messages go to the nodes. */
static Wide edge_minima(Problem *p, int64_t denominator)
{
    Wide sum = 0;
    for (int64_t k = 0; k < p->n_edges; k++) {
        const Edge *e = &p->edges[k];
        Wide least = 0;
        bool any = false;
        for (int64_t i = 0; i < p->n_choices[e->a]; i++)
            for (int64_t j = 0; j < p->n_choices[e->b]; j++) {
                int64_t cost = e->cost[i * p->n_choices[e->b] + j];
                if (p->dead[e->a][i] || p->dead[e->b][j] || cost >= FORBIDDEN)
                    continue;
                Wide rest = (Wide)cost * denominator - number(e->message_a, i) -
                            number(e->message_b, j);
                least = !any || rest < least ? rest : least;
                any = true;
            }
        sum += least;
        for (int64_t i = 0; i < p->n_choices[e->a]; i++)
            p->node[e->a][i] += number(e->message_a, i);
        for (int64_t j = 0; j < p->n_choices[e->b]; j++)
            p->node[e->b][j] += number(e->message_b, j);
    }
    return sum;
}

/* Sum over nodes of the least potential; price[t] = sum of prices before t. */
static Wide node_minima(const Problem *p, int64_t denominator, int64_t unit,
                        const Wide *price)
{
    Wide sum = 0;
    for (int64_t v = 0; v < p->n_nodes; v++) {
        Wide least = 0;
        bool any = false;
        for (int64_t i = 0; i < p->n_choices[v]; i++) {
            if (p->dead[v][i])
                continue;
            Wide own =
                ((Wide)p->cost[v][i] * denominator + p->node[v][i]) * unit +
                (price[p->end[v]] - price[p->begin[v]]) * p->usage[v][i];
            least = !any || own < least ? own : least;
            any = true;
        }
        sum += least;
    }
    return sum;
}

static Wide ceil_div(Wide a, Wide b)
{
    return a / b + (a % b > 0);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: check_certificate PROBLEM CERTIFICATE\n", stderr);
        return 2;
    }
    const json_t *problem = json_object_get(load(argv[1]), "problem");
    const json_t *certificate = load(argv[2]);
    int64_t denominator =
        json_integer_value(json_object_get(certificate, "denominator"));
    int64_t unit =
        json_integer_value(json_object_get(certificate, "price_denominator"));
    Problem p = {
        .limit = json_integer_value(json_object_get(problem, "usage_limit"))};
    read_nodes(&p, json_object_get(problem, "nodes"));
    read_edges(&p, json_object_get(problem, "edges"));
    keep_arcs(&p);
    attach_messages(&p, json_object_get(certificate, "edges"));
    Wide *price = allocate(p.n_times + 1, sizeof *price), bound = 0;
    const json_t *prices = json_object_get(certificate, "prices");
    for (size_t k = 0; k < json_array_size(prices); k++) {
        int64_t time = number(json_array_get(prices, k), 0);
        int64_t value = number(json_array_get(prices, k), 1);
        if (time < 0 || time >= p.n_times || value < 0) {
            fputs("check_certificate: not a price\n", stderr);
            return 1;
        }
        price[time + 1] += value;
        bound -= (Wide)value * p.limit;
    }
    for (int64_t t = 0; t < p.n_times; t++)
        price[t + 1] += price[t];
    bound += edge_minima(&p, denominator) * unit;
    bound += node_minima(&p, denominator, unit, price);
    int64_t derived = (int64_t)ceil_div(bound, (Wide)denominator * unit);
    int64_t claimed = json_integer_value(json_object_get(certificate, "bound"));
    printf("bound %" PRId64 " claimed %" PRId64 "\n", derived, claimed);
    return derived >= claimed ? 0 : 1;
}
