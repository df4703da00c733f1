/* Fuzz models: any text is lowered or diagnosed, and what parses is formatted
 * to a text whose format is itself. */
#include "frontend/frontend.h"
#include "ir/verify.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <setjmp.h>

static bool format(Arena *arena, Str text, Str *out)
{
    Diagnostics d = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&d, STR("fuzz.dnn"), text);
    return frontend_format(arena, source, SOURCE_MODEL, &d, out);
}

static void try_text(Arena *arena, Str text)
{
    Diagnostics d = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&d, STR("fuzz.dnn"), text);
    Model model;
    bool ok = frontend_model(arena, source, NULL, 0, &d, &model);
    assert(ok != diagnostics_any(&d));
    diagnostics_print(&d, arena);
    if (ok)
        assert(graph_verify(model.graphs.train, FORM_MODEL, arena).length == 0);
    Str once, twice;
    if (!format(arena, text, &once))
        return;
    bool again = format(arena, once, &twice);
    assert(again && "what is formatted parses");
    assert(str_equal(once, twice));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ArenaMemory memory;
    static Arena arena;
    static jmp_buf exhausted;
    if (!arena.next)
        arena = arena_reserve(&memory, (int64_t)1 << 31, &exhausted);
    if (setjmp(exhausted) == 0) {
        Arena scratch = arena;
        try_text(&scratch, (Str){(const char *)data, (int64_t)size});
    }
    return 0;
}
