/* Fuzz cluster files: any text is read or diagnosed, and what parses is
 * formatted to a text whose format is itself. */
#include "frontend/frontend.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <setjmp.h>

static bool format(Arena *arena, Str text, Str *out)
{
    Diagnostics d = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&d, STR("fuzz.mesh"), text);
    return frontend_format(arena, source, SOURCE_CLUSTER, &d, out);
}

static void try_text(Arena *arena, Str text)
{
    Diagnostics d = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&d, STR("fuzz.mesh"), text);
    Mesh mesh;
    bool ok = frontend_mesh(arena, source, &d, &mesh);
    assert(ok != diagnostics_any(&d));
    assert(!ok || cluster_devices(&mesh) >= 1);
    diagnostics_print(&d, arena);
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
        arena = arena_reserve(&memory, (int64_t)1 << 28, &exhausted);
    if (setjmp(exhausted) == 0) {
        Arena scratch = arena;
        try_text(&scratch, (Str){(const char *)data, (int64_t)size});
    }
    return 0;
}
