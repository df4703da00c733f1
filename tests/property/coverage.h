/* Coverage: what of the sharding algebra a run of random plans has executed. */
#ifndef DNNC_TESTS_PROPERTY_COVERAGE_H
#define DNNC_TESTS_PROPERTY_COVERAGE_H

#include "ir/plan.h"
#include "ir/program.h"

enum {
    CELL_EXECUTIONS_MIN = 20,
    FACTOR_KINDS = FACTOR_WHOLE + 1,
    COVERED_STAGES_MAX = 4,
    COVERED_MICROBATCHES_MAX = 8,
};

/* How often an op with a factor of a kind ran on a mesh with that factor ...
 * (an axis of size 1 does not count). */
typedef struct FactorCells {
    int64_t replicated; /* ... on no axis, and the op on all devices alike */
    int64_t split;      /* ... split */
    int64_t uneven;     /* ... split into blocks of which the last is short */
    int64_t partial;    /* ... not split, and the op adding partial values */
} FactorCells;

typedef struct Coverage {
    FactorCells op[OP_COUNT][FACTOR_KINDS];
    int64_t collective[OP_COUNT];
    int64_t two_axis_splits, uneven_splits, uneven_two_axis_splits;
    int64_t transfers, world_sum_parts;
    int64_t states, maxima; /* updated after, taken over several microbatches */
    int64_t stages[COVERED_STAGES_MAX + 1];
    int64_t microbatches[COVERED_MICROBATCHES_MAX + 1];
} Coverage;

/* Adds one executed case. */
void coverage_add(Coverage *coverage, const GraphSet *set, const Plan *plan,
                  const Program *program, Arena scratch);
/* Prints the table; returns how many cells are below CELL_EXECUTIONS_MIN. */
int32_t coverage_print(const Coverage *coverage);

#endif
