/* Data files: every format read as one dense array of numbers.
 *
 *   .npy          NumPy, little-endian, C order
 *   .csv          numbers with commas; columns may be selected
 *   .bin          uint16 tokens, raw or with llm.c's header
 *   IDX           by its magic number: MNIST's images and labels
 *   anything else bytes
 *
 * and the same with .gz behind it.  Plain files are mapped, not read.
 */
#ifndef DNNC_RUNTIME_DATA_FILE_H
#define DNNC_RUNTIME_DATA_FILE_H

#include "ir/type.h"
#include "support/status.h"

typedef enum ElementKind {
    ELEMENT_U8,
    ELEMENT_I8,
    ELEMENT_U16,
    ELEMENT_I32,
    ELEMENT_I64,
    ELEMENT_F32,
    ELEMENT_F64,
} ElementKind;

typedef struct DataFile {
    char *name; /* as given by the user, for messages */
    ElementKind kind;
    Shape shape; /* rank >= 1 */
    float scale; /* f32 inputs get value * scale: 1/255 for IDX bytes */
    const char *elements;
    void *memory; /* what release gives back: a mapping or an allocation */
    int64_t memory_bytes;
    bool is_mapped;
} DataFile;

int64_t element_bytes(ElementKind kind);

/* Opens "path" or, for CSV, "path:columns" with columns like "0-63" or
 * "1,4-6".  Errors name the file and the place in it. */
Status data_file_open(DataFile *out, const char *specification) MUST_USE;
void data_file_close(DataFile *file);

/* Elements [at, at + count) as the input's dtype.  An i32 input takes whole
 * numbers in [0, limit) (limit 0: any); the first that is not is an error. */
Status data_file_read(const DataFile *file, int64_t at, int64_t count,
                      DType dtype, int64_t limit, void *out) MUST_USE;
/* Checks all elements at once, with the same errors. */
Status data_file_check(const DataFile *file, DType dtype,
                       int64_t limit) MUST_USE;

/* The formats; `file` has its name and raw bytes in memory, and becomes the
 * array.  Each in its own file. */
Status npy_parse(DataFile *file) MUST_USE;
Status idx_parse(DataFile *file) MUST_USE;
bool idx_matches(const char *bytes, int64_t n_bytes);
Status csv_parse(DataFile *file, const char *columns) MUST_USE;
Status token_parse(DataFile *file) MUST_USE;
/* Gives back the raw bytes; the parsers that make their own memory do. */
void data_file_release(DataFile *file);
/* Replaces the compressed bytes by what they hold. */
Status gzip_expand(DataFile *file) MUST_USE;

#endif
