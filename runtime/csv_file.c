/* CSV: rows of numbers; a first row that holds none is a heading. */
#include "runtime/data_file.h"
#include "support/checked.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 1 << 16 };

/* Which columns are wanted, in order. */
typedef struct Selection {
    int64_t *columns;
    int64_t count;
} Selection;

/* The numbers read so far. */
typedef struct Values {
    double *data;
    int64_t count, capacity;
} Values;

static bool push(Values *values, double value)
{
    if (values->count == values->capacity) {
        int64_t capacity = values->capacity ? 2 * values->capacity : 1 << 14;
        double *data = realloc(values->data, (size_t)capacity * sizeof(double));
        if (!data)
            return false;
        values->data = data;
        values->capacity = capacity;
    }
    values->data[values->count++] = value;
    return true;
}

/* "0-63" or "1,4-6". */
static bool parse_columns(const char *text, Selection *out)
{
    while (*text) {
        char *end;
        int64_t first = strtoll(text, &end, 10), last = first;
        if (end == text)
            return false;
        if (*end == '-') {
            text = end + 1;
            last = strtoll(text, &end, 10);
            if (end == text)
                return false;
        }
        if (first < 0 || last < first || last >= COLUMNS_MAX ||
            out->count + last - first >= COLUMNS_MAX)
            return false;
        for (int64_t c = first; c <= last; c++)
            out->columns[out->count++] = c;
        if (*end && *end != ',')
            return false;
        text = *end ? end + 1 : end;
    }
    return out->count > 0;
}

/* One row's numbers; the line is [at, end). False at a field that is no
 * number, whose index is then *count. */
static bool parse_row(const char *at, const char *end, double *fields,
                      int64_t *count)
{
    *count = 0;
    for (;;) {
        char text[64];
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma ? comma : end;
        size_t length = (size_t)(stop - at);
        if (length >= sizeof(text) || *count == COLUMNS_MAX)
            return false;
        memcpy(text, at, length);
        text[length] = '\0';
        char *parsed;
        fields[*count] = strtod(text, &parsed);
        while (isspace((unsigned char)*parsed))
            parsed++;
        if (parsed == text || *parsed)
            return false;
        ++*count;
        if (!comma)
            return true;
        at = comma + 1;
    }
}

static Status keep_row(const DataFile *file, int64_t line,
                       const Selection *wanted, const double *fields,
                       int64_t n_fields, Values *values)
{
    for (int64_t i = 0; i < wanted->count; i++) {
        if (wanted->columns[i] >= n_fields)
            return status_error(STATUS_INPUT,
                                "'%s' line %lld has %lld columns; column %lld "
                                "is wanted (they count from 0)",
                                file->name, (long long)line,
                                (long long)n_fields,
                                (long long)wanted->columns[i]);
        if (!push(values, fields[wanted->columns[i]]))
            return status_error(STATUS_ENVIRONMENT, "out of memory");
    }
    return status_ok();
}

static Status parse_lines(DataFile *file, Selection *wanted, double *fields,
                          Values *values)
{
    const char *at = file->memory, *end = at + file->memory_bytes;
    int64_t width = 0;
    for (int64_t line = 1; at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        const char *next = newline ? newline + 1 : end;
        if (stop > at && stop[-1] == '\r')
            stop--;
        int64_t n_fields;
        if (stop == at) {
            at = next;
            continue;
        }
        bool is_row = parse_row(at, stop, fields, &n_fields);
        at = next;
        if (!is_row && line == 1)
            continue;
        if (!is_row)
            return status_error(
                STATUS_INPUT, "'%s' line %lld: field %lld is not a number",
                file->name, (long long)line, (long long)n_fields);
        if (width && n_fields != width)
            return status_error(STATUS_INPUT,
                                "'%s' line %lld has %lld columns, the lines "
                                "before have %lld",
                                file->name, (long long)line,
                                (long long)n_fields, (long long)width);
        width = n_fields;
        if (wanted->count == 0)
            for (int64_t c = 0; c < width; c++)
                wanted->columns[wanted->count++] = c;
        TRY(keep_row(file, line, wanted, fields, n_fields, values));
    }
    if (values->count == 0)
        return status_error(STATUS_INPUT, "'%s' has no rows of numbers",
                            file->name);
    return status_ok();
}

static void replace_memory(DataFile *file, Values *values)
{
    data_file_release(file);
    file->memory = values->data;
    file->memory_bytes = values->count * (int64_t)sizeof(double);
    file->is_mapped = false;
    file->elements = file->memory;
    values->data = NULL;
}

Status csv_parse(DataFile *file, const char *columns)
{
    Selection wanted = {calloc(COLUMNS_MAX, sizeof(int64_t)), 0};
    double *fields = calloc(COLUMNS_MAX, sizeof(double));
    Values values = {0};
    Status status = status_ok();
    if (!wanted.columns || !fields)
        status = status_error(STATUS_ENVIRONMENT, "out of memory");
    else if (columns && !parse_columns(columns, &wanted))
        status = status_error(STATUS_USAGE,
                              "'%s:%s': columns are written like 0-63 or "
                              "1,4-6",
                              file->name, columns);
    else
        status = parse_lines(file, &wanted, fields, &values);
    if (!status_failed(&status)) {
        int64_t rows = values.count / wanted.count;
        replace_memory(file, &values);
        file->kind = ELEMENT_F64;
        file->shape = (Shape){.rank = 2, .extent = {rows, wanted.count}};
        if (wanted.count == 1)
            file->shape = (Shape){.rank = 1, .extent = {rows}};
    }
    free(wanted.columns);
    free(fields);
    free(values.data);
    return status;
}
