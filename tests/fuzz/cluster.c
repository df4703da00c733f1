/* Fuzz cluster files: any text is read or diagnosed, and what parses is
 * formatted to a text whose format is itself. */
#include "tests/fuzz/formatted.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

void fuzz_input(Str text, Arena *arena)
{
    Diagnostics d = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&d, STR("fuzz.mesh"), text);
    Mesh mesh;
    bool ok = frontend_mesh(arena, source, &d, &mesh);
    assert(ok != diagnostics_any(&d));
    assert(!ok || cluster_devices(&mesh) >= 1);
    diagnostics_print(&d, arena);
    check_formatted(text, SOURCE_CLUSTER, arena);
}
