/* dnnc solve: the choice solver alone, on problems in the contest's format.
 *
 * The only place where the solver meets a clock: a time limit and the signals
 * INT and TERM become its question whether to stop, so that what was found by
 * then is still written.
 */
#include "driver/command.h"
#include "solver/certify.h"
#include "solver/iopddl.h"
#include "support/checked.h"
#include "support/file.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

enum { THREADS_MAX = 64 };

typedef struct SolveArguments {
    const char *problem, *output, *certificate;
    double time_limit; /* seconds, 0: none */
    int64_t work_limit, seed, threads;
    bool json, progress;
} SolveArguments;

static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static Status parse_seconds(const char *text, double *value)
{
    char *end = NULL;
    *value = text ? strtod(text, &end) : 0;
    if (text && (end == text || *end != 0 || !(*value > 0 && *value < 1e9)))
        return status_error(STATUS_USAGE,
                            "--time-limit %s: not a number of seconds", text);
    return status_ok();
}

/* One solver thread: its own memory and seed, the same problem. */
typedef struct Worker {
    const ChoiceProblem *problem;
    ChoiceOptions options;
    ArenaMemory memory;
    Arena arena, scratch;
    jmp_buf landing;
    double start, deadline; /* 0: none */
    bool progress, exhausted;
    ChoiceSolution solution;
} Worker;

static bool worker_stopped(void *context)
{
    const Worker *w = context;
    return interrupted || (w->deadline > 0 && seconds_now() > w->deadline);
}

static void worker_improved(void *context, int64_t cost, int64_t bound)
{
    const Worker *w = context;
    if (w->progress)
        fprintf(stderr, "%8.2f s  cost %" PRId64 "  bound %" PRId64 "\n",
                seconds_now() - w->start, cost, bound);
}

static void *worker_run(void *context)
{
    Worker *w = context;
    if (setjmp(w->landing) != 0) {
        w->exhausted = true;
        return NULL;
    }
    w->solution = choice_solve(&w->arena, w->scratch, w->problem, &w->options);
    return NULL;
}

static Status worker_init(Worker *w, const ChoiceProblem *problem,
                          const SolveArguments *a, int64_t index, double start)
{
    *w = (Worker){.problem = problem, .start = start, .progress = a->progress};
    if (a->time_limit > 0)
        w->deadline = start + (a->certificate ? 0.8 : 1) * a->time_limit -
                      fmin(0.2, 0.05 * a->time_limit);
    w->options = (ChoiceOptions){.work_limit = a->work_limit,
                                 .seed = (uint64_t)(a->seed + index * 7919),
                                 .stopped = worker_stopped,
                                 .improved = worker_improved,
                                 .context = w};
    w->arena = arena_reserve(&w->memory, INT64_C(1) << ARENA_DEFAULT_BYTES_LOG2,
                             &w->landing);
    if (!w->arena.next)
        return status_error(STATUS_ENVIRONMENT, "no address space");
    w->scratch = arena_split(&w->arena);
    return status_ok();
}

/* What is reported. */
typedef struct Outcome {
    ChoiceSolution solution;
    int64_t bound; /* of all workers and the certificate */
    bool certified;
    int64_t claim; /* of the certificate: a cost, or a limit if infeasible */
    double seconds;
} Outcome;

static bool has_choice(const ChoiceSolution *s)
{
    return s->status == CHOICE_OPTIMAL || s->status == CHOICE_FEASIBLE;
}

/* The best of several solutions; the first among equals. Bounds combine. */
static const ChoiceSolution *best_solution(Worker *workers, int64_t n,
                                           int64_t *bound)
{
    const ChoiceSolution *best = NULL;
    *bound = INT64_MIN;
    for (int64_t i = 0; i < n; i++) {
        const ChoiceSolution *s = &workers[i].solution;
        if (workers[i].exhausted)
            continue;
        if (has_choice(s) && s->lower_bound > *bound)
            *bound = s->lower_bound;
        if (!best || (has_choice(s) && !has_choice(best)) ||
            (has_choice(s) && s->cost < best->cost))
            best = s;
    }
    return best;
}

static const char *const STATUS_NAME[] = {
    [CHOICE_OPTIMAL] = "optimal",       [CHOICE_FEASIBLE] = "feasible",
    [CHOICE_INFEASIBLE] = "infeasible", [CHOICE_FORBIDDEN_ALL] = "forbidden",
    [CHOICE_UNKNOWN] = "unknown",
};

static void append_choices(Text *text, const ChoiceSolution *s, int32_t n)
{
    text_format(text, "[");
    for (int32_t v = 0; v < n; v++)
        text_format(text, v ? ",%" PRId32 : "%" PRId32, s->choice[v]);
    text_format(text, "]");
}

