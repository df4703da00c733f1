/* Lower: from fused local graphs to instructions. */
#ifndef DNNC_PASSES_LOWER_H
#define DNNC_PASSES_LOWER_H

#include "passes/fuse.h"
#include "passes/partition.h"

/* Equal emitted kernels have one number, across stages. */
typedef struct CodeNumbers {
    Map numbers; /* canonical text of a body -> number */
} CodeNumbers;

int32_t code_number(CodeNumbers *numbers, const KernelBody *body,
                    const LogicalMesh *mesh, Arena *arena);

/* Whether the kernel reads this operand at no other element than the one it
 * writes, so that its result may replace the operand. */
bool kernel_reads_in_place(const KernelBody *body, NodeId operand);

/* Fills the stage's buffers (without places), kernels, inputs and segments
 * from its partition, and the buffer numbers in the program's tables.  In a
 * program of several stages the receives of `forward` and `backward` stand
 * first and the sends last. */
void lower_stage(Program *program, int32_t stage, StagePartition *partition,
                 CodeNumbers *numbers, StageBodies *bodies, Arena *arena);

/* -- pipeline.c ------------------------------------------------------------ */

/* Fills every stage's schedule: 1F1B, and one total order of communication. */
void schedule_pipeline(Program *program, Arena *arena);

/* -- place.c --------------------------------------------------------------- */

/* Gives every buffer of the stage its class, slots and offset, and the stage
 * its arena_bytes.  Needs the schedule. */
void place_stage(Program *program, int32_t stage, const StageBodies *bodies,
                 Arena *arena);

#endif
