/* Virtual run: a shipped model under a Megatron-style plan, built as a program
 * and trained on the virtual cluster beside the interpreter. */
#ifndef DNNC_TESTS_PARITY_VIRTUAL_RUN_H
#define DNNC_TESTS_PARITY_VIRTUAL_RUN_H

#include "passes/plan.h"
#include "passes/program_build.h"
#include "tests/parity/cases.h"

typedef struct Layout {
    Model model; /* its graphs after all passes */
    Plan plan;
    Mesh mesh;
    Program program;
    ProgramCode code;
} Layout;

typedef struct Errors {
    double loss;       /* worst relative error of a loss */
    double tensor;     /* worst relative L2 of a parameter */
    Str worst;         /* that parameter */
    const char *fault; /* NULL: it ran */
} Errors;

/* Compiles a case for one host of as many devices as the shape has.  NULL, or
 * what is wrong; *has_layers is false when the model has fewer layers than the
 * shape has stages. */
const char *layout_build(const Case *c, const UniformShape *shape, Arena *arena,
                         Arena scratch, Layout *out, bool *has_layers);

/* Trains both ways and compares. */
Errors layout_train(const Case *c, const Layout *layout, int64_t steps,
                    Arena *arena);

#endif
