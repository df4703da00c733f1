/* Fuzz safetensors files: any bytes are refused or give tensors whose every
 * element can be read. */
#include "runtime/safetensors.h"

#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <setjmp.h>
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ArenaMemory memory;
    static Arena arena;
    static jmp_buf exhausted;
    if (!arena.next)
        arena = arena_reserve(&memory, (int64_t)1 << 28, &exhausted);
    int descriptor = memfd_create("fuzz", 0);
    assert(descriptor >= 0 && write(descriptor, data, size) == (ssize_t)size);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
    if (setjmp(exhausted) == 0) {
        Arena scratch = arena;
        Safetensors file;
        Status status = safetensors_open(&file, &scratch, path);
        if (!status_failed(&status))
            read_all(&file);
        safetensors_close(&file);
    }
    close(descriptor);
    return 0;
}
