/* VECTOR(T): the one function behind the macro. */
#include "support/vector.h"

#include <string.h>

void *vector_grow(Arena *arena, const void *data, int64_t count,
                  int64_t *capacity, int64_t element_bytes)
{
    *capacity = *capacity ? *capacity * 2 : 8;
    void *grown = arena_alloc(arena, *capacity, element_bytes, 16);
    if (count)
        memcpy(grown, data, (size_t)(count * element_bytes));
    return grown;
}
