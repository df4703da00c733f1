/* Mip: branch and bound over the tight linear programs of a network.
 *
 * Of small cores whose limits bind, this proves optima that bounds by messages
 * alone do not reach: a linear program moves all messages and prices at once,
 * and starts from where the parent's ended.  Bounds are exact
 * (relaxation.h), so finishing is a proof.
 */
#ifndef DNNC_SOLVER_MIP_H
#define DNNC_SOLVER_MIP_H

#include "solver/network.h"

typedef struct Mip {
    double cutoff; /* only solutions below this matter; falls as they come */
    double unit;   /* costs of solutions are multiples of this */
    int64_t work, work_limit;       /* table entries; 0: no limit */
    bool (*stopped)(void *context); /* may be NULL */
    void *context;
    bool exhausted;     /* gave up somewhere: absence proves nothing */
    double open_bound;  /* when exhausted: least bound of what was left open */
    int64_t n_programs; /* linear programs solved */
} Mip;

/* Searches all of `net`, whose nodes all live. True when a solution below the
 * cutoff was found: then x[] has its choice indices and `cutoff` is its cost.
 * The result does not depend on x[] as it was. */
bool mip(Mip *m, const Network *net, int32_t *x, Arena scratch);

#endif
