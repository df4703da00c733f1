/* Fuzz models: any text is lowered or diagnosed, and what parses is formatted
 * to a text whose format is itself. */
#include "ir/verify.h"
#include "tests/fuzz/formatted.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

void fuzz_input(Str text, Arena *arena)
{
    Diagnostics d = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&d, STR("fuzz.dnn"), text);
    Model model;
    bool ok = frontend_model(arena, source, NULL, 0, &d, &model);
    assert(ok != diagnostics_any(&d));
    diagnostics_print(&d, arena);
    if (ok)
        assert(graph_verify(model.graphs.train, FORM_MODEL, arena).length == 0);
    check_formatted(text, SOURCE_MODEL, arena);
}
