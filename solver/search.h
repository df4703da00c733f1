/* Search: bounds and assignments of a reduced network, alternating.
 *
 * An epoch improves the bound by passes and price moves, notes every feasible
 * assignment that the passes decode, moves the messages into the costs,
 * removes the choices that the bound rules out, and then improves the best
 * assignment by freeing regions.  A small core ends in branch and bound.
 */
#ifndef DNNC_SOLVER_SEARCH_H
#define DNNC_SOLVER_SEARCH_H

#include "solver/network.h"

typedef struct SearchResult {
    bool found;   /* x is feasible */
    bool proved;  /* nothing is cheaper; or, not found: nothing is feasible */
    double cost;  /* of x, in the network's unit */
    double bound; /* no feasible assignment costs less */
    int64_t work;
} SearchResult;

/* Searches a reduced network whose nodes all live until it is solved or the
 * options say stop. label[] receives the labels of the best assignment; when
 * none is feasible, of the one with the least over-use met. Costs are those of
 * the problem times `scale` (a power of two), rounded down where it is < 1. */
SearchResult search(Network *core, double scale, const ChoiceOptions *options,
                    int32_t *label, Arena networks, Arena scratch);

#endif
