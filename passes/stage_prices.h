/* Stage prices: what every stage costs at one number of microbatches, found
 * when asked for and remembered.
 *
 * Stages that look alike (equal layers on equal blocks with equal neighbours)
 * are solved once.  A stage is first solved without a memory limit; only where
 * that choice does not fit is it solved again under the limit.
 */
#ifndef DNNC_PASSES_STAGE_PRICES_H
#define DNNC_PASSES_STAGE_PRICES_H

#include "passes/stage_bounds.h"

typedef struct StagePrices StagePrices;

/* NULL when the graph does not allow that many microbatches.  What an object
 * of the same space for fewer microbatches, `like`, knows is used; it may be
 * NULL. */
StagePrices *stage_prices_new(Arena *arena, Arena scratch,
                              const SearchSpace *space, int64_t n_microbatches,
                              const StagePrices *like);

StageBounds *stage_prices_bounds(StagePrices *prices);

typedef struct StageQuote {
    int64_t price;         /* STAGE_IMPOSSIBLE: does not fit */
    int64_t lower_bound;   /* == price when proved */
    int32_t shape;         /* of the option: the best logical mesh */
    const int32_t *choice; /* by node of the stage's network */
    int32_t n_nodes;       /* ... which has so many */
} StageQuote;

/* No price of the stage is below this; STAGE_IMPOSSIBLE when it is known not
 * to fit.  Costs nothing. */
int64_t stage_price_bound(const StagePrices *prices, const StagePlace *place);

/* Solves layers alone until the least bound among the option's logical meshes
 * is one that was solved for; false when it was. */
bool stage_price_refine(StagePrices *prices, const StagePlace *place,
                        Arena scratch);

/* NULL until it was solved for. */
const StageQuote *stage_price_known(const StagePrices *prices,
                                    const StagePlace *place);
const StageQuote *stage_price_solve(StagePrices *prices,
                                    const StagePlace *place, Arena scratch);
/* Nodes of all networks solved so far. */
int64_t stage_prices_nodes(const StagePrices *prices);
/* Some price was beyond the solver's range: take a coarser tick. */
bool stage_prices_too_large(const StagePrices *prices);

#endif
