/* Opening data files and reading their elements. */
#include "runtime/data_file.h"

#include "support/checked.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int64_t element_bytes(ElementKind kind)
{
    static const int64_t bytes[] = {
        [ELEMENT_U8] = 1,  [ELEMENT_I8] = 1,  [ELEMENT_U16] = 2,
        [ELEMENT_I32] = 4, [ELEMENT_I64] = 8, [ELEMENT_F32] = 4,
        [ELEMENT_F64] = 8,
    };
    return bytes[kind];
}

/* -- reading elements ----------------------------------------------------- */

/* Element `at`, unaligned, as a double; exact for all but huge i64. */
static double element_value(const DataFile *file, int64_t at)
{
    const char *p = file->elements + at * element_bytes(file->kind);
#define ELEMENT_CASE(Kind, Type)          \
    case Kind: {                          \
        Type value;                       \
        memcpy(&value, p, sizeof(value)); \
        return (double)value;             \
    }
    switch (file->kind) {
        ELEMENT_CASE(ELEMENT_U8, uint8_t)
        ELEMENT_CASE(ELEMENT_I8, int8_t)
        ELEMENT_CASE(ELEMENT_U16, uint16_t)
        ELEMENT_CASE(ELEMENT_I32, int32_t)
        ELEMENT_CASE(ELEMENT_I64, int64_t)
        ELEMENT_CASE(ELEMENT_F32, float)
        ELEMENT_CASE(ELEMENT_F64, double)
    }
#undef ELEMENT_CASE
    return 0;
}

static Status bad_element(const DataFile *file, int64_t at, double value,
                          int64_t limit)
{
    if (value != floor(value))
        return status_error(STATUS_INPUT,
                            "'%s': element %lld is %g, not a whole number",
                            file->name, (long long)at, value);
    if (limit)
        return status_error(STATUS_INPUT,
                            "'%s': element %lld is %.0f, but the model takes "
                            "values from 0 to %lld",
                            file->name, (long long)at, value,
                            (long long)(limit - 1));
    return status_error(STATUS_INPUT, "'%s': element %lld is %.0f, beyond i32",
                        file->name, (long long)at, value);
}

/* The common case, one loop a kind so that it vectorises. */
static void read_floats(const DataFile *file, int64_t at, int64_t count,
                        float *out)
{
    const char *from = file->elements + at * element_bytes(file->kind);
    if (file->kind == ELEMENT_U8) {
        const unsigned char *bytes = (const unsigned char *)from;
        for (int64_t i = 0; i < count; i++)
            out[i] = (float)bytes[i] * file->scale;
    } else if (file->kind == ELEMENT_F32 && file->scale == 1) {
        memcpy(out, from, (size_t)count * sizeof(float));
    } else {
        for (int64_t i = 0; i < count; i++)
            out[i] = (float)element_value(file, at + i) * file->scale;
    }
}

Status data_file_read(const DataFile *file, int64_t at, int64_t count,
                      DType dtype, int64_t limit, void *out)
{
    if (dtype == DTYPE_F32) {
        read_floats(file, at, count, out);
        return status_ok();
    }
    double low = limit ? 0 : INT32_MIN;
    double high = limit ? (double)limit - 1 : INT32_MAX;
    int32_t *values = out;
    for (int64_t i = 0; i < count; i++) {
        double value = element_value(file, at + i);
        if (!(value >= low && value <= high) || value != floor(value))
            return bad_element(file, at + i, value, limit);
        values[i] = (int32_t)value;
    }
    return status_ok();
}

Status data_file_check(const DataFile *file, DType dtype, int64_t limit)
{
    if (dtype == DTYPE_F32)
        return status_ok();
    enum { CHUNK = 4096 };
    int32_t values[CHUNK];
    int64_t total = shape_count(&file->shape);
    for (int64_t at = 0; at < total; at += CHUNK)
        TRY(data_file_read(file, at, min_i64(CHUNK, total - at), dtype, limit,
                           values));
    return status_ok();
}

/* -- opening -------------------------------------------------------------- */

/* Takes `suffix` off the end of *name. */
static bool take_suffix(Str *name, const char *suffix)
{
    int64_t length = (int64_t)strlen(suffix);
    if (name->length < length ||
        memcmp(name->data + name->length - length, suffix, (size_t)length) != 0)
        return false;
    name->length -= length;
    return true;
}

static Status cannot_read(const DataFile *file)
{
    return status_error(STATUS_INPUT, "cannot read data file '%s': %s",
                        file->name, strerror(errno));
}

static Status map_descriptor(DataFile *file, int descriptor)
{
    struct stat about;
    if (fstat(descriptor, &about) != 0)
        return cannot_read(file);
    if (!S_ISREG(about.st_mode))
        return status_error(STATUS_INPUT, "data file '%s' is not a file",
                            file->name);
    if (about.st_size == 0)
        return status_error(STATUS_INPUT, "data file '%s' is empty",
                            file->name);
    void *pages = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE,
                       descriptor, 0);
    if (pages == MAP_FAILED)
        return cannot_read(file);
    file->memory = pages;
    file->memory_bytes = about.st_size;
    file->is_mapped = true;
    return status_ok();
}

static Status map_file(DataFile *file)
{
    int descriptor = open(file->name, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return cannot_read(file);
    Status status = map_descriptor(file, descriptor);
    close(descriptor);
    return status;
}

void data_file_release(DataFile *file)
{
    if (file->is_mapped)
        munmap(file->memory, (size_t)file->memory_bytes);
    else
        free(file->memory);
    file->memory = NULL;
}

void data_file_close(DataFile *file)
{
    data_file_release(file);
    free(file->name);
    *file = (DataFile){0};
}

/* The bytes themselves are the elements. */
static void take_bytes(DataFile *file)
{
    file->kind = ELEMENT_U8;
    file->elements = file->memory;
    file->shape = (Shape){.rank = 1, .extent = {file->memory_bytes}};
}

static Status parse(DataFile *file, const char *columns)
{
    Str name = str_from(file->name);
    file->scale = 1;
    if (take_suffix(&name, ".gz"))
        TRY(gzip_expand(file));
    if (take_suffix(&name, ".csv"))
        return csv_parse(file, columns);
    if (take_suffix(&name, ".npy"))
        return npy_parse(file);
    if (take_suffix(&name, ".bin"))
        return token_parse(file);
    if (idx_matches(file->memory, file->memory_bytes))
        return idx_parse(file);
    take_bytes(file);
    return status_ok();
}

Status data_file_open(DataFile *out, const char *specification)
{
    *out = (DataFile){.name = strdup(specification)};
    if (!out->name)
        return status_error(STATUS_ENVIRONMENT, "out of memory");
    const char *columns = NULL;
    char *colon = strrchr(out->name, ':');
    if (colon && access(specification, F_OK) != 0) {
        *colon = '\0';
        columns = specification + (colon + 1 - out->name);
    }
    Status status = map_file(out);
    if (!status_failed(&status))
        status = parse(out, columns);
    if (status_failed(&status))
        data_file_close(out);
    return status;
}
