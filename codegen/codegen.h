/* Codegen: kernels to objects, objects and program to one executable job.
 *
 *     CodeObjects objects;
 *     TRY(codegen_objects(arena, scratch, code, program, &options, &objects));
 *     TRY(job_link(scratch, program, &objects, &link, STR("gpt2")));
 */
#ifndef DNNC_CODEGEN_CODEGEN_H
#define DNNC_CODEGEN_CODEGEN_H

#include "codegen/target.h"
#include "ir/kernel.h"

typedef struct CodegenOptions {
    Str directory; /* exists; objects (and listings) are written into it */
    bool listings; /* also kernels-N.ll, as emitted, and kernels-N.opt.ll, as
                      optimised */
} CodegenOptions;

typedef struct CodeObjects {
    VECTOR(Str) paths; /* of object files, in the options' directory */
    int32_t n_code;    /* functions dnnc_code_0, dnnc_code_1, ... in them */
    CpuTarget target;
} CodeObjects;

/* Emits the function of every code number of `code` (see ProgramCode) for
 * program->target, whose instructions say which kernels run in place.  Paths
 * live in `arena`.  Fails when the target is unknown or a file cannot be
 * written; objects already written stay in the directory. */
Status codegen_objects(Arena *arena, Arena scratch, const ProgramCode *code,
                       const Program *program, const CodegenOptions *options,
                       CodeObjects *out) MUST_USE;

typedef struct JobLink {
    Str directory; /* exists; for the job's data object */
    Str library;   /* path of libdnnc_runtime.a */
} JobLink;

/* The runtime library that belongs to the running executable: in the install
 * prefix's lib/dnnc when that is where the executable is (a moved prefix too),
 * else in the build tree's runtime/.  Fails with the places looked at. */
Status job_library_find(Arena *arena, Str *out) MUST_USE;

/* Links the job `path`: objects, the program's bytes and the runtime library.
 * The executable is written beside its name and renamed, so a failure leaves
 * what was there.  The job's symbols are
 *
 *     const unsigned char dnnc_program[];   program_encode's bytes
 *     const uint64_t dnnc_program_bytes;
 *     KernelFunction *const dnnc_code[];    by code number
 *     const uint64_t dnnc_code_count;
 *     const char dnnc_target[];             "x86-64-v3"
 *     const char dnnc_target_features[];    CpuTarget.features
 */
Status job_link(Arena scratch, const Program *program,
                const CodeObjects *objects, const JobLink *link,
                Str path) MUST_USE;

#endif
