/* Inter: the cut of the layers into stages, their submeshes and logical
 * meshes, and the number of microbatches. */
#ifndef DNNC_PASSES_INTER_H
#define DNNC_PASSES_INTER_H

#include "passes/stage_prices.h"

typedef struct PlannedStage {
    StagePlace place;
    int32_t shape; /* of the option */
    Submesh submesh;
    const int32_t *choice; /* by node of its network; NULL: the best */
} PlannedStage;

typedef struct SearchResult {
    bool found;
    bool too_large; /* nothing is known: take a coarser tick */
    int64_t n_microbatches;
    int64_t cost;       /* ticks x n_microbatches of the objective */
    double bound_ticks; /* no plan of the space takes fewer ticks a step */
    int32_t n_stages;
    PlannedStage *stages;  /* in pipeline order */
    int64_t stages_solved; /* how many different ones were looked at */
    int64_t nodes_solved;  /* of all networks */
} SearchResult;

/* The best plan over the microbatch counts given (ascending).  Where the
 * space's limit ends the search, none of the shapes of plan_uniform with even
 * work is better. */
SearchResult inter_search(Arena *perm, Arena scratch, const SearchSpace *space,
                          const int64_t *microbatches, int32_t n_counts);

/* Cuts the layers where the work so far passes each even share. */
void inter_cut_evenly(const SearchSpace *space, int32_t n_stages,
                      int32_t option, Arena scratch, StageCut *cuts);

/* The place of every stage of a given cut, for plans that are not searched:
 * false when a submesh would straddle hosts or devices run out. */
bool inter_place(const SearchSpace *space, int64_t n_microbatches,
                 const StageCut *cuts, int32_t n_stages, PlannedStage *stages);

#endif
