/* Improve: large-neighbourhood search over an assignment.
 *
 * Each round frees a connected region, solves it exactly (or as far as its
 * work goes) under the room that the rest leaves, and keeps what is cheaper.
 * Rounds start where the assignment pays more than the bound says it must:
 * on reparametrised costs, own cost + price * usage - least, plus half the
 * residual of each edge, is a node's share of the gap.  Region sizes compete:
 * a size is drawn in proportion to what it gained for its work.
 */
#ifndef DNNC_SOLVER_IMPROVE_H
#define DNNC_SOLVER_IMPROVE_H

#include "solver/region.h"

enum { REGION_SIZES = 8 }; /* 4, 8, 16, ..., 512 nodes */

typedef struct Improver {
    Assignment *a;
    double unit; /* costs are multiples of this */
    uint64_t seed;
    uint32_t round;
    int32_t *position; /* scratch of regions: -1 */
    double *share;     /* [n_nodes] of the gap, of the present assignment */
    double share_sum;
    double gained[REGION_SIZES], worked[REGION_SIZES];
    bool (*stopped)(void *context);
    void *context;
    int64_t work;
} Improver;

/* a->net holds reparametrised costs and the prices (dual_bake). */
Improver improver_new(Arena *arena, Assignment *a, double unit, uint64_t seed);
/* One round; true when the assignment became cheaper. */
bool improver_round(Improver *m, Arena networks, Arena scratch);

#endif
