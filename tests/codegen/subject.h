/* Subject: a shipped model made into a program, for tests and benchmarks of
 * generated code. */
#ifndef DNNC_TESTS_CODEGEN_SUBJECT_H
#define DNNC_TESTS_CODEGEN_SUBJECT_H

#include "frontend/frontend.h"
#include "ir/kernel.h"
#include "tests/property/random_plan.h"

enum { SETTINGS_MAX = 12 };

typedef struct Subject {
    const char *path;
    const char *settings[SETTINGS_MAX]; /* "layers=2"; NULL ends them */
} Subject;

typedef struct Built {
    Model model;
    Program program;
    ProgramCode code;
} Built;

/* The subject under the random plan of `seed`.  Empty, or what went wrong. */
Str subject_build(const Subject *subject, const RandomPlanOptions *options,
                  uint64_t seed, Arena *arena, Arena scratch, Built *out);

#endif