static Status write_solution(Arena *arena, const char *path,
                             const IopddlProblem *p, const Outcome *o)
{
    const ChoiceSolution *s = &o->solution;
    Text text = text_new(arena);
    text_format(&text,
                "{\"cost\": %" PRId64 ", \"lower_bound\": %" PRId64
                ", \"status\": \"%s\", \"solution\": ",
                s->cost, o->bound, STATUS_NAME[s->status]);
    append_choices(&text, s, p->n_nodes);
    text_format(&text, "}\n");
    return file_write(path, text_str(&text), false);
}

/* The part of the cost that the bound leaves open. */
static double gap_of(const Outcome *o)
{
    int64_t cost = o->solution.cost;
    if (cost == o->bound)
        return 0;
    return (double)(cost - o->bound) / fmax(1, fabs((double)cost));
}

static void report_json(const IopddlProblem *p, const Outcome *o)
{
    const ChoiceSolution *s = &o->solution;
    printf("{\"status\": \"%s\", \"nodes\": %" PRId32, STATUS_NAME[s->status],
           p->n_nodes);
    if (has_choice(s))
        printf(", \"cost\": %" PRId64 ", \"lower_bound\": %" PRId64
               ", \"gap\": %.9f",
               s->cost, o->bound, gap_of(o));
    if (s->choice)
        printf(", \"peak_usage\": %" PRId64 ", \"peak_time\": %" PRId64,
               s->peak_usage, s->peak_time);
    if (s->status == CHOICE_INFEASIBLE)
        printf(", \"least_peak\": %" PRId64, s->least_peak);
    if (o->certified)
        printf(", \"%s\": %" PRId64,
               has_choice(s) ? "certified_bound" : "certified_limit", o->claim);
    printf(", \"usage_limit\": %" PRId64 ", \"work\": %" PRId64
           ", \"seconds\": %.3f}\n",
           p->problem.usage_limit, s->work, o->seconds);
}

static void report_text(const IopddlProblem *p, const Outcome *o)
{
    const ChoiceSolution *s = &o->solution;
    printf("status  %s\n", STATUS_NAME[s->status]);
    if (has_choice(s)) {
        printf("cost    %" PRId64 "\n", s->cost);
        printf("bound   %" PRId64 "\n", o->bound);
        printf("gap     %.4f %%\n", 100 * gap_of(o));
    }
    if (s->choice)
        printf("peak    %" PRId64 " of %" PRId64 " at time %" PRId64 "\n",
               s->peak_usage, p->problem.usage_limit, s->peak_time);
    if (s->status == CHOICE_INFEASIBLE)
        printf("missing %" PRId64 " (no assignment peaks below %" PRId64 ")\n",
               s->least_peak - p->problem.usage_limit, s->least_peak);
    if (o->certified)
        printf("certificate: %s %" PRId64 "\n",
               has_choice(s) ? "no assignment costs less than"
                             : "no assignment keeps a limit of",
               o->claim);
    printf("seconds %.2f\n", o->seconds);
}

/* Compressed when the name ends in .gz. */
static Status write_certificate(const char *path, Str text)
{
    size_t length = strlen(path);
    if (length < 3 || strcmp(path + length - 3, ".gz") != 0)
        return file_write(path, text, false);
    gzFile file = gzopen(path, "wb6");
    bool written = file != NULL;
    for (int64_t at = 0; written && at < text.length;) {
        int64_t n = min_i64(text.length - at, 1 << 20);
        written = gzwrite(file, text.data + at, (unsigned)n) == (int)n;
        at += n;
    }
    if (file)
        written = gzclose(file) == Z_OK && written;
    return written ? status_ok()
                   : status_error(STATUS_ENVIRONMENT, "%s: cannot be written",
                                  path);
}

/* Proves the solution once more, for which a fifth of the time was kept back;
 * what is proved may be more than the search knew. */
static Status certify_file(const SolveArguments *a, Worker *w, Outcome *o)
{
    ChoiceSolution *s = &o->solution;
    if (a->time_limit > 0)
        w->deadline = w->start + 0.97 * a->time_limit;
    Certificate c = certify(&w->arena, w->scratch, w->problem, s, &w->options);
    if (c.text.length == 0)
        return status_ok();
    o->certified = true;
    o->claim = c.claim;
    if (!c.infeasible)
        o->bound = max_i64(o->bound, c.claim);
    if (!c.infeasible && c.claim == s->cost)
        s->status = CHOICE_OPTIMAL;
    return write_certificate(a->certificate, c.text);
}

