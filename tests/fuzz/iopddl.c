/* Fuzz the reader of choice problems: whatever it accepts passes the solver's
 * own check, and small problems are solved to a consistent end. */
#include "solver/iopddl.h"

#include "support/checked.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <string.h>

static int64_t read_bytes(void *context, char *bytes, int64_t n,
                          const char **wrong)
{
    Str *rest = context;
    (void)wrong;
    int64_t taken = min_i64(n, rest->length);
    memcpy(bytes, rest->data, (size_t)taken);
    *rest = (Str){rest->data + taken, rest->length - taken};
    return taken;
}

void fuzz_input(Str bytes, Arena *arena)
{
    Arena scratch = arena_split(arena);
    IopddlProblem p;
    Status status = iopddl_read(arena, scratch, read_bytes, &bytes, &p);
    if (status_failed(&status)) {
        assert(status.message[0] != 0);
        return;
    }
    assert(!choice_check(&p.problem));
    ChoiceOptions options = {.work_limit = 1000000};
    ChoiceSolution s = choice_solve(arena, scratch, &p.problem, &options);
    if (s.status != CHOICE_OPTIMAL && s.status != CHOICE_FEASIBLE)
        return;
    ChoiceEvaluation e = choice_evaluate(&p.problem, s.choice, scratch);
    assert(e.forbidden == 0 && e.cost == s.cost);
    assert(e.peak_usage <= p.problem.usage_limit);
    assert(s.lower_bound <= s.cost);
}
