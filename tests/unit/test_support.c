/* Unit tests of support/: each function's edges, and the diagnostic printer. */
#include "support/arena.h"
#include "support/checked.h"
#include "support/diagnostic.h"
#include "support/file.h"
#include "support/map.h"
#include "support/philox.h"
#include "support/status.h"
#include "support/text.h"
#include "support/vector.h"
#include "tests/arena.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void arena_exhaustion_lands(void **state)
{
    (void)state;
    jmp_buf landing;
    ArenaMemory small_memory;
    Arena small = arena_reserve(&small_memory, 4096, &landing);
    volatile int landed = 0;
    if (setjmp(landing) == 0) {
        (void)arena_alloc(&small, INT64_MAX / 2, 8, 8);
        fail();
    } else {
        landed = 1;
    }
    assert_int_equal(landed, 1);
    arena_release(&small_memory);
}

static void arena_scratch_vanishes(void **state)
{
    (void)state;
    char *before = arena.next;
    Arena copy = arena;
    int *value = arena_new(&copy, int, 3);
    assert_int_equal(value[2], 0);
    assert_ptr_equal(arena.next, before);
}

static void text_units(void **state)
{
    (void)state;
    assert_string_equal(text_bytes(&arena, 999).data, "999 B");
    assert_string_equal(text_bytes(&arena, 1500).data, "1.50 KB");
    assert_string_equal(text_bytes(&arena, 16000000000).data, "16.0 GB");
    assert_string_equal(text_seconds(&arena, 0.0123).data, "12.3 ms");
    assert_string_equal(text_count(&arena, 124439808).data, "124 M");
}

static void map_keeps_insertion_order(void **state)
{
    (void)state;
    Map map = {0};
    for (int i = 0; i < 1000; i++) {
        Str key = str_format(&arena, "key%d", (i * 7919) % 1000);
        bool inserted = false;
        map_insert(&arena, &map, key, i, &inserted);
        assert_true(inserted);
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(map.entries.data[i].value, i);
    assert_null(map_find(&map, STR("absent")));
    assert_int_equal(*map_find(&map, STR("key0")), 0);
}

static void checked_products(void **state)
{
    (void)state;
    int64_t out;
    assert_false(mul_i64(INT64_MAX, 2, &out));
    assert_true(mul_i64(1 << 20, 1 << 20, &out));
    assert_int_equal(out, (int64_t)1 << 40);
    assert_int_equal(ceil_div_i64(7, 2), 4);
}

static void status_keeps_context(void **state)
{
    (void)state;
    Status s = status_error(STATUS_ENVIRONMENT, "disk full");
    s = status_context(s, "writing '%s'", "a.bin");
    assert_int_equal(s.code, 3);
    assert_string_equal(s.message, "writing 'a.bin': disk full");
}

/* The known answers of Random123's kat_vectors for philox4x32-10. */
static void philox_known_answers(void **state)
{
    (void)state;
    PhiloxWords zero = philox(0, 0, 0, 0, 0);
    assert_int_equal(zero.word[0], 0x6627e8d5u);
    assert_int_equal(zero.word[3], 0x9b00dbd8u);
    PhiloxWords ones = philox(~(uint64_t)0, ~0u, ~0u, ~0u, ~0u);
    assert_int_equal(ones.word[0], 0x408f276du);
    assert_int_equal(ones.word[3], 0x6d5451fdu);
}

static void diagnostics_point_at_the_place(void **state)
{
    (void)state;
    Diagnostics d = diagnostics_new(&arena);
    int32_t s =
        diagnostics_add_source(&d, STR("m.dnn"), STR("one\n  two three\n"));
    Diagnostic *added = diagnose(&d, ((Span){s, 10, 15}), plan_syntax, "x");
    diagnostic_note(&d, added, (Span){s, 0, 3}, "first here");
    assert_string_equal(diagnostics_print(&d, &arena).data,
                        "m.dnn:2:7: error: this is not JSON: x [plan_syntax]\n"
                        "    2 |   two three\n"
                        "      |       ^~~~~\n"
                        "m.dnn:1:1: note: first here\n"
                        "    1 | one\n"
                        "      | ^~~\n"
                        "help: see docs/plan.md\n");
}

/* A failed write leaves the old file and nothing beside it. */
static void file_write_replaces_or_leaves(void **state)
{
    (void)state;
    char folder[] = "/tmp/dnnc-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    Str path = str_format(&arena, "%s/a", folder);
    Status s = file_write(path.data, STR("first"), false);
    assert_int_equal(s.code, STATUS_OK);
    Str missing = str_format(&arena, "%s/none/a", folder);
    s = file_write(missing.data, STR("second"), false);
    assert_int_equal(s.code, STATUS_ENVIRONMENT);
    Str text;
    s = file_read(&arena, path.data, &text);
    assert_int_equal(s.code, STATUS_OK);
    assert_string_equal(text.data, "first");
    s = file_read(&arena, missing.data, &text);
    assert_int_equal(s.code, STATUS_INPUT);
    unlink(path.data);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_exhaustion_lands),
        cmocka_unit_test(arena_scratch_vanishes),
        cmocka_unit_test(text_units),
        cmocka_unit_test(map_keeps_insertion_order),
        cmocka_unit_test(checked_products),
        cmocka_unit_test(status_keeps_context),
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(file_write_replaces_or_leaves),
        cmocka_unit_test(diagnostics_point_at_the_place),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