static Status report(Arena *arena, const SolveArguments *a,
                     const IopddlProblem *p, const Outcome *o)
{
    const ChoiceSolution *s = &o->solution;
    if (a->json)
        report_json(p, o);
    else
        report_text(p, o);
    if (a->output && has_choice(s))
        TRY(write_solution(arena, a->output, p, o));
    if (s->status == CHOICE_INFEASIBLE)
        return status_error(STATUS_INPUT,
                            "%s: no assignment keeps the usage limit of "
                            "%" PRId64 "; at least %" PRId64 " more is needed",
                            a->problem, p->problem.usage_limit,
                            s->least_peak - p->problem.usage_limit);
    if (s->status == CHOICE_FORBIDDEN_ALL)
        return status_error(STATUS_INPUT,
                            "%s: every assignment has a forbidden pair",
                            a->problem);
    if (!has_choice(s))
        return status_error(STATUS_INPUT,
                            "%s: stopped before a feasible assignment was "
                            "found; raise the limit",
                            a->problem);
    return status_ok();
}

static Status run_workers(Arena *arena, const SolveArguments *a,
                          const IopddlProblem *p, double start)
{
    Worker *workers = arena_new(arena, Worker, a->threads);
    pthread_t threads[THREADS_MAX];
    int64_t n_started = 0;
    Outcome o = {0};
    Status status = status_ok();
    for (int64_t i = 0; i < a->threads && !status_failed(&status); i++)
        status = worker_init(&workers[i], &p->problem, a, i, start);
    for (int64_t i = 1; i < a->threads && !status_failed(&status); i++) {
        if (pthread_create(&threads[i], NULL, worker_run, &workers[i]) != 0)
            break;
        n_started = i;
    }
    if (!status_failed(&status)) {
        worker_run(&workers[0]);
        for (int64_t i = 1; i <= n_started; i++)
            pthread_join(threads[i], NULL);
        const ChoiceSolution *s =
            best_solution(workers, n_started + 1, &o.bound);
        if (!s)
            status = status_error(STATUS_ENVIRONMENT, "out of memory");
        else
            o.solution = *s;
        if (s && s->status != CHOICE_UNKNOWN && a->certificate)
            status = certify_file(a, &workers[0], &o);
        o.seconds = seconds_now() - start;
        if (!status_failed(&status))
            status = report(arena, a, p, &o);
    }
    for (int64_t i = 0; i < a->threads; i++)
        arena_release(&workers[i].memory);
    return status;
}

static Status solve(Session *session, const SolveArguments *a, double start)
{
    IopddlProblem problem;
    if (a->output)
        TRY(file_check_output(a->output, true));
    if (a->certificate)
        TRY(file_check_output(a->certificate, true));
    TRY(iopddl_read_file(&session->perm, session->scratch, a->problem,
                         &problem));
    return run_workers(&session->perm, a, &problem, start);
}

int command_solve(Session *session, int argc, char **argv)
{
    double start = seconds_now();
    SolveArguments a = {.threads = 1};
    OptionList problems = {0};
    const char *time_limit = NULL;
    const Option options[] = {
        {"--time-limit", OPTION_TEXT, &time_limit, "SECONDS",
         "stop by then, reading included"},
        {"--work-limit", OPTION_INTEGER, &a.work_limit, "N",
         "stop after this much work: the same result everywhere"},
        {"--threads", OPTION_INTEGER, &a.threads, "N",
         "searches side by side, from different seeds (1)"},
        {"--seed", OPTION_INTEGER, &a.seed, "N", "of the local search (0)"},
        {"-o", OPTION_TEXT, &a.output, "FILE", "write the solution as JSON"},
        {"--certificate", OPTION_TEXT, &a.certificate, "FILE",
         "write a lower bound that another program can check"},
        {"--json", OPTION_FLAG, &a.json, NULL, "report as JSON"},
        {"--progress", OPTION_FLAG, &a.progress, NULL,
         "print every better cost and bound on stderr"},
    };
    enum { N_OPTIONS = sizeof options / sizeof *options };
    int result;
    if (!command_arguments(session, options, N_OPTIONS, 1, 1, argc, argv,
                           &problems, &result))
        return result;
    Status status = parse_seconds(time_limit, &a.time_limit);
    if (!status_failed(&status) && (a.threads < 1 || a.threads > THREADS_MAX))
        status = status_error(STATUS_USAGE, "--threads: 1 to %d", THREADS_MAX);
    if (status_failed(&status))
        return command_finish(session, status);
    a.problem = problems.data[0];
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    return command_finish(session, solve(session, &a, start));
}
