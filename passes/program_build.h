/* Program build: (graphs, plan, cluster) -> program and kernels. */
#ifndef DNNC_PASSES_PROGRAM_BUILD_H
#define DNNC_PASSES_PROGRAM_BUILD_H

#include "ir/kernel.h"
#include "ir/mesh.h"
#include "ir/plan.h"

/* How far a program is over the memory of a device.  0: it fits. */
typedef struct ProgramExcess {
    int64_t bytes;
    int32_t stage; /* where it is worst */
} ProgramExcess;

/* Partitions, fuses, schedules and places.  The plan is legal for the graphs
 * (layered train graph, eval and init aligned with it) and the cluster.
 * `*excess` says by how much the planner must lower its limit and plan again.
 * Returns what program_verify finds in the result: empty, or our bug.
 * Everything lives in `arena`. */
Str program_build(const GraphSet *graphs, const Plan *plan, const Mesh *mesh,
                  Arena *arena, Program *program, ProgramCode *code,
                  ProgramExcess *excess) MUST_USE;

#endif
