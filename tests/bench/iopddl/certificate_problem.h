/* The problem of an IOPDDL file as plain arrays, for the checker alone.
 *
 * An edge of other than two nodes becomes a further node, whose choices are
 * the entries of its table, and an edge to each of its members that forbids
 * all but the member's own digit of the entry: the numbering that certificates
 * use.
 */
#ifndef DNNC_TESTS_CERTIFICATE_PROBLEM_H
#define DNNC_TESTS_CERTIFICATE_PROBLEM_H

#include "certificate_pool.h"

typedef struct ProblemNode {
    int32_t n_choices;
    int64_t *cost;      /* NEVER: forbidden */
    int64_t begin, end; /* begin >= end: uses nothing */
    int64_t *usage;     /* [n_choices] >= 0, or NULL */
} ProblemNode;

typedef struct ProblemEdge {
    int32_t a, b;
    int64_t *cost; /* [n_choices of a][n_choices of b] */
} ProblemEdge;

typedef struct Problem {
    int32_t n_nodes, n_edges;
    ProblemNode *nodes;
    ProblemEdge *edges;
    int64_t usage_limit;
} Problem;

/* Reads JSON of `size` bytes into the pool; refuses what is no problem. Costs
 * are below 10^17, usages add up to at most 10^15. */
void problem_read(Problem *problem, Pool *pool, const char *json, size_t size);

/* Cost of choice[n_nodes]; refuses one that is forbidden or over the limit. */
int64_t problem_evaluate(const Problem *problem, Pool *pool,
                         const int32_t *choice);

#endif
