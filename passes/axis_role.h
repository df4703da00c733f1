/* Axis role: what the axes of a uniform plan do in each node.
 *
 * As in Megatron-LM (Shoeybi et al., arXiv 1909.08053; Narayanan et al.,
 * SC'21):
 *
 *   data    does in space what microbatches do in time: it splits the samples
 *           wherever they are there to be split, leaves sums over them partial,
 *           and has no part in variables and their update
 *   tensor  splits every weight that a contraction or a look-up reads, as it is
 *           kept and as it is read, and never the samples
 *
 * Which dimension of a weight, and so where partial sums are finished, is the
 * solver's to choose.  Where no choice of a node does what its role asks (a
 * filter with fewer channels than devices), the node is free.
 */
#ifndef DNNC_PASSES_AXIS_ROLE_H
#define DNNC_PASSES_AXIS_ROLE_H

#include "passes/strategy_table.h"

typedef struct AxisRoles {
    uint8_t data, tensor;   /* masks of device axes; 0: none has the role */
    const uint8_t *samples; /* by node: what a split of the samples does (a
                               Strategy entry); NULL: the model mixes them */
    const bool *is_weight;  /* by node: variables with a role, and copies of
                               them, transposed or not */
} AxisRoles;

/* The roles of the axes in a graph whose samples are split into `n_parts`
 * (microbatches x data).  Lives in `arena`. */
AxisRoles axis_roles(const Graph *graph, uint8_t data, uint8_t tensor,
                     int64_t n_parts, Arena *arena);

/* By choice of the node: whether it does what the axes' roles ask; NULL when
 * none does, and so all may. */
const bool *axis_roles_choices(const AxisRoles *roles, const Graph *graph,
                               NodeId id, const NodeOptions *options,
                               Arena *arena);

#endif
