/* Account: what a plan moves and computes, item by item.
 *
 * The planner's prices are sums; this takes them apart again for reports, for
 * `dnnc explain` and for tests that a search found what it should.
 */
#ifndef DNNC_PASSES_ACCOUNT_H
#define DNNC_PASSES_ACCOUNT_H

#include "passes/plan.h"
#include "passes/reshard.h"
#include "passes/storage.h"

/* Steps of one kind over one axis at one time of a step, for one stage. */
typedef struct Traffic {
    ReshardKind kind;
    int32_t axis;
    StepPart part;
    int64_t runs;        /* a step */
    int64_t bytes;       /* a step, sent by each device */
    int64_t nanoseconds; /* a step */
    Str largest;         /* the path of the value that moves most */
    int64_t largest_bytes;
} Traffic;

/* How a stage keeps one variable. */
typedef struct VariablePlace {
    int32_t variable; /* graph->variables */
    Sharding sharding;
    int64_t bytes; /* of a device's block */
} VariablePlace;

typedef struct StageAccount {
    VECTOR(Traffic) traffic; /* communication only, by part, kind, axis */
    VECTOR(VariablePlace) variables;
    int64_t received_runs, received_bytes; /* a step, per device */
    int64_t received_nanoseconds;
    int64_t compute_nanoseconds; /* a step */
} StageAccount;

/* One account a stage of a plan that was searched or checked. */
StageAccount *plan_account(Arena *arena, Arena scratch, const Graph *train,
                           const Mesh *mesh, const Plan *plan);

#endif
