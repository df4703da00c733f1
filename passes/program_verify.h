/* Program verify: what a program promises, proved by running its order.
 *
 *   every send meets its receive, and blocking communication does not deadlock
 *   no buffer is read before it holds what is meant, nor overwritten before
 *   its last read
 */
#ifndef DNNC_PASSES_PROGRAM_VERIFY_H
#define DNNC_PASSES_PROGRAM_VERIFY_H

#include "ir/kernel.h"

/* Empty when all holds, else the first violation: "stage 1, backward 3, run
 * "fc.dot.gradient": buffer 7 does not hold microbatch 3".  Bounds are
 * program_fault's (ir/program_check.h). */
Str program_verify(const Program *program, const ProgramCode *code,
                   Arena *arena);

#endif
