/* The CPU's libraries, opened at run time: a job that needs none starts
 * without them, and their thread pools are bounded before they are made. */
#ifndef DNNC_RUNTIME_CPU_LIBRARY_H
#define DNNC_RUNTIME_CPU_LIBRARY_H

#include "ir/program.h"

/* The part of CBLAS that dots need (row-major, as in cblas.h). */
typedef struct Blas {
    void *handle;
    void (*sgemm)(int order, int trans_a, int trans_b, int m, int n, int k,
                  float alpha, const float *a, int lda, const float *b, int ldb,
                  float beta, float *c, int ldc);
} Blas;

Status blas_open(Blas *blas, int32_t threads) MUST_USE;
void blas_close(Blas *blas);

/* C = A B by BLAS, batch by batch. */
void cpu_dot(const Blas *blas, const DotCall *call, const float *a,
             const float *b, float *c);

/* Convolutions by oneDNN.  Opaque: one object per process. */
typedef struct Convolutions Convolutions;

/* Makes a primitive per convolution kernel of the stage and one scratchpad
 * for all. */
Status convolutions_open(Convolutions **out, const ProgramStage *stage,
                         int32_t threads) MUST_USE;
void convolutions_close(Convolutions *convolutions);
/* `buffers` are the operands and the result, as ConvolutionKind says. */
Status convolutions_run(Convolutions *convolutions, int32_t kernel,
                        char *const *buffers) MUST_USE;

#endif
