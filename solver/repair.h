/* Repair: from an assignment that is over its limits to one that is not. */
#ifndef DNNC_SOLVER_REPAIR_H
#define DNNC_SOLVER_REPAIR_H

#include "solver/region.h"

/* Lowers the over-use of `a` by local search on penalised costs until it is
 * feasible, or until it gives up or the options say stop. `scale_cost` is the
 * order of magnitude of costs. Returns the work done. */
int64_t repair(Assignment *a, double unit, double scale_cost,
               const ChoiceOptions *options, uint64_t seed, Arena networks,
               Arena scratch);

#endif
