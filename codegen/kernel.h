/* Kernel: the function of one kernel body. */
#ifndef DNNC_CODEGEN_KERNEL_H
#define DNNC_CODEGEN_KERNEL_H

#include "codegen/build.h"
#include "ir/kernel.h"

/* What a function assumes about its buffers: which operands are the same
 * buffer as the result (bit i: operand i).  All others are distinct from it. */
typedef uint32_t InPlace;

typedef struct KernelCode {
    const KernelBody *body;
    const LogicalMesh *mesh;
    VECTOR(InPlace)
    variants;       /* distinct, as the program's instructions use
                                 the kernel; at least one */
    int32_t shared; /* the lowest code number whose body and variants are
                       equal but for the streams of random numbers */
} KernelCode;

/* Equal for kernels that can share one body: all but the random streams. */
Str kernel_key(Arena *arena, const KernelCode *code);

/* Adds to the module a KernelFunction called `name` that runs the body, in
 * the variant that fits its buffers.  Kernels of one module with one `shared`
 * have one body, which gets the streams as arguments: a model's layers differ
 * in nothing else. */
void kernel_emit(Arena scratch, const Build *build, const KernelCode *code,
                 const char *name);

#endif
