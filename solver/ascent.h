/* Ascent: passes and price moves that raise the bound of a dual.
 *
 * Prices follow the average usage of what the last passes decoded, which is
 * far nearer to a subgradient than one decoding, which jumps between tied
 * choices (the idea of the volume algorithm, Barahona and Anbil, 2000).
 * Steps are Polyak's towards a target cost.  When a step loses more than half
 * the gap, the prices go back to those of the best bound and the steps shrink.
 */
#ifndef DNNC_SOLVER_ASCENT_H
#define DNNC_SOLVER_ASCENT_H

#include "solver/dual.h"

typedef struct Ascent {
    double *mean;   /* [n_rows] usage decoded of late */
    bool primed;    /* mean holds something */
    double *usage;  /* [n_rows + 1] of the last pass's decoded assignment */
    double *price;  /* [n_rows] of the best bound */
    double highest; /* the best bound */
    double eager;   /* part of Polyak's step */
    double fade;    /* of eager, a pass */
} Ascent;

Ascent ascent_new(Arena *arena, int32_t n_rows);
/* Before a run of `passes` passes on a new dual; the mean stays. */
void ascent_start(Ascent *ascent, double eager, int passes);
/* One pass; fills `usage`. */
void ascent_pass(Ascent *ascent, Dual *dual, bool increasing);
/* Moves the prices towards `target` (> the bound), or to the best ones when
 * `settle` is set: for the last passes. */
void ascent_move(Ascent *ascent, Dual *dual, double target, bool settle,
                 Arena scratch);

#endif
