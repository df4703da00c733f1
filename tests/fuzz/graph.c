/* Fuzz the textual IR: whatever parses is verified in every form, and prints
 * to a text that parses to the same. */
#include "ir/graph_text.h"
#include "ir/verify.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

static Graph *parse(Arena *arena, Str text)
{
    Diagnostics d = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&d, STR("fuzz.ir"), text);
    Graph *graph = graph_parse(arena, source, &d);
    assert((graph == NULL) == diagnostics_any(&d));
    diagnostics_print(&d, arena);
    return graph;
}

void fuzz_input(Str text, Arena *arena)
{
    Graph *graph = parse(arena, text);
    if (!graph)
        return;
    for (int form = FORM_MODEL; form <= FORM_LOCAL; form++)
        graph_verify(graph, (GraphForm)form, arena);
    Str printed = graph_print(arena, graph);
    Graph *again = parse(arena, printed);
    assert(again && "what is printed parses");
    assert(str_equal(graph_print(arena, again), printed));
}
