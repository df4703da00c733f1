/* mip and branch against the enumeration of all assignments, on small random
 * networks that no reduction has touched; and mip against itself: the same
 * problem and the same work give the same answer. */
#include "solver/branch.h"
#include "solver/dual.h"
#include "solver/mip.h"
#include "tests/unit/random_choice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N_PROBLEMS = 3000, N_REPEATED = 200 };

typedef struct Found {
    bool found, exhausted;
    int64_t cost, work;
    int32_t x[NODES_MAX]; /* labels */
} Found;

static Found run_mip(const ChoiceProblem *p, int64_t work_limit, Arena networks,
                     Arena scratch)
{
    Found f = {0};
    double scale;
    Network net = network_from_problem(&networks, scratch, p, &scale);
    if (net.contradiction)
        return f;
    Mip m = {.cutoff = NEVER, .unit = scale, .work_limit = work_limit};
    int32_t x[NODES_MAX] = {0};
    f.found = mip(&m, &net, x, scratch);
    f.cost = f.found ? (int64_t)(m.cutoff / scale) : 0;
    f.exhausted = m.exhausted;
    f.work = m.work;
    for (int32_t v = 0; v < net.n_nodes; v++)
        f.x[v] = net.nodes[v].label[x[v]];
    return f;
}

static Found run_branch(const ChoiceProblem *p, Arena networks, Arena scratch)
{
    Found f = {0};
    double scale;
    Network net = network_from_problem(&networks, scratch, p, &scale);
    Branching b = {.cutoff = NEVER, .unit = scale, .open_bound = NEVER};
    f.found = branch(&b, &net, f.x, networks, scratch);
    f.cost = f.found ? (int64_t)(b.cutoff / scale) : 0;
    return f;
}

static void check(const ChoiceProblem *p, const Found *f, const Best *best)
{
    assert_int_equal(f->found, best->feasible);
    if (!f->found)
        return;
    assert_int_equal(f->cost, best->cost);
    assert_int_equal(cost_of(p, f->x), best->cost);
    assert_true(peak_of(p, f->x) <= p->usage_limit);
}

static void equals_enumeration(void **state)
{
    (void)state;
    ArenaMemory memory;
    Arena networks = arena_reserve(&memory, INT64_C(1) << 32, NULL);
    Arena scratch = arena_split(&networks);
    RandomNetwork *r = arena_new(&networks, RandomNetwork, 1);
    int64_t n_feasible = 0;
    for (uint32_t number = 0; number < N_PROBLEMS; number++) {
        draw_network(r, number);
        if (r->wide)
            continue; /* rounded when they become a network */
        Best best = enumerate(&r->problem);
        Found by_mip = run_mip(&r->problem, 0, networks, scratch);
        Found by_branch = run_branch(&r->problem, networks, scratch);
        assert_false(by_mip.exhausted);
        check(&r->problem, &by_mip, &best);
        check(&r->problem, &by_branch, &best);
        n_feasible += best.feasible;
    }
    assert_true(n_feasible > N_PROBLEMS / 3);
    assert_true(n_feasible < N_PROBLEMS - N_PROBLEMS / 10);
    arena_release(&memory);
}

static void repeats_itself(void **state)
{
    (void)state;
    ArenaMemory memory;
    Arena networks = arena_reserve(&memory, INT64_C(1) << 32, NULL);
    Arena scratch = arena_split(&networks);
    RandomNetwork *r = arena_new(&networks, RandomNetwork, 1);
    int64_t n_exhausted = 0;
    for (uint32_t number = 0; number < N_REPEATED; number++) {
        draw_network(r, number);
        Found whole = run_mip(&r->problem, 0, networks, scratch);
        for (int64_t part = 1; part <= 4; part++) {
            int64_t limit = whole.work * part / 4;
            Found once = run_mip(&r->problem, limit, networks, scratch);
            Found again = run_mip(&r->problem, limit, networks, scratch);
            n_exhausted += once.exhausted;
            assert_memory_equal(&once, &again, sizeof once);
        }
    }
    assert_true(n_exhausted > N_REPEATED / 4);
    arena_release(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(equals_enumeration),
                                       cmocka_unit_test(repeats_itself)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
