/* segment_solve against the enumeration of every cut, on thousands of small
 * random problems, feasible and not. */
#include "solver/segment.h"
#include "support/philox.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { ITEMS_MAX = 9, VALUES_MAX = 8, USES_MAX = 16, N_PROBLEMS = 4000 };

typedef struct RandomSegments {
    SegmentProblem problem;
    int64_t work[ITEMS_MAX];
    SegmentValue values[VALUES_MAX];
    SegmentUse uses[USES_MAX];
} RandomSegments;

static uint32_t draw(uint32_t problem, uint32_t *counter, uint32_t n)
{
    return philox(11, (*counter)++, problem, 0, 0).word[0] % n;
}

static void draw_segments(RandomSegments *r, uint32_t number)
{
    uint32_t c = 0;
    *r = (RandomSegments){0};
    SegmentProblem *p = &r->problem;
    int32_t n = 2 + (int32_t)draw(number, &c, ITEMS_MAX - 1);
    p->n_items = n;
    p->n_segments = 1 + (int32_t)draw(number, &c, (uint32_t)n);
    p->tolerance = 0.1 * draw(number, &c, 15);
    for (int32_t i = 0; i < n; i++)
        r->work[i] = draw(number, &c, 6);
    p->n_values = (int32_t)draw(number, &c, VALUES_MAX + 1);
    for (int32_t v = 0; v < p->n_values; v++) {
        int32_t producer = (int32_t)draw(number, &c, (uint32_t)n - 1);
        r->values[v] = (SegmentValue){producer, draw(number, &c, 5)};
    }
    int32_t n_uses =
        p->n_values == 0 ? 0 : (int32_t)draw(number, &c, USES_MAX + 1);
    for (int32_t u = 0; u < n_uses; u++) {
        int32_t v = (int32_t)draw(number, &c, (uint32_t)p->n_values);
        int32_t after = n - 1 - r->values[v].producer;
        r->uses[u] =
            (SegmentUse){v, r->values[v].producer + 1 +
                                (int32_t)draw(number, &c, (uint32_t)after)};
    }
    p->n_uses = n_uses;
    p->work = r->work;
    p->values = r->values;
    p->uses = r->uses;
}

typedef struct Score {
    bool feasible;
    int64_t most, sum;
    double squares;
} Score;

static Score score_cut(const SegmentProblem *p, const int32_t *end,
                       double tolerance)
{
    int64_t total = 0;
    for (int32_t i = 0; i < p->n_items; i++)
        total += p->work[i];
    double average = total ? (double)total / p->n_segments : 1;
    Score s = {.feasible = true};
    for (int32_t k = 0; k < p->n_segments; k++) {
        int32_t first = k == 0 ? 0 : end[k - 1];
        double work = 0;
        int64_t bytes = 0;
        for (int32_t i = first; i < end[k]; i++)
            work += (double)p->work[i];
        for (int32_t v = 0; v < p->n_values; v++) {
            bool read = false;
            for (int32_t u = 0; u < p->n_uses; u++)
                read |= p->uses[u].value == v && p->uses[u].consumer >= first &&
                        p->uses[u].consumer < end[k];
            if (read && p->values[v].producer < first)
                bytes += p->values[v].bytes;
        }
        s.feasible &= end[k] > first && work <= (1 + tolerance) * average;
        s.most = bytes > s.most ? bytes : s.most;
        s.sum += bytes;
        s.squares += work * work;
    }
    return s;
}

static bool better(Score a, Score b)
{
    if (!a.feasible || !b.feasible)
        return a.feasible && !b.feasible;
    if (a.most != b.most)
        return a.most < b.most;
    return a.sum != b.sum ? a.sum < b.sum : a.squares < b.squares - 1e-9;
}

/* The best score over every set of cut places. */
static Score enumerate(const SegmentProblem *p, double tolerance)
{
    Score best = {.feasible = false};
    for (uint32_t places = 0; places < 1u << (p->n_items - 1); places++) {
        int32_t end[ITEMS_MAX], k = 0;
        if (__builtin_popcount(places) != p->n_segments - 1)
            continue;
        for (int32_t i = 0; i < p->n_items - 1; i++)
            if (places >> i & 1)
                end[k++] = i + 1;
        end[k] = p->n_items;
        Score score = score_cut(p, end, tolerance);
        if (better(score, best))
            best = score;
    }
    return best;
}

static void equals_enumeration(void **state)
{
    (void)state;
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, INT64_C(1) << 28, NULL);
    Arena scratch = arena_split(&arena);
    int64_t n_infeasible = 0;
    for (uint32_t number = 0; number < N_PROBLEMS; number++) {
        RandomSegments r;
        draw_segments(&r, number);
        Arena perm = arena;
        double least = -1;
        SegmentCut cut = segment_solve(&perm, scratch, &r.problem, &least);
        Score best = enumerate(&r.problem, r.problem.tolerance);
        assert_int_equal(cut.feasible, best.feasible);
        if (!cut.feasible) {
            n_infeasible++;
            assert_true(enumerate(&r.problem, least).feasible);
            assert_false(enumerate(&r.problem, least - 1e-6).feasible);
            continue;
        }
        Score score = score_cut(&r.problem, cut.end, r.problem.tolerance);
        assert_true(score.feasible);
        assert_int_equal(score.most, best.most);
        assert_int_equal(score.sum, best.sum);
        assert_true(fabs(score.squares - best.squares) < 1e-6);
        assert_int_equal(cut.most_bytes, best.most);
        assert_int_equal(cut.sum_bytes, best.sum);
    }
    assert_in_range(n_infeasible, N_PROBLEMS / 10, N_PROBLEMS * 9 / 10);
    arena_release(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(equals_enumeration)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
