/* Reductions: exact rewritings of a network that make it smaller.
 *
 * Each keeps the optimum, and a step that restores an optimal choice of what
 * it removed.  All hold with limits on usage.  One file each, with its proof.
 */
#ifndef DNNC_SOLVER_REDUCE_H
#define DNNC_SOLVER_REDUCE_H

#include "solver/network.h"

/* Applies all of them until none applies, or a contradiction is met. */
void reduce(Network *net, Arena scratch);

/* Arc consistency alone, on the edges that wait for a look: no node goes. */
void reduce_arcs(Network *net, Arena scratch);

/* Choices without a finite partner over some edge go (reduce_edge.c). */
bool reduce_arc(Network *net, int32_t edge, Arena scratch);
/* cost(i, j) = f(i) + g(j): the edge goes (reduce_edge.c). */
bool reduce_modular(Network *net, int32_t edge);
/* Each choice of one end allows one of the other: the other end goes
 * (reduce_follow.c). */
bool reduce_follow(Network *net, int32_t edge);
/* A node without usage and with at most two neighbours goes
 * (reduce_eliminate.c). */
bool reduce_eliminate(Network *net, int32_t node);
/* A choice that is never better than another of its node goes
 * (reduce_dominated.c). */
bool reduce_dominated(Network *net, int32_t node, Arena scratch);
/* Rows that cannot bind go, choices that exceed a row go
 * (reduce_rows.c). True when a choice or an interval went. */
bool reduce_rows(Network *net, Arena scratch);

#endif
