/* Intra: the best strategies of one stage on one logical mesh. */
#ifndef DNNC_PASSES_INTRA_H
#define DNNC_PASSES_INTRA_H

#include "ir/plan.h"
#include "passes/stage_network.h"

typedef struct StageSolution {
    ChoiceStatus status;
    int64_t price;       /* ticks of a step, see passes/strategy_table.h */
    int64_t lower_bound; /* no assignment costs less */
    int64_t peak_bytes;
    int64_t least_peak_bytes; /* when infeasible: of any assignment */
    NodeId peak_node;         /* what runs when memory peaks */
    bool too_large;           /* prices need a coarser tick */
    StageNetwork network;
    int32_t *choice; /* [network.problem.n_nodes], NULL when there is none */
} StageSolution;

/* `work_limit` as in solver/choice.h. */
StageSolution intra_solve(Arena *arena, Arena scratch, StrategyTable *table,
                          const StageShape *shape, int64_t work_limit);

/* Makes every copy that is sharded as its operand an alias of it: the price
 * is the same, the memory no more. */
void intra_alias_copies(StageSolution *solution, const Graph *graph,
                        Arena scratch);

/* Where the price of a solved stage goes: ticks of a step. */
typedef struct StagePrice {
    int64_t microbatch;             /* all that runs once a microbatch */
    int64_t step;                   /* all that runs once a step */
    int64_t compute, communication; /* the same, split otherwise */
} StagePrice;
StagePrice intra_price(const StageSolution *solution,
                       const StrategyTable *table);

/* The bytes of each class when the whole peaks, so that they add up to it. */
PlanMemory intra_memory(const StageSolution *solution, Arena scratch);

#endif
