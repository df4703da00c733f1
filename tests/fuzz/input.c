/* Input: one arena for all inputs, empty before each. */
#include "tests/fuzz/fuzz.h"

#include <setjmp.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ArenaMemory memory;
    static Arena whole;
    static jmp_buf exhausted;
    if (!whole.next)
        whole = arena_reserve(&memory, (int64_t)1 << 31, &exhausted);
    Arena arena = whole;
    if (setjmp(exhausted) == 0)
        fuzz_input((Str){(const char *)data, (int64_t)size}, &arena);
    return 0;
}
