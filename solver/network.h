/* Network: a choice problem while it is being reduced.
 *
 * Reductions remove choices, edges and nodes and record how to put a solution
 * back.  Costs are doubles that hold integers: the problem's costs times a
 * power of two chosen so that every sum stays below 2^53, where adding,
 * subtracting and comparing doubles is exact.  NEVER is forbidden; nothing
 * ever subtracts it.
 *
 * Time is a line of rows: row r stands for a run of times and has its own
 * limit.  A node's usage is kept above its least choice (the least is taken
 * off the rows), so a node whose choices all use the same has no interval.
 */
#ifndef DNNC_SOLVER_NETWORK_H
#define DNNC_SOLVER_NETWORK_H

#include "solver/choice.h"
#include "support/text.h"
#include "support/vector.h"

#include <math.h>

#define NEVER ((double)INFINITY)
/* Prices are multiples of this. */
#define NETWORK_PRICE_QUANTUM 0x1p-20

/* fmax and fmin without their care for NaN, which does not occur here. */
static inline double larger(double a, double b)
{
    return a > b ? a : b;
}
static inline double smaller(double a, double b)
{
    return a < b ? a : b;
}

typedef struct UsageInterval {
    int32_t begin, end;  /* rows */
    const double *usage; /* [n_choices], least 0, most > 0 */
} UsageInterval;

typedef struct NetworkNode {
    int32_t n_choices;     /* 0: removed */
    const int32_t *label;  /* [n_choices] ascending: the choices' first names */
    double *cost;          /* [n_choices] finite */
    VECTOR(int32_t) edges; /* live ones, and dead ones not yet swept */
    int32_t degree;        /* live edges */
    VECTOR(UsageInterval) intervals;
    bool queued, changed; /* of the reductions' work lists */
} NetworkNode;

typedef struct NetworkEdge {
    int32_t a, b;
    double *cost; /* [n_choices of a][n_choices of b]; NULL: removed */
    bool queued;
} NetworkEdge;

/* How a removed node's choice follows from at most two others. */
typedef struct NetworkStep {
    int32_t node, parent[2]; /* -1: none */
    int32_t n_parent_choices[2];
    const int32_t *parent_label[2];
    const int32_t *best; /* [parent 0's choices][parent 1's choices]: label */
} NetworkStep;

typedef struct Network {
    Arena *arena; /* of everything below */
    int32_t n_nodes;
    NetworkNode *nodes;
    VECTOR(NetworkEdge) edges;
    VECTOR(NetworkStep) steps;
    int32_t n_rows;
    double *limit;      /* [n_rows] */
    double *usage_step; /* [n_rows + 1]: usage taken off, as differences */
    double *price;      /* [n_rows] multipliers that gave good bounds so far */
    int64_t *time;      /* [n_rows] the first of the times it stands for */
    double constant;    /* cost already certain */
    bool contradiction; /* some node lost its last choice */
    VECTOR(int32_t) node_queue, edge_queue;
    int64_t work; /* table entries read */
    Text *proof;  /* the steps so far, see solver/proof.h; NULL: not kept */
    const int32_t *name; /* of nodes, in the proof; NULL: their numbers */
} Network;

/* An empty network: nodes are then set up one by one with network_set_node,
 * before any edge. `limit` has n_rows entries and is copied. */
Network network_new(Arena *arena, int32_t n_nodes, int32_t n_rows,
                    const double *limit);
/* `cost` and `label` (NULL: 0, 1, 2, ...) are copied; NEVER removes. */
void network_set_node(Network *net, int32_t node, int32_t n_choices,
                      const double *cost, const int32_t *label);
/* Adds an interval; `usage` over the node's present choices is copied. */
void network_add_usage(Network *net, int32_t node, int32_t begin, int32_t end,
                       const double *usage);
/* Adds up intervals of the same rows. */
void network_merge_usage(Network *net, int32_t node);
/* Adds a table [n_choices of a][n_choices of b] that the network may keep; a
 * parallel edge's table is added to it. */
void network_add_edge(Network *net, int32_t a, int32_t b, double *cost);
/* The same where there is none yet; returns its number. */
int32_t network_append_edge(Network *net, int32_t a, int32_t b, double *cost);
void network_remove_edge(Network *net, int32_t edge);
/* Keeps the choices of `node` whose `keep` is set. */
void network_keep(Network *net, int32_t node, const bool *keep);
/* Removes a node that has neither edges nor intervals left. */
void network_remove_node(Network *net, int32_t node, NetworkStep step);
/* A node with one choice left: its costs go to its neighbours. */
void network_fix(Network *net, int32_t node);

/* The live edge between two nodes, or -1. */
int32_t network_find_edge(const Network *net, int32_t a, int32_t b);

/* A table seen from one of its ends: cost[own * i + other * j]. */
typedef struct EdgeView {
    double *cost;
    int64_t own, other;
    int32_t neighbour, n_other;
} EdgeView;

static inline EdgeView edge_view(const Network *net, int32_t edge, int32_t node)
{
    const NetworkEdge *e = &net->edges.data[edge];
    bool first = e->a == node;
    int32_t neighbour = first ? e->b : e->a;
    int32_t n_b = net->nodes[e->b].n_choices;
    return (EdgeView){e->cost, first ? n_b : 1, first ? 1 : n_b, neighbour,
                      net->nodes[neighbour].n_choices};
}

/* Marks for another look. */
void network_queue_node(Network *net, int32_t node);
void network_queue_edge(Network *net, int32_t edge);

/* Makes all costs 0 but the forbidden ones. */
void network_forget_costs(Network *net);
/* limit - usage taken off, per row, as a new array. */
double *network_room(const Network *net, Arena *arena);

/* The scaled network of a problem; `scale` receives the power of two by which
 * costs were multiplied. Below 1 they were rounded down. */
Network network_from_problem(Arena *arena, Arena scratch,
                             const ChoiceProblem *problem, double *scale);
/* The live nodes alone, renumbered in order: name[i] is node i's number in
 * `net`. Labels stay. Only the proof is shared with `net`. */
Network network_extract(Arena *arena, const Network *net, int32_t **name);
/* Fills choice[] (labels) of all removed nodes from those of the live ones. */
void network_recover(const Network *net, int32_t *choice);

#endif
