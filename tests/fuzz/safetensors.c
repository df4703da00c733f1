/* Fuzz safetensors files: any bytes are refused or give tensors whose every
 * element can be read. */
#include "runtime/safetensors.h"

#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void read_all(const Safetensors *file)
{
    for (int64_t i = 0; i < file->entries.count; i++) {
        const SafetensorsEntry *entry = &file->entries.data[i];
        int64_t last = shape_count(&entry->type.shape) - 1;
        float value;
        if (!entry->is_readable)
            continue;
        Status status = safetensors_read(file, entry, last, 1, &value);
        assert(!status_failed(&status));
    }
}

void fuzz_input(Str bytes, Arena *arena)
{
    static int descriptor = -1; /* one file for all inputs */
    if (descriptor < 0)
        descriptor = memfd_create("fuzz", 0);
    int resized = ftruncate(descriptor, 0);
    ssize_t written = pwrite(descriptor, bytes.data, (size_t)bytes.length, 0);
    assert(resized == 0 && written == bytes.length);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
    Safetensors file;
    Status status = safetensors_open(&file, arena, path);
    if (!status_failed(&status))
        read_all(&file);
    safetensors_close(&file);
}
