/* Report: what a plan decided, for people and for machines. */
#ifndef DNNC_DRIVER_REPORT_H
#define DNNC_DRIVER_REPORT_H

#include "ir/plan.h"

/* The text of `dnnc plan`: stages, layers, submeshes, logical meshes, how
 * groups of variables are sharded, collectives with their bytes, memory by
 * class, planned seconds with their bound, and where the time goes.  At most
 * 100 columns wide.  `train` is the graph that the plan speaks of. */
Str report_plan(Arena *arena, Arena scratch, const Graph *train,
                const Mesh *mesh, const Plan *plan);

/* The same as one JSON object, ending in a newline. */
Str report_plan_json(Arena *arena, Arena scratch, const Graph *train,
                     const Mesh *mesh, const Plan *plan);

#endif
