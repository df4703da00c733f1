/* Token files: uint16 numbers, raw or behind llm.c's header of 256 int32
 * (magic 20240520, version 1, number of tokens). */
#include "runtime/data_file.h"

#include <string.h>

enum {
    HEADER_BYTES = 256 * 4,
    HEADER_MAGIC = 20240520,
    TOKEN_BYTES = 2,
};

Status token_parse(DataFile *file)
{
    int32_t header[3] = {0};
    if (file->memory_bytes >= HEADER_BYTES)
        memcpy(header, file->memory, sizeof(header));
    int64_t begin = 0;
    if (header[0] == HEADER_MAGIC) {
        begin = HEADER_BYTES;
        if (header[1] != 1)
            return status_error(STATUS_INPUT,
                                "'%s' has a token header of version %d; only "
                                "1 (uint16) is known",
                                file->name, header[1]);
        int64_t expected = begin + (int64_t)header[2] * TOKEN_BYTES;
        if (expected != file->memory_bytes)
            return status_error(STATUS_INPUT,
                                "'%s' is truncated or damaged: its header "
                                "promises %lld bytes, it has %lld",
                                file->name, (long long)expected,
                                (long long)file->memory_bytes);
    }
    if ((file->memory_bytes - begin) % TOKEN_BYTES != 0)
        return status_error(STATUS_INPUT,
                            "'%s' has an odd number of bytes: not uint16 "
                            "tokens",
                            file->name);
    int64_t count = (file->memory_bytes - begin) / TOKEN_BYTES;
    if (count == 0)
        return status_error(STATUS_INPUT, "'%s' has no tokens", file->name);
    file->kind = ELEMENT_U16;
    file->elements = (const char *)file->memory + begin;
    file->shape = (Shape){.rank = 1, .extent = {count}};
    return status_ok();
}
