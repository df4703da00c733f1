/* Unit tests of epochs' order, of splitting, and of batches' blocks. */
#include "runtime/dataset.h"
#include "runtime/permutation.h"
#include "runtime/rectangle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* -- permutations --------------------------------------------------------- */

static void permutations_are_bijections(void **state)
{
    (void)state;
    enum { MOST = 1000 };
    for (int64_t n = 1; n <= MOST; n += n < 40 ? 1 : 97) {
        bool seen[MOST] = {0};
        for (int64_t i = 0; i < n; i++) {
            int64_t at = permutation_at(7, 3, n, i);
            assert_true(at >= 0 && at < n && !seen[at]);
            seen[at] = true;
        }
    }
}

/* How many positions two orders of 1000 share; about 1 by chance. */
static int64_t agreements(uint64_t seed_a, int64_t epoch_a, uint64_t seed_b,
                          int64_t epoch_b)
{
    int64_t count = 0;
    for (int64_t i = 0; i < 1000; i++)
        count += permutation_at(seed_a, epoch_a, 1000, i) ==
                 permutation_at(seed_b, epoch_b, 1000, i);
    return count;
}

static void orders_differ_by_seed_and_epoch(void **state)
{
    (void)state;
    for (int64_t e = 1; e < 20; e++) {
        assert_true(agreements(1, 0, 1, e) < 12);
        assert_true(agreements(1, 0, (uint64_t)e + 1, 0) < 12);
    }
    assert_int_equal(agreements(1, 2, 1, 2), 1000);
}

/* Chi-square of where position 0 goes over many epochs, 16 bins: far below
 * 50 unless the order is biased (the 99.999 % point of 15 degrees is 45). */
static void first_samples_are_spread_evenly(void **state)
{
    (void)state;
    int64_t bins[16] = {0};
    for (int64_t e = 0; e < 3200; e++)
        bins[permutation_at(11, e, 160, 0) / 10]++;
    double chi = 0;
    for (int b = 0; b < 16; b++)
        chi += (double)(bins[b] - 200) * (double)(bins[b] - 200) / 200;
    assert_true(chi < 50);
}

/* -- datasets ------------------------------------------------------------- */

static ProgramInput inputs[4];
static Program program;

static Type type_of(DType dtype, int32_t rank, const int64_t *extent)
{
    Type type = {.dtype = dtype, .shape = {.rank = rank}};
    memcpy(type.shape.extent, extent, (size_t)rank * sizeof(int64_t));
    return type;
}

static void add_input(const char *name, Type type, int32_t shift_of,
                      int64_t shift)
{
    inputs[program.inputs.count++] = (ProgramInput){.name = str_from(name),
                                                    .type = type,
                                                    .shift_of = shift_of,
                                                    .shift = shift};
    program.inputs.data = inputs;
    program.batch = type.shape.extent[0];
}

static int set_up(void **state)
{
    (void)state;
    program = (Program){0};
    return 0;
}

/* A file of bytes 0, 1, 2, ... in memory. */
static DataFiles counting_bytes(unsigned char *bytes, int64_t count,
                                Shape shape)
{
    DataFiles files = {.count = 1, .of_input = {0, -1, -1, -1}};
    for (int64_t i = 0; i < count; i++)
        bytes[i] = (unsigned char)i;
    files.files[0] = (DataFile){.name = strdup("bytes"),
                                .kind = ELEMENT_U8,
                                .shape = shape,
                                .scale = 1,
                                .elements = (const char *)bytes};
    return files;
}

static void fill(Batch *batch, int32_t input, int32_t *out)
{
    const Shape *shape = &inputs[input].type.shape;
    const int64_t begin[RANK_MAX] = {0};
    InputSource source = batch_source(batch);
    Status status =
        source.fill(source.context, input, begin, shape->extent, shape, out);
    assert_string_equal(status.message, "");
}

