/* IDX: the format of MNIST and its descendants.
 *
 * Two zero bytes, an element type, the rank, big-endian extents, then the
 * elements.  Unsigned bytes, MNIST's only type, stand for [0, 1] where the
 * model wants f32.
 */
#include "runtime/data_file.h"
#include "support/checked.h"

#include <string.h>

enum { IDX_UNSIGNED_BYTE = 0x08 };

static int64_t big_endian(const unsigned char *p)
{
    return (int64_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

bool idx_matches(const char *bytes, int64_t n_bytes)
{
    const unsigned char *p = (const unsigned char *)bytes;
    return n_bytes >= 8 && p[0] == 0 && p[1] == 0 && p[2] >= 0x08 &&
           p[2] <= 0x0e && p[3] >= 1 && p[3] <= RANK_MAX;
}

Status idx_parse(DataFile *file)
{
    const unsigned char *p = file->memory;
    if (p[2] != IDX_UNSIGNED_BYTE)
        return status_error(STATUS_INPUT,
                            "'%s' is an IDX file of element type 0x%02x; only "
                            "0x08 (unsigned bytes) is read",
                            file->name, p[2]);
    int32_t rank = p[3];
    int64_t header = 4 + 4 * (int64_t)rank;
    if (file->memory_bytes < header)
        return status_error(STATUS_INPUT, "IDX file '%s' is truncated",
                            file->name);
    Shape shape = {.rank = rank};
    int64_t count = 1;
    for (int32_t i = 0; i < rank; i++) {
        shape.extent[i] = big_endian(p + 4 + 4 * (int64_t)i);
        if (shape.extent[i] < 1 || !mul_i64(count, shape.extent[i], &count))
            return status_error(STATUS_INPUT,
                                "IDX file '%s' has an impossible extent",
                                file->name);
    }
    if (count != file->memory_bytes - header)
        return status_error(STATUS_INPUT,
                            "IDX file '%s' is truncated or damaged: its header "
                            "promises %lld elements, it has %lld",
                            file->name, (long long)count,
                            (long long)(file->memory_bytes - header));
    file->kind = ELEMENT_U8;
    file->shape = shape;
    file->scale = 1.0f / 255;
    file->elements = (const char *)p + header;
    return status_ok();
}
