/* Partition: (graphs, plan) -> the local graphs of every stage.
 *
 * One sweep over each graph in its order builds all stages at once, so what a
 * stage sends, and in which order, is what the others receive.  The plan is
 * legal (passes/plan_check.h): what does not fit here is our bug.
 */
#ifndef DNNC_PASSES_PARTITION_H
#define DNNC_PASSES_PARTITION_H

#include "ir/plan.h"
#include "passes/local.h"

typedef struct StagePartition {
    LocalGraph train, eval, init;
} StagePartition;

/* Fills the program's tables of inputs, variables (buffers excepted),
 * transfers, world sums and outputs, and returns one StagePartition for each
 * stage of the plan.  Everything lives in `arena`. */
StagePartition *partition(const GraphSet *graphs, const Plan *plan,
                          Arena *arena, Program *program);

#endif
