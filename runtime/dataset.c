/* Binding files to inputs, splitting, and filling batches. */
#include "runtime/dataset.h"

#include "runtime/permutation.h"
#include "runtime/rectangle.h"
#include "support/checked.h"
#include "support/philox.h"

#include <stdio.h>
#include <string.h>

/* -- binding -------------------------------------------------------------- */

static const ProgramInput *input_at(const Program *program, int64_t i)
{
    return &program->inputs.data[i];
}

static int64_t sample_length(const ProgramInput *input)
{
    return shape_count(&input->type.shape) / input->type.shape.extent[0];
}

/* The input that a binding names; for a bare file the only one that reads
 * its own data. */
static Status find_input(const Program *program, Str name, int32_t *out)
{
    int32_t found = -1, n_found = 0;
    for (int32_t i = 0; i < program->inputs.count; i++) {
        const ProgramInput *input = input_at(program, i);
        if (input->shift_of >= 0)
            continue;
        if (name.length ? str_equal(input->name, name) : true) {
            found = i;
            n_found++;
        }
    }
    *out = found;
    if (n_found == 1)
        return status_ok();
    char known[256] = "";
    for (int32_t i = 0; i < program->inputs.count; i++)
        if (input_at(program, i)->shift_of < 0)
            snprintf(known + strlen(known), sizeof(known) - strlen(known),
                     " %.*s", STR_ARG(input_at(program, i)->name));
    if (name.length)
        return status_error(STATUS_USAGE,
                            "the model has no input '%.*s'; it reads:%s",
                            STR_ARG(name), known);
    return status_error(STATUS_USAGE,
                        "say which input each file is for (--data NAME=FILE): "
                        "the model reads:%s",
                        known);
}

static Status open_binding(DataFiles *files, const Program *program,
                           const char *binding)
{
    const char *equals = strchr(binding, '=');
    Str name = {binding, equals ? equals - binding : 0};
    int32_t input;
    TRY(find_input(program, name, &input));
    if (files->of_input[input] >= 0)
        return status_error(STATUS_USAGE, "input '%.*s' is given two files",
                            STR_ARG(input_at(program, input)->name));
    DataFile *file = &files->files[files->count];
    TRY(data_file_open(file, equals ? equals + 1 : binding));
    files->of_input[input] = (int32_t)files->count++;
    const ProgramInput *of = input_at(program, input);
    return status_context(data_file_check(file, of->type.dtype, of->limit),
                          "input '%.*s'", STR_ARG(of->name));
}

Status data_files_open(DataFiles *out, const Program *program,
                       const char *const *bindings, int64_t count)
{
    *out = (DataFiles){0};
    for (int i = 0; i < DATASET_INPUTS_MAX; i++)
        out->of_input[i] = -1;
    if (program->inputs.count > DATASET_INPUTS_MAX)
        return status_error(STATUS_INPUT, "a model of more than %d inputs",
                            DATASET_INPUTS_MAX);
    for (int64_t i = 0; i < count; i++)
        TRY(open_binding(out, program, bindings[i]));
    for (int32_t i = 0; i < program->inputs.count; i++) {
        const ProgramInput *input = input_at(program, i);
        if (input->shift_of < 0 && out->of_input[i] < 0)
            return status_error(STATUS_USAGE,
                                "input '%.*s' has no data: --data %.*s=FILE",
                                STR_ARG(input->name), STR_ARG(input->name));
    }
    return status_ok();
}

void data_files_close(DataFiles *files)
{
    for (int64_t i = 0; i < files->count; i++)
        data_file_close(&files->files[i]);
    *files = (DataFiles){0};
}

/* -- splitting ------------------------------------------------------------ */

/* The largest shift of the inputs that read what `input` reads. */
static int64_t shift_max(const Program *program, int32_t input)
{
    int64_t shift = 0;
    for (int32_t i = 0; i < program->inputs.count; i++)
        if (input_at(program, i)->shift_of == input)
            shift = max_i64(shift, input_at(program, i)->shift);
    return shift;
}

/* The samples of `elements` elements of a stream: windows of `length` with
 * `shift` more behind the last.  Where there is more than one, one is given up
 * so that every phase in [0, length) leaves whole windows. */
static void cut_stream(struct DatasetColumn *column, int64_t elements,
                       int64_t shift, int64_t *n_samples)
{
    int64_t windows = (elements - shift) / column->length;
    if (windows > 1)
        windows--;
    *n_samples = max_i64(windows, 0);
    column->spare = max_i64(min_i64(elements - shift - windows * column->length,
                                    column->length - 1),
                            0);
}

static Status check_rows(const ProgramInput *input, const DataFile *file,
                         int64_t wanted)
{
    int64_t got = shape_count(&file->shape) / file->shape.extent[0];
    if (wanted == got)
        return status_ok();
    return status_error(
        STATUS_INPUT,
        "'%s' has %lld numbers a sample, but input '%.*s' takes %lld",
        file->name, (long long)got, STR_ARG(input->name), (long long)wanted);
}

