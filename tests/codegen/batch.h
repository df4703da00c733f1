/* Batch: kernels compiled together into one shared object and loaded, for
 * tests and benchmarks of generated code. */
#ifndef DNNC_TESTS_CODEGEN_BATCH_H
#define DNNC_TESTS_CODEGEN_BATCH_H

#include "codegen/codegen.h"
#include "ir/interpret.h"

typedef struct Batch {
    Arena *arena;
    Program program; /* stage i has one kernel, which runs code i */
    ProgramCode code;
    char directory[64]; /* temporary; removed by batch_deinit */
    void *library;
} Batch;

void batch_init(Batch *batch, Arena *arena);
void batch_deinit(Batch *batch);

/* The kernel that computes `root` from the graph's inputs and variables; its
 * code number.  The body's operands are those it reads, in node order. */
int32_t batch_add(Batch *batch, const Graph *graph, NodeId root,
                  const LogicalMesh *mesh);
const KernelBody *batch_body(const Batch *batch, int32_t code);
/* Some instruction of the program runs kernel `code` with operand `operand`
 * and the result in one buffer (-1: with none). */
void batch_run_in_place(Batch *batch, int32_t code, int32_t operand);

/* Compiles all kernels added so far; once. */
Status batch_compile(Batch *batch, Arena scratch) MUST_USE;
/* Compiles the kernels of a program instead of those added. */
Status batch_compile_program(Batch *batch, const Program *program,
                             const ProgramCode *code, Arena scratch) MUST_USE;
KernelFunction *batch_function(const Batch *batch, int32_t code);
/* Runs a kernel on the environment's inputs and variables. */
void batch_run(const Batch *batch, int32_t code, const Environment *environment,
               Tensor result);

#endif
