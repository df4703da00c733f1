/* The naive interpreter: the oracle for everything.
 *
 * One obvious loop nest per op, no blocking, no fusion; f32 arithmetic with
 * sums carried in double, so that it is more exact than what it judges.
 */
#ifndef DNNC_IR_INTERPRET_H
#define DNNC_IR_INTERPRET_H

#include "ir/kernel.h"

/* A dense row-major array; `data` holds shape_count elements of dtype. */
typedef struct Tensor {
    Type type;
    void *data;
} Tensor;

Tensor tensor_new(Arena *arena, Type type);
static inline float *tensor_f32(Tensor t) { return t.data; }
static inline int32_t *tensor_i32(Tensor t) { return t.data; }

/* What the graph's leaves read. */
typedef struct Environment {
    const Tensor *inputs;    /* by input index */
    const Tensor *variables; /* by variable index */
    KernelContext context;   /* seed, step, sample count; coordinates for the
                                local form */
    const LogicalMesh *mesh; /* local form: sizes for shard_start */
} Environment;

/* Evaluates every node in order; values[i] is node i's.  All in `arena`.
 * Collectives, RECEIVE and ACCUMULATE are not evaluated here (asserts): see
 * program_interpret. */
void graph_interpret(const Graph *graph, const Environment *environment,
                     Arena *arena, Tensor *values);
/* One node on given operand values; the building block of the above and of
 * kernel_interpret. */
Tensor node_interpret(const Graph *graph, NodeId id, const Tensor *operands,
                      const Environment *environment, Arena *arena);

/* A cluster in one process: every device of every stage with its own arena
 * of bytes, running the program's instructions in schedule order with the
 * oracle's kernels.  Messages are matched in program order; a rendezvous that
 * cannot complete is reported as a deadlock. */
typedef struct VirtualCluster VirtualCluster;

VirtualCluster *cluster_new(Arena *arena, const Program *program,
                            const ProgramCode *code, uint64_t seed);
/* From here on KERNEL_CODE kernels run these functions, by code number, and
 * not the oracle: a program of generated code in one process. */
void cluster_use_code(VirtualCluster *cluster, KernelFunction *const *code);
/* Runs `init` on every device. */
Status cluster_init(VirtualCluster *cluster) MUST_USE;
/* One training step on a global batch (inputs[i] whole).  `loss` and
 * `metrics` (train outputs in order of program->outputs, VALUEs skipped) may
 * be NULL. */
Status cluster_step(VirtualCluster *cluster, const Tensor *inputs,
                    int64_t step, double *scalars) MUST_USE;
/* Evaluation of one global batch of which `sample_count` samples count. */
Status cluster_eval(VirtualCluster *cluster, const Tensor *inputs,
                    int64_t sample_count, double *scalars) MUST_USE;
/* The whole logical value of a variable, put together from the owner's
 * blocks; replicas are checked to be bit-equal. */
Status cluster_read_variable(VirtualCluster *cluster, int32_t variable,
                             Arena *arena, Tensor *out) MUST_USE;

#endif
