/* Worker: one device of a job, executing its stage's program.
 *
 * A worker runs straight lines of instructions in the order that the program
 * lists; it decides nothing and, once made, allocates nothing.
 */
#ifndef DNNC_RUNTIME_WORKER_H
#define DNNC_RUNTIME_WORKER_H

#include "runtime/collective.h"
#include "runtime/device.h"
#include "runtime/trace.h"
#include "runtime/transfer.h"
#include "runtime/world_sum.h"

/* Where inputs come from: fills the rectangle [begin, begin + length) of an
 * input's global batch into `block`, a dense array of the (possibly longer)
 * block shape; what lies outside the rectangle is left alone. */
typedef struct InputSource {
    Status (*fill)(void *context, int32_t input, const int64_t *begin,
                   const int64_t *length, const Shape *block_shape,
                   void *block);
    void *context;
} InputSource;

/* Called on each device of an output's stage after an evaluated microbatch,
 * with the address of its block. */
typedef struct OutputSink {
    Status (*take)(void *context, int32_t output, int64_t microbatch,
                   const char *address);
    void *context;
} OutputSink;

typedef struct Worker {
    const Program *program;
    const ProgramStage *stage; /* NULL: this rank is idle */
    int32_t stage_index;
    int64_t device_index;
    Communicator *communicator;
    Device device;
    Collectives collectives;
    Transfers transfers;
    WorldSums world_sums;
    KernelContext context;
    char *input_block; /* host memory for the longest input block */
    Trace *trace;      /* NULL: not traced */
} Worker;

typedef struct WorkerOptions {
    DeviceOptions device;
    uint64_t seed;
    Trace *trace;
} WorkerOptions;

/* Collective over all ranks of the communicator; tables go to `arena`. */
Status worker_init(Worker *worker, const Program *program,
                   Communicator *communicator, const WorkerOptions *options,
                   Arena *arena) MUST_USE;
void worker_deinit(Worker *worker);

/* Variables' first values. */
Status worker_init_variables(Worker *worker) MUST_USE;
/* One training step on a global batch. */
Status worker_step(Worker *worker, int64_t step,
                   const InputSource *source) MUST_USE;
/* Evaluation: begin once, then any number of batches of which the first
 * `sample_count` samples count.  `sink` may be NULL. */
Status worker_eval_begin(Worker *worker, int64_t step) MUST_USE;
Status worker_eval_batch(Worker *worker, int64_t sample_count,
                         const InputSource *source,
                         const OutputSink *sink) MUST_USE;

/* The value of a LOSS or METRIC after a step or an evaluated batch.  Known on
 * every active rank. */
Status worker_scalar(Worker *worker, int32_t output, float *value) MUST_USE;

#endif
