/* choice_solve against the enumeration of all assignments, on thousands of
 * small random networks. */
#include "tests/unit/random_choice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { N_PROBLEMS = 20000 };

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
