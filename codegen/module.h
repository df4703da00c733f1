/* Module: an LLVM module on its way to an object file. */
#ifndef DNNC_CODEGEN_MODULE_H
#define DNNC_CODEGEN_MODULE_H

#include "codegen/build.h"
#include "codegen/target.h"

typedef struct Module {
    Build build;
    const CpuTarget *target;
    LLVMTargetMachineRef machine;
} Module;

Status module_init(Module *module, const CpuTarget *target,
                   const char *name) MUST_USE;
void module_deinit(Module *module);

/* Runs LLVM's O2 pipeline, which vectorizes as O3 does and takes a third of
 * its time on kernels (bench_codegen); functions get the target's attributes first.  An
 * ill-formed module is a bug of ours and stops. */
void module_optimize(Module *module);
/* The module as text. */
Status module_write_text(const Module *module, const char *path) MUST_USE;
Status module_write_object(const Module *module, const char *path) MUST_USE;

#endif
