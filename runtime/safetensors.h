/* Safetensors: named dense tensors in one file.
 *
 *     u64 length of the header, little-endian
 *     header, JSON: {"name": {"dtype": "F32", "shape": [..],
 *                             "data_offsets": [begin, end]}, ...}
 *     data
 *
 * (github.com/huggingface/safetensors).  Files may come from anyone, so every
 * number of a header is checked before it is used.
 */
#ifndef DNNC_RUNTIME_SAFETENSORS_H
#define DNNC_RUNTIME_SAFETENSORS_H

#include "ir/type.h"
#include "support/status.h"
#include "support/vector.h"

/* One tensor of a file. */
typedef struct SafetensorsEntry {
    Str name;
    Type type;
    bool is_readable;   /* an element type of ours (F32, I32) */
    int64_t file_begin; /* bytes from the beginning of the file */
} SafetensorsEntry;

typedef struct Safetensors {
    const char *path; /* borrowed */
    int descriptor;   /* -1: not open */
    int64_t file_bytes;
    VECTOR(SafetensorsEntry) entries;
} Safetensors;

/* Opens a file for reading; entries and names live in `arena`. */
Status safetensors_open(Safetensors *out, Arena *arena,
                        const char *path) MUST_USE;
void safetensors_close(Safetensors *file);
/* NULL when absent. */
const SafetensorsEntry *safetensors_find(const Safetensors *file, Str name);
/* Elements [at, at + count) of a tensor. */
Status safetensors_read(const Safetensors *file, const SafetensorsEntry *entry,
                        int64_t at, int64_t count, void *out) MUST_USE;

/* Parses a header of `length` bytes whose file has `file_bytes` bytes. */
Status safetensors_parse(Safetensors *out, Arena *arena, const char *header,
                         int64_t length) MUST_USE;

/* The bytes before the data of a file that holds `entries` one after the
 * other: fills in their file_begin and returns the file's length. */
int64_t safetensors_layout(Arena *arena, SafetensorsEntry *entries,
                           int64_t count, Str *header);

#endif
