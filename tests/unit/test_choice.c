/* choice_solve against the enumeration of all assignments, on thousands of
 * small random networks: few values, many, and beyond 2^53; limits slack, tight
 * and impossible; forbidden pairs; several intervals a node; parallel and self
 * edges. */
#include "solver/choice.h"
#include "support/philox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    NODES_MAX = 8,
    CHOICES_MAX = 4,
    EDGES_MAX = 14,
    INTERVALS_MAX = 2,
    TIMES = 6,
    N_PROBLEMS = 20000
};

typedef struct RandomNetwork {
    ChoiceProblem problem;
    uint32_t most_cost, most_usage; /* few ties, or many */
    bool wide;                      /* costs beyond exact doubles */
    ChoiceNode nodes[NODES_MAX];
    ChoiceInterval intervals[NODES_MAX][INTERVALS_MAX];
    int64_t usage[NODES_MAX][INTERVALS_MAX][CHOICES_MAX];
    int64_t cost[NODES_MAX][CHOICES_MAX];
    ChoiceEdge edges[EDGES_MAX];
    int64_t table[EDGES_MAX][CHOICES_MAX * CHOICES_MAX];
} RandomNetwork;

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

static void draw_network(RandomNetwork *r, uint32_t number)
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

typedef struct Best {
    bool allowed, feasible;
    int64_t cost, least_peak;
} Best;

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
static int64_t peak_of(const ChoiceProblem *p, const int32_t *x)
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
static int64_t cost_of(const ChoiceProblem *p, const int32_t *x)
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

static Best enumerate(const ChoiceProblem *p)
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

/* Costs up to 2^56 are rounded to multiples of 2^13 at most: a proof may leave
 * that much open for each of the nodes and edges. */
static void check_rounded(const ChoiceSolution *s, const Best *best)
{
    int64_t slack = (int64_t)(NODES_MAX + EDGES_MAX) << 13;
    assert_true(s->lower_bound <= best->cost && best->cost <= s->cost);
    assert_true(s->cost - s->lower_bound <= slack);
    assert_int_equal(s->status, s->cost == s->lower_bound ? CHOICE_OPTIMAL
                                                          : CHOICE_FEASIBLE);
}

static void check_solution(const ChoiceProblem *p, const ChoiceSolution *s,
                           const Best *best, bool wide)
{
    if (!best->allowed) {
        assert_int_equal(s->status, CHOICE_FORBIDDEN_ALL);
        return;
    }
    int64_t peak = peak_of(p, s->choice);
    assert_true(cost_of(p, s->choice) < INT64_MAX);
    assert_int_equal(peak, s->peak_usage);
    assert_int_equal(cost_of(p, s->choice), s->cost);
    if (best->feasible) {
        assert_true(peak <= p->usage_limit);
        if (wide) {
            check_rounded(s, best);
            return;
        }
        assert_int_equal(s->status, CHOICE_OPTIMAL);
        assert_int_equal(s->cost, best->cost);
        assert_int_equal(s->lower_bound, best->cost);
    } else {
        assert_int_equal(s->status, CHOICE_INFEASIBLE);
        assert_int_equal(s->least_peak, best->least_peak);
        assert_int_equal(peak, best->least_peak);
    }
}

static void equals_enumeration(void **state)
{
    (void)state;
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, INT64_C(1) << 32, NULL);
    Arena scratch = arena_split(&arena);
    RandomNetwork *r = arena_new(&arena, RandomNetwork, 1);
    int64_t n_feasible = 0, n_infeasible = 0, n_forbidden = 0;
    for (uint32_t number = 0; number < N_PROBLEMS; number++) {
        draw_network(r, number);
        assert_null(choice_check(&r->problem));
        Best best = enumerate(&r->problem);
        Arena perm = arena;
        ChoiceOptions options = {0};
        ChoiceSolution s = choice_solve(&perm, scratch, &r->problem, &options);
        check_solution(&r->problem, &s, &best, r->wide);
        n_feasible += best.feasible;
        n_infeasible += best.allowed && !best.feasible;
        n_forbidden += !best.allowed;
    }
    print_message("feasible %d, infeasible %d, all forbidden %d\n",
                  (int)n_feasible, (int)n_infeasible, (int)n_forbidden);
    assert_true(n_feasible > N_PROBLEMS / 3);
    assert_true(n_infeasible > N_PROBLEMS / 20);
    assert_true(n_forbidden > N_PROBLEMS / 50);
    arena_release(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(equals_enumeration)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
