/* write_samples: data of a case as files, so that a job trains on it.
 *
 *     write_samples FOLDER STEPS BATCH SEED \
 *                   NAME=LENGTH[+SHIFT][:LIMIT]...
 *
 * Writes FOLDER/NAME.npy for each input: STEPS x BATCH rows of LENGTH + SHIFT
 * elements, f32 in [0, 1), or i32 below LIMIT.  The numbers are those of
 * case_inputs (cases.h), and of tests/parity/record.py.  They are stored so
 * that a job with --seed SEED, which shuffles, reads batch t in step t.
 */
#include "runtime/permutation.h"
#include "tests/parity/cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Samples {
    int64_t steps, batch;
    uint64_t seed;
} Samples;

typedef struct Column {
    const char *name;
    int32_t input;
    int64_t length, row; /* elements of a sample, and of a row in the file */
    uint32_t limit;      /* 0: f32 */
} Column;

static bool parse_column(char *text, Column *out)
{
    char *equals = strchr(text, '='), *end;
    if (!equals)
        return false;
    *equals = 0;
    out->name = text;
    out->length = strtoll(equals + 1, &end, 10);
    out->row = out->length + (*end == '+' ? strtoll(end + 1, &end, 10) : 0);
    out->limit = *end == ':' ? (uint32_t)strtoul(end + 1, &end, 10) : 0;
    return out->length > 0 && *end == 0;
}

static void fill_sample(const Column *column, int64_t step, int64_t sample,
                        uint32_t *row)
{
    int64_t first = sample * (column->length + 1);
    for (int64_t i = 0; i < column->row; i++) {
        uint32_t h = case_draw(step, column->input, first + i);
        float pixel = case_pixel(h);
        if (column->limit)
            row[i] = h % column->limit;
        else
            memcpy(&row[i], &pixel, sizeof pixel);
    }
}

/* NumPy's format 1.0: a header of 128 bytes, ended by a line feed. */
static void write_header(FILE *file, const Column *column, int64_t n_samples)
{
    char header[118];
    snprintf(header, sizeof header,
             "{'descr': '<%s', 'fortran_order': False, "
             "'shape': (%lld, %lld), }",
             column->limit ? "i4" : "f4", (long long)n_samples,
             (long long)column->row);
    fwrite("\x93NUMPY\x01\0\x76\0", 1, 10, file);
    fprintf(file, "%-117s\n", header);
}

static bool write_column(const char *folder, const Samples *samples,
                         const Column *column)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.npy", folder, column->name);
    FILE *file = fopen(path, "wb");
    int64_t n = samples->steps * samples->batch;
    size_t row_words = (size_t)column->row;
    uint32_t *rows = malloc((size_t)n * row_words * sizeof *rows);
    if (!file || !rows) {
        perror(path);
        return false;
    }
    for (int64_t at = 0; at < n; at++)
        fill_sample(column, at / samples->batch, at % samples->batch,
                    rows + (size_t)permutation_at(samples->seed, 0, n, at) *
                               row_words);
    write_header(file, column, n);
    fwrite(rows, sizeof *rows, (size_t)n * row_words, file);
    free(rows);
    return fclose(file) == 0;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: write_samples FOLDER STEPS BATCH SEED "
                        "NAME=LENGTH[+SHIFT][:LIMIT]...\n");
        return 2;
    }
    Samples samples = {.steps = atoll(argv[2]),
                       .batch = atoll(argv[3]),
                       .seed = strtoull(argv[4], NULL, 10)};
    for (int i = 5; i < argc; i++) {
        Column column = {.input = i - 5};
        if (!parse_column(argv[i], &column)) {
            fprintf(stderr, "write_samples: '%s' is no column\n", argv[i]);
            return 2;
        }
        if (!write_column(argv[1], &samples, &column))
            return 1;
    }
    return 0;
}
