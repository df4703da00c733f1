/* Branch and bound: reduce, bound, remove, split, on networks.
 *
 * The exact engine: of the planner's problems, of the cores that reductions
 * leave of large ones, and of the regions that the local search frees.
 */
#ifndef DNNC_SOLVER_BRANCH_H
#define DNNC_SOLVER_BRANCH_H

#include "solver/network.h"

typedef struct Branching {
    double cutoff; /* only solutions below this matter; falls as they come */
    double unit;   /* costs of solutions are multiples of this */
    int64_t work, work_limit; /* table entries; 0: no limit */
    /* What reducing and bounding leave goes to mip.h instead of being split,
     * or is given up where it is too large for that. */
    bool programs;
    bool (*stopped)(void *context); /* may be NULL */
    void *context;
    bool exhausted;    /* gave up somewhere: absence proves nothing */
    double open_bound; /* when exhausted: least bound of what was left open */
} Branching;

/* Searches all of `net`; true when a solution below the cutoff was found:
 * then choice[] has its labels and `cutoff` is its cost. `net` is consumed;
 * `networks` must lie beyond all of it. */
bool branch(Branching *b, Network *net, int32_t *choice, Arena networks,
            Arena scratch);

#endif
