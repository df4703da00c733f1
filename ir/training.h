/* Training: what a model's `train` block says, resolved to numbers.
 *
 * The front end fills it; passes/optimizer.c builds the update from it.
 */
#ifndef DNNC_IR_TRAINING_H
#define DNNC_IR_TRAINING_H

#include "support/diagnostic.h"
#include "support/vector.h"

#include <stdbool.h>

typedef enum OptimizerKind {
    OPTIMIZER_SGD,   /* v = momentum v + g; x -= lr (g + momentum v | v) */
    OPTIMIZER_ADAM,  /* decay is added to the gradient */
    OPTIMIZER_ADAMW, /* decay is decoupled: x -= lr decay x */
} OptimizerKind;

/* The learning rate as a function of the step alone (t = 0, 1, ...). */
typedef enum ScheduleKind {
    SCHEDULE_CONSTANT,      /* peak */
    SCHEDULE_WARMUP,        /* peak * min(1, (t + 1) / warmup) */
    SCHEDULE_WARMUP_COSINE, /* warm-up, then half a cosine from peak to
                               `final` at t = total */
    SCHEDULE_WARMUP_LINEAR, /* warm-up, then a line to `final` */
    SCHEDULE_STEPS,         /* peak * factor ^ floor(t / every) */
} ScheduleKind;

typedef struct Schedule {
    ScheduleKind kind;
    double peak, final, factor;
    int64_t warmup, total, every;
} Schedule;

/* The learning rate of step t = 0, 1, ... */
double schedule_at(const Schedule *schedule, int64_t step);

/* What a parameter group changes; parameters outside have group -1. */
typedef struct ParameterGroup {
    Str name;
    double learning_rate_scale; /* 1 */
    double decay;
    bool frozen; /* not updated */
    Span span;
} ParameterGroup;

typedef struct Training {
    OptimizerKind optimizer;
    double momentum;
    bool nesterov;
    double beta1, beta2, epsilon;
    double decay; /* of parameters outside every group */
    Schedule learning_rate;
    double clip_norm; /* global; 0: no clipping */
    VECTOR(ParameterGroup) groups;
    int64_t batch;          /* samples of the global batch: dimension 0 of
                               every input */
    int64_t n_microbatches; /* 0: auto */
    Span span;
} Training;

#endif
