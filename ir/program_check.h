/* Program check: the bounds on which whoever executes a program relies. */
#ifndef DNNC_IR_PROGRAM_CHECK_H
#define DNNC_IR_PROGRAM_CHECK_H

#include "ir/program.h"

/* What is wrong with the program's form (an index, a count, a size, a byte
 * outside the arena), or NULL.  Says nothing about its meaning: see
 * passes/program_verify.h. */
const char *program_fault(const Program *program);

#endif
