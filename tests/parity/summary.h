/* Summary: a tensor in two numbers, as tests/parity/record.py takes them. */
#ifndef DNNC_TESTS_PARITY_SUMMARY_H
#define DNNC_TESTS_PARITY_SUMMARY_H

#include <stdint.h>

typedef struct Summary {
    double norm;
    double product; /* with numbers in [-1, 1) of each element's index */
} Summary;

Summary summary_of(const float *elements, int64_t n);

#endif
