/* Plan fill: a cut into stages, spelled out as a plan. */
#ifndef DNNC_PASSES_PLAN_FILL_H
#define DNNC_PASSES_PLAN_FILL_H

#include "passes/inter.h"
#include "passes/plan.h"

/* What the axes of a uniform plan are for (passes/axis_role.h). */
typedef struct UniformAxes {
    uint8_t data, tensor;
    int64_t n_sample_parts; /* microbatches x data */
} UniformAxes;

typedef enum FillStatus {
    FILL_DONE,
    FILL_WRONG,     /* a stage does not fit: diagnosed */
    FILL_TOO_LARGE, /* take a coarser tick */
} FillStatus;

/* Stages, strategies of both graphs, memory, seconds and idle ranks of *plan
 * for the cut.  planned_seconds is computed from the stages, in the order in
 * which the search adds: equal to its cost.  `axes`: NULL in searched plans. */
FillStatus plan_fill(Arena *perm, Arena scratch, const GraphSet *set,
                     const SearchSpace *space, int64_t n_microbatches,
                     const PlannedStage *stages, int32_t n_stages,
                     const UniformAxes *axes, Diagnostics *diagnostics,
                     Plan *plan);

/* Says how far the leanest of the cut's stages is from fitting. */
void plan_diagnose_memory(Arena scratch, const SearchSpace *space,
                          int64_t n_microbatches, const PlannedStage *stages,
                          int32_t n_stages, Diagnostics *diagnostics);

#endif
