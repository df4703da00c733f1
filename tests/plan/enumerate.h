/* Enumerate: the least price of all choices of a stage, and of all plans.
 *
 * Nothing of the planner's search is used: no reductions, prices of memory,
 * stage DP, classes of stages or bounds of stages. */
#ifndef DNNC_TESTS_PLAN_ENUMERATE_H
#define DNNC_TESTS_PLAN_ENUMERATE_H

#include "stage_model.h"

/* The least price of any choice whose peak is at most `limit` bytes; NEVER
 * when there is none of at most `most`.  Adds the choices looked at to
 * *visits. */
int64_t enumerate_stage(const StageModel *model, int64_t limit, int64_t most,
                        Arena scratch, int64_t *visits);

/* All plans of one graph on one cluster.  Keeps what it has built, so that
 * several limits are asked of one. */
typedef struct Plans Plans;
Plans *plans_new(Arena *arena, const Graph *graph, const Mesh *mesh);

/* A stage of a plan, as plans name it: layers, its block, the sizes of its
 * device axes, and how many stages follow. */
typedef struct StageChoice {
    int32_t first_layer, end_layer, stages_after;
    Submesh submesh;
    int32_t n_axes;
    int64_t size[MESH_AXES_MAX - 1];
} StageChoice;

/* The model of that stage with so many microbatches a step; NULL when the
 * graph does not allow them. */
StageModel *plans_stage(Plans *plans, int64_t n_microbatches,
                        const StageChoice *stage, Arena *arena);

/* Seconds of the best plan in which every device holds at most `limit` bytes,
 * over all counts of microbatches, cuts, blocks, logical meshes and choices;
 * negative when there is none.  What takes more than `most` seconds need not
 * be looked at.  Adds the choices looked at to *visits. */
double plans_least_seconds(Plans *plans, int64_t limit, double most,
                           Arena scratch, int64_t *visits);

#endif
