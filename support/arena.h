/* Arena: the compiler's only allocator.
 *
 * An arena is a range of reserved memory and a pointer that moves up.  What
 * outlives a call is allocated from an arena passed by pointer; what does not
 * is allocated from one passed *by value*: the copy's allocations vanish when
 * the callee returns, on every path.  Nothing is freed singly.
 *
 *     Token *lex(Arena *perm, Arena scratch, ...);
 *
 * Memory comes zeroed.  Exhaustion jumps to the arena's landing, which the
 * driver sets once, so no call site checks.  An arena never moves: pointers
 * into it stay valid for its whole life.
 *
 * The runtime does not use arenas: a job holds real resources and has its own
 * init/deinit pairs.
 */
#ifndef DNNC_SUPPORT_ARENA_H
#define DNNC_SUPPORT_ARENA_H

#include <setjmp.h>
#include <stdint.h>

typedef struct Arena {
    char *next;       /* first free byte */
    char *end;        /* one past the last usable byte */
    jmp_buf *landing; /* where exhaustion goes; NULL stops the process */
} Arena;

/* A reservation that owns pages; arena_release gives them back. */
typedef struct ArenaMemory {
    void *pages;
    int64_t reserved_bytes;
} ArenaMemory;

enum { ARENA_DEFAULT_BYTES_LOG2 = 36 };

/* Reserves `bytes` of address space (pages cost nothing until touched).
 * Returns an arena over it, or one with next == NULL when the address space
 * is not to be had.  `landing` may be NULL. */
Arena arena_reserve(ArenaMemory *memory, int64_t bytes, jmp_buf *landing);
void arena_release(ArenaMemory *memory);

/* Splits off the upper half of what is left: a second lifetime (a scratch
 * arena) over the same reservation. */
Arena arena_split(Arena *arena);

/* Zeroed, aligned to `align` (a power of two). count * size is checked. */
void *arena_alloc(Arena *arena, int64_t count, int64_t size, int64_t align);

#define arena_new(arena, Type, count)                                         \
    ((Type *)arena_alloc((arena), (count), (int64_t)sizeof(Type),             \
                         (int64_t) _Alignof(Type)))

#endif
