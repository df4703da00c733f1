/* Dual: lower bounds by moving costs between nodes and edges, and prices on
 * rows.
 *
 * For prices y >= 0 on the rows, every feasible x has
 *
 *     cost(x) >= cost(x) + sum_r y_r (usage_r(x) - room_r),
 *
 * and the right side is a network without limits.  In it, moving a cost
 * message(i) from an edge to its end's choice i changes no solution's cost.
 * The solver keeps every node potential and every residual table >= 0; what
 * their minima leave over is the bound `constant`.
 *
 * Messages are those of sequential tree-reweighted message passing
 * (Kolmogorov, PAMI 2006): a pass takes the nodes in order, pulls the least
 * cost out of the edges behind, and pushes equal shares of its potential into
 * the edges ahead.  All values are integers in doubles, shares are rounded
 * down, so the bound is exact.
 */
#ifndef DNNC_SOLVER_DUAL_H
#define DNNC_SOLVER_DUAL_H

#include "solver/network.h"

typedef struct DualEdge {
    int32_t a, b;         /* a < b */
    int32_t net_edge;     /* its number in the network */
    const double *cost;   /* [n_a][n_b] */
    const double *across; /* [n_b][n_a]: its transpose */
    double *message_a, *message_b;
} DualEdge;

typedef struct Dual {
    const Network *net; /* all its nodes live */
    int32_t n_edges;
    DualEdge *edges;
    /* Edges of node v, by neighbour: edge[edge_first[v] ... edge_first[v+1]);
     * those before edge_middle[v] lead to lower nodes. */
    int32_t *edge_first, *edge_middle, *edge;
    int64_t *choice_first; /* [n_nodes + 1] into potential and marginal */
    double *potential;     /* >= 0 after a pass */
    double *marginal;      /* a solution with this choice costs at least this */
    double constant;       /* no feasible solution costs less */
    double *room, *price;  /* [n_rows] */
    int32_t *decoded;      /* [n_nodes] a choice index each, from a pass */
    double *score;         /* scratch of the widest node */
    int64_t work;
} Dual;

/* Starts from the network's own prices, with no messages. */
Dual dual_new(Arena *arena, const Network *net);
/* One pass, in increasing or decreasing order of the nodes; also decodes. */
void dual_pass(Dual *dual, bool increasing);
/* Moves the prices by step * (usage - room), but not below 0. */
void dual_move_prices(Dual *dual, const double *usage, double step,
                      Arena scratch);
/* Sets the prices, each a price that the dual had before. */
void dual_set_prices(Dual *dual, const double *price, Arena scratch);
/* Sum of squares of the directions in which prices may move. */
double dual_violation(const Dual *dual, const double *usage);
/* usage[r] of choice indices x on every row, into usage[n_rows + 1]. */
void network_usage(const Network *net, const int32_t *x, double *usage);
/* Do the choice indices x keep to `room` on every row? Fills usage. */
bool network_fits(const Network *net, const double *room, const int32_t *x,
                  double *usage);
/* Cost of choice indices x, NEVER when forbidden; no limits looked at. */
double network_cost(const Network *net, const int32_t *x);
/* Puts the messages (not the prices) into the network's own costs, and the
 * prices into net->price: the same problem, with a warm start. */
void dual_bake(const Dual *dual, Network *net);

#endif
