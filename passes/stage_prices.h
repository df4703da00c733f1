/* Stage prices: what every stage costs at one number of microbatches, found
 * when asked for and remembered.
 *
 * Stages that look alike (equal layers on equal blocks with equal neighbours)
 * are solved once.  A stage is first solved without a memory limit; only where
 * that choice does not fit is it solved again under the limit.
 */
#ifndef DNNC_PASSES_STAGE_PRICES_H
#define DNNC_PASSES_STAGE_PRICES_H

#include "passes/intra.h"
#include "passes/submesh.h"

/* What a search decides about, and how hard it tries. */
typedef struct SearchSpace {
    const Graph *graph; /* the layered train graph with copies */
    const Mesh *mesh;
    int32_t n_layers;
    int32_t n_options;
    const SubmeshOption *options;
    int64_t memory_cut_bytes; /* taken off every device's limit */
    int64_t tick_nanoseconds;
    int64_t work_limit; /* of one stage, solver/choice.h */
    /* The search ends, with the best plan so far, when it has solved networks
     * of so many nodes; 0: when nothing better is possible. */
    int64_t node_limit;
} SearchSpace;

/* A stage in its place. */
typedef struct StagePlace {
    int32_t first_layer, end_layer;
    int32_t option;
    Neighbour before, after;
    int64_t in_flight;
} StagePlace;

typedef struct StagePrices StagePrices;

/* NULL when the graph does not allow that many microbatches. */
StagePrices *stage_prices_new(Arena *arena, const SearchSpace *space,
                              int64_t n_microbatches);

/* No price of the stage is below this; STAGE_IMPOSSIBLE when it is known not
 * to fit.  Costs nothing: what is not solved is bounded by its computation. */
int64_t stage_price_bound(const StagePrices *prices, const StagePlace *place);

typedef struct StageQuote {
    int64_t price;       /* STAGE_IMPOSSIBLE: does not fit */
    int64_t lower_bound; /* == price when proved */
    int32_t shape;       /* of the option: the best logical mesh */
} StageQuote;

/* NULL until it was solved for. */
const StageQuote *stage_price_known(const StagePrices *prices,
                                    const StagePlace *place);
const StageQuote *stage_price_solve(StagePrices *prices,
                                    const StagePlace *place, Arena scratch);
/* Nodes of all networks solved so far. */
int64_t stage_prices_nodes(const StagePrices *prices);
/* Some price was beyond the solver's range: take a coarser tick. */
bool stage_prices_too_large(const StagePrices *prices);

/* The stage's strategies on one logical mesh, in full. */
StrategyTable *stage_prices_table(StagePrices *prices, int32_t option,
                                  int32_t shape);
StageShape stage_prices_shape(const StagePrices *prices,
                              const StagePlace *place);
StageSolution stage_price_solution(StagePrices *prices, const StagePlace *place,
                                   int32_t shape, Arena *arena, Arena scratch);

#endif
