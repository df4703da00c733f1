/* safetensors: the size of a JSON header, the header, the data. */
#include "tests/parity/checkpoint_reader.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool checkpoint_read(const char *path, Checkpoint *out)
{
    *out = (Checkpoint){0};
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return false;
    }
    fseek(file, 0, SEEK_END);
    size_t n = (size_t)ftell(file);
    rewind(file);
    out->file = malloc(n + 1);
    uint64_t header = UINT64_MAX;
    if (out->file && fread(out->file, 1, n, file) == n && n >= 8)
        memcpy(&header, out->file, 8);
    if (n < 8 || header > n - 8) {
        fprintf(stderr, "%s: not a safetensors file\n", path);
        fclose(file);
        return false;
    }
    fclose(file);
    out->header = json_loadb(out->file + 8, header, 0, NULL);
    out->data = out->file + 8 + header;
    out->n_bytes = n - 8 - header;
    return out->header != NULL;
}

void checkpoint_close(Checkpoint *checkpoint)
{
    json_decref(checkpoint->header);
    free(checkpoint->file);
    *checkpoint = (Checkpoint){0};
}

const float *checkpoint_tensor(const Checkpoint *checkpoint, const char *name,
                               size_t *n)
{
    json_t *entry = json_object_get(checkpoint->header, name);
    json_t *range = json_object_get(entry, "data_offsets");
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    size_t begin = (size_t)json_integer_value(json_array_get(range, 0));
    size_t end = (size_t)json_integer_value(json_array_get(range, 1));
    if (!dtype || strcmp(dtype, "F32") != 0 || end < begin ||
        end > checkpoint->n_bytes)
        return NULL;
    *n = (end - begin) / sizeof(float);
    return (const float *)(const void *)(checkpoint->data + begin);
}
