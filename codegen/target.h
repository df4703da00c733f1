/* Target: the processor a job is compiled for.
 *
 * A device type names a level of the x86-64 psABI ("x86-64-v2", "-v3", "-v4")
 * or "native", which is the highest level this machine has.  A job runs on
 * every machine of its level; it checks that before step 0.
 */
#ifndef DNNC_CODEGEN_TARGET_H
#define DNNC_CODEGEN_TARGET_H

#include "support/status.h"

#include <llvm-c/TargetMachine.h>

typedef struct CpuTarget {
    const char *level;    /* "x86-64-v4": also LLVM's name of the processor */
    const char *features; /* what a processor must have, in LLVM's spelling:
                             "+avx,+avx2,..." */
    int32_t vector_bits;  /* preferred width of vectors */
} CpuTarget;

/* The target called `name`; a STATUS_INPUT error that lists the known ones
 * when there is none. */
Status cpu_target(Str name, CpuTarget *out) MUST_USE;

/* A machine that emits position-independent code for `target`.  The caller
 * disposes of it with LLVMDisposeTargetMachine. */
Status target_machine(const CpuTarget *target,
                      LLVMTargetMachineRef *out) MUST_USE;

#endif
