/* State: from a problem, from another state; lookups; small changes. */
#include "certificate_state.h"

#include <stdlib.h>
#include <string.h>

static void *grow(Pool *pool, void *old, int32_t n, int32_t *room, size_t size)
{
    if (n < *room)
        return old;
    *room = *room < 4 ? 4 : 2 * *room;
    void *more = pool_allocate(pool, *room, size);
    if (n > 0)
        memcpy(more, old, (size_t)n * size);
    return more;
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* One row from each begin or end to the next. */
static void make_rows(State *s, const Problem *p)
{
    int64_t *times = POOL_NEW(s->pool, int64_t, 2 * (int64_t)p->n_nodes + 1);
    int64_t n = 0, distinct = 0;
    for (int32_t v = 0; v < p->n_nodes; v++) {
        const ProblemNode *node = &p->nodes[v];
        if (!node->usage || node->begin >= node->end)
            continue;
        times[n++] = node->begin;
        times[n++] = node->end;
    }
    qsort(times, (size_t)n, sizeof *times, compare_times);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || times[i] != times[i - 1])
            times[distinct++] = times[i];
    s->n_rows = distinct > 0 ? (int32_t)distinct - 1 : 0;
    s->time = times;
    s->room = POOL_NEW(s->pool, int64_t, distinct);
    s->price = POOL_NEW(s->pool, int64_t, distinct);
    for (int32_t r = 0; r < s->n_rows; r++)
        s->room[r] = p->usage_limit;
}

static int64_t scaled(const State *s, int64_t cost, int scale, bool infeasible)
{
    int64_t out;
    if (cost == NEVER || infeasible)
        return cost == NEVER ? NEVER : 0;
    if (scale < 0)
        return cost >> -scale;
    if (__builtin_mul_overflow(cost, INT64_C(1) << scale, &out))
        certificate_refuse(s->pool->check, "the scale is too large");
    return certificate_add(s->pool->check, out, 0);
}

static int64_t *scale_table(const State *s, const int64_t *cost, int64_t n,
                            int scale, bool infeasible)
{
    int64_t *out = POOL_NEW(s->pool, int64_t, n);
    for (int64_t i = 0; i < n; i++)
        out[i] = scaled(s, cost[i], scale, infeasible);
    return out;
}

static void set_node(State *s, const ProblemNode *from, int32_t v, int scale,
                     bool infeasible)
{
    Node *node = &s->nodes[v];
    int32_t n = from->n_choices;
    *node = (Node){
        .name = v,
        .n_choices = n,
        .n_left = n,
        .label = POOL_NEW(s->pool, int32_t, n),
        .left = POOL_NEW(s->pool, bool, n),
        .cost = scale_table(s, from->cost, n, scale, infeasible),
    };
    s->where[v] = v;
    for (int32_t i = 0; i < n; i++) {
        node->label[i] = i;
        node->left[i] = true;
    }
    if (!from->usage || from->begin >= from->end)
        return;
    int64_t *usage = POOL_NEW(s->pool, int64_t, n);
    memcpy(usage, from->usage, sizeof *usage * (size_t)n);
    state_add_usage(s, node, state_row(s, from->begin),
                    state_row(s, from->end - 1) + 1, usage);
}

/* A self edge's diagonal belongs to its node. */
static void set_edges(State *s, const Problem *p, int scale, bool infeasible)
{
    for (int32_t e = 0; e < p->n_edges; e++) {
        const ProblemEdge *edge = &p->edges[e];
        Node *a = &s->nodes[edge->a], *b = &s->nodes[edge->b];
        int64_t *cost =
            scale_table(s, edge->cost, (int64_t)a->n_choices * b->n_choices,
                        scale, infeasible);
        if (a != b)
            state_add_edge(s, a, b, cost);
        for (int32_t i = 0; a == b && i < a->n_choices; i++)
            a->cost[i] = certificate_add(s->pool->check, a->cost[i],
                                         cost[(int64_t)i * (a->n_choices + 1)]);
    }
}

