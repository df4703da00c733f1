/* The progress line and the JSON log. */
#include "runtime/progress.h"

#include "support/checked.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
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
    p->log = fopen(log_path, resumed ? "a" : "w");
    if (!p->log)
        return status_error(STATUS_ENVIRONMENT, "cannot write log '%s': %s",
                            log_path, strerror(errno));
    return status_ok();
}

/* "1:02:03" or "2:03" */
static void format_duration(char *out, size_t size, double seconds)
{
    long long s = (long long)(seconds + 0.5);
    if (s >= 3600)
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
static void log_number(FILE *log, const char *name, int length, double value)
{
    if (isfinite(value))
        fprintf(log, ",\"%.*s\":%.9g", length, name, value);
    else
        fprintf(log, ",\"%.*s\":null", length, name);
}

static void log_metrics(FILE *log, const Measurement *m)
{
    if (m->learning_rate != 0)
        log_number(log, "learning_rate", 13, m->learning_rate);
    for (int64_t i = 0; i < m->n_metrics; i++)
        log_number(log, m->names[i].data, (int)m->names[i].length,
                   (double)m->metrics[i]);
    fprintf(log, "}\n");
    fflush(log);
}

void progress_step(Progress *p, const Measurement *m)
{
    if (p->log) {
        fprintf(p->log, "{\"step\":%lld", (long long)m->step);
        log_number(p->log, "loss", 4, (double)m->loss);
        log_number(p->log, "seconds", 7, m->seconds);
        log_metrics(p->log, m);
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
    if (p->log) {
        fprintf(p->log, "{\"step\":%lld,\"event\":\"%s\",\"samples\":%lld",
                (long long)m->step, what, (long long)n_samples);
        log_number(p->log, "loss", 4, (double)m->loss);
        log_number(p->log, "seconds", 7, m->seconds);
        log_metrics(p->log, m);
    }
    p->last_print = clock_seconds();
    p->printed_step = m->step;
}

Status progress_deinit(Progress *p)
{
    FILE *log = p->log;
    p->log = NULL;
    if (log && (ferror(log) || fclose(log) != 0))
        return status_error(STATUS_ENVIRONMENT, "the log was not written: %s",
                            strerror(errno));
    return status_ok();
}
