/* Timing: when each node runs within a step and what stays in memory, by
 * definition (docs/architecture.md, 3.2 to 3.5; docs/planner.md).
 *
 * Written from the documents and from ir/ alone, so that the planner's own
 * picture (passes/storage.h) has something to be compared with; only which
 * values have buffers, which is fusion's to say, is taken from there, and
 * compared with placed programs in test_placed.c. */
#ifndef DNNC_TESTS_PLAN_TIMING_H
#define DNNC_TESTS_PLAN_TIMING_H

#include "ir/rule.h"

/* In the order of a step. */
typedef enum Moment {
    MOMENT_BEGIN,
    MOMENT_FORWARD,  /* once a microbatch */
    MOMENT_BACKWARD, /* once a microbatch */
    MOMENT_UPDATE,
    MOMENT_COUNT
} Moment;

typedef struct Timing {
    uint8_t time; /* what axis 0 does (ir/rule.h) */
    Moment moment;
    bool often;  /* runs once a microbatch */
    bool free;   /* made wherever it is read, of constants or world sums */
    bool summed; /* a sum over microbatches that a reader wants finished */
    bool kept;   /* has memory: it is not computed within its reader's kernel */
} Timing;

/* One entry a node; NULL: the graph does not allow this many microbatches. */
Timing *timing_of(const Graph *graph, int64_t n_microbatches, Arena *arena);

#endif
