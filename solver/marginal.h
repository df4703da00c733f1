/* Marginals: what a network's costs and prices prove as they stand.
 *
 * The least of every node's cost + price * usage and the least of every table
 * add up to a bound.  A solution with choice i of node v pays that bound, what
 * i costs above its node's least, and for every edge of v what the least of
 * i's row is above the table's least.  dual.h moves costs so that this says
 * much; here nothing moves, so a checker can repeat it.
 */
#ifndef DNNC_SOLVER_MARGINAL_H
#define DNNC_SOLVER_MARGINAL_H

#include "solver/network.h"

/* The bound, products of prices rounded so that it cannot lie. marginal[] has
 * one entry for each choice of node 0, then of node 1, and so on. All nodes
 * live. */
double network_marginals(const Network *net, double *marginal, Arena scratch);

#endif