/* Fills the columns of one input for both ranges. */
static Status split_input(const Program *program, const DataFiles *files,
                          int32_t i, double held_out, Dataset *first,
                          Dataset *last, int64_t n_samples[2])
{
    const ProgramInput *input = input_at(program, i);
    const DataFile *file = &files->files[files->of_input[i]];
    struct DatasetColumn column = {.file = file,
                                   .length = sample_length(input)};
    int64_t shift = shift_max(program, i);
    column.is_stream =
        file->shape.rank == 1 && (column.length > 1 || shift > 0);
    if (!column.is_stream) {
        column.length += shift;
        TRY(check_rows(input, file, column.length));
    }
    int64_t units = file->shape.extent[0]; /* elements or rows */
    int64_t held = (int64_t)((double)units * held_out);
    int64_t kept = units - held;
    first->columns[i] = last->columns[i] = column;
    if (column.is_stream) {
        last->columns[i].first = kept;
        cut_stream(&first->columns[i], kept, shift, &n_samples[0]);
        cut_stream(&last->columns[i], held, shift, &n_samples[1]);
    } else {
        last->columns[i].first = kept * column.length;
        n_samples[0] = kept;
        n_samples[1] = held;
    }
    return status_ok();
}

/* Shifted inputs read their base's windows, later. */
static void derive_shifted(const Program *program, Dataset *dataset)
{
    for (int32_t i = 0; i < program->inputs.count; i++) {
        const ProgramInput *input = input_at(program, i);
        if (input->shift_of < 0)
            continue;
        dataset->columns[i] = dataset->columns[input->shift_of];
        dataset->columns[i].first += input->shift;
    }
}

static Status check_counts(const Dataset *dataset, int32_t i, int64_t n_samples)
{
    const Program *program = dataset->program;
    const DataFile *file = dataset->columns[i].file;
    if (n_samples != dataset->n_samples)
        return status_error(
            STATUS_INPUT,
            "'%s' has %lld samples, but other inputs' files have %lld",
            file->name, (long long)n_samples, (long long)dataset->n_samples);
    if (n_samples >= program->batch)
        return status_ok();
    return status_error(
        STATUS_INPUT,
        "'%s' is too short: it has %lld samples of %lld elements, one batch "
        "takes %lld",
        file->name, (long long)n_samples, (long long)dataset->columns[i].length,
        (long long)program->batch);
}

Status dataset_split(const Program *program, const DataFiles *files,
                     uint64_t seed, double held_out, Dataset *first,
                     Dataset *last)
{
    Dataset unused;
    last = last ? last : &unused;
    *first = (Dataset){.program = program, .seed = seed, .n_samples = -1};
    *last = *first;
    for (int32_t i = 0; i < program->inputs.count; i++) {
        int64_t n_samples[2];
        if (input_at(program, i)->shift_of >= 0)
            continue;
        TRY(split_input(program, files, i, held_out, first, last, n_samples));
        if (first->n_samples < 0) {
            first->n_samples = n_samples[0];
            last->n_samples = n_samples[1];
        }
        TRY(check_counts(first, i, n_samples[0]));
    }
    if (first->n_samples < 0)
        first->n_samples = last->n_samples = program->batch; /* no inputs */
    if (held_out > 0 && last->n_samples < 1)
        return status_error(STATUS_INPUT,
                            "a fraction of %g of the data is less than one "
                            "sample: nothing to validate on",
                            held_out);
    derive_shifted(program, first);
    derive_shifted(program, last);
    first->is_shuffled = true;
    return status_ok();
}

/* -- batches -------------------------------------------------------------- */

/* Where a window of sample `position` begins. */
static int64_t sample_element(const Dataset *d, int32_t input, int64_t position)
{
    enum { PHASE_STREAM = 0x5eed0002 };
    const struct DatasetColumn *column = &d->columns[input];
    int64_t epoch = position / d->n_samples, at = position % d->n_samples;
    int64_t phase = 0;
    if (d->is_shuffled) {
        at = permutation_at(d->seed, epoch, d->n_samples, at);
        if (column->is_stream) {
            PhiloxWords w =
                philox(d->seed, (uint32_t)epoch, 0, PHASE_STREAM, 0);
            phase = (int64_t)(w.word[0] % (uint64_t)(column->spare + 1));
        }
    }
    return column->first + phase + at * column->length;
}

/* One sample on its way into a block. */
typedef struct Filling {
    const DataFile *file;
    const ProgramInput *input;
    int64_t element; /* the sample's first in the file */
    char *row;       /* the sample's place in the block */
} Filling;

static Status fill_run(void *context, int64_t at_sample, int64_t at_row,
                       int64_t count)
{
    const Filling *f = context;
    return data_file_read(f->file, f->element + at_sample, count,
                          f->input->type.dtype, f->input->limit,
                          f->row + at_row * 4);
}

/* A shape without its first dimension. */
static Shape sample_shape(const Shape *batch)
{
    Shape shape = {.rank = batch->rank - 1};
    memcpy(shape.extent, batch->extent + 1,
           (size_t)shape.rank * sizeof(int64_t));
    return shape;
}

static Status fill(void *context, int32_t input, const int64_t *begin,
                   const int64_t *length, const Shape *block_shape, void *block)
{
    const Batch *batch = context;
    const Dataset *d = batch->dataset;
    Filling f = {.file = d->columns[input].file,
                 .input = input_at(d->program, input)};
    Shape sample = sample_shape(&f.input->type.shape);
    Shape row = sample_shape(block_shape);
    int64_t row_bytes = shape_count(&row) * 4;
    for (int64_t s = 0; s < length[0]; s++) {
        f.row = (char *)block + s * row_bytes;
        if (begin[0] + s >= batch->count) {
            memset(f.row, 0, (size_t)row_bytes);
            continue;
        }
        f.element = sample_element(d, input, batch->position + begin[0] + s);
        TRY(rectangle_runs(length + 1, (RectanglePlace){&sample, begin + 1},
                           (RectanglePlace){&row, NULL}, fill_run, &f));
    }
    return status_ok();
}

InputSource batch_source(Batch *batch)
{
    return (InputSource){.fill = fill, .context = batch};
}
