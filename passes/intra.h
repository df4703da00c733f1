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
    int64_t n_solved;         /* nodes of the network that was solved */
    StageNetwork network;
    int32_t *choice; /* [network.problem.n_nodes], NULL when there is none */
} StageSolution;

/* Is shown every choice network that is about to be solved; `posed` may be
 * NULL. */
typedef struct NetworkObserver {
    void (*posed)(void *context, const ChoiceProblem *problem);
    void *context;
} NetworkObserver;

typedef struct IntraOptions {
    const int32_t *layer_kind; /* by layer, passes/stage_class.h */
    int64_t work_limit;        /* as in solver/choice.h */
    bool skip_least_peak;      /* when nothing fits, not by how much */
    NetworkObserver observer;
} IntraOptions;

/* The best strategies of a stage, or, where its network is large and has equal
 * layers, the best in which they choose alike (passes/stage_tie.h): then the
 * status is not OPTIMAL and the lower bound 0. */
StageSolution intra_solve(Arena *arena, Arena scratch, StrategyTable *table,
                          const StageShape *shape, const IntraOptions *options);

/* The price and memory of choices made before. */
StageSolution intra_evaluate(Arena *arena, Arena scratch, StrategyTable *table,
                             const StageShape *shape, const int32_t *choice);

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