/* Targets are tokens one later; windows of one epoch do not overlap. */
static void streams_are_cut_into_windows(void **state)
{
    (void)state;
    Type type = type_of(DTYPE_I32, 2, (int64_t[]){2, 10});
    add_input("tokens", type, -1, 0);
    add_input("targets", type, 0, 1);
    unsigned char bytes[201];
    DataFiles files = counting_bytes(bytes, sizeof(bytes),
                                     (Shape){.rank = 1, .extent = {201}});
    Dataset train;
    Status status = dataset_split(&program, &files, 5, 0, &train, NULL);
    assert_string_equal(status.message, "");
    assert_int_equal(train.n_samples, 19);
    bool seen[201] = {0};
    for (int64_t at = 0; at < 18; at += 2) {
        int32_t tokens[20], targets[20];
        Batch batch = {&train, at, 2};
        fill(&batch, 0, tokens);
        fill(&batch, 1, targets);
        for (int i = 0; i < 20; i++) {
            assert_int_equal(targets[i], tokens[i] + 1);
            assert_false(seen[tokens[i]]);
            seen[tokens[i]] = true;
        }
    }
    data_files_close(&files);
}

/* Rows that shifted inputs read too are as much longer: no row runs into the
 * next one, or beyond the file. */
static void rows_hold_what_is_shifted(void **state)
{
    (void)state;
    Type type = type_of(DTYPE_I32, 2, (int64_t[]){2, 10});
    add_input("tokens", type, -1, 0);
    add_input("targets", type, 0, 1);
    unsigned char bytes[66];
    DataFiles files = counting_bytes(bytes, sizeof(bytes),
                                     (Shape){.rank = 2, .extent = {6, 11}});
    Dataset train;
    Status status = dataset_split(&program, &files, 5, 0, &train, NULL);
    assert_string_equal(status.message, "");
    assert_int_equal(train.n_samples, 6);
    int rows_seen = 0;
    for (int64_t at = 0; at < 6; at += 2) {
        int32_t tokens[20], targets[20];
        Batch batch = {&train, at, 2};
        fill(&batch, 0, tokens);
        fill(&batch, 1, targets);
        for (int i = 0; i < 20; i++) {
            assert_int_equal(tokens[i] % 11, i % 10);
            assert_int_equal(targets[i], tokens[i] + 1);
        }
        rows_seen |= 1 << tokens[0] / 11 | 1 << tokens[10] / 11;
    }
    assert_int_equal(rows_seen, 63);
    files.files[0].shape = (Shape){.rank = 2, .extent = {6, 10}};
    status = dataset_split(&program, &files, 5, 0, &train, NULL);
    assert_string_equal(status.message,
                        "'bytes' has 10 numbers a sample, but input 'tokens' "
                        "takes 11");
    free(files.files[0].name);
}

/* The last part is unseen by training, whatever the epoch's phase. */
static void held_out_data_stays_apart(void **state)
{
    (void)state;
    Type type = type_of(DTYPE_I32, 2, (int64_t[]){2, 10});
    add_input("tokens", type, -1, 0);
    add_input("targets", type, 0, 1);
    unsigned char bytes[250];
    DataFiles files = counting_bytes(bytes, sizeof(bytes),
                                     (Shape){.rank = 1, .extent = {250}});
    Dataset train, rest;
    Status status = dataset_split(&program, &files, 5, 0.2, &train, &rest);
    assert_string_equal(status.message, "");
    int32_t targets[20];
    for (int64_t at = 0; at < 40 * train.n_samples; at += 2) {
        Batch batch = {&train, at, 2};
        fill(&batch, 1, targets);
        for (int i = 0; i < 20; i++)
            assert_true(targets[i] < 200);
    }
    for (int64_t at = 0; at + 2 <= rest.n_samples; at += 2) {
        Batch batch = {&rest, at, 2};
        fill(&batch, 0, targets);
        for (int i = 0; i < 20; i++)
            assert_int_equal(targets[i], 200 + at * 10 + i);
    }
    data_files_close(&files);
}

/* A block of a split input is the same rectangle of the whole batch; what is
 * padding stays as it was, samples beyond the count are zero. */
