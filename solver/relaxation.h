/* Relaxation: the tight linear program of a network, by GLPK, and what it
 * proves.
 *
 * One column in [0, 1] a choice, one column >= 0 a finite pair of an edge, and
 * both marginals of every edge: exact on trees (the local polytope).  Rows of
 * usage join when a solution violates them.
 *
 * GLPK computes in floating point and is not believed.  Its multipliers of the
 * marginals are messages and those of the usage rows are prices (dual.h), and
 * any messages and prices give a bound: rounded to the network's integers,
 * they are evaluated exactly.  A proof that nothing fits is checked the same
 * way: with all costs 0, some multipliers make the bound positive.
 */
#ifndef DNNC_SOLVER_RELAXATION_H
#define DNNC_SOLVER_RELAXATION_H

#include "solver/network.h"

typedef struct UsageRow {
    int32_t row, lp_row; /* of the network, of the program */
} UsageRow;

typedef struct Relaxation {
    const Network *net; /* all its nodes live */
    Arena *arena;
    double *room; /* [n_rows] */
    struct glp_prob *lp;
    int32_t n_choices, n_columns;
    int32_t *first;    /* [n_nodes + 1] a node's first choice, from 0 */
    int32_t *edge_row; /* [n_edges] first marginal row, of end a's choices */
    VECTOR(UsageRow) usage_rows;
    bool *allowed; /* [n_choices] */
    double scale;  /* objective = scale * cost */
    /* Of the last relaxation_solve: */
    bool solved;       /* value[] is an optimum; it respects all rows */
    double *value;     /* [n_choices] */
    double bound;      /* no assignment of allowed choices costs less */
    double *potential; /* [n_choices] bound + this: none with this choice */
    double *price;     /* [n_rows] */
    int64_t work;      /* in table entries, of all calls */
    int iterations;
    double *message, *usage, *entry; /* scratch */
    int *index;
} Relaxation;

/* Where a simplex stands: which rows and columns are basic. */
typedef struct Basis {
    int n_rows;
    unsigned char *of_row, *of_column;
} Basis;

/* GLPK's memory is the thread's: relaxation_release gives all of it back, so
 * there is one relaxation a thread at a time. */
void relaxation_init(Relaxation *r, Arena *arena, const Network *net);
void relaxation_release(Relaxation *r);
/* Allows or forbids a choice. */
void relaxation_allow(Relaxation *r, int32_t node, int32_t choice, bool allow);
/* Solves, from the last basis, until the optimum or a bound of at least
 * `cutoff` (NEVER: none) is at hand. False when it was given up: `work` came
 * to work_limit (0: none), or stopped(), which may be NULL, said so. */
bool relaxation_solve(Relaxation *r, double cutoff, int64_t work_limit,
                      bool (*stopped)(void *context), void *context);

/* The bound after at most `iterations` from the present basis; rows do not
 * join, value[] stays as it was. */
double relaxation_probe(Relaxation *r, double cutoff, int iterations);

Basis relaxation_basis(const Relaxation *r, Arena *arena);
/* Goes back; rows that joined since become basic. */
void relaxation_set_basis(Relaxation *r, const Basis *basis);

#endif
