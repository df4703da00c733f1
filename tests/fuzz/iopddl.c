/* Fuzz the reader of choice problems: whatever it accepts passes the solver's
 * own check, and small problems are solved to a consistent end. */
#include "solver/iopddl.h"

#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <setjmp.h>
#include <string.h>

typedef struct Bytes {
    const uint8_t *data;
    size_t size;
} Bytes;

static int64_t read_bytes(void *context, char *bytes, int64_t n,
                          const char **wrong)
{
    Bytes *b = context;
    (void)wrong;
    size_t taken = (size_t)n < b->size ? (size_t)n : b->size;
    memcpy(bytes, b->data, taken);
    b->data += taken;
    b->size -= taken;
    return (int64_t)taken;
}

static void try_bytes(Arena *arena, Bytes bytes)
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ArenaMemory memory;
    static Arena arena;
    static jmp_buf exhausted;
    if (!arena.next)
        arena = arena_reserve(&memory, (int64_t)1 << 30, &exhausted);
    if (setjmp(exhausted) == 0) {
        Arena perm = arena;
        try_bytes(&perm, (Bytes){data, size});
    }
    return 0;
}
