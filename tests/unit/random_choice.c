/* Random choice problems: drawing and enumerating. */
#include "tests/unit/random_choice.h"

#include "support/philox.h"

static uint32_t draw(uint32_t problem, uint32_t *counter, uint32_t n)
{
    return philox(13, (*counter)++, problem, 0, 0).word[0] % n;
}

static int64_t draw_cost(const RandomNetwork *r, uint32_t number, uint32_t *c)
{
    int64_t cost = draw(number, c, r->most_cost);
    return r->wide ? cost << 40 | draw(number, c, 1000) : cost;
}

static void draw_node(RandomNetwork *r, int32_t v, uint32_t number, uint32_t *c)
{
    ChoiceNode *node = &r->nodes[v];
    node->n_choices = 1 + (int32_t)draw(number, c, CHOICES_MAX);
    node->n_intervals = (int32_t)draw(number, c, INTERVALS_MAX + 1);
    node->cost = r->cost[v];
    node->intervals = r->intervals[v];
    for (int32_t i = 0; i < node->n_choices; i++)
        r->cost[v][i] = draw(number, c, 30) == 0 ? CHOICE_FORBIDDEN
                                                 : draw_cost(r, number, c);
    for (int32_t k = 0; k < node->n_intervals; k++) {
        int64_t begin = draw(number, c, TIMES);
        int64_t end = begin + draw(number, c, TIMES);
        r->intervals[v][k] = (ChoiceInterval){begin, end, r->usage[v][k]};
        for (int32_t i = 0; i < node->n_choices; i++)
            r->usage[v][k][i] = draw(number, c, r->most_usage);
    }
}

static void draw_edge(RandomNetwork *r, int32_t e, uint32_t number, uint32_t *c)
{
    uint32_t n = (uint32_t)r->problem.n_nodes, kind = draw(number, c, 5);
    ChoiceEdge *edge = &r->edges[e];
    *edge = (ChoiceEdge){(int32_t)draw(number, c, n),
                         (int32_t)draw(number, c, n), r->table[e]};
    int32_t n_a = r->nodes[edge->a].n_choices;
    int32_t n_b = r->nodes[edge->b].n_choices;
    for (int32_t i = 0; i < n_a; i++)
        for (int32_t j = 0; j < n_b; j++) {
            int64_t cost = draw_cost(r, number, c);
            if (kind == 0 && i % n_b != j && n_a >= n_b)
                cost = CHOICE_FORBIDDEN; /* b follows a */
            if (kind == 1)
                cost = 3 * i + 2 * j; /* modular */
            if (kind == 2 && draw(number, c, 4) == 0)
                cost = CHOICE_FORBIDDEN;
            r->table[e][i * n_b + j] = cost;
        }
}

void draw_network(RandomNetwork *r, uint32_t number)
{
    uint32_t c = 0;
    *r = (RandomNetwork){0};
    ChoiceProblem *p = &r->problem;
    r->most_cost = number % 2 ? 20 : 50000;
    r->most_usage = number % 2 ? 8 : 50000;
    r->wide = number % 16 == 8;
    p->n_nodes = 1 + (int32_t)draw(number, &c, NODES_MAX);
    p->n_edges = (int32_t)draw(number, &c, EDGES_MAX + 1);
    p->nodes = r->nodes;
    p->edges = r->edges;
    for (int32_t v = 0; v < p->n_nodes; v++)
        draw_node(r, v, number, &c);
    for (int32_t e = 0; e < p->n_edges; e++)
        draw_edge(r, e, number, &c);
    p->usage_limit = draw(number, &c, 3) == 0
                         ? CHOICE_MAGNITUDE_MAX
                         : (int64_t)draw(number, &c, 4 * r->most_usage);
}

static bool next_assignment(const ChoiceProblem *p, int32_t *x)
{
    for (int32_t v = 0; v < p->n_nodes; v++) {
        if (++x[v] < p->nodes[v].n_choices)
            return true;
        x[v] = 0;
    }
    return false;
}

/* Its own evaluation: times one by one. */
int64_t peak_of(const ChoiceProblem *p, const int32_t *x)
{
    int64_t peak = 0;
    for (int64_t t = 0; t < 2 * TIMES; t++) {
        int64_t usage = 0;
        for (int32_t v = 0; v < p->n_nodes; v++)
            for (int32_t k = 0; k < p->nodes[v].n_intervals; k++) {
                const ChoiceInterval *i = &p->nodes[v].intervals[k];
                if (i->begin <= t && t < i->end)
                    usage += i->usage[x[v]];
            }
        peak = usage > peak ? usage : peak;
    }
    return peak;
}

/* INT64_MAX: forbidden. */
int64_t cost_of(const ChoiceProblem *p, const int32_t *x)
{
    int64_t sum = 0, most = 0;
    for (int32_t v = 0; v < p->n_nodes; v++) {
        int64_t cost = p->nodes[v].cost[x[v]];
        most = cost > most ? cost : most;
        sum += cost;
    }
    for (int32_t e = 0; e < p->n_edges; e++) {
        const ChoiceEdge *edge = &p->edges[e];
        int64_t cost =
            edge->cost[x[edge->a] * p->nodes[edge->b].n_choices + x[edge->b]];
        most = cost > most ? cost : most;
        sum += cost;
    }
    return most < CHOICE_FORBIDDEN ? sum : INT64_MAX;
}

Best enumerate(const ChoiceProblem *p)
{
    Best best = {.cost = INT64_MAX, .least_peak = INT64_MAX};
    int32_t x[NODES_MAX] = {0};
    do {
        int64_t cost = cost_of(p, x);
        if (cost == INT64_MAX)
            continue;
        int64_t peak = peak_of(p, x);
        best.allowed = true;
        best.least_peak = peak < best.least_peak ? peak : best.least_peak;
        if (peak > p->usage_limit)
            continue;
        best.feasible = true;
        best.cost = cost < best.cost ? cost : best.cost;
    } while (next_assignment(p, x));
    return best;
}
