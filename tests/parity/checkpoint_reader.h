/* Checkpoint reader: the f32 tensors of a safetensors file, by name.
 *
 * It shares no code with the product on purpose: it judges it.
 */
#ifndef DNNC_TESTS_PARITY_CHECKPOINT_READER_H
#define DNNC_TESTS_PARITY_CHECKPOINT_READER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct Checkpoint {
    json_t *header; /* name -> {dtype, shape, data_offsets} */
    const char *data;
    size_t n_bytes;
    char *file;
} Checkpoint;

/* False after a message on stderr. */
bool checkpoint_read(const char *path, Checkpoint *out);
void checkpoint_close(Checkpoint *checkpoint);
/* The *n elements of a tensor; NULL when it is absent or of another type. */
const float *checkpoint_tensor(const Checkpoint *checkpoint, const char *name,
                               size_t *n);

#endif
