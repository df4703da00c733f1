/* Unit tests of the data readers: every format's values, and what is said about
 * files that are cut off, damaged or of the wrong kind. */
#include "runtime/data_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static char folder[] = "/tmp/dnnc-test-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void write_file(const char *name, const void *bytes, size_t length)
{
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* Opens `specification`, which must give `count` elements in this shape with
 * these first values, then removes the file. */
static void expect(const char *name, const char *specification, int32_t rank,
                   const int64_t *extent, const float *values, int64_t count)
{
    DataFile file;
    Status status = data_file_open(&file, specification);
    assert_string_equal(status.message, "");
    assert_int_equal(file.shape.rank, rank);
    for (int32_t d = 0; d < rank; d++)
        assert_int_equal(file.shape.extent[d], extent[d]);
    float read[16];
    assert_true(count <= 16);
    status = data_file_read(&file, 0, count, DTYPE_F32, 0, read);
    assert_string_equal(status.message, "");
    for (int64_t i = 0; i < count; i++)
        assert_true(read[i] == values[i]);
    data_file_close(&file);
    unlink(name);
}

/* The file must be refused with these words in the message. */
static void refuse(const char *name, const char *specification,
                   const char *words)
{
    DataFile file;
    Status status = data_file_open(&file, specification);
    assert_true(status_failed(&status));
    if (!strstr(status.message, words))
        fail_msg("no '%s' in: %s", words, status.message);
    if (!strstr(status.message, name))
        fail_msg("the file is not named: %s", status.message);
    unlink(name);
}

static void bytes_are_themselves(void **state)
{
    (void)state;
    write_file("text", "abc", 3);
    expect("text", "text", 1, (int64_t[]){3}, (float[]){97, 98, 99}, 3);
    write_file("empty", "", 0);
    refuse("empty", "empty", "is empty");
    refuse("absent", "absent", "No such file");
    refuse("/tmp", "/tmp", "not a file");
}

static void tokens_with_and_without_header(void **state)
{
    (void)state;
    const uint16_t raw[] = {1, 50256, 3};
    write_file("a.bin", raw, sizeof(raw));
    expect("a.bin", "a.bin", 1, (int64_t[]){3}, (float[]){1, 50256, 3}, 3);
    char bytes[1024 + 4] = {0};
    const int32_t header[] = {20240520, 1, 2};
    memcpy(bytes, header, sizeof(header));
    memcpy(bytes + 1024, (uint16_t[]){7, 9}, 4);
    write_file("b.bin", bytes, sizeof(bytes));
    expect("b.bin", "b.bin", 1, (int64_t[]){2}, (float[]){7, 9}, 2);
    write_file("c.bin", bytes, sizeof(bytes) - 1);
    refuse("c.bin", "c.bin", "truncated");
    write_file("d.bin", bytes, 3);
    refuse("d.bin", "d.bin", "odd number of bytes");
    bytes[4] = 9;
    write_file("e.bin", bytes, sizeof(bytes));
    refuse("e.bin", "e.bin", "version 9");
}

static size_t make_idx(char *out, uint8_t type, const uint8_t *extents,
                       uint8_t rank, size_t elements)
{
    size_t length = 0;
    out[length++] = 0;
    out[length++] = 0;
    out[length++] = (char)type;
    out[length++] = (char)rank;
    for (uint8_t d = 0; d < rank; d++) {
        memcpy(out + length, (char[]){0, 0, 0, (char)extents[d]}, 4);
        length += 4;
    }
    for (size_t i = 0; i < elements; i++)
        out[length++] = (char)(i * 51);
    return length;
}

static void images_and_labels(void **state)
{
    (void)state;
    char bytes[64];
    const uint8_t extents[] = {2, 1, 3};
    size_t length = make_idx(bytes, 8, extents, 3, 6);
    write_file("images", bytes, length);
    float values[6];
    for (int i = 0; i < 6; i++)
        values[i] = (float)(i * 51) * (1.0f / 255);
    expect("images", "images", 3, (int64_t[]){2, 1, 3}, values, 6);
    write_file("cut", bytes, length - 1);
    refuse("cut", "cut", "truncated");
    length = make_idx(bytes, 0x0d, extents, 3, 6);
    write_file("floats", bytes, length);
    refuse("floats", "floats", "0x0d");
}

static void gzip(const char *name, const void *bytes, size_t length)
{
    gzFile file = gzopen(name, "wb");
    assert_int_equal(gzwrite(file, bytes, (unsigned)length), length);
    assert_int_equal(gzclose(file), Z_OK);
}

static void compressed_files_are_expanded(void **state)
{
    (void)state;
    gzip("t.gz", "hello", 5);
    expect("t.gz", "t.gz", 1, (int64_t[]){5}, (float[]){'h', 'e', 'l'}, 3);
    gzip("t.csv.gz", "1,2\n3,4\n", 8);
    expect("t.csv.gz", "t.csv.gz:1", 1, (int64_t[]){2}, (float[]){2, 4}, 2);
    char bytes[256];
    gzip("whole.gz", "hello hello hello hello hello", 29);
    FILE *file = fopen("whole.gz", "rb");
    size_t length = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    unlink("whole.gz");
    write_file("cut.gz", bytes, length - 4);
    refuse("cut.gz", "cut.gz", "truncated");
    bytes[length / 2] ^= 0x55;
    write_file("bad.gz", bytes, length);
    refuse("bad.gz", "bad.gz", "damaged");
    write_file("no.gz", "hello", 5);
    refuse("no.gz", "no.gz", "not a gzip file");
}

static void rows_of_numbers(void **state)
{
    (void)state;
    const char text[] = "x,y,z\r\n1,2.5,-3\r\n\r\n4, 5 ,6e1";
    write_file("a.csv", text, sizeof(text) - 1);
    expect("a.csv", "a.csv", 2, (int64_t[]){2, 3},
           (float[]){1, 2.5f, -3, 4, 5, 60}, 6);
    write_file("b.csv", text, sizeof(text) - 1);
    expect("b.csv", "b.csv:2,0-1", 2, (int64_t[]){2, 3},
           (float[]){-3, 1, 2.5f, 60, 4, 5}, 6);
    write_file("c.csv", "1,2\n3\n", 6);
    refuse("c.csv", "c.csv", "line 2 has 1 columns");
    write_file("d.csv", "1,2\n3,x\n", 8);
    refuse("d.csv", "d.csv", "line 2: field 1 is not a number");
    write_file("e.csv", "1,2\n", 4);
    refuse("e.csv", "e.csv:2", "column 2 is wanted");
    write_file("f.csv", "1,2\n", 4);
    refuse("f.csv", "f.csv:1-", "columns are written like");
    write_file("g.csv", "a,b\n", 4);
    refuse("g.csv", "g.csv", "no rows of numbers");
}

static size_t make_npy(char *out, const char *header, const void *data,
                       size_t data_bytes)
{
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    size_t length = strlen(header);
    out[8] = (char)length;
    out[9] = 0;
    memcpy(out + 10, header, length);
    memcpy(out + 10 + length, data, data_bytes);
    return 10 + length + data_bytes;
}

static void numpy_arrays(void **state)
{
    (void)state;
    char bytes[512];
    const double data[] = {1, -2, 3.5, 4};
    const char *good = "{'descr': '<f8', 'fortran_order': False, "
                       "'shape': (2, 2), }\n";
    size_t length = make_npy(bytes, good, data, sizeof(data));
    write_file("a.npy", bytes, length);
    expect("a.npy", "a.npy", 2, (int64_t[]){2, 2}, (float[]){1, -2, 3.5f, 4},
           4);
    write_file("b.npy", bytes, length - 1);
    refuse("b.npy", "b.npy", "holds less");
    write_file("c.npy", bytes, 40);
    refuse("c.npy", "c.npy", "cut off");
    write_file("d.npy", "hello world, no numpy", 21);
    refuse("d.npy", "d.npy", "does not begin");
    const struct {
        const char *header, *words;
    } bad[] = {
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }",
         "element type"},
        {"{'descr': '<f8', 'fortran_order': True, 'shape': (2, 2), }",
         "Fortran"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (), }", "shape"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (0, 2), }",
         "shape"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2", "shape"},
        {"{'descr': '<f8', 'shape': (2, 2), }", "lacks a field"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': "
         "(4611686018427387904, 4), }",
         "holds less"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        length = make_npy(bytes, bad[i].header, data, sizeof(data));
        write_file("e.npy", bytes, length);
        refuse("e.npy", "e.npy", bad[i].words);
    }
}

