/* Steps: conditions and effects. */
#include "certificate_steps.h"

#include <stdlib.h>
#include <string.h>

static int64_t add(const State *s, int64_t a, int64_t b)
{
    return certificate_add(s->pool->check, a, b);
}

static void demand(const State *s, bool holds, const char *what)
{
    if (!holds)
        certificate_refuse(s->pool->check, "%s", what);
}

/* The edge between u and v, which must be there. */
static Edge *edge_of(State *s, const Node *u, const Node *v)
{
    Edge *e = u == v ? NULL : state_edge(s, u, v);
    demand(s, e != NULL, "there is no such edge");
    return e;
}

static int64_t entry(const View *view, int32_t i, int32_t j)
{
    return view->cost[i * view->own + j * view->other];
}

/* How many choices of the neighbour are left and allowed; the last of them. */
static int32_t count_partners(const View *view, int32_t i, int32_t *last)
{
    int32_t n = 0;
    for (int32_t j = 0; j < view->neighbour->n_choices; j++)
        if (view->neighbour->left[j] && entry(view, i, j) != NEVER) {
            *last = j;
            n++;
        }
    return n;
}

static void keep_partnered(State *s, Node *u, const View *view)
{
    int32_t last;
    for (int32_t i = 0; i < u->n_choices && !s->contradiction; i++)
        if (u->left[i] && count_partners(view, i, &last) == 0)
            state_remove_choice(s, u, i);
}

void step_arc(State *s, Node *u, Node *v)
{
    Edge *e = edge_of(s, u, v);
    View of_u = state_view(s, e, u), of_v = state_view(s, e, v);
    keep_partnered(s, u, &of_u);
    if (!s->contradiction)
        keep_partnered(s, v, &of_v);
}

static int32_t first_left(const Node *n)
{
    int32_t i = 0;
    while (!n->left[i])
        i++;
    return i;
}

void step_modular(State *s, Node *u, Node *v)
{
    Edge *e = edge_of(s, u, v);
    View view = state_view(s, e, u);
    int32_t i0 = first_left(u), j0 = first_left(v);
    int64_t corner = entry(&view, i0, j0);
    for (int32_t i = 0; i < u->n_choices; i++)
        for (int32_t j = 0; u->left[i] && j < v->n_choices; j++) {
            int64_t here = entry(&view, i, j);
            int64_t f = entry(&view, i, j0), g = entry(&view, i0, j);
            if (!v->left[j])
                continue;
            demand(s,
                   here != NEVER && f != NEVER && g != NEVER &&
                       corner != NEVER && (Wide)here + corner == (Wide)f + g,
                   "the table is not modular");
        }
    for (int32_t i = 0; i < u->n_choices; i++)
        if (u->left[i])
            u->cost[i] = add(s, u->cost[i], entry(&view, i, j0));
    for (int32_t j = 0; j < v->n_choices; j++)
        if (v->left[j])
            v->cost[j] =
                add(s, v->cost[j], add(s, entry(&view, i0, j), -corner));
    e->cost = NULL;
}

/* v's tables towards third nodes become u's. */
static void move_edges(State *s, Node *v, Node *u, const int32_t *f)
{
    for (int32_t k = 0; k < v->n_edges; k++) {
        Edge *e = &s->edges[v->edges[k]];
        if (!e->cost)
            continue;
        View view = state_view(s, e, v);
        Node *w = view.neighbour;
        int64_t *cost =
            POOL_NEW(s->pool, int64_t, (int64_t)u->n_choices * w->n_choices);
        for (int32_t i = 0; i < u->n_choices; i++)
            for (int32_t j = 0; u->left[i] && j < w->n_choices; j++)
                cost[(int64_t)i * w->n_choices + j] = entry(&view, f[i], j);
        e->cost = NULL;
        state_add_edge(s, u, w, cost);
    }
}

static void move_usage(State *s, Node *v, Node *u, const int32_t *f)
{
    for (int32_t k = 0; k < v->n_intervals; k++) {
        const Interval *old = &v->intervals[k];
        int64_t *usage = POOL_NEW(s->pool, int64_t, u->n_choices);
        for (int32_t i = 0; i < u->n_choices; i++)
            usage[i] = u->left[i] ? old->usage[f[i]] : 0;
        state_release_usage(s, old);
        state_add_usage(s, u, old->begin, old->end, usage);
    }
}

