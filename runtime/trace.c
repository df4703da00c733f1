/* Recording events, collecting them on rank 0, writing JSON. */
#include "runtime/trace.h"

#include "support/checked.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What travels to rank 0: no pointers. */
typedef struct TraceRecord {
    double began, ended;
    int64_t step;
    int32_t segment, microbatch;
    int32_t stage, n_name;
    char name[96];
} TraceRecord;

Status trace_init(Trace *trace, int64_t capacity)
{
    *trace = (Trace){.capacity = capacity};
    trace->events = calloc((size_t)capacity, sizeof(TraceEvent));
    if (!trace->events)
        return status_error(STATUS_ENVIRONMENT, "out of memory");
    return status_ok();
}

void trace_deinit(Trace *trace)
{
    free(trace->events);
    *trace = (Trace){0};
}

static double monotonic_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double trace_now(const Trace *trace)
{
    return trace ? monotonic_seconds() : 0;
}

void trace_record(Trace *trace, SegmentKind segment,
                  const Instruction *instruction, int64_t microbatch,
                  double began)
{
    if (!trace)
        return;
    if (trace->count == trace->capacity) {
        trace->lost++;
        return;
    }
    trace->events[trace->count++] =
        (TraceEvent){.began = began,
                     .ended = monotonic_seconds(),
                     .instruction = instruction,
                     .segment = (int32_t)segment,
                     .microbatch = (int32_t)microbatch,
                     .step = trace->step};
}

void trace_record_input(Trace *trace, int64_t microbatch, double began)
{
    trace_record(trace, SEGMENT_FORWARD, NULL, microbatch, began);
}

/* -- the file ------------------------------------------------------------- */

static Str event_name(const TraceEvent *e, const Program *program,
                      const ProgramStage *stage)
{
    const Instruction *in = e->instruction;
    if (!in)
        return STR("input");
    switch (in->kind) {
    case INSTRUCTION_RUN: return stage->kernels.data[in->kernel].name;
    case INSTRUCTION_COLLECTIVE: return str_from(op_info(in->collective)->text);
    case INSTRUCTION_SEND:
    case INSTRUCTION_RECEIVE: return program->transfers.data[in->transfer].name;
    case INSTRUCTION_WORLD_SUM:
        return program->world_sums.data[in->world_sum].name;
    }
    return STR("");
}

static const char *event_prefix(const TraceEvent *e)
{
    if (!e->instruction)
        return "";
    switch (e->instruction->kind) {
    case INSTRUCTION_RUN:
    case INSTRUCTION_COLLECTIVE: return "";
    case INSTRUCTION_SEND: return "send ";
    case INSTRUCTION_RECEIVE: return "receive ";
    case INSTRUCTION_WORLD_SUM: return "world_sum ";
    }
    return "";
}

static TraceRecord record_of(const TraceEvent *e, const Program *program,
                             const ProgramStage *stage)
{
    TraceRecord r = {.began = e->began,
                     .ended = e->ended,
                     .step = e->step,
                     .segment = e->segment,
                     .microbatch = e->microbatch,
                     .stage = (int32_t)(stage - program->stages.data)};
    Str name = event_name(e, program, stage);
    snprintf(r.name, sizeof(r.name), "%s%.*s", event_prefix(e), STR_ARG(name));
    for (char *c = r.name; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ')
            *c = '_';
    return r;
}

static void write_record(FILE *file, const TraceRecord *r, int64_t rank,
                         double origin, bool *is_first)
{
    fprintf(file,
            "%s\n{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"ts\":%.3f,"
            "\"dur\":%.3f,\"pid\":%d,\"tid\":%lld,\"args\":{\"step\":%lld,"
            "\"microbatch\":%d}}",
            *is_first ? "" : ",", r->name,
            segment_name((SegmentKind)r->segment), (r->began - origin) * 1e6,
            (r->ended - r->began) * 1e6, r->stage, (long long)rank,
            (long long)r->step, r->microbatch);
    *is_first = false;
}

/* Rank 0's side: its own events, then every other rank's. */
static Status write_file(FILE *file, const TraceRecord *mine,
                         const int64_t *counts, Communicator *c)
{
    bool is_first = true;
    double origin = counts[0] ? mine[0].began : 0;
    fprintf(file, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
    for (int64_t i = 0; i < counts[0]; i++)
        write_record(file, &mine[i], 0, origin, &is_first);
    for (int64_t rank = 1; rank < c->size; rank++) {
        if (counts[rank] == 0)
            continue;
        int64_t bytes = counts[rank] * (int64_t)sizeof(TraceRecord);
        TraceRecord *theirs = malloc((size_t)bytes);
        if (!theirs)
            return status_error(STATUS_ENVIRONMENT, "out of memory");
        int32_t request;
        Status status =
            c->interface->receive(c, rank, 0, theirs, bytes, &request);
        if (!status_failed(&status))
            status = c->interface->wait(c, &request);
        for (int64_t i = 0; i < counts[rank] && !status_failed(&status); i++)
            write_record(file, &theirs[i], rank, origin, &is_first);
        free(theirs);
        TRY(status);
    }
    fprintf(file, "\n]}\n");
    return status_ok();
}

static Status write_on_first_rank(const TraceRecord *mine,
                                  const int64_t *counts, const char *path,
                                  Communicator *c)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return status_error(STATUS_ENVIRONMENT, "cannot write '%s': %s", path,
                            strerror(errno));
    Status status = write_file(file, mine, counts, c);
    bool failed = ferror(file) != 0;
    if ((fclose(file) != 0 || failed) && !status_failed(&status))
        status = status_error(STATUS_ENVIRONMENT, "cannot write '%s': %s", path,
                              strerror(errno));
    return status;
}

static Status send_records(const TraceRecord *mine, int64_t count,
                           Communicator *c)
{
    if (count == 0)
        return status_ok();
    int32_t request;
    TRY(c->interface->send(c, 0, 0, mine, count * (int64_t)sizeof(*mine),
                           &request));
    return c->interface->wait(c, &request);
}

Status trace_write(const Trace *trace, const char *path, const Program *program,
                   const ProgramStage *stage, Communicator *c)
{
    TraceRecord *mine =
        calloc((size_t)max_i64(trace->count, 1), sizeof(TraceRecord));
    int64_t *counts = calloc((size_t)c->size, sizeof(int64_t));
    Status status = status_ok();
    if (!mine || !counts)
        status = status_error(STATUS_ENVIRONMENT, "out of memory");
    status = communicator_agree(c, status);
    if (!status_failed(&status)) {
        for (int64_t i = 0; i < trace->count; i++)
            mine[i] = record_of(&trace->events[i], program, stage);
        status = c->interface->all_gather(c, GROUP_WORLD, &trace->count, counts,
                                          sizeof(int64_t));
    }
    if (!status_failed(&status))
        status = c->rank == 0 ? write_on_first_rank(mine, counts, path, c)
                              : send_records(mine, trace->count, c);
    free(mine);
    free(counts);
    return status;
}
