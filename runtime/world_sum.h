/* World sums: scalars of all stages, added in one order, known to all.
 *
 * Every active rank tells all others its terms; each adds them in the
 * program's order of terms and, within a term, in device order.  So all ranks
 * hold the same bits.
 */
#ifndef DNNC_RUNTIME_WORLD_SUM_H
#define DNNC_RUNTIME_WORLD_SUM_H

#include "ir/program.h"
#include "runtime/communicator.h"

typedef struct WorldSums {
    Communicator *communicator;
    const Program *program;
    int32_t stage;
    int32_t group;   /* the active ranks by stage, then device */
    int64_t n_ranks; /* of the group */
    float *mine;     /* [terms of the longest sum] */
    float *all;      /* [n_ranks][terms] */
} WorldSums;

/* Collective over the active ranks. `arena` keeps the tables. */
Status world_sums_init(WorldSums *w, Communicator *communicator,
                       const Program *program, int32_t stage,
                       Arena *arena) MUST_USE;
/* `terms`: this stage's scalars in order of the sum's terms. */
Status world_sum_run(WorldSums *w, int32_t world_sum, const float *terms,
                     float *result) MUST_USE;

#endif
