/* Choice networks: one choice per node, priced alone and in pairs, under a
 * limit on usage at every time.
 *
 *     minimise    sum_v cost_v(x_v) + sum_(u,v) cost_uv(x_u, x_v)
 *     such that   sum of usage_i(x_v) over the intervals i of every v that
 *                 contain t  <=  usage_limit            for every time t
 *
 * This is the format of the ASPLOS/EuroSys 2025 contest on intra-operator
 * parallelism, with several intervals a node.  All numbers are integers: a
 * planner scales seconds to picoseconds, so that costs add without rounding,
 * ties are ties, and a lower bound cannot lie.
 *
 * See docs/solver.md for how it is solved.
 */
#ifndef DNNC_SOLVER_CHOICE_H
#define DNNC_SOLVER_CHOICE_H

#include "support/arena.h"

#include <stdbool.h>
#include <stdint.h>

/* A cost of at least this says "never": the choice or pair is left out. */
#define CHOICE_FORBIDDEN INT64_C(100000000000000000) /* 10^17 */
/* Costs add up to at most this: those of all nodes and edges, each at its
 * largest that is not forbidden. */
#define CHOICE_COST_MAX INT64_C(4000000000000000000) /* 4 * 10^18 */
/* The same for the usages of all intervals. */
#define CHOICE_MAGNITUDE_MAX INT64_C(1000000000000000) /* 10^15 */

/* What a node uses while `begin <= t < end`. */
typedef struct ChoiceInterval {
    int64_t begin, end;
    const int64_t *usage; /* [n_choices] of the node, >= 0 */
} ChoiceInterval;

typedef struct ChoiceNode {
    int32_t n_choices; /* >= 1 */
    int32_t n_intervals;
    const int64_t *cost; /* [n_choices] */
    const ChoiceInterval *intervals;
} ChoiceNode;

typedef struct ChoiceEdge {
    int32_t a, b; /* nodes; a == b prices the diagonal; parallel edges add */
    const int64_t *cost; /* [n_choices of a][n_choices of b], row-major */
} ChoiceEdge;

typedef struct ChoiceProblem {
    int32_t n_nodes, n_edges;
    const ChoiceNode *nodes;
    const ChoiceEdge *edges;
    int64_t usage_limit; /* CHOICE_MAGNITUDE_MAX: none */
} ChoiceProblem;

/* NULL, or what breaks the rules above (a static text). */
const char *choice_check(const ChoiceProblem *problem);

typedef struct ChoiceEvaluation {
    int64_t cost;       /* of the pairs and choices that are not forbidden */
    int64_t forbidden;  /* how many are */
    int64_t peak_usage; /* over all times; 0 where there are none */
    int64_t peak_time;  /* the first time with the peak */
} ChoiceEvaluation;

/* Exact, from the problem alone. `choice` is [n_nodes]. */
ChoiceEvaluation choice_evaluate(const ChoiceProblem *problem,
                                 const int32_t *choice, Arena scratch);

typedef struct ChoiceOptions {
    /* Stop after this much work, in table entries read (about 10^8 to 10^9 a
     * second): the same result on every machine. 0: until proved. */
    int64_t work_limit;
    uint64_t seed;
    /* When infeasible, do not ask by how much: least_peak is 0. */
    bool skip_least_peak;
    /* Asked at least every few milliseconds whether to stop; NULL: never. */
    bool (*stopped)(void *context);
    /* Told of every better assignment and every better bound; may be NULL. */
    void (*improved)(void *context, int64_t cost, int64_t lower_bound);
    void *context;
} ChoiceOptions;

typedef enum ChoiceStatus {
    CHOICE_OPTIMAL,       /* `choice` is feasible and nothing is cheaper */
    CHOICE_FEASIBLE,      /* `choice` is feasible; no proof, or (numbers too
                             wide for exact arithmetic) none down to 1 */
    CHOICE_INFEASIBLE,    /* proved: no assignment respects the limit */
    CHOICE_FORBIDDEN_ALL, /* proved: every assignment has a forbidden pair */
    CHOICE_UNKNOWN,       /* stopped with none found and none excluded */
} ChoiceStatus;

/* What a unit of usage at a time is worth in cost, by the bound: above 0 only
 * where the limit binds. */
typedef struct ChoicePrice {
    int64_t time;
    double price;
} ChoicePrice;

typedef struct ChoiceSolution {
    ChoiceStatus status;
    /* [n_nodes]. When INFEASIBLE or UNKNOWN: the assignment with the least
     * peak usage found, or NULL where none avoids all forbidden pairs. */
    int32_t *choice;
    int64_t cost; /* of `choice` */
    /* No feasible assignment costs less; == cost when OPTIMAL. */
    int64_t lower_bound;
    int64_t peak_usage, peak_time; /* of `choice` */
    /* When INFEASIBLE: no assignment's peak is below this, so that
     * least_peak - usage_limit is missing; == peak_usage when it is exact. */
    int64_t least_peak;
    int64_t work; /* done, in the unit of work_limit */
    int32_t n_prices;
    ChoicePrice *prices; /* in order of time; in the arena */
} ChoiceSolution;

/* The problem must pass choice_check. The solution lives in `arena`. Equal
 * inputs give equal results unless `stopped` ends the search. Of equal
 * optima the one found does not depend on the machine. */
ChoiceSolution choice_solve(Arena *arena, Arena scratch,
                            const ChoiceProblem *problem,
                            const ChoiceOptions *options);

#endif
