/* Fuzz the textual IR: whatever parses is verified in every form, and prints
 * to a text that parses to the same. */
#include "ir/graph_text.h"
#include "ir/verify.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <setjmp.h>

static Graph *parse(Arena *arena, Str text)
{
    Diagnostics d = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&d, STR("fuzz.ir"), text);
    Graph *graph = graph_parse(arena, source, &d);
    assert((graph == NULL) == diagnostics_any(&d));
    diagnostics_print(&d, arena);
    return graph;
}

static void try_text(Arena *arena, Str text)
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
