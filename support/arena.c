/* Arena: bump allocation over one reserved range. */
#include "support/arena.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

Arena arena_reserve(ArenaMemory *memory, int64_t bytes, jmp_buf *landing)
{
    void *pages = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) {
        *memory = (ArenaMemory){0};
        return (Arena){.landing = landing};
    }
    *memory = (ArenaMemory){.pages = pages, .reserved_bytes = bytes};
    return (Arena){
        .next = pages, .end = (char *)pages + bytes, .landing = landing};
}

void arena_release(ArenaMemory *memory)
{
    if (memory->pages)
        munmap(memory->pages, (size_t)memory->reserved_bytes);
    *memory = (ArenaMemory){0};
}

Arena arena_split(Arena *arena)
{
    ptrdiff_t half = (arena->end - arena->next) / 2;
    Arena upper = *arena;
    upper.next = arena->end - half;
    arena->end = upper.next;
    return upper;
}

void *arena_alloc(Arena *arena, int64_t count, int64_t size, int64_t align)
{
    assert(count >= 0 && size > 0 && align > 0);
    int64_t padding = -(int64_t)(uintptr_t)arena->next & (align - 1);
    int64_t available = (arena->end - arena->next) - padding;
    if (available < 0 || count > available / size) {
        assert(arena->landing && "arena exhausted without a landing");
        longjmp(*arena->landing, 1);
    }
    char *result = arena->next + padding;
    arena->next = result + count * size;
    return memset(result, 0, (size_t)(count * size));
}
