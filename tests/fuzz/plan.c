/* Fuzz plan files: any text is read or diagnosed, and what is read survives
 * its own print. */
#include "ir/plan.h"

#include "tests/fuzz/fuzz.h"

#include <assert.h>

void fuzz_input(Str text, Arena *arena)
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
