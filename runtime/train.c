/* The training loop: steps, evaluations, checkpoints, stops. */
#include "runtime/interrupt.h"
#include "runtime/job.h"
#include "support/checked.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What ranks tell each other after every step. */
enum {
    SIGNAL_STOP = 1 << 0,       /* the user asked for it */
    SIGNAL_NOT_FINITE = 1 << 1, /* the loss */
};

/* The union of all ranks' signals. */
static Status exchange_signals(Job *job, uint32_t mine, uint32_t *all)
{
    enum { RANKS_AT_ONCE = 4096 };
    uint32_t signals[RANKS_AT_ONCE];
    Communicator *c = &job->communicator;
    *all = mine;
    if (c->size > RANKS_AT_ONCE)
        return status_error(STATUS_ENVIRONMENT, "more than %d ranks",
                            RANKS_AT_ONCE);
    TRY(c->interface->all_gather(c, GROUP_WORLD, &mine, signals, sizeof(mine)));
    for (int64_t i = 0; i < c->size; i++)
        *all |= signals[i];
    return status_ok();
}

static int64_t last_step(const Job *job)
{
    if (job->options->epochs < 0)
        return max_i64(job->options->steps, job->step);
    int64_t all;
    if (!mul_i64(job->options->epochs, job->training.n_samples, &all))
        all = INT64_MAX;
    int64_t left = max_i64(all - job->samples, 0);
    return job->step + ceil_div_i64(left, job->program->batch);
}

static Status validate(Job *job, Progress *progress)
{
    Measurement m;
    TRY(job_evaluate(job, &job->validation, &m));
    if (job->is_reporter)
        progress_evaluation(progress, &m, "validation",
                            job->validation.n_samples);
    return status_ok();
}

static Status run_step(Job *job, Measurement *m)
{
    double began = clock_seconds();
    Batch batch = {&job->training, job->samples, job->program->batch};
    InputSource source = batch_source(&batch);
    job->trace.step = job->step;
    TRY(job_alone(job, worker_step(&job->worker, job->step, &source)));
    TRY(job_alone(job, job_measure(job, false, m)));
    m->learning_rate = schedule_at(&job->program->learning_rate, job->step);
    m->step = ++job->step;
    job->samples += job->program->batch;
    m->seconds = clock_seconds() - began;
    return status_ok();
}

static Status save(Job *job)
{
    const CheckpointState state = {job->step, job->samples, job->seed};
    return checkpoint_save(&job->checkpoints, &state);
}

/* "; the last good checkpoint is DIR/step-N", or nothing. */
static void name_newest(const Job *job, char *out, size_t size)
{
    const Checkpoints *c = &job->checkpoints;
    out[0] = '\0';
    if (c->folder && c->newest >= 0)
        snprintf(out, size, "; the last good checkpoint is %s/step-%lld",
                 c->folder, (long long)c->newest);
}

static Status not_finite(const Job *job)
{
    char newest[256];
    name_newest(job, newest, sizeof(newest));
    return status_error(STATUS_INPUT,
                        "the loss of step %lld is not finite (a lower "
                        "learning rate or clip_norm may help)%s",
                        (long long)job->step, newest);
}

/* A save that fails in the middle of a run is reported and tried again at the
 * next: stopping would lose more. */
static void save_now_and_then(Job *job, Progress *progress)
{
    int64_t every = job->options->checkpoint_every;
    if (!every || job->step % every || job->step == progress->last_step)
        return;
    Status status = save(job);
    if (!status_failed(&status) || !job->is_reporter)
        return;
    char newest[256];
    name_newest(job, newest, sizeof(newest));
    progress_end_line(progress);
    fprintf(stderr, "warning: no checkpoint at step %lld: %s%s\n",
            (long long)job->step, status.message, newest);
}

/* One step and what follows it; *stop when the user asked for it. */
static Status advance(Job *job, Progress *progress, bool *stop)
{
    Measurement m = {0};
    TRY(run_step(job, &m));
    uint32_t signals = interrupt_requested() ? SIGNAL_STOP : 0;
    if (!isfinite(m.loss))
        signals |= SIGNAL_NOT_FINITE;
    TRY(exchange_signals(job, signals, &signals));
    if (job->is_reporter)
        progress_step(progress, &m);
    if (signals & SIGNAL_NOT_FINITE)
        return not_finite(job);
    *stop = (signals & SIGNAL_STOP) != 0;
    int64_t check = job->options->check_replicas;
    if (check && job->step % check == 0)
        TRY(replicas_check(&job->replicas));
    int64_t every = job->options->eval_every;
    if (job->has_validation && every && job->step % every == 0 &&
        job->step != progress->last_step && !*stop)
        TRY(validate(job, progress));
    save_now_and_then(job, progress);
    return status_ok();
}

static Status finish(Job *job, Progress *progress, bool stopped)
{
    if (job->is_reporter)
        progress_end_line(progress);
    if (job->checkpoints.folder) {
        char newest[256];
        Status saved = save(job);
        name_newest(job, newest, sizeof newest);
        if (status_failed(&saved))
            return status_error(saved.code, "no checkpoint at step %lld: %s%s",
                                (long long)job->step, saved.message, newest);
    }
    interrupt_heed(false); /* all is saved */
    if (stopped && job->is_reporter)
        printf("stopped after step %lld%s\n", (long long)job->step,
               job->checkpoints.folder ? "; --resume goes on from here" : "");
    if (job->has_validation && !stopped)
        TRY(validate(job, progress));
    return status_ok();
}

static Status train(Job *job, Progress *progress)
{
    bool stop = false;
    interrupt_heed(true);
    while (job->step < progress->last_step && !stop)
        TRY(advance(job, progress, &stop));
    return finish(job, progress, stop);
}

Status job_train(Job *job)
{
    Progress progress = {0};
    const Options *o = job->options;
    TRY(progress_init(&progress, job->program, job->is_reporter ? o->log : NULL,
                      o->log_every, o->resume, job->step, last_step(job)));
    Status status = train(job, &progress);
    Status closed = progress_deinit(&progress);
    return status_failed(&status) ? status : closed;
}
