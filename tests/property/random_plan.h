/* Random plan: any legal plan of a model, every choice drawn uniformly.
 *
 * Stages, their submeshes and logical meshes, the number of microbatches and
 * each node's strategy are drawn without regard to what they cost.
 */
#ifndef DNNC_TESTS_PROPERTY_RANDOM_PLAN_H
#define DNNC_TESTS_PROPERTY_RANDOM_PLAN_H

#include "ir/plan.h"
#include "ir/rule.h"
#include "tests/numeric/random.h"

/* What is fixed; 0 draws. */
typedef struct RandomPlanOptions {
    int32_t n_stages;
    int64_t n_microbatches;
    int64_t devices; /* of each stage */
    bool replicated; /* no strategies: every device computes everything */
} RandomPlanOptions;

/* A plan for a layered graph set, and the cluster it is for in *mesh.
 * Everything lives in `arena`. */
Plan random_plan(Random *random, const RandomPlanOptions *options,
                 const GraphSet *set, Arena *arena, Mesh *mesh);

/* Whether the strategy splits a factor of `kind` into blocks of which the last
 * is short. */
bool cuts_unevenly(const Rule *rule, const LogicalMesh *mesh,
                   const Strategy *strategy, FactorKind kind);

#endif
