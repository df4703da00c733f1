/* Segment clustering: cut a line of operators into layers.
 *
 * Alpa's operator clustering (OSDI'22, equation 6): among the cuts of n
 * operators into exactly L runs whose work is at most (1 + delta) times the
 * average, minimise the most bytes that any run receives from the runs before
 * it; break ties by the sum of received bytes, then by the variance of work.
 */
#ifndef DNNC_SOLVER_SEGMENT_H
#define DNNC_SOLVER_SEGMENT_H

#include "support/arena.h"

#include <stdbool.h>
#include <stdint.h>

/* Operator `consumer` reads `bytes` that operator `producer` < consumer made.
 * A run that holds several consumers of one value receives it once: give the
 * value one id (>= 0, < n_values) and each of its readers a row. */
typedef struct SegmentUse {
    int32_t value;
    int32_t consumer;
} SegmentUse;

typedef struct SegmentValue {
    int32_t producer;
    int64_t bytes; /* >= 0, all sums below 2^62 */
} SegmentValue;

typedef struct SegmentProblem {
    int32_t n_items;
    int32_t n_segments;  /* L, 1 ... n_items */
    const int64_t *work; /* [n_items], >= 0 */
    double tolerance;    /* delta >= 0 */
    int32_t n_values, n_uses;
    const SegmentValue *values;
    const SegmentUse *uses;
} SegmentProblem;

typedef struct SegmentCut {
    bool feasible;      /* false: no cut stays within the tolerance */
    int32_t *end;       /* [n_segments]: one past the last item of each run */
    int64_t most_bytes; /* received by a run */
    int64_t sum_bytes;  /* received by all */
} SegmentCut;

/* Exact, O(n^2 L). Where no cut is feasible, `least_tolerance` (may be NULL)
 * receives the smallest delta for which one is. */
SegmentCut segment_solve(Arena *arena, Arena scratch,
                         const SegmentProblem *problem,
                         double *least_tolerance);

#endif
