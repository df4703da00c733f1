/* --predict: the model's first output for every sample, as one .npy file. */
#include "runtime/job.h"
#include "runtime/output_gather.h"
#include "support/checked.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Status job_find_output(const Job *job, int32_t *out)
{
    for (int32_t i = 0; i < job->program->outputs.count; i++) {
        const ProgramOutput *o = &job->program->outputs.data[i];
        if (o->kind == OUTPUT_VALUE && o->eval) {
            *out = i;
            return status_ok();
        }
    }
    return status_error(STATUS_USAGE,
                        "the model declares no output to predict; add `output "
                        "NAME = ...` to it");
}

/* NumPy's header, version 1.0, padded to a multiple of 64 bytes. */
static void write_header(FILE *file, const Type *type, int64_t n_samples)
{
    char text[512];
    int length = snprintf(
        text, sizeof(text),
        "{'descr': '%s', 'fortran_order': False, 'shape': (%lld,",
        type->dtype == DTYPE_F32 ? "<f4" : "<i4", (long long)n_samples);
    for (int32_t d = 1; d < type->shape.rank; d++)
        length += snprintf(text + length, sizeof(text) - (size_t)length,
                           " %lld,", (long long)type->shape.extent[d]);
    length += snprintf(text + length, sizeof(text) - (size_t)length, "), }");
    enum { PREFIX = 10 };
    while ((PREFIX + length + 1) % 64 != 0)
        text[length++] = ' ';
    text[length++] = '\n';
    const unsigned char prefix[PREFIX] = {0x93,
                                          'N',
                                          'U',
                                          'M',
                                          'P',
                                          'Y',
                                          1,
                                          0,
                                          (unsigned char)length,
                                          (unsigned char)(length >> 8)};
    fwrite(prefix, 1, PREFIX, file);
    fwrite(text, 1, (size_t)length, file);
}

/* One batch: evaluate, collect its valid samples, append them. */
static Status predict_batch(Job *job, OutputGather *gather,
                            const Dataset *dataset, int64_t at, char *values,
                            FILE *file)
{
    const ProgramOutput *o = &job->program->outputs.data[gather->output];
    int64_t begin[RANK_MAX] = {0}, length[RANK_MAX];
    memcpy(length, o->type.shape.extent, sizeof(length));
    length[0] = min_i64(job->program->batch, dataset->n_samples - at);
    Batch batch = {dataset, at, length[0]};
    InputSource source = batch_source(&batch);
    OutputSink sink = output_gather_sink(gather);
    TRY(job_alone(
        job, worker_eval_batch(&job->worker, batch.count, &source, &sink)));
    TRY(output_gather_collect(gather, begin, length, values));
    if (file) {
        int64_t count = shape_count(&o->type.shape) / job->program->batch;
        fwrite(values, 4, (size_t)(count * length[0]), file);
    }
    return status_ok();
}

static Status predict_all(Job *job, OutputGather *gather,
                          const Dataset *dataset, char *values, FILE *file)
{
    TRY(job_alone(job, worker_eval_begin(&job->worker, job->step)));
    for (int64_t at = 0; at < dataset->n_samples; at += job->program->batch)
        TRY(predict_batch(job, gather, dataset, at, values, file));
    return status_ok();
}

static Status predict(Job *job, const Dataset *dataset, int32_t output,
                      FILE *file)
{
    const Type *type = &job->program->outputs.data[output].type;
    OutputGather gather;
    Status status =
        output_gather_init(&gather, &job->worker, output, job->reporter);
    char *values = file ? malloc((size_t)type_bytes(type)) : NULL;
    if (file && !values)
        status = status_error(STATUS_ENVIRONMENT, "out of memory");
    status = communicator_agree(&job->communicator, status);
    if (!status_failed(&status)) {
        if (file)
            write_header(file, type, dataset->n_samples);
        status = predict_all(job, &gather, dataset, values, file);
    }
    free(values);
    output_gather_deinit(&gather);
    return status;
}

/* The reporter writes beside the name and renames. */
Status job_predict(Job *job, const Dataset *dataset)
{
    const char *path = job->options->predict;
    char temporary[CHECKPOINT_PATH_MAX];
    int32_t output;
    FILE *file = NULL;
    Status status = job_find_output(job, &output);
    snprintf(temporary, sizeof(temporary), "%s.tmp-%lld", path,
             (long long)getpid());
    if (job->is_reporter && !status_failed(&status)) {
        file = fopen(temporary, "wb");
        if (!file)
            status = status_error(STATUS_ENVIRONMENT, "cannot write '%s': %s",
                                  path, strerror(errno));
    }
    TRY(communicator_agree(&job->communicator, status));
    status = predict(job, dataset, output, file);
    if (file) {
        bool failed = ferror(file) || fflush(file) || fsync(fileno(file));
        failed |= fclose(file) != 0;
        failed =
            failed || (!status_failed(&status) && rename(temporary, path) != 0);
        if (failed && !status_failed(&status))
            status = status_error(STATUS_ENVIRONMENT, "cannot write '%s': %s",
                                  path, strerror(errno));
        if (status_failed(&status))
            (void)unlink(temporary);
    }
    return communicator_agree(&job->communicator, status);
}
