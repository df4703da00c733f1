/* Progress: what a person (a line) and a program (--log) see of training. */
#ifndef DNNC_RUNTIME_PROGRESS_H
#define DNNC_RUNTIME_PROGRESS_H

#include "ir/program.h"
#include "runtime/step_log.h"

enum { PROGRESS_METRICS_MAX = 16 };

/* One finished step, or one evaluation. */
typedef struct Measurement {
    int64_t step;   /* steps finished */
    double seconds; /* of this step */
    float loss;
    double learning_rate; /* 0: none to report */
    int64_t n_metrics;
    Str names[PROGRESS_METRICS_MAX];
    float metrics[PROGRESS_METRICS_MAX];
} Measurement;

typedef struct Progress {
    StepLog log;       /* closed: no --log */
    int64_t log_every; /* 0: about once a second */
    int64_t first_step, last_step;
    double units_per_step; /* tokens or samples of a global batch */
    const char *unit;      /* "tokens" or "samples" */
    bool is_terminal;      /* rewrite one line */
    double began, last_print;
    int64_t printed_step; /* of last_print */
} Progress;

/* `log_path` may be NULL.  Appends when `resumed`. */
Status progress_init(Progress *progress, const Program *program,
                     const char *log_path, int64_t log_every, bool resumed,
                     int64_t first_step, int64_t last_step) MUST_USE;
void progress_step(Progress *progress, const Measurement *measurement);
/* `what`: "validation" or "data". */
void progress_evaluation(Progress *progress, const Measurement *measurement,
                         const char *what, int64_t n_samples);
/* Ends a line that was being rewritten. */
void progress_end_line(Progress *progress);
Status progress_deinit(Progress *progress) MUST_USE;

/* Seconds of the monotonic clock. */
double clock_seconds(void);

#endif