State *state_new(Check *check, const Problem *p, int scale, bool infeasible)
{
    Pool *pool = pool_new(check);
    State *s = POOL_NEW(pool, State, 1);
    *s = (State){.pool = pool, .n_names = p->n_nodes, .n_nodes = p->n_nodes};
    s->where = POOL_NEW(pool, int32_t, p->n_nodes);
    s->nodes = POOL_NEW(pool, Node, p->n_nodes);
    make_rows(s, p);
    for (int32_t v = 0; v < p->n_nodes; v++)
        set_node(s, &p->nodes[v], v, scale, infeasible);
    set_edges(s, p, scale, infeasible);
    for (int32_t v = 0; v < s->n_nodes; v++)
        for (int32_t i = 0; i < s->nodes[v].n_choices; i++)
            if (s->nodes[v].cost[i] == NEVER)
                state_remove_choice(s, &s->nodes[v], i);
    return s;
}

static int64_t *left_entries(Pool *pool, const Node *n, const int64_t *from)
{
    int64_t *out = POOL_NEW(pool, int64_t, n->n_left);
    for (int32_t i = 0, at = 0; i < n->n_choices; i++)
        if (n->left[i])
            out[at++] = from[i];
    return out;
}

static void copy_node(State *to, Node *copy, const Node *n)
{
    Pool *pool = to->pool;
    *copy = (Node){.name = n->name,
                   .n_choices = n->n_left,
                   .n_left = n->n_left,
                   .label = POOL_NEW(pool, int32_t, n->n_left),
                   .left = POOL_NEW(pool, bool, n->n_left),
                   .cost = left_entries(pool, n, n->cost),
                   .n_intervals = n->n_intervals,
                   .intervals_room = n->n_intervals};
    for (int32_t i = 0, at = 0; i < n->n_choices; i++)
        if (n->left[i])
            copy->label[at++] = n->label[i];
    memset(copy->left, 1, (size_t)n->n_left);
    copy->intervals = POOL_NEW(pool, Interval, n->n_intervals);
    for (int32_t k = 0; k < n->n_intervals; k++) {
        copy->intervals[k] = n->intervals[k];
        copy->intervals[k].usage = left_entries(pool, n, n->intervals[k].usage);
    }
}

static int64_t *copy_table(Pool *pool, const Node *a, const Node *b,
                           const int64_t *cost)
{
    int64_t *out = POOL_NEW(pool, int64_t, (int64_t)a->n_left * b->n_left);
    int64_t at = 0;
    for (int32_t i = 0; i < a->n_choices; i++)
        for (int32_t j = 0; a->left[i] && j < b->n_choices; j++)
            if (b->left[j])
                out[at++] = cost[(int64_t)i * b->n_choices + j];
    return out;
}

static void *copy_rows(Pool *pool, const int64_t *from, int32_t n)
{
    int64_t *out = POOL_NEW(pool, int64_t, n);
    if (n > 0)
        memcpy(out, from, sizeof *out * (size_t)n);
    return out;
}

State *state_copy(const State *from)
{
    Pool *pool = pool_new(from->pool->check);
    State *s = POOL_NEW(pool, State, 1);
    *s = *from;
    s->pool = pool;
    s->time = copy_rows(pool, from->time, from->n_rows);
    s->room = copy_rows(pool, from->room, from->n_rows);
    s->price = copy_rows(pool, from->price, from->n_rows);
    s->where = POOL_NEW(pool, int32_t, s->n_names);
    memset(s->where, 0xff, sizeof *s->where * (size_t)s->n_names);
    s->n_nodes = s->n_edges = s->edges_room = 0;
    s->edges = NULL;
    for (int32_t v = 0; v < from->n_nodes; v++)
        s->n_nodes += !from->nodes[v].removed;
    s->nodes = POOL_NEW(pool, Node, s->n_nodes);
    int32_t n = 0;
    for (int32_t v = 0; v < from->n_nodes; v++)
        if (!from->nodes[v].removed) {
            s->where[from->nodes[v].name] = n;
            copy_node(s, &s->nodes[n++], &from->nodes[v]);
        }
    for (int32_t e = 0; e < from->n_edges; e++) {
        const Edge *edge = &from->edges[e];
        const Node *a = &from->nodes[edge->a], *b = &from->nodes[edge->b];
        if (edge->cost)
            state_add_edge(s, &s->nodes[s->where[a->name]],
                           &s->nodes[s->where[b->name]],
                           copy_table(pool, a, b, edge->cost));
    }
    return s;
}

