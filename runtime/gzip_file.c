/* gzip: expanded into memory, to the end and with its checksum checked. */
#include "runtime/data_file.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* The expanded bytes so far. */
typedef struct Output {
    char *bytes;
    int64_t length, capacity;
} Output;

static bool grow(Output *out)
{
    if (out->length < out->capacity)
        return true;
    int64_t capacity = out->capacity ? 2 * out->capacity : 1 << 20;
    char *bytes = realloc(out->bytes, (size_t)capacity);
    if (!bytes)
        return false;
    out->bytes = bytes;
    out->capacity = capacity;
    return true;
}

/* zlib's counters are 32 bits: it gets at most this much at a time. */
static uInt portion(int64_t bytes)
{
    return bytes > INT_MAX ? INT_MAX : (uInt)bytes;
}

/* Z_STREAM_END when all of the input was good; several members may follow one
 * another. */
static int expand(z_stream *z, int64_t left, Output *out)
{
    for (;;) {
        if (!grow(out))
            return Z_MEM_ERROR;
        uInt room = portion(out->capacity - out->length);
        z->avail_in = portion(left);
        uInt given = z->avail_in;
        z->next_out = (Bytef *)out->bytes + out->length;
        z->avail_out = room;
        int result = inflate(z, Z_NO_FLUSH);
        left -= given - z->avail_in;
        out->length += room - z->avail_out;
        if (result == Z_STREAM_END) {
            if (left == 0)
                return Z_STREAM_END;
            if (inflateReset(z) != Z_OK)
                return Z_DATA_ERROR;
        } else if (result == Z_BUF_ERROR && left == 0) {
            return Z_BUF_ERROR;
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            return result;
        }
    }
}

Status gzip_expand(DataFile *file)
{
    enum { GZIP_ONLY = 16 + MAX_WBITS };
    z_stream z = {.next_in = file->memory};
    if (inflateInit2(&z, GZIP_ONLY) != Z_OK)
        return status_error(STATUS_ENVIRONMENT, "zlib does not start");
    Output out = {0};
    int result = expand(&z, file->memory_bytes, &out);
    inflateEnd(&z);
    if (result != Z_STREAM_END) {
        free(out.bytes);
        if (result == Z_MEM_ERROR)
            return status_error(STATUS_ENVIRONMENT, "out of memory");
        return status_error(STATUS_INPUT, "'%s' is %s", file->name,
                            result == Z_BUF_ERROR
                                ? "a truncated gzip file"
                                : "not a gzip file, or damaged");
    }
    data_file_release(file);
    file->memory = out.bytes;
    file->memory_bytes = out.length;
    file->is_mapped = false;
    if (out.length == 0)
        return status_error(STATUS_INPUT, "'%s' holds nothing", file->name);
    return status_ok();
}
