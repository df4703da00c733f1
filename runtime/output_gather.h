/* Output gather: an `output` of the model, collected on the reporting rank.
 *
 * While a batch is evaluated each device keeps its blocks; afterwards the owners
 * send what is wanted.  Sending in between could wait for a
 * reporter that is itself waiting for the pipeline.
 */
#ifndef DNNC_RUNTIME_OUTPUT_GATHER_H
#define DNNC_RUNTIME_OUTPUT_GATHER_H

#include "runtime/worker.h"

typedef struct OutputGather {
    Worker *worker;
    int32_t output;
    int64_t reporter; /* rank */
    Shape block;      /* of one device and microbatch */
    int64_t block_bytes;
    char *kept;    /* this device's blocks by microbatch, or NULL */
    char *message; /* one piece */
} OutputGather;

/* Prepares for a VALUE output of evaluation. */
Status output_gather_init(OutputGather *g, Worker *worker, int32_t output,
                          int64_t reporter) MUST_USE;
void output_gather_deinit(OutputGather *g);
/* To be given to worker_eval_batch. */
OutputSink output_gather_sink(OutputGather *g);
/* The rectangle [begin, begin + length) of the batch's output, dense, in `out`
 * on the reporter.  Collective over all ranks. */
Status output_gather_collect(OutputGather *g, const int64_t *begin,
                             const int64_t *length, void *out) MUST_USE;

#endif
