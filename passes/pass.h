/* Pass: the table of graph -> graph passes, and the one way to run them.
 *
 * A pass reads one graph and appends to a new one.  Its row (passes/passes.def)
 * says which graphs of a model it concerns, what form it needs and what form it
 * gives; pass_run checks the first, runs, verifies the second and can print.
 */
#ifndef DNNC_PASSES_PASS_H
#define DNNC_PASSES_PASS_H

#include "ir/plan.h"
#include "ir/training.h"
#include "ir/verify.h"

/* The graphs of a GraphSet, as a mask. */
typedef enum PassOn {
    ON_TRAIN = 1 << 0,
    ON_EVAL = 1 << 1,
    ON_INIT = 1 << 2,
} PassOn;

/* What passes read beside the graph. */
typedef struct PassOptions {
    const Training *training; /* optimizer */
    const Graph *train;       /* adopt, align: the train graph as it is when
                                 the pass's turn comes */
    int32_t n_layers;         /* cluster: 0 chooses by a rule */
    const Plan *plan;         /* cluster: NULL, or the layers to use */
    Diagnostics *diagnostics; /* what the user's model did wrong */
    Text *dump; /* NULL, or receives every pass's result as text */
} PassOptions;

/* The result lives in `perm`; NULL after diagnostics. */
typedef Graph *PassFunction(const Graph *from, const PassOptions *options,
                            Arena *perm, Arena scratch);

typedef struct Pass {
    Str name;
    uint32_t on;    /* PassOn mask */
    GraphForm from; /* needs this form or a later one */
    GraphForm to;   /* gives this form, or keeps a later one */
    const char *summary;
    PassFunction *run;
} Pass;

/* The rows, in the order in which a compilation runs them. */
const Pass *pass_table(int32_t *n_passes);
/* NULL when there is none of that name. */
const Pass *pass_find(Str name);

/* Runs one pass.  `*form` is the graph's form and becomes the result's; both
 * are verified (an illegal graph is our bug: assertion).  NULL after
 * diagnostics. */
Graph *pass_run(const Pass *pass, const Graph *from, GraphForm *form,
                const PassOptions *options, Arena *perm, Arena scratch);

/* Runs the comma-separated passes `names` on one graph of form *form: the
 * tool of `dnnc ir --pass=a,b` and of golden tests.  An unknown name or a pass
 * whose form is not reached is diagnosed. */
Graph *pass_run_by_name(Str names, const Graph *from, GraphForm *form,
                        const PassOptions *options, Arena *perm, Arena scratch);

/* All rows in order, each on the graphs it concerns: from what the front end
 * makes to the layered form.  options->train is filled in here.  False after
 * diagnostics. */
bool pass_run_all(GraphSet *set, const PassOptions *options, Arena *perm,
                  Arena scratch);

#define PASS(name, on, from, to, summary) PassFunction pass_##name;
#include "passes/passes.def"
#undef PASS

#endif
