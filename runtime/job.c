/* A job's life: open everything, do what the options ask, close. */
#include "runtime/job.h"

#include "runtime/interrupt.h"
#include "support/checked.h"
#include "support/file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* -- opening -------------------------------------------------------------- */

static bool is_training(const Options *o)
{
    return o->steps > 0 || o->epochs > 0;
}

static Status check_size(const Job *job)
{
    int64_t wanted = job->program->n_ranks, got = job->communicator.size;
    if (wanted == got)
        return status_ok();
    return status_error(STATUS_USAGE,
                        "the plan is for %lld processes, one a device, but "
                        "%lld %s started; use dnnc run -n %lld or mpiexec -n "
                        "%lld",
                        (long long)wanted, (long long)got,
                        got == 1 ? "was" : "were", (long long)wanted,
                        (long long)wanted);
}

/* The lowest active rank reports; rank 0 when the job was started wrongly. */
static int64_t find_reporter(const Program *program, int64_t size)
{
    if (size != program->n_ranks)
        return 0;
    int64_t lowest = program->n_ranks;
    for (int64_t s = 0; s < program->stages.count; s++) {
        const ProgramStage *stage = &program->stages.data[s];
        for (int64_t d = 0; d < mesh_devices(&stage->mesh); d++)
            lowest = min_i64(lowest, stage->ranks[d]);
    }
    return lowest;
}

static Status open_validation(Job *job, double *held_out)
{
    const Options *o = job->options;
    *held_out = o->validation_fraction;
    job->has_validation = *held_out > 0 || o->validation.count > 0;
    if (o->validation.count == 0)
        return status_ok();
    TRY(data_files_open(&job->validation_files, job->program,
                        o->validation.text, o->validation.count));
    TRY(dataset_split(job->program, &job->validation_files, job->seed, 0,
                      &job->validation, NULL));
    job->validation.is_shuffled = false;
    return status_ok();
}

static Status open_data(Job *job)
{
    const Options *o = job->options;
    double held_out;
    TRY(open_validation(job, &held_out));
    bool is_needed =
        is_training(o) || ((o->eval || o->predict) && !job->has_validation);
    if (o->data.count == 0 && !is_needed)
        return status_ok();
    TRY(data_files_open(&job->data_files, job->program, o->data.text,
                        o->data.count));
    Dataset last;
    TRY(dataset_split(job->program, &job->data_files, job->seed, held_out,
                      &job->training, &last));
    if (held_out > 0)
        job->validation = last;
    return status_ok();
}

static Status open_worker(Job *job)
{
    const Options *o = job->options;
    WorkerOptions options = {
        .device = {.code = job->image->code,
                   .code_count = job->image->code_count,
                   /* libraries with several threads may add in any order */
                   .threads = o->deterministic ? 1 : (int32_t)o->threads},
        .seed = job->seed,
        .trace = o->trace ? &job->trace : NULL,
    };
    enum { TRACE_EVENTS_MAX = 1 << 18 };
    if (o->trace)
        TRY(trace_init(&job->trace, TRACE_EVENTS_MAX));
    TRY(worker_init(&job->worker, job->program, &job->communicator, &options,
                    job->arena));
    replicas_init(&job->replicas, &job->worker, job->arena);
    return status_ok();
}

/* Takes over the newest checkpoint's step, position and seed, on which the
 * order of the data and every random number depend. */
static Status find_start(Job *job)
{
    const Options *o = job->options;
    job->seed = o->seed < 0 ? 0 : (uint64_t)o->seed;
    if (!o->resume)
        return status_ok();
    CheckpointState found;
    TRY(checkpoint_find(&job->communicator, o->checkpoint, &found));
    if (found.step < 0 && !is_training(o))
        return status_error(STATUS_INPUT, "'%s' holds no checkpoint",
                            o->checkpoint);
    if (found.step < 0)
        return status_ok();
    if (o->seed >= 0 && found.seed != job->seed)
        return status_error(STATUS_USAGE,
                            "--seed %lld, but the run to go on with has seed "
                            "%llu",
                            (long long)o->seed, (unsigned long long)found.seed);
    job->seed = found.seed;
    job->step = found.step;
    job->samples = found.samples;
    return status_ok();
}

/* First values: the model's own, a checkpoint's, or a file's. */
static Status load_variables(Job *job)
{
    const Options *o = job->options;
    Arena scratch = arena_split(job->arena);
    TRY(worker_init_variables(&job->worker));
    if (o->init)
        TRY(weights_load(&job->worker, o->init, scratch));
    if (!o->checkpoint)
        return status_ok();
    TRY(checkpoints_init(&job->checkpoints, &job->worker, o->checkpoint,
                         o->keep, o->resume, job->arena));
    if (job->step == 0)
        return status_ok();
    TRY(checkpoint_load(&job->checkpoints, job->step, scratch));
    if (job->is_reporter && is_training(o))
        printf("resumed from %s/step-%lld\n", o->checkpoint,
               (long long)job->step);
    return status_ok();
}

/* -- doing ---------------------------------------------------------------- */

