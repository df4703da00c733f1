/* Trace: when each instruction of each rank ran, as a Chrome trace.
 *
 * Events go to memory reserved at the start; when it is full the rest is not
 * recorded (and the file says so).  At the end rank 0 collects all ranks' and
 * writes one file for chrome://tracing or ui.perfetto.dev: a process per
 * stage, a thread per rank.
 */
#ifndef DNNC_RUNTIME_TRACE_H
#define DNNC_RUNTIME_TRACE_H

#include "ir/program.h"
#include "runtime/communicator.h"

typedef struct TraceEvent {
    double began, ended;            /* seconds of the monotonic clock */
    const Instruction *instruction; /* NULL: filling inputs */
    int32_t segment;
    int32_t microbatch;
    int64_t step;
} TraceEvent;

typedef struct Trace {
    int64_t step; /* written into events; set by the caller */
    int64_t count, capacity;
    int64_t lost;
    TraceEvent *events;
} Trace;

Status trace_init(Trace *trace, int64_t capacity) MUST_USE;
void trace_deinit(Trace *trace);

/* Seconds of the monotonic clock, 0 when `trace` is NULL. */
double trace_now(const Trace *trace);
/* Records an instruction that began at `began` and ends now.  Nothing when
 * `trace` is NULL. */
void trace_record(Trace *trace, SegmentKind segment,
                  const Instruction *instruction, int64_t microbatch,
                  double began);
void trace_record_input(Trace *trace, int64_t microbatch, double began);

/* Collects every rank's events on rank 0 and writes `path` there; collective
 * over all ranks. `stage` is NULL on an idle rank. */
Status trace_write(const Trace *trace, const char *path, const Program *program,
                   const ProgramStage *stage,
                   Communicator *communicator) MUST_USE;

#endif
