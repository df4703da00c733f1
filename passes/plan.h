/* Plan: from the layered graphs of a model to every decision about its run.
 *
 * The graphs are those after all passes (passes/pass.h), copies included.
 */
#ifndef DNNC_PASSES_PLAN_H
#define DNNC_PASSES_PLAN_H

#include "ir/plan.h"
#include "ir/training.h"
#include "passes/intra.h"

#define PLAN_WORK_LIMIT INT64_C(5000000)
/* Nodes of all choice networks that a search solves; small clusters and models
 * are proved optimal long before. */
#define PLAN_NODE_LIMIT INT64_C(30000)

typedef struct PlanOptions {
    /* Taken off every device's memory: what the placed program of an earlier
     * attempt needed beyond the planner's picture. */
    int64_t memory_cut_bytes;
    /* Work on one stage's choice network (solver/choice.h): most are proved
     * optimal long before.  0: PLAN_WORK_LIMIT. */
    int64_t work_limit;
    NetworkObserver observer;
} PlanOptions;

/* The plan with the least planned_seconds of the space in docs/planner.md.
 * Fills layers, stages, idle ranks and seconds of *plan; texts, paths, hashes
 * and settings are the caller's.  False after diagnostics: no plan fits the
 * devices' memory, or the microbatches asked for are impossible. */
bool plan_search(Arena *perm, Arena scratch, const GraphSet *set,
                 const Training *training, const Mesh *mesh,
                 const PlanOptions *options, Diagnostics *diagnostics,
                 Plan *plan);

/* `pipeline` stages with even shares of the work, each on a mesh of `data` x
 * `tensor` devices: samples are split over the first, weights over the second
 * (passes/axis_role.h); the best strategies under that. */
typedef struct UniformShape {
    int64_t data, tensor, pipeline, microbatches;
} UniformShape;
/* "data=D,tensor=T,pipeline=P,microbatch=M", each once at most, 1 when absent.
 * False after a diagnostic. */
bool uniform_parse(Str text, Diagnostics *diagnostics, UniformShape *out);
bool plan_uniform(Arena *perm, Arena scratch, const GraphSet *set,
                  const Mesh *mesh, const UniformShape *shape,
                  const PlanOptions *options, Diagnostics *diagnostics,
                  Plan *plan);

#endif