void step_follow(State *s, Node *v, Node *u)
{
    Edge *e = edge_of(s, u, v);
    View view = state_view(s, e, u);
    int32_t *f = POOL_NEW(s->pool, int32_t, u->n_choices);
    for (int32_t i = 0; i < u->n_choices; i++) {
        if (!u->left[i])
            continue;
        demand(s, count_partners(&view, i, &f[i]) == 1,
               "a choice does not allow exactly one of its follower");
        u->cost[i] =
            add(s, u->cost[i], add(s, v->cost[f[i]], entry(&view, i, f[i])));
    }
    e->cost = NULL;
    v->removed = true;
    move_edges(s, v, u, f);
    move_usage(s, v, u, f);
}

static void add_cost(State *s, Node *u, int32_t i, int64_t cost)
{
    u->cost[i] = add(s, u->cost[i], cost);
    if (u->cost[i] == NEVER && !s->contradiction)
        state_remove_choice(s, u, i);
}

/* v's least cost for each choice of its only neighbour. */
static void eliminate_leaf(State *s, const Node *v, Edge *e)
{
    View view = state_view(s, e, v);
    Node *u = view.neighbour;
    for (int32_t j = 0; j < u->n_choices; j++) {
        int64_t least = NEVER;
        for (int32_t i = 0; i < v->n_choices; i++) {
            int64_t cost =
                v->left[i] ? add(s, v->cost[i], entry(&view, i, j)) : NEVER;
            least = cost < least ? cost : least;
        }
        if (u->left[j])
            add_cost(s, u, j, least);
    }
    e->cost = NULL;
}

/* v's least cost for each pair of its two neighbours' choices. */
static void eliminate_link(State *s, const Node *v, Edge *first, Edge *second)
{
    View p = state_view(s, first, v), q = state_view(s, second, v);
    int32_t n_p = p.neighbour->n_choices, n_q = q.neighbour->n_choices;
    int64_t *table = POOL_NEW(s->pool, int64_t, (int64_t)n_p *n_q);
    for (int64_t at = 0; at < (int64_t)n_p * n_q; at++)
        table[at] = NEVER;
    for (int32_t x = 0; x < v->n_choices; x++)
        for (int32_t i = 0; v->left[x] && i < n_p; i++) {
            int64_t half = add(s, v->cost[x], entry(&p, x, i));
            int64_t *row = table + (int64_t)i * n_q;
            for (int32_t j = 0; half != NEVER && j < n_q; j++) {
                int64_t cost = add(s, half, entry(&q, x, j));
                row[j] = cost < row[j] ? cost : row[j];
            }
        }
    first->cost = second->cost = NULL;
    state_add_edge(s, p.neighbour, q.neighbour, table);
}

static void eliminate_alone(State *s, const Node *v)
{
    int64_t least = NEVER;
    for (int32_t i = 0; i < v->n_choices; i++)
        if (v->left[i] && v->cost[i] < least)
            least = v->cost[i];
    s->constant = add(s, s->constant, least);
}

/* v has one choice: its rows join the neighbours' costs. */
static void eliminate_fixed(State *s, const Node *v)
{
    int32_t x = first_left(v);
    for (int32_t k = 0; k < v->n_edges; k++) {
        Edge *e = &s->edges[v->edges[k]];
        if (!e->cost)
            continue;
        View view = state_view(s, e, v);
        for (int32_t j = 0; j < view.neighbour->n_choices; j++)
            if (view.neighbour->left[j])
                add_cost(s, view.neighbour, j, entry(&view, x, j));
        e->cost = NULL;
    }
    s->constant = add(s, s->constant, v->cost[x]);
}

static bool usage_is_fixed(const Node *v)
{
    for (int32_t k = 0; k < v->n_intervals; k++)
        for (int32_t i = 0; i < v->n_choices; i++)
            if (v->left[i] && v->intervals[k].usage[i] != v->intervals[k].least)
                return false;
    return true;
}

