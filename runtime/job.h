/* Job: a compiled model as a process, from its command line to its exit
 * status.  Every rank runs the same code on its part. */
#ifndef DNNC_RUNTIME_JOB_H
#define DNNC_RUNTIME_JOB_H

#include "runtime/checkpoint.h"
#include "runtime/dataset.h"
#include "runtime/options.h"
#include "runtime/progress.h"
#include "runtime/replicas.h"
#include "runtime/worker.h"

/* What the compiler packed into the executable. */
typedef struct JobImage {
    const Program *program;
    KernelFunction *const *code;
    uint64_t code_count;
    const char *target;   /* of the code: "x86-64-v3", ... */
    const char *features; /* beyond the target's name: "+avx2,-sse4a" */
} JobImage;

typedef struct Job {
    const JobImage *image;
    const Program *program;
    const Options *options;
    const char *name; /* of the executable, for messages */
    Arena *arena;     /* for tables made at the start */
    Communicator communicator;
    int64_t reporter; /* the rank that talks to the user */
    bool is_reporter; /* it is this one */
    Worker worker;
    Trace trace;
    DataFiles data_files, validation_files;
    Dataset training, validation;
    bool has_validation;
    Checkpoints checkpoints; /* folder == NULL: none are written */
    Replicas replicas;
    uint64_t seed;
    int64_t step;    /* steps finished */
    int64_t samples; /* consumed: the data's position */
} Job;

/* The whole life of a job; returns the exit status.  Messages go to stderr. */
int job_run(const JobImage *image, Arena *arena, int argc, char **argv);

/* -- what a job does, each in its own file -------------------------------- */

/* Trains from job->step to the end that the options name. */
Status job_train(Job *job) MUST_USE;
/* Loss and metrics over all samples of `dataset`. */
Status job_evaluate(Job *job, const Dataset *dataset,
                    Measurement *out) MUST_USE;
/* Reads the scalars of a step (or an evaluated batch) into `out`; nothing on an
 * idle rank. */
Status job_measure(Job *job, bool eval, Measurement *out) MUST_USE;

/* Passes an error on that other ranks may not have: where there are others it
 * is reported and ends them all, for they wait for this one. */
Status job_alone(Job *job, Status status) MUST_USE;
/* The first declared output, over all samples of `dataset`, into the file of
 * --predict. */
Status job_predict(Job *job, const Dataset *dataset) MUST_USE;
/* Goes on with the text of --generate. */
Status job_generate(Job *job) MUST_USE;
/* The model's first declared output. */
Status job_find_output(const Job *job, int32_t *out) MUST_USE;

/* Ok when this processor has the instructions of a target (see JobImage). */
Status target_check(const char *target, const char *features) MUST_USE;

#endif
