/* Problems like the contest's, made on the spot: variants of given ones and
 * synthetic training steps.  The same arguments give the same problem.
 */
#ifndef DNNC_TESTS_BENCH_IOPDDL_GENERATE_H
#define DNNC_TESTS_BENCH_IOPDDL_GENERATE_H

#include "solver/choice.h"
#include "support/vector.h"

/* What the contest's files write for a forbidden choice. */
#define CONTEST_FORBIDDEN INT64_C(1000000000000000000)

/* A problem that grows: one interval a node. */
typedef struct Draft {
    Arena *arena;
    VECTOR(ChoiceNode) nodes;
    VECTOR(ChoiceEdge) edges;
} Draft;

/* Appends a node; the tables [n_choices] are kept. Returns its number. */
int32_t draft_node(Draft *draft, int32_t n_choices, const int64_t *cost,
                   const int64_t *usage, int64_t begin, int64_t end);
/* Makes a node's interval end no sooner than `end`. */
void draft_extend(Draft *draft, int32_t node, int64_t end);
/* Appends an edge; the table is kept. */
void draft_edge(Draft *draft, int32_t a, int32_t b, const int64_t *cost);

/* Uniform in 0 ... n - 1: the counter-th draw. */
int64_t draft_draw(uint64_t seed, uint64_t *counter, int64_t n);

/* The usage at every time 0 ... n_times - 1 when each node takes the choice
 * that uses least: no assignment uses less anywhere. */
int64_t *draft_least_usage(const Draft *draft, Arena *arena, int64_t *n_times);

/* A training step of `n_nodes` operators, about, with its forward, backward
 * and update part; `reuse`: by how many microbatches weights are read. */
void draft_step(Draft *draft, uint64_t seed, int64_t n_nodes, int64_t reuse);

typedef struct Variation {
    uint64_t seed;
    bool shuffle;   /* order of nodes, choices and edges */
    bool noise;     /* finite costs times 0.80 ... 1.25 */
    bool link;      /* ties each part to the one before, 1 node in 100 */
    bool level;     /* fills the valleys of the least usage: many rows bind */
    int64_t factor; /* of costs */
} Variation;

/* Appends a copy of a problem whose nodes have at most one interval. */
void draft_append(Draft *draft, const ChoiceProblem *problem,
                  const Variation *how);
/* Adds nodes of one choice each, up to 98 % of the highest least usage. */
void draft_level(Draft *draft);
/* A random renumbering of everything. */
Draft draft_shuffle(Arena *arena, const Draft *draft, uint64_t seed);

#endif
