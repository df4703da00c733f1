/* Fuzz plan files: any text is read or diagnosed, and what is read survives
 * its own print. */
#include "ir/plan.h"

#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <setjmp.h>

static void try_text(Arena *arena, Str text)
{
    Diagnostics d = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&d, STR("fuzz.plan"), text);
    Plan plan, again;
    bool ok = plan_parse(arena, source, &d, &plan);
    assert(ok != diagnostics_any(&d));
    diagnostics_print(&d, arena);
    if (!ok)
        return;
    Str once = plan_print(arena, &plan);
    Diagnostics e = diagnostics_new(arena);
    source = diagnostics_add_source(&e, STR("again.plan"), once);
    bool survives = plan_parse(arena, source, &e, &again);
    assert(survives && "what was read and printed is read");
    assert(str_equal(plan_print(arena, &again), once));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ArenaMemory memory;
    static Arena arena;
    static jmp_buf exhausted;
    if (!arena.next)
        arena = arena_reserve(&memory, (int64_t)1 << 28, &exhausted);
    if (setjmp(exhausted) == 0) {
        Arena scratch = arena;
        try_text(&scratch, (Str){(const char *)data, (int64_t)size});
    }
    return 0;
}