/* What an input of whole numbers does not take. */
static void values_out_of_range_are_named(void **state)
{
    (void)state;
    write_file("labels.csv", "0\n9\n10\n", 7);
    DataFile file;
    Status status = data_file_open(&file, "labels.csv");
    assert_string_equal(status.message, "");
    status = data_file_check(&file, DTYPE_I32, 11);
    assert_string_equal(status.message, "");
    status = data_file_check(&file, DTYPE_I32, 10);
    assert_non_null(strstr(status.message, "element 2 is 10"));
    assert_non_null(strstr(status.message, "from 0 to 9"));
    data_file_close(&file);
    write_file("labels.csv", "0\n0.5\n", 6);
    status = data_file_open(&file, "labels.csv");
    assert_string_equal(status.message, "");
    status = data_file_check(&file, DTYPE_I32, 0);
    assert_non_null(strstr(status.message, "not a whole number"));
    status = data_file_check(&file, DTYPE_F32, 0);
    assert_string_equal(status.message, "");
    data_file_close(&file);
    unlink("labels.csv");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_themselves),
        cmocka_unit_test(tokens_with_and_without_header),
        cmocka_unit_test(images_and_labels),
        cmocka_unit_test(compressed_files_are_expanded),
        cmocka_unit_test(rows_of_numbers),
        cmocka_unit_test(numpy_arrays),
        cmocka_unit_test(values_out_of_range_are_named),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
