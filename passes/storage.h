/* Storage: when each node runs within a step, and which values are kept in
 * memory rather than computed where they are read.
 *
 * This is the planner's picture of what partition, fusion and placement will
 * do: close enough to decide by, checked against the placed program after.
 */
#ifndef DNNC_PASSES_STORAGE_H
#define DNNC_PASSES_STORAGE_H

#include "ir/rule.h"

/* In the order of a step. */
typedef enum StepPart {
    PART_BEGIN,    /* once, first */
    PART_FORWARD,  /* every microbatch */
    PART_BACKWARD, /* every microbatch */
    PART_UPDATE,   /* once, last */
} StepPart;

typedef struct NodeStorage {
    uint8_t time; /* what axis 0 does (ir/rule.h) */
    StepPart part;
    bool free;        /* made where it is read: constants, world sums and what
                         follows from them */
    bool microbatch;  /* runs once a microbatch */
    bool accumulated; /* partial over microbatches, read as a finished sum */
    bool stored;      /* has memory of its own */
} NodeStorage;

/* Whether a pipeline does it again for each microbatch. */
static inline bool storage_repeats(const NodeStorage *storage)
{
    return storage->part == PART_FORWARD || storage->part == PART_BACKWARD;
}

/* One entry a node, in `arena`.  NULL after diagnostics: the graph does not
 * allow this many microbatches. */
NodeStorage *storage_of(const Graph *graph, int64_t n_microbatches,
                        Arena *arena, Diagnostics *diagnostics);

#endif
