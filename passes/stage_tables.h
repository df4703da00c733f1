/* Stage tables: what a search decides about, and the strategies of the graph
 * on each logical mesh of it, made when asked for.
 *
 * One object serves one number of microbatches. */
#ifndef DNNC_PASSES_STAGE_TABLES_H
#define DNNC_PASSES_STAGE_TABLES_H

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
    NetworkObserver observer;
} SearchSpace;

/* A stage in its place. */
typedef struct StagePlace {
    int32_t first_layer, end_layer;
    int32_t option;
    Neighbour before, after;
    int64_t in_flight;
} StagePlace;

/* The same as its network sees it, with the memory of its devices. */
StageShape stage_shape_at(const SearchSpace *space, const StagePlace *place);

typedef struct StageTables {
    Arena *arena;
    const SearchSpace *space;
    int64_t n_microbatches;
    const NodeStorage *storage; /* by node */
    const int32_t *layer_kind;  /* by layer, passes/stage_class.h */
    StrategyTable **tables;     /* [option][LOGICAL_SHAPES_MAX] */
} StageTables;

/* False when the graph does not allow that many microbatches.  What an earlier
 * object for the same space can lend is borrowed from `like`, which may be
 * NULL. */
bool stage_tables_init(StageTables *tables, Arena *arena, Arena scratch,
                       const SearchSpace *space, int64_t n_microbatches,
                       const StageTables *like);

IntraOptions stage_tables_options(const StageTables *tables);

/* The strategies on one logical mesh of a submesh option. */
StrategyTable *stage_table(StageTables *tables, int32_t option, int32_t shape);

#endif