void state_free(State *state)
{
    pool_free(state->pool);
}

Node *state_node(State *s, int64_t name)
{
    if (name < 0 || name >= s->n_names || s->where[name] < 0 ||
        s->nodes[s->where[name]].removed)
        certificate_refuse(s->pool->check, "node %lld is not there",
                           (long long)name);
    return &s->nodes[s->where[name]];
}

int32_t state_choice(const State *s, const Node *node, int64_t label)
{
    int32_t low = 0, high = node->n_choices;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (node->label[middle] < label)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == node->n_choices || node->label[low] != label || !node->left[low])
        certificate_refuse(s->pool->check, "choice %lld of node %d is not left",
                           (long long)label, (int)node->name);
    return low;
}

int32_t state_row(const State *s, int64_t time)
{
    int32_t low = 0, high = s->n_rows;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (s->time[middle] <= time)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        certificate_refuse(s->pool->check, "no row at time %lld",
                           (long long)time);
    return low - 1;
}

Edge *state_edge(State *s, const Node *u, const Node *v)
{
    const Node *few = u->n_edges <= v->n_edges ? u : v;
    int32_t a = (int32_t)(u - s->nodes), b = (int32_t)(v - s->nodes);
    for (int32_t k = 0; k < few->n_edges; k++) {
        Edge *e = &s->edges[few->edges[k]];
        if (e->cost && ((e->a == a && e->b == b) || (e->a == b && e->b == a)))
            return e;
    }
    return NULL;
}

void state_add_edge(State *s, Node *u, Node *v, int64_t *cost)
{
    Edge *there = state_edge(s, u, v);
    if (there) {
        View view = state_view(s, there, u);
        for (int32_t i = 0; i < u->n_choices; i++)
            for (int32_t j = 0; j < v->n_choices; j++) {
                int64_t *entry = &view.cost[i * view.own + j * view.other];
                *entry = certificate_add(s->pool->check, *entry,
                                         cost[(int64_t)i * v->n_choices + j]);
            }
        return;
    }
    s->edges =
        grow(s->pool, s->edges, s->n_edges, &s->edges_room, sizeof *s->edges);
    for (int side = 0; side < 2; side++) {
        Node *n = side ? v : u;
        n->edges = grow(s->pool, n->edges, n->n_edges, &n->edges_room,
                        sizeof *n->edges);
        n->edges[n->n_edges++] = s->n_edges;
    }
    s->edges[s->n_edges++] =
        (Edge){(int32_t)(u - s->nodes), (int32_t)(v - s->nodes), cost};
}

static void take_off(State *s, int32_t begin, int32_t end, int64_t usage)
{
    for (int32_t r = begin; usage != 0 && r < end; r++)
        s->room[r] = certificate_add(s->pool->check, s->room[r], -usage);
}

static int64_t least_usage(const Node *node, const int64_t *usage)
{
    int64_t least = NEVER;
    for (int32_t i = 0; i < node->n_choices; i++)
        if (node->left[i] && usage[i] < least)
            least = usage[i];
    return least;
}

void state_add_usage(State *s, Node *node, int32_t begin, int32_t end,
                     int64_t *usage)
{
    node->intervals = grow(s->pool, node->intervals, node->n_intervals,
                           &node->intervals_room, sizeof *node->intervals);
    int64_t least = least_usage(node, usage);
    node->intervals[node->n_intervals++] = (Interval){begin, end, usage, least};
    take_off(s, begin, end, least);
}

void state_release_usage(State *s, const Interval *interval)
{
    take_off(s, interval->begin, interval->end, -interval->least);
}

void state_remove_choice(State *s, Node *node, int32_t choice)
{
    node->left[choice] = false;
    if (--node->n_left == 0) {
        s->contradiction = true;
        return;
    }
    for (int32_t k = 0; k < node->n_intervals; k++) {
        Interval *i = &node->intervals[k];
        if (i->usage[choice] > i->least)
            continue;
        int64_t least = least_usage(node, i->usage);
        take_off(s, i->begin, i->end, least - i->least);
        i->least = least;
    }
}
