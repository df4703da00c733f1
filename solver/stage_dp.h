/* Stage DP: cut a line of layers into pipeline stages and give each a
 * submesh, minimising the time of a pipelined step
 *
 *     sum_i c_i + (M - 1) max_j c_j
 *
 * (Zheng et al., "Alpa", OSDI'22, section 5.2).  A stage's cost depends on its
 * layers, its submesh, the devices left when its turn comes (which decide where
 * its submesh lies) and its position counted from the end of the pipeline
 * (which decides how many microbatches it holds in flight under 1F1B), and on
 * nothing else; so for a fixed ceiling on max c the best sum is a recursion
 * over (first layer, devices left, stages that follow), and the ceiling
 * sweeps over the distinct stage costs.
 *
 * Devices come in groups (hosts of one kind); a submesh takes some from one or
 * more groups, in the order of the pipeline.  Devices may be left idle.
 */
#ifndef DNNC_SOLVER_STAGE_DP_H
#define DNNC_SOLVER_STAGE_DP_H

#include "support/arena.h"

#include <stdbool.h>
#include <stdint.h>

enum { STAGE_GROUPS_MAX = 4 };

typedef struct StageDevices {
    int32_t count[STAGE_GROUPS_MAX]; /* devices of each group */
} StageDevices;

/* What a stage of layers [first, end) on submesh option `option` costs when
 * `stages_after` stages follow it and the stages before it have left `left`
 * (its own devices included); STAGE_IMPOSSIBLE when it does not fit.  Called
 * for every combination that devices allow, at most once each. */
typedef int64_t StageCost(void *context, int32_t first, int32_t end,
                          int32_t option, const StageDevices *left,
                          int32_t stages_after);
#define STAGE_IMPOSSIBLE INT64_MAX

typedef struct StageProblem {
    int32_t n_layers;
    int32_t n_groups;            /* 1 ... STAGE_GROUPS_MAX */
    StageDevices devices;        /* that there are */
    int32_t n_options;           /* submeshes to choose from */
    const StageDevices *options; /* devices each takes, >= 1 in all */
    int32_t n_microbatches;      /* M >= 1 */
    int32_t n_stages_max;        /* 0: no limit but layers and devices */
    StageCost *cost;             /* each < 2^62 / (layers + M) or IMPOSSIBLE */
    void *context;
} StageProblem;

typedef struct StageCut {
    int32_t first, end; /* layers */
    int32_t option;
} StageCut;

typedef struct StagePlan {
    bool feasible;
    int64_t cost;    /* sum c + (M - 1) max c */
    int64_t slowest; /* max c */
    int32_t n_stages;
    StageCut *stages; /* in pipeline order */
} StagePlan;

/* The optimum; among equals the one with the smallest max c, then the fewest
 * stages, then the shortest first stage, then the lowest option. Run on lower
 * bounds of the stage costs, `cost` is a lower bound of the true optimum. */
StagePlan stage_dp_solve(Arena *arena, Arena scratch,
                         const StageProblem *problem);

#endif
