/* NumPy's .npy: a magic string, a version, a Python dictionary in a stated
 * form ({'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }), data. */
#include "runtime/data_file.h"
#include "support/checked.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static Status malformed(const DataFile *file, const char *what)
{
    return status_error(STATUS_INPUT, "'%s' is no readable .npy file: %s",
                        file->name, what);
}

/* What follows `'key':` in the header, or NULL. */
static const char *after_key(const char *header, const char *key)
{
    const char *at = strstr(header, key);
    if (!at)
        return NULL;
    at += strlen(key);
    while (*at == ' ' || *at == ':')
        at++;
    return at;
}

static bool parse_kind(const char *text, ElementKind *out)
{
    static const struct {
        const char *text;
        ElementKind kind;
    } kinds[] = {
        {"'|u1'", ELEMENT_U8},  {"'|b1'", ELEMENT_U8},  {"'|i1'", ELEMENT_I8},
        {"'<u2'", ELEMENT_U16}, {"'<i4'", ELEMENT_I32}, {"'<i8'", ELEMENT_I64},
        {"'<f4'", ELEMENT_F32}, {"'<f8'", ELEMENT_F64},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strncmp(text, kinds[i].text, 5) == 0) {
            *out = kinds[i].kind;
            return true;
        }
    }
    return false;
}

/* "(3, 4)" */
static bool parse_shape(const char *text, Shape *out)
{
    *out = (Shape){0};
    if (*text++ != '(')
        return false;
    while (*text != ')') {
        char *end;
        int64_t extent = strtoll(text, &end, 10);
        if (end == text || extent < 1 || out->rank == RANK_MAX)
            return false;
        out->extent[out->rank++] = extent;
        text = end;
        while (*text == ',' || *text == ' ')
            text++;
    }
    return out->rank >= 1;
}

static Status parse_header(DataFile *file, const char *header)
{
    const char *kind = after_key(header, "'descr'");
    const char *order = after_key(header, "'fortran_order'");
    const char *shape = after_key(header, "'shape'");
    if (!kind || !order || !shape)
        return malformed(file, "its header lacks a field");
    if (!parse_kind(kind, &file->kind))
        return malformed(file, "its element type is not u1, i1, u2, i4, i8, "
                               "f4 or f8, little-endian");
    if (strncmp(order, "False", 5) != 0)
        return malformed(file, "it is in Fortran order; save it with "
                               "numpy.ascontiguousarray");
    if (!parse_shape(shape, &file->shape))
        return malformed(file, "its shape has no dimension, an empty one or "
                               "too many");
    return status_ok();
}

Status npy_parse(DataFile *file)
{
    const unsigned char *p = file->memory;
    if (file->memory_bytes < 12 || memcmp(p, "\x93NUMPY", 6) != 0)
        return malformed(file, "it does not begin as one");
    int64_t begin = p[6] == 1 ? 10 : 12;
    int64_t length = p[8] | p[9] << 8;
    if (p[6] > 1)
        length |= (int64_t)p[10] << 16 | (int64_t)p[11] << 24;
    if (length > file->memory_bytes - begin)
        return malformed(file, "its header is cut off");
    char *header = strndup((const char *)p + begin, (size_t)length);
    if (!header)
        return status_error(STATUS_ENVIRONMENT, "out of memory");
    Status status = parse_header(file, header);
    free(header);
    TRY(status);
    int64_t count, bytes, data = file->memory_bytes - begin - length;
    if (!shape_elements(&file->shape, &count) ||
        !mul_i64(count, element_bytes(file->kind), &bytes) || bytes > data)
        return malformed(file, "it holds less than its shape promises");
    file->elements = (const char *)p + begin + length;
    return status_ok();
}
