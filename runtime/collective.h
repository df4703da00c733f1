/* Collectives of a stage's mesh, made of moved bytes and sums in rank order.
 *
 * A reduction gives every member's contribution to the member that owns that
 * part (all-to-all), which folds them in rank order, and then everybody gets
 * the folded parts (all-gather).  So a ring's bytes are sent, the result is
 * the same bits on every member, in every run and on every implementation,
 * and nothing is allocated: long values pass through one staging area in
 * chunks.
 */
#ifndef DNNC_RUNTIME_COLLECTIVE_H
#define DNNC_RUNTIME_COLLECTIVE_H

#include "ir/program.h"
#include "runtime/communicator.h"

/* The groups of one device and the staging area.  groups[mask] is the group
 * of the devices that differ from this one in the axes of `mask` only. */
typedef struct Collectives {
    Communicator *communicator;
    const ProgramStage *stage;
    int64_t coordinate[MESH_AXES_MAX];
    int32_t groups[1 << MESH_AXES_MAX]; /* -1 where the program needs none */
    char *staging;                      /* two halves */
    int64_t staging_bytes;              /* of one half */
} Collectives;

/* Makes the groups that the stage's instructions name; collective over the
 * stage. */
Status collectives_init(Collectives *c, Communicator *communicator,
                        const ProgramStage *stage, int64_t device) MUST_USE;
void collectives_deinit(Collectives *c);

/* Runs a COLLECTIVE instruction: `count` elements at `from` (of `from_type`),
 * the result at `to`, which may be `from` for OP_ALL_REDUCE. */
Status collective_run(Collectives *c, const Instruction *instruction,
                      const Type *from_type, const char *from,
                      char *to) MUST_USE;

#endif
