/* The progress line and the JSON log. */
#include "runtime/progress.h"

#include "support/checked.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* A sequence model's sample is its tokens; any other's is one. */
static void choose_unit(Progress *p, const Program *program)
{
    p->unit = "samples";
    p->units_per_step = (double)program->batch;
    for (int64_t i = 0; i < program->inputs.count; i++) {
        const ProgramInput *input = &program->inputs.data[i];
        if (input->shift_of < 0)
            continue;
        p->unit = "tokens";
        p->units_per_step = (double)shape_count(&input->type.shape);
    }
}

/* Enough for a line of the log. */
static int64_t longest_line(const Program *program)
{
    const int64_t numbers = 512, of_a_metric = 64;
    int64_t bytes = numbers;
    for (int64_t i = 0; i < program->outputs.count; i++)
        bytes += program->outputs.data[i].name.length + of_a_metric;
    return bytes;
}

Status progress_init(Progress *p, const Program *program, const char *log_path,
                     int64_t log_every, bool resumed, int64_t first_step,
                     int64_t last_step)
{
    *p = (Progress){.log_every = log_every,
                    .first_step = first_step,
                    .last_step = last_step,
                    .began = clock_seconds(),
                    .printed_step = first_step};
    p->last_print = p->began;
    /* A launcher may hand its processes a terminal of their own; dnnc run says
     * whether there is a person behind it. */
    const char *terminal = getenv("DNNC_TERMINAL");
    p->is_terminal = terminal ? terminal[0] == '1'
                              : program->n_ranks == 1 && isatty(STDOUT_FILENO);
    choose_unit(p, program);
    if (!log_path)
        return status_ok();
    return step_log_open(&p->log, log_path, resumed, longest_line(program));
}

/* "2:03", "1:02:03" or "12 days" */
static void format_duration(char *out, size_t size, double seconds)
{
    const double shown_max = 1e12;
    long long s = (long long)(fmin(seconds, shown_max) + 0.5);
    const long long day = 24 * 3600;
    if (s >= 4 * day)
        snprintf(out, size, "%lld days", s / day);
    else if (s >= 3600)
        snprintf(out, size, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60,
                 s % 60);
    else
        snprintf(out, size, "%lld:%02lld", s / 60, s % 60);
}

static void format_count(char *out, size_t size, double count)
{
    if (count >= 1e6)
        snprintf(out, size, "%.2f M", count / 1e6);
    else if (count >= 1e4)
        snprintf(out, size, "%.1f k", count / 1e3);
    else
        snprintf(out, size, "%.0f", count);
}

static void print_metrics(const Measurement *m)
{
    if (m->learning_rate != 0)
        printf("  lr %.3g", m->learning_rate);
    for (int64_t i = 0; i < m->n_metrics; i++)
        printf("  %.*s %.4g", STR_ARG(m->names[i]), (double)m->metrics[i]);
}

static void print_line(Progress *p, const Measurement *m, double now)
{
    int64_t steps = max_i64(m->step - p->printed_step, 1);
    double per_step = (now - p->last_print) / (double)steps;
    double mean =
        (now - p->began) / (double)max_i64(m->step - p->first_step, 1);
    char rate[32], left[32];
    format_count(rate, sizeof(rate), p->units_per_step / per_step);
    format_duration(left, sizeof(left),
                    mean * (double)(p->last_step - m->step));
    printf("%sstep %lld/%lld  loss %.4f", p->is_terminal ? "\r\x1b[K" : "",
           (long long)m->step, (long long)p->last_step, (double)m->loss);
    print_metrics(m);
    printf("  %s %s/s  ETA %s%s", rate, p->unit, left,
           p->is_terminal ? "" : "\n");
    fflush(stdout);
    p->last_print = now;
    p->printed_step = m->step;
}

/* JSON has no NaN. */
static void log_number(StepLog *log, Str name, double value)
{
    if (isfinite(value))
        step_log_add(log, ",\"%.*s\":%.9g", STR_ARG(name), value);
    else
        step_log_add(log, ",\"%.*s\":null", STR_ARG(name));
}

/* The rest of a line; a job goes on without its log. */
static void log_measurement(Progress *p, const Measurement *m)
{
    StepLog *log = &p->log;
    log_number(log, STR("loss"), (double)m->loss);
    log_number(log, STR("seconds"), m->seconds);
    if (m->learning_rate != 0)
        log_number(log, STR("learning_rate"), m->learning_rate);
    for (int64_t i = 0; i < m->n_metrics; i++)
        log_number(log, m->names[i], (double)m->metrics[i]);
    step_log_add(log, "}");
    Status status = step_log_end_line(log);
    if (!status_failed(&status))
        return;
    progress_end_line(p);
    fprintf(stderr, "warning: step %lld: %s\n", (long long)m->step,
            status.message);
}

void progress_step(Progress *p, const Measurement *m)
{
    if (p->log.path) {
        step_log_add(&p->log, "{\"step\":%lld", (long long)m->step);
        log_measurement(p, m);
    }
    double now = clock_seconds();
    bool is_due =
        p->log_every ? m->step % p->log_every == 0 : now - p->last_print >= 1;
    if (is_due || m->step == p->last_step || m->step == p->first_step + 1)
        print_line(p, m, now);
}

void progress_end_line(Progress *p)
{
    if (p->is_terminal && p->printed_step > p->first_step)
        printf("\n");
    fflush(stdout);
}

void progress_evaluation(Progress *p, const Measurement *m, const char *what,
                         int64_t n_samples)
{
    progress_end_line(p);
    printf("%s at step %lld: loss %.4f", what, (long long)m->step,
           (double)m->loss);
    print_metrics(m);
    printf("  (%lld samples, %.1f s)\n", (long long)n_samples, m->seconds);
    fflush(stdout);
    if (p->log.path) {
        step_log_add(&p->log,
                     "{\"step\":%lld,\"event\":\"%s\",\"samples\":%lld",
                     (long long)m->step, what, (long long)n_samples);
        log_measurement(p, m);
    }
    p->last_print = clock_seconds();
    p->printed_step = m->step;
}

Status progress_deinit(Progress *p)
{
    return p->log.path ? step_log_close(&p->log) : status_ok();
}
