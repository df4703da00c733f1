/* Training kernels: bodies of the shapes that training spends its time in, for
 * tests and benchmarks. */
#ifndef DNNC_TESTS_CODEGEN_TRAINING_KERNELS_H
#define DNNC_TESTS_CODEGEN_TRAINING_KERNELS_H

#include "ir/graph.h"

typedef struct TrainingKernel {
    const char *name;
    /* The root, in an empty graph; sizes grow with `rows`, a multiple of 16
     * (1024: those of a small model). */
    NodeId (*make)(Graph *graph, int64_t rows);
} TrainingKernel;

extern const TrainingKernel TRAINING_KERNELS[];
extern const int32_t N_TRAINING_KERNELS;

#endif