static void blocks_are_rectangles_of_the_batch(void **state)
{
    (void)state;
    Type type = type_of(DTYPE_I32, 3, (int64_t[]){4, 3, 5});
    add_input("x", type, -1, 0);
    unsigned char bytes[120];
    DataFiles files = counting_bytes(bytes, sizeof(bytes),
                                     (Shape){.rank = 3, .extent = {8, 3, 5}});
    Dataset train;
    Status status = dataset_split(&program, &files, 1, 0, &train, NULL);
    assert_string_equal(status.message, "");
    int32_t whole[60], block[2 * 2 * 3];
    Batch batch = {&train, 4, 3};
    fill(&batch, 0, whole);
    for (int i = 45; i < 60; i++)
        assert_int_equal(whole[i], 0);
    memset(block, 0x7f, sizeof(block));
    const int64_t begin[] = {2, 2, 3}, length[] = {2, 1, 2};
    const Shape stored = {.rank = 3, .extent = {2, 2, 3}};
    InputSource source = batch_source(&batch);
    status = source.fill(source.context, 0, begin, length, &stored, block);
    assert_string_equal(status.message, "");
    assert_int_equal(block[0], whole[2 * 15 + 2 * 5 + 3]);
    assert_int_equal(block[1], whole[2 * 15 + 2 * 5 + 4]);
    assert_int_equal(block[2], 0x7f7f7f7f);
    assert_int_equal(block[6], 0);
    data_files_close(&files);
}

static void misfits_are_explained(void **state)
{
    (void)state;
    add_input("x", type_of(DTYPE_F32, 2, (int64_t[]){4, 6}), -1, 0);
    unsigned char bytes[60];
    Dataset train, rest;
    DataFiles files = counting_bytes(bytes, sizeof(bytes),
                                     (Shape){.rank = 2, .extent = {12, 5}});
    Status status = dataset_split(&program, &files, 1, 0, &train, NULL);
    assert_non_null(strstr(status.message, "5 numbers a sample"));
    files.files[0].shape = (Shape){.rank = 2, .extent = {3, 6}};
    status = dataset_split(&program, &files, 1, 0, &train, NULL);
    assert_non_null(strstr(status.message, "too short"));
    files.files[0].shape = (Shape){.rank = 2, .extent = {10, 6}};
    status = dataset_split(&program, &files, 1, 0.05, &train, &rest);
    assert_non_null(strstr(status.message, "nothing to validate on"));
    data_files_close(&files);

    const char *const unknown[] = {"y=/dev/null"};
    status = data_files_open(&files, &program, unknown, 1);
    assert_non_null(strstr(status.message, "no input 'y'; it reads: x"));
    data_files_close(&files);
    status = data_files_open(&files, &program, NULL, 0);
    assert_non_null(strstr(status.message, "--data x=FILE"));
}

/* -- rectangles ----------------------------------------------------------- */

static void unpacking_inverts_packing(void **state)
{
    (void)state;
    const Shape shape = {.rank = 3, .extent = {3, 4, 5}};
    const int64_t begin[] = {1, 0, 2}, length[] = {2, 4, 3};
    float array[60], packed[24], back[60] = {0};
    for (int i = 0; i < 60; i++)
        array[i] = (float)i;
    rectangle_pack(length, (RectanglePlace){&shape, begin}, array, packed);
    for (int a = 0, i = 0; a < 2; a++)
        for (int b = 0; b < 4; b++)
            for (int c = 0; c < 3; c++, i++)
                assert_true(packed[i] == array[(a + 1) * 20 + b * 5 + c + 2]);
    rectangle_unpack(length, (RectanglePlace){&shape, begin}, packed, back);
    for (int i = 0; i < 60; i++) {
        bool inside = i / 20 >= 1 && i % 5 >= 2;
        assert_true(back[i] == (inside ? array[i] : 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permutations_are_bijections),
        cmocka_unit_test(orders_differ_by_seed_and_epoch),
        cmocka_unit_test(first_samples_are_spread_evenly),
        cmocka_unit_test_setup(streams_are_cut_into_windows, set_up),
        cmocka_unit_test_setup(rows_hold_what_is_shifted, set_up),
        cmocka_unit_test_setup(held_out_data_stays_apart, set_up),
        cmocka_unit_test_setup(blocks_are_rectangles_of_the_batch, set_up),
        cmocka_unit_test_setup(misfits_are_explained, set_up),
        cmocka_unit_test(unpacking_inverts_packing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
