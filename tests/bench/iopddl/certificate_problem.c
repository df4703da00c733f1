/* The problem: jansson's tree into arrays; one assignment's cost. */
#include "certificate_problem.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>

static const int64_t FORBIDDEN = 100000000000000000;
static const int64_t USAGE_MOST = 1000000000000000;

typedef struct Reader {
    Pool *pool;
    Problem *problem;
    json_t *json;
} Reader;

static void wrong(const Reader *r, const char *what)
{
    json_decref(r->json);
    certificate_refuse(r->pool->check, "not a problem: %s", what);
}

static int64_t number(const Reader *r, const json_t *array, size_t i)
{
    const json_t *value = json_array_get(array, i);
    if (!json_is_integer(value))
        wrong(r, "no number where one belongs");
    return json_integer_value(value);
}

static int64_t *costs(const Reader *r, const json_t *array, int64_t n)
{
    int64_t *out = POOL_NEW(r->pool, int64_t, n);
    if ((int64_t)json_array_size(array) != n)
        wrong(r, "a list of the wrong length");
    for (int64_t i = 0; i < n; i++) {
        out[i] = number(r, array, (size_t)i);
        if (out[i] <= -FORBIDDEN)
            wrong(r, "a cost of at most -10^17");
        out[i] = out[i] >= FORBIDDEN ? NEVER : out[i];
    }
    return out;
}

static void read_node(const Reader *r, ProblemNode *node, const json_t *cost,
                      const json_t *span, const json_t *usage, int64_t *used)
{
    size_t n = json_array_size(cost);
    int64_t most = 0;
    if (n < 1 || n > INT32_MAX || json_array_size(usage) != n)
        wrong(r, "a node without choices or usages");
    *node = (ProblemNode){(int32_t)n, costs(r, cost, (int64_t)n),
                          number(r, span, 0), number(r, span, 1),
                          POOL_NEW(r->pool, int64_t, (int64_t)n)};
    for (size_t i = 0; i < n; i++) {
        node->usage[i] = number(r, usage, i);
        if (node->usage[i] < 0 || node->usage[i] > USAGE_MOST)
            wrong(r, "a usage below 0 or beyond 10^15");
        most = node->usage[i] > most ? node->usage[i] : most;
    }
    *used += most;
    if (*used > USAGE_MOST)
        wrong(r, "usages beyond 10^15");
}

static void add_edge(const Reader *r, int32_t a, int32_t b, int64_t *cost)
{
    r->problem->edges[r->problem->n_edges++] = (ProblemEdge){a, b, cost};
}

/* node: choice = entry of the table, tied to each member's digit. */
static void add_hyperedge(const Reader *r, const json_t *ends,
                          const json_t *cost, int64_t entries)
{
    Problem *p = r->problem;
    int32_t node = p->n_nodes++;
    int64_t stride = entries;
    if (entries < 1 || entries > INT32_MAX)
        wrong(r, "a table that is empty or beyond 2^31");
    p->nodes[node] = (ProblemNode){.n_choices = (int32_t)entries,
                                   .cost = costs(r, cost, entries)};
    for (size_t m = 0; m < json_array_size(ends); m++) {
        int32_t v = (int32_t)number(r, ends, m), n = p->nodes[v].n_choices;
        int64_t *table = POOL_NEW(r->pool, int64_t, entries *n);
        stride /= n;
        for (int64_t e = 0; e < entries; e++)
            for (int32_t i = 0; i < n; i++)
                table[e * n + i] = e / stride % n == i ? 0 : NEVER;
        add_edge(r, node, v, table);
    }
}

static void read_edge(const Reader *r, const json_t *ends, const json_t *cost,
                      int64_t n_file)
{
    int64_t entries = 1;
    size_t arity = json_array_size(ends);
    for (size_t m = 0; m < arity; m++) {
        int64_t v = number(r, ends, m);
        if (v < 0 || v >= n_file)
            wrong(r, "an edge to no node");
        if (__builtin_mul_overflow(
                entries, (int64_t)r->problem->nodes[v].n_choices, &entries))
            wrong(r, "a table beyond 2^63");
    }
    if (arity == 2)
        add_edge(r, (int32_t)number(r, ends, 0), (int32_t)number(r, ends, 1),
                 costs(r, cost, entries));
    else
        add_hyperedge(r, ends, cost, entries);
}

