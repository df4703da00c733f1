/* Compile: the pipeline from a model's text to a plan, a program and a job.
 *
 * `dnnc plan` and `dnnc compile` walk the same road, the one less far.
 */
#ifndef DNNC_DRIVER_COMPILE_H
#define DNNC_DRIVER_COMPILE_H

#include "driver/request.h"
#include "ir/kernel.h"

/* What a compilation has found so far. */
typedef struct Compilation {
    Model model; /* graphs: layered after compile_plan */
    Mesh mesh;
    Plan plan;
    Program program;
    ProgramCode code;
} Compilation;

/* Model, cluster and plan -> a legal plan whose program fits: fills model,
 * mesh, plan, program and code.  Diagnostics are left in the session. */
Status compile_plan(Session *session, const Request *request,
                    Compilation *out) MUST_USE;

/* program and code -> the executable `output`.  With `save_temps` the IR, the
 * LLVM IR, the program's listing and the plan stay in that folder. */
Status compile_job(Session *session, const Compilation *compilation,
                   const char *output, const char *save_temps) MUST_USE;

#endif
