/* Fuzz data files: the first byte chooses the format, the others are refused
 * or become an array whose every element can be read. */
#include "runtime/data_file.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static Status parse(DataFile *file, char format)
{
    switch (format) {
    case 'n': return npy_parse(file);
    case 'c': return csv_parse(file, NULL);
    case 's': return csv_parse(file, "1,0-2");
    case 't': return token_parse(file);
    case 'z': return gzip_expand(file);
    default: break;
    }
    if (idx_matches(file->memory, file->memory_bytes))
        return idx_parse(file);
    return status_error(STATUS_INPUT, "no format");
}

void fuzz_input(Str bytes, Arena *arena)
{
    (void)arena;
    if (bytes.length < 2)
        return;
    DataFile file = {.name = strdup("fuzz"), .scale = 1};
    file.memory_bytes = bytes.length - 1;
    file.memory = malloc((size_t)file.memory_bytes);
    assert(file.memory && file.name);
    memcpy(file.memory, bytes.data + 1, (size_t)file.memory_bytes);
    Status status = parse(&file, bytes.data[0]);
    if (!status_failed(&status) && file.shape.rank > 0) {
        float value;
        status = data_file_read(&file, shape_count(&file.shape) - 1, 1,
                                DTYPE_F32, 0, &value);
        assert(!status_failed(&status));
        status = data_file_check(&file, DTYPE_I32, 10);
    }
    data_file_close(&file);
}
