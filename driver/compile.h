/* Compile: the pipeline from a model's text to a plan, a program and a job.
 *
 * `dnnc plan` and `dnnc compile` walk the same road, the one less far.
 */
#ifndef DNNC_DRIVER_COMPILE_H
#define DNNC_DRIVER_COMPILE_H

#include "driver/command.h"
#include "driver/option.h"
#include "frontend/frontend.h"
#include "ir/kernel.h"
#include "ir/plan.h"

/* What the user asked for; strings are argv's. */
typedef struct Request {
    const char *model, *mesh; /* NULL when `plan` embeds them */
    OptionList settings;      /* --set */
    const char *plan;         /* a plan to use instead of searching */
    const char *uniform;      /* or its Megatron-style shape */
    int64_t layers;           /* 0: by a rule */
    int64_t work_limit;       /* 0: until proved */
} Request;

/* What a compilation has found so far. */
typedef struct Compilation {
    Model model; /* graphs: layered after compile_plan */
    Mesh mesh;
    Plan plan;
    int32_t plan_source; /* of a plan that was given; else 0 */
    Program program;
    ProgramCode code;
    double planning_seconds;
} Compilation;

/* The options that fill `request`: the first COMPILE_OPTIONS entries of every
 * command that plans. */
enum { COMPILE_OPTIONS = 6 };
void compile_options(Request *request, Option *options);

/* Model, cluster and plan -> a legal plan whose program fits: fills model,
 * mesh, plan, program and code.  Diagnostics are left in the session. */
Status compile_plan(Session *session, const Request *request,
                    Compilation *out) MUST_USE;

/* program and code -> the executable `output`.  With `save_temps` the IR, the
 * LLVM IR, the program's listing and the plan stay in that folder. */
Status compile_job(Session *session, const Compilation *compilation,
                   const char *output, const char *save_temps) MUST_USE;

#endif