void step_eliminate(State *s, Node *v)
{
    Edge *edges[2] = {NULL, NULL};
    int32_t degree = 0;
    for (int32_t k = 0; k < v->n_edges; k++)
        if (s->edges[v->edges[k]].cost && degree++ < 2)
            edges[degree - 1] = &s->edges[v->edges[k]];
    demand(s, usage_is_fixed(v), "an eliminated node has a say in usage");
    demand(s, v->n_left == 1 || degree <= 2,
           "an eliminated node has more than two neighbours");
    v->removed = true;
    if (v->n_left == 1)
        eliminate_fixed(s, v);
    else if (degree == 0)
        eliminate_alone(s, v);
    else if (degree == 1)
        eliminate_leaf(s, v, edges[0]);
    else
        eliminate_link(s, v, edges[0], edges[1]);
}

/* The most that going from i to j adds over an edge, for partners of i. */
static Wide most_added(State *s, const View *view, int32_t i, int32_t j)
{
    const Node *w = view->neighbour;
    Wide most = 0;
    bool any = false;
    for (int32_t k = 0; k < w->n_choices; k++) {
        int64_t old = entry(view, i, k), new = entry(view, j, k);
        if (!w->left[k] || old == NEVER)
            continue;
        demand(s, new != NEVER,
               "the better choice is forbidden with a partner");
        Wide added = (Wide) new - old;
        most = !any || added > most ? added : most;
        any = true;
    }
    return most;
}

void step_dominated(State *s, Node *v, int32_t i, int32_t j)
{
    Wide more = (Wide)v->cost[j] - v->cost[i];
    demand(s, i != j, "a choice does not dominate itself");
    for (int32_t k = 0; k < v->n_intervals; k++)
        demand(s, v->intervals[k].usage[j] <= v->intervals[k].usage[i],
               "the better choice uses more");
    for (int32_t k = 0; k < v->n_edges; k++) {
        const Edge *e = &s->edges[v->edges[k]];
        if (!e->cost)
            continue;
        View view = state_view(s, e, v);
        more += most_added(s, &view, i, j);
    }
    demand(s, more <= 0, "the better choice may cost more");
    state_remove_choice(s, v, i);
}

