/* Facts: where and when each node of a graph runs under a plan. */
#ifndef DNNC_PASSES_PLACEMENT_FACTS_H
#define DNNC_PASSES_PLACEMENT_FACTS_H

#include "ir/plan.h"
#include "ir/program.h"

enum {
    STAGE_EACH = -1, /* on every stage that needs it */
};

typedef struct NodeFacts {
    int32_t stage;   /* or STAGE_EACH */
    uint8_t time;    /* what axis 0 does: a Strategy entry */
    bool leaves;     /* made of free leaves alone: follows its readers */
    bool partial;    /* a sum over microbatches that is not finished */
    bool sums;       /* ... and somebody reads the finished sum */
    bool late;       /* made of finished sums, or known to all stages */
    bool microbatch; /* runs once a microbatch */
    bool early;      /* a per-step backward node that microbatches read */
} NodeFacts;

typedef struct Facts {
    const Graph *graph;
    bool eval;
    int32_t n_stages;
    Rule *rules;     /* by node */
    NodeFacts *node; /* by node */
    bool *needed;    /* [stage][node]: STAGE_EACH nodes that the stage runs */
} Facts;

/* `variable_stage` gives each variable's owner. */
Facts facts_of(const Graph *graph, const Plan *plan, bool eval,
               const int32_t *variable_stage, Arena *arena);

/* The stage of a layer; a layer outside every stage is none of them. */
int32_t plan_stage_of_layer(const Plan *plan, int32_t layer);
/* Whether the node runs on the stage (leaves run where they are read). */
bool facts_runs_on(const Facts *facts, NodeId id, int32_t stage);
SegmentKind facts_segment(const Facts *facts, NodeId id);

#endif
