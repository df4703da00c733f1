/* Cases: the shipped models at small sizes, with synthetic data, as parity
 * tests train them.
 *
 * The data of global batch t is a formula (see cases.c; tests/parity/record.py
 * has the same), so every program that trains a case sees the same numbers.
 */
#ifndef DNNC_TESTS_PARITY_CASES_H
#define DNNC_TESTS_PARITY_CASES_H

#include "frontend/frontend.h"
#include "ir/interpret.h"

enum { CASE_STEPS = 20, CASE_SETTINGS_MAX = 8, CASE_SEED = 7 };

typedef struct Case {
    const char *name;                        /* "gpt2/adamw" */
    const char *model;                       /* models/<model>.dnn */
    const char *settings[CASE_SETTINGS_MAX]; /* "layers=2" */
    int32_t classes;                         /* i32 inputs are below this */
    Training training;                       /* replaces the model's */
} Case;

const Case *parity_cases(int32_t *n_cases);

/* The case's model with the case's training, for all parameters alike.
 * Asserts that the shipped model compiles. */
Model case_model(const Case *c, Diagnostics *diagnostics, Arena *arena);
/* The inputs of global batch `step`, by input index. */
Tensor *case_inputs(const Case *c, const Graph *graph, int64_t step,
                    Arena *arena);
/* Element `index` of the stream of input `input` at global batch `step`, as an
 * integer (taken modulo the classes) or as a number in [0, 1).  Samples of
 * LENGTH elements begin LENGTH + 1 elements apart. */
uint32_t case_draw(int64_t step, int32_t input, int64_t index);
float case_pixel(uint32_t draw);

#endif
