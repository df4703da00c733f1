/* Formatted: see the header. */
#include "tests/fuzz/formatted.h"

#include <assert.h>

static bool format(Str text, SourceKind kind, Arena *arena, Str *out)
{
    Diagnostics d = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&d, STR("fuzz"), text);
    return frontend_format(arena, source, kind, &d, out);
}

void check_formatted(Str text, SourceKind kind, Arena *arena)
{
    Str once, twice;
    if (!format(text, kind, arena, &once))
        return;
    bool again = format(once, kind, arena, &twice);
    assert(again && "what is formatted parses");
    assert(str_equal(once, twice));
}