static int compare_intervals(const void *a, const void *b)
{
    const Interval *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* Adds up a node's intervals of the same rows, forgets those that do not
 * depend on the choice. */
static void merge_intervals(State *s, Node *v)
{
    int32_t n = v->n_intervals;
    Interval *old = POOL_NEW(s->pool, Interval, n);
    if (n == 0)
        return;
    memcpy(old, v->intervals, sizeof *old * (size_t)n);
    qsort(old, (size_t)n, sizeof *old, compare_intervals);
    v->n_intervals = 0;
    for (int32_t k = 0; k < n;) {
        int64_t *usage = POOL_NEW(s->pool, int64_t, v->n_choices);
        int32_t first = k;
        for (; k < n && compare_intervals(&old[first], &old[k]) == 0; k++) {
            state_release_usage(s, &old[k]);
            for (int32_t i = 0; i < v->n_choices; i++)
                usage[i] = add(s, usage[i], old[k].usage[i]);
        }
        state_add_usage(s, v, old[first].begin, old[first].end, usage);
        const Interval *merged = &v->intervals[v->n_intervals - 1];
        bool matters = false;
        for (int32_t i = 0; i < v->n_choices; i++)
            matters |= v->left[i] && usage[i] > merged->least;
        v->n_intervals -= !matters;
    }
}

typedef struct Crossings {
    int64_t *most;          /* of each row, above everybody's least */
    int32_t *begins, *ends; /* intervals that begin, end, at a row or before */
} Crossings;

static Crossings count_crossings(State *s)
{
    Crossings c = {POOL_NEW(s->pool, int64_t, s->n_rows + 1),
                   POOL_NEW(s->pool, int32_t, s->n_rows + 1),
                   POOL_NEW(s->pool, int32_t, s->n_rows + 1)};
    for (int32_t v = 0; v < s->n_nodes; v++) {
        const Node *n = &s->nodes[v];
        for (int32_t k = 0; !n->removed && k < n->n_intervals; k++) {
            const Interval *u = &n->intervals[k];
            int64_t most = 0;
            for (int32_t i = 0; i < n->n_choices; i++)
                if (n->left[i] && u->usage[i] - u->least > most)
                    most = u->usage[i] - u->least;
            c.most[u->begin] = add(s, c.most[u->begin], most);
            c.most[u->end] = add(s, c.most[u->end], -most);
            c.begins[u->begin]++;
            c.ends[u->end]++;
        }
    }
    for (int32_t r = 1; r <= s->n_rows; r++) {
        c.most[r] = add(s, c.most[r], c.most[r - 1]);
        c.begins[r] += c.begins[r - 1];
        c.ends[r] += c.ends[r - 1];
    }
    return c;
}

/* Row r cannot bind, or whoever uses it uses the kept row k, which has no more
 * room: k is before r if left, after r otherwise. */
static bool row_is_idle(const State *s, const Crossings *c, int32_t r,
                        int32_t left, int32_t right)
{
    return s->room[r] >= c->most[r] ||
           (left >= 0 && s->room[left] <= s->room[r] &&
            c->begins[left] == c->begins[r]) ||
           (right < s->n_rows && s->room[right] <= s->room[r] &&
            c->ends[r] == c->ends[right]);
}

static void renumber(State *s, const bool *kept)
{
    int32_t *map = POOL_NEW(s->pool, int32_t, s->n_rows + 1), n = 0;
    for (int32_t r = 0; r < s->n_rows; r++) {
        map[r] = n;
        s->time[n] = s->time[r];
        s->room[n] = s->room[r];
        s->price[n] = s->price[r];
        n += kept[r];
    }
    map[s->n_rows] = n;
    s->n_rows = n;
    for (int32_t v = 0; v < s->n_nodes; v++) {
        Node *node = &s->nodes[v];
        int32_t left = 0;
        for (int32_t k = 0; !node->removed && k < node->n_intervals; k++) {
            Interval i = node->intervals[k];
            i.begin = map[i.begin];
            i.end = map[i.end];
            if (i.begin < i.end)
                node->intervals[left++] = i;
        }
        node->n_intervals = left;
        if (!node->removed)
            merge_intervals(s, node);
    }
}

void step_rows(State *s, const bool *kept)
{
    for (int32_t v = 0; v < s->n_nodes; v++)
        if (!s->nodes[v].removed)
            merge_intervals(s, &s->nodes[v]);
    Crossings c = count_crossings(s);
    int32_t left = -1, right = 0;
    for (int32_t r = 0; r < s->n_rows; r++) {
        if (kept[r])
            left = r;
        while (right < s->n_rows && (right < r || !kept[right]))
            right++;
        demand(s, kept[r] || row_is_idle(s, &c, r, left, right),
               "a row that goes may bind");
    }
    renumber(s, kept);
}

void step_exceeding(State *s, Node *v, int32_t i, int32_t row)
{
    int64_t usage = 0;
    for (int32_t k = 0; k < v->n_intervals; k++) {
        const Interval *u = &v->intervals[k];
        if (u->begin <= row && row < u->end)
            usage = add(s, usage, u->usage[i] - u->least);
    }
    demand(s, usage > s->room[row], "the choice does not exceed the row");
    state_remove_choice(s, v, i);
}

void step_overfull(State *s, int32_t row)
{
    demand(s, s->room[row] < 0, "the row is not overfull");
    s->contradiction = true;
}

void step_messages(State *s, Node *u, const int64_t *to_u, Node *v,
                   const int64_t *to_v)
{
    View view = state_view(s, edge_of(s, u, v), u);
    for (int32_t i = 0, p = 0; i < u->n_choices; i++) {
        if (!u->left[i])
            continue;
        for (int32_t j = 0, q = 0; j < v->n_choices; j++) {
            int64_t *cost = &view.cost[i * view.own + j * view.other];
            if (v->left[j])
                *cost = add(s, add(s, *cost, -to_u[p]), -to_v[q++]);
        }
        u->cost[i] = add(s, u->cost[i], to_u[p++]);
    }
    for (int32_t j = 0, q = 0; j < v->n_choices; j++)
        if (v->left[j])
            v->cost[j] = add(s, v->cost[j], to_v[q++]);
}

void step_price(State *s, int32_t row, int64_t price)
{
    demand(s, price >= 0, "a price below 0");
    s->price[row] = add(s, s->price[row], price);
}

/* Sum of prices before each row, and what they pay for the rooms. */
static Wide sum_prices(State *s, int64_t *before)
{
    Wide refund = 0;
    for (int32_t r = 0; r < s->n_rows; r++) {
        before[r + 1] = add(s, before[r], s->price[r]);
        refund += (Wide)s->price[r] * s->room[r];
    }
    demand(s, before[s->n_rows] < INT64_C(1) << 60, "prices beyond 2^60");
    return refund;
}

/* What each choice left costs with prices, above the least: returned. */
static Wide level_node(const State *s, const Node *n, const int64_t *before,
                       Wide *marginal)
{
    Wide least = 0, unit = (Wide)1 << s->price_bits;
    bool any = false;
    for (int32_t i = 0; i < n->n_choices; i++) {
        marginal[i] = n->left[i] ? n->cost[i] * unit : 0;
        for (int32_t k = 0; n->left[i] && k < n->n_intervals; k++) {
            const Interval *u = &n->intervals[k];
            Wide price = before[u->end] - before[u->begin];
            marginal[i] += price * (u->usage[i] - u->least);
        }
        if (n->left[i] && (!any || marginal[i] < least)) {
            least = marginal[i];
            any = true;
        }
    }
    for (int32_t i = 0; i < n->n_choices; i++)
        marginal[i] -= least;
    return least;
}

/* The least of row i over the neighbour's choices left. */
static int64_t least_entry(const View *view, int32_t i)
{
    int64_t least = NEVER;
    for (int32_t j = 0; j < view->neighbour->n_choices; j++)
        if (view->neighbour->left[j] && entry(view, i, j) < least)
            least = entry(view, i, j);
    return least;
}

/* Adds what each row of a table has above the table's least: returned. A row
 * that is all forbidden counts as the least: nothing is gained from it. */
static int64_t level_edge(const State *s, const Edge *e, const Node *n,
                          Wide *marginal)
{
    View view = state_view(s, e, n);
    int64_t least = NEVER;
    for (int32_t i = 0; i < n->n_choices; i++)
        if (n->left[i] && least_entry(&view, i) < least)
            least = least_entry(&view, i);
    for (int32_t i = 0; i < n->n_choices; i++) {
        int64_t of_row = n->left[i] ? least_entry(&view, i) : NEVER;
        if (of_row != NEVER)
            marginal[i] += ((Wide)of_row - least) << s->price_bits;
    }
    return least;
}

Wide *step_bound(State *s)
{
    Wide unit = (Wide)1 << s->price_bits;
    int64_t *before = POOL_NEW(s->pool, int64_t, s->n_rows + 1);
    int64_t *first = POOL_NEW(s->pool, int64_t, s->n_nodes + 1);
    for (int32_t v = 0; v < s->n_nodes; v++)
        first[v + 1] = first[v] + s->nodes[v].n_choices;
    Wide *marginal = POOL_NEW(s->pool, Wide, first[s->n_nodes]);
    Wide bound = s->constant * unit - sum_prices(s, before);
    for (int32_t v = 0; v < s->n_nodes; v++)
        if (!s->nodes[v].removed)
            bound += level_node(s, &s->nodes[v], before, marginal + first[v]);
    for (int32_t k = 0; k < s->n_edges; k++) {
        const Edge *e = &s->edges[k];
        if (!e->cost)
            continue;
        int64_t least =
            level_edge(s, e, &s->nodes[e->a], marginal + first[e->a]);
        level_edge(s, e, &s->nodes[e->b], marginal + first[e->b]);
        demand(s, least != NEVER, "a table is all forbidden");
        bound += least * unit;
    }
    for (int64_t i = 0; i < first[s->n_nodes]; i++)
        marginal[i] += bound;
    if (!s->bounded || bound > s->bound)
        s->bound = bound;
    s->bounded = true;
    return marginal;
}

bool state_closed(const State *s)
{
    return s->contradiction || (s->bounded && s->bound > s->most);
}
