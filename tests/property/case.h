/* Case: one model under one plan, executed on the virtual cluster and compared
 * with one device's training by the oracle.
 *
 * Values may be off by a few roundings, and by what roundings do to them in
 * this very model: that is what trainers with noise are off by.
 */
#ifndef DNNC_TESTS_PROPERTY_CASE_H
#define DNNC_TESTS_PROPERTY_CASE_H

#include "passes/program_build.h"
#include "tests/numeric/random.h"
#include "tests/oracle/trainer.h"

typedef struct Case {
    uint64_t seed; /* of the draw, and of its random numbers */
    GraphSet set;
    const Tensor *inputs; /* one global batch, by input */
    int64_t batch;
    bool searched; /* the plan is the planner's, not a random one */
    Plan plan;
    Mesh mesh;
    Program program;
    ProgramCode code;
    int64_t ties; /* metrics that differ by one hit */
    Str failure;
    Arena *arena;
} Case;

/* Runs the passes on c->set, draws a cluster and a plan, or finds one for it,
 * and builds its program.  False: the
 * passes refuse the model (`*refused`, after diagnostics), or c->failure says
 * what is wrong. */
bool case_build(Case *c, Random *random, const Training *training,
                int32_t n_layers, bool *refused, Arena scratch);

/* First values of all variables (exactly), then losses, metrics and variables
 * of a few steps, then the evaluation of a whole batch and, where `linear`
 * says that losses and metrics are means over samples, of a short one.
 * False: c->failure says what differs. */
bool case_run(Case *c, bool linear, Arena scratch);

/* The same without comparing: for models that amplify rounding. */
bool case_execute(Case *c, Arena scratch);

#endif
