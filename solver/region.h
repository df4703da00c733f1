/* Region: the part of a network that is free while the rest keeps its choices.
 *
 * The costs of edges to fixed nodes join the nodes' own; each row keeps the room
 * that the fixed nodes leave.  Rows between two neighbouring begins or ends of
 * the region's intervals become one, with the least room of them and the sum
 * of their prices.
 */
#ifndef DNNC_SOLVER_REGION_H
#define DNNC_SOLVER_REGION_H

#include "solver/network.h"

/* An assignment of a whole network (all nodes live) with its sums. */
typedef struct Assignment {
    const Network *net;
    const double *room; /* [n_rows] of net */
    int32_t *x;         /* [n_nodes] choice indices */
    double *usage;      /* [n_rows] */
    double cost;
} Assignment;

/* Recomputes usage and cost from x. */
void assignment_refresh(Assignment *a);
/* The most by which a row is over its room; <= 0: feasible. */
double assignment_over_use(const Assignment *a);

/* The network of `n` free nodes; labels are choice indices of a->net.
 * position[] is scratch of [n_nodes], all -1 before and after. A row that is
 * over its room has none left and may not get worse. `own_cost` receives what
 * the present choices of the region cost in it. */
Network region_extract(Arena *arena, Arena scratch, const Assignment *a,
                       const int32_t *nodes, int32_t n, int32_t *position,
                       double *own_cost);

/* Sets the region's choices and updates the sums. */
void region_assign(Assignment *a, const int32_t *nodes, int32_t n,
                   const int32_t *choice, double gain);

#endif