/* Room for the further nodes and edges of hyperedges. */
static void make_room(const Reader *r, size_t n_nodes, const json_t *ends)
{
    int64_t nodes = (int64_t)n_nodes, edges = 0;
    for (size_t e = 0; e < json_array_size(ends); e++) {
        int64_t arity = (int64_t)json_array_size(json_array_get(ends, e));
        if (arity < 1)
            wrong(r, "an edge of no nodes");
        nodes += arity != 2;
        edges += arity == 2 ? 1 : arity;
    }
    if (nodes > INT32_MAX || edges > INT32_MAX)
        wrong(r, "too many nodes or edges");
    r->problem->nodes = POOL_NEW(r->pool, ProblemNode, nodes);
    r->problem->edges = POOL_NEW(r->pool, ProblemEdge, edges);
}

static void read_problem(const Reader *r)
{
    const json_t *top = json_object_get(r->json, "problem");
    const json_t *nodes = json_object_get(top, "nodes");
    const json_t *edges = json_object_get(top, "edges");
    const json_t *cost = json_object_get(nodes, "costs");
    const json_t *span = json_object_get(nodes, "intervals");
    const json_t *usage = json_object_get(nodes, "usages");
    const json_t *ends = json_object_get(edges, "nodes");
    const json_t *table = json_object_get(edges, "costs");
    const json_t *limit = json_object_get(top, "usage_limit");
    size_t n = json_array_size(cost);
    int64_t used = 0;
    if (json_array_size(span) != n || json_array_size(usage) != n ||
        json_array_size(ends) != json_array_size(table))
        wrong(r, "lists of different lengths");
    make_room(r, n, ends);
    for (size_t v = 0; v < n; v++)
        read_node(r, &r->problem->nodes[v], json_array_get(cost, v),
                  json_array_get(span, v), json_array_get(usage, v), &used);
    r->problem->n_nodes = (int32_t)n;
    for (size_t e = 0; e < json_array_size(ends); e++)
        read_edge(r, json_array_get(ends, e), json_array_get(table, e),
                  (int64_t)n);
    int64_t most =
        json_is_integer(limit) ? json_integer_value(limit) : USAGE_MOST;
    r->problem->usage_limit = most < USAGE_MOST ? most : USAGE_MOST;
    if (most < -USAGE_MOST)
        wrong(r, "a usage limit below -10^15");
}

void problem_read(Problem *problem, Pool *pool, const char *json, size_t size)
{
    *problem = (Problem){0};
    Reader r = {pool, problem, json_loadb(json, size, 0, NULL)};
    if (!r.json)
        certificate_refuse(pool->check, "the problem is not JSON");
    read_problem(&r);
    json_decref(r.json);
}

typedef struct Event {
    int64_t time, change;
} Event;

/* At one time, ends come before begins. */
static int compare_events(const void *a, const void *b)
{
    const Event *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return (x->change > y->change) - (x->change < y->change);
}

static int64_t peak(const Problem *p, Pool *pool, const int32_t *choice)
{
    Event *events = POOL_NEW(pool, Event, 2 * (int64_t)p->n_nodes);
    int64_t n = 0, usage = 0, most = 0;
    for (int32_t v = 0; v < p->n_nodes; v++) {
        const ProblemNode *node = &p->nodes[v];
        if (!node->usage || node->begin >= node->end)
            continue;
        events[n++] = (Event){node->begin, node->usage[choice[v]]};
        events[n++] = (Event){node->end, -node->usage[choice[v]]};
    }
    qsort(events, (size_t)n, sizeof *events, compare_events);
    for (int64_t i = 0; i < n; i++) {
        usage += events[i].change;
        most = usage > most ? usage : most;
    }
    return most;
}

int64_t problem_evaluate(const Problem *p, Pool *pool, const int32_t *choice)
{
    Check *check = pool->check;
    int64_t cost = 0;
    for (int32_t v = 0; v < p->n_nodes; v++) {
        if (choice[v] < 0 || choice[v] >= p->nodes[v].n_choices)
            certificate_refuse(check, "the solution has no such choice");
        cost = certificate_add(check, cost, p->nodes[v].cost[choice[v]]);
    }
    for (int32_t e = 0; e < p->n_edges; e++) {
        const ProblemEdge *edge = &p->edges[e];
        int64_t n_b = p->nodes[edge->b].n_choices;
        cost = certificate_add(
            check, cost, edge->cost[choice[edge->a] * n_b + choice[edge->b]]);
    }
    if (cost == NEVER)
        certificate_refuse(check, "the solution is forbidden");
    if (peak(p, pool, choice) > p->usage_limit)
        certificate_refuse(check, "the solution is over the limit");
    return cost;
}