static Status check_wishes(const Options *o)
{
    if (!is_training(o) && !o->eval && !o->info && !o->predict && !o->generate)
        return status_error(STATUS_USAGE,
                            "nothing to do: give --steps N, --epochs N, "
                            "--eval, --predict or --generate; --help "
                            "explains");
    return status_ok();
}

/* What --eval and --predict look at. */
static const Dataset *held_out_data(const Job *job)
{
    return job->has_validation ? &job->validation : &job->training;
}

static Status evaluate_alone(Job *job)
{
    const Dataset *dataset = held_out_data(job);
    Measurement m;
    TRY(job_evaluate(job, dataset, &m));
    Progress progress = {0};
    if (job->is_reporter)
        progress_evaluation(&progress, &m,
                            job->has_validation ? "validation" : "data",
                            dataset->n_samples);
    return status_ok();
}

static Status do_wishes(Job *job)
{
    const Options *o = job->options;
    if (is_training(o))
        TRY(job_train(job));
    if (o->eval && !(is_training(o) && job->has_validation))
        TRY(evaluate_alone(job));
    if (o->predict)
        TRY(job_predict(job, held_out_data(job)));
    if (o->generate)
        TRY(job_generate(job));
    if (o->trace)
        TRY(trace_write(&job->trace, o->trace, job->program, job->worker.stage,
                        &job->communicator));
    return status_ok();
}

static void print_information(const Job *job)
{
    const Program *p = job->program;
    printf("model %.*s: %lld parameters, global batch %lld in %lld "
           "microbatches\nplan %016" PRIx64 ": %lld processes, %lld stages, "
           "code for %s\n",
           STR_ARG(p->model_name), (long long)p->parameter_count,
           (long long)p->batch, (long long)p->n_microbatches, p->plan_hash,
           (long long)p->n_ranks, (long long)p->stages.count,
           job->image->target);
    for (int64_t i = 0; i < p->stages.count; i++) {
        const ProgramStage *s = &p->stages.data[i];
        printf("stage %lld: %lld devices, arena %lld bytes, reserve %lld\n",
               (long long)i, (long long)mesh_devices(&s->mesh),
               (long long)s->arena_bytes, (long long)s->reserve_bytes);
    }
    for (int64_t i = 0; i < p->inputs.count; i++) {
        const ProgramInput *input = &p->inputs.data[i];
        printf("input %.*s: %.*s%s\n", STR_ARG(input->name),
               STR_ARG(type_print(job->arena, &input->type)),
               input->shift_of >= 0 ? ", shifted" : "");
    }
}

/* -- the whole ------------------------------------------------------------ */

/* What is written at the end can be written, asked before the work. */
static Status check_outputs(const Job *job)
{
    const Options *o = job->options;
    if (job->is_reporter && o->predict)
        TRY(file_check_output(o->predict, false));
    if (job->communicator.rank == 0 && o->trace)
        TRY(file_check_output(o->trace, true));
    return status_ok();
}

static Status check_start(const Job *job)
{
    TRY(check_wishes(job->options));
    if (job->options->info)
        return status_ok();
    TRY(check_size(job));
    TRY(check_outputs(job));
    return target_check(job->image->target, job->image->features);
}

static Status run(Job *job)
{
    Communicator *c = &job->communicator;
    TRY(communicator_agree(c, check_start(job)));
    if (job->options->info) {
        if (job->is_reporter)
            print_information(job);
        return status_ok();
    }
    TRY(find_start(job));
    TRY(communicator_agree(c, open_data(job)));
    TRY(open_worker(job));
    TRY(load_variables(job));
    return do_wishes(job);
}

static void close_job(Job *job)
{
    worker_deinit(&job->worker);
    trace_deinit(&job->trace);
    data_files_close(&job->data_files);
    data_files_close(&job->validation_files);
    communicator_close(&job->communicator);
}

static int report(const char *name, const Status *status)
{
    const char *slash = strrchr(name, '/');
    fprintf(stderr, "%s: error: %s\n", slash ? slash + 1 : name,
            status->message);
    return (int)status->code;
}

Status job_alone(Job *job, Status status)
{
    if (status_failed(&status) && job->communicator.size > 1) {
        int code = report(job->name, &status);
        job->communicator.interface->abort(&job->communicator, code);
    }
    return status;
}

int job_run(const JobImage *image, Arena *arena, int argc, char **argv)
{
    Options options;
    Status status = options_parse(&options, argc, argv);
    if (!status_failed(&status) && options.help) {
        fputs(options_help(), stdout);
        return STATUS_OK;
    }
    Job job = {.image = image,
               .program = image->program,
               .options = &options,
               .name = argv[0],
               .arena = arena};
    interrupt_watch();
    Status opened = communicator_open(&job.communicator);
    if (status_failed(&opened))
        return report(argv[0], &opened);
    job.reporter = find_reporter(image->program, job.communicator.size);
    job.is_reporter = job.communicator.rank == job.reporter;
    status = communicator_agree(&job.communicator, status);
    if (!status_failed(&status))
        status = run(&job);
    int code = (int)status.code;
    if (status_failed(&status) && job.is_reporter)
        code = report(argv[0], &status);
    close_job(&job);
    return code;
}
