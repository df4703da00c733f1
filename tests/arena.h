/* The arenas of a cmocka test program, and cmocka itself. */
#ifndef DNNC_TESTS_ARENA_H
#define DNNC_TESTS_ARENA_H

#include "support/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static ArenaMemory arena_memory;
static Arena arena, scratch;

/* The set-up and tear-down of cmocka_run_group_tests. */
static inline int arena_set_up(void **state)
{
    (void)state;
    arena = arena_reserve(&arena_memory, (int64_t)1 << 34, NULL);
    scratch = arena_split(&arena);
    return arena.next ? 0 : -1;
}

static inline int arena_tear_down(void **state)
{
    (void)state;
    arena_release(&arena_memory);
    return 0;
}

#endif
