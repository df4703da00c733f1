/* Reading scalars, and evaluation over a dataset.
 *
 * A metric is a mean over the global batch in which samples beyond the count
 * are zero, so value * batch is a sum over samples; the sums of all batches
 * over the number of samples is the mean over the dataset.
 */
#include "runtime/job.h"
#include "support/checked.h"

Status job_measure(Job *job, bool eval, Measurement *out)
{
    out->n_metrics = 0;
    if (!job->worker.stage)
        return status_ok();
    for (int32_t i = 0; i < job->program->outputs.count; i++) {
        const ProgramOutput *o = &job->program->outputs.data[i];
        if (o->eval != eval)
            continue;
        if (o->kind == OUTPUT_LOSS) {
            TRY(worker_scalar(&job->worker, i, &out->loss));
        } else if (o->kind == OUTPUT_METRIC &&
                   out->n_metrics < PROGRESS_METRICS_MAX) {
            out->names[out->n_metrics] = o->name;
            TRY(worker_scalar(&job->worker, i,
                              &out->metrics[out->n_metrics++]));
        }
    }
    return status_ok();
}

Status job_evaluate(Job *job, const Dataset *dataset, Measurement *out)
{
    double began = clock_seconds();
    double loss = 0, metrics[PROGRESS_METRICS_MAX] = {0};
    double samples = (double)dataset->n_samples;
    int64_t batch_size = job->program->batch;
    Measurement m = {0};
    TRY(job_alone(job, worker_eval_begin(&job->worker, job->step)));
    for (int64_t at = 0; at < dataset->n_samples; at += batch_size) {
        Batch batch = {dataset, at,
                       min_i64(batch_size, dataset->n_samples - at)};
        InputSource source = batch_source(&batch);
        TRY(job_alone(
            job, worker_eval_batch(&job->worker, batch.count, &source, NULL)));
        TRY(job_measure(job, true, &m));
        loss += (double)m.loss * (double)batch_size;
        for (int64_t i = 0; i < m.n_metrics; i++)
            metrics[i] += (double)m.metrics[i] * (double)batch_size;
    }
    *out = m;
    out->step = job->step;
    out->loss = (float)(loss / samples);
    for (int64_t i = 0; i < m.n_metrics; i++)
        out->metrics[i] = (float)(metrics[i] / samples);
    out->seconds = clock_seconds() - began;
    return status_ok();
}
