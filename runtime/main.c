/* A job's entry: what the compiler packed, handed to the runtime.
 *
 * The data symbols are defined by the object that codegen/ writes into every
 * job.
 */
#include "runtime/job.h"
#include "support/checked.h"

#include <stdio.h>

extern const unsigned char dnnc_program[];
extern const uint64_t dnnc_program_bytes;
extern KernelFunction *const dnnc_code[];
extern const uint64_t dnnc_code_count;
extern const char dnnc_target[];
extern const char dnnc_target_features[];

int main(int argc, char **argv)
{
    /* Decoded tables are a small multiple of the encoded bytes; the header of
     * a safetensors file has at most 16 MB. */
    const int64_t fixed_bytes = 32 << 20, factor = 64;
    jmp_buf landing;
    ArenaMemory memory;
    Arena arena = arena_reserve(
        &memory, fixed_bytes + factor * (int64_t)dnnc_program_bytes, &landing);
    if (!arena.next || setjmp(landing)) {
        fprintf(stderr, "%s: error: out of memory\n", argv[0]);
        return STATUS_ENVIRONMENT;
    }
    Program program;
    Status status = program_decode(&arena, dnnc_program,
                                   (size_t)dnnc_program_bytes, &program);
    if (status_failed(&status)) {
        fprintf(stderr, "%s: error: %s\n", argv[0], status.message);
        return (int)status.code;
    }
    const JobImage image = {.program = &program,
                            .code = dnnc_code,
                            .code_count = dnnc_code_count,
                            .target = dnnc_target,
                            .features = dnnc_target_features};
    int code = job_run(&image, &arena, argc, argv);
    arena_release(&memory);
    return code;
}
