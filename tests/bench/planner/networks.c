/* The planner's own choice networks, solved again with their times.
 *
 *     planner_networks [--work-limit N] [--list] [MODEL MESH [NAME=VALUE]...]
 *
 * Plans shipped models at small sizes on every shipped cluster (or one model on
 * one cluster) and takes every different network that the search poses; each
 * is solved without a memory limit and at 1.05 times its least possible peak.
 * One line a model and cluster: networks, nodes, choices, nodes left by the
 * reductions, milliseconds of CPU (median / most), and how many were left open
 * by the work limit (the largest gap); --list gives every network its line. */
#include "frontend/frontend.h"
#include "passes/pass.h"
#include "passes/plan.h"
#include "solver/network.h"
#include "solver/reduce.h"
#include "support/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SETTINGS_MAX = 8, LIMIT_PERCENT = 105 };

/* -- one network ----------------------------------------------------------- */

typedef struct Result {
    int32_t n_nodes, n_core;
    int64_t n_choices;
    double slack_ms, tight_ms;   /* CPU of the solve */
    double slack_gap, tight_gap; /* (cost - bound) / cost */
} Result;

typedef struct Bench {
    Arena arena; /* of one case; results and hashes */
    Arena scratch;
    int64_t work_limit;
    bool list;
    VECTOR(uint64_t) seen;
    VECTOR(Result) results;
} Bench;

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static uint64_t mix(uint64_t hash, const void *bytes, int64_t n)
{
    const unsigned char *from = bytes;
    for (int64_t i = 0; i < n; i++)
        hash = (hash ^ from[i]) * UINT64_C(1099511628211);
    return hash;
}

/* Of all but the limit. */
static uint64_t hash_of(const ChoiceProblem *p)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (int32_t v = 0; v < p->n_nodes; v++) {
        const ChoiceNode *node = &p->nodes[v];
        hash = mix(hash, node->cost, 8 * node->n_choices);
        for (int32_t i = 0; i < node->n_intervals; i++) {
            hash = mix(hash, &node->intervals[i].begin, 16);
            hash = mix(hash, node->intervals[i].usage, 8 * node->n_choices);
        }
    }
    for (int32_t e = 0; e < p->n_edges; e++) {
        const ChoiceEdge *edge = &p->edges[e];
        hash = mix(hash, &edge->a, 8);
        hash =
            mix(hash, edge->cost,
                8 * p->nodes[edge->a].n_choices * p->nodes[edge->b].n_choices);
    }
    return hash;
}

static int32_t core_nodes(const ChoiceProblem *p, Arena scratch)
{
    double scale;
    Arena networks = arena_split(&scratch);
    Network net = network_from_problem(&networks, scratch, p, &scale);
    reduce(&net, scratch);
    int32_t n = 0;
    for (int32_t v = 0; v < net.n_nodes; v++)
        n += net.nodes[v].n_choices > 0;
    return n;
}

static double gap_of(const ChoiceSolution *s)
{
    if (s->status == CHOICE_OPTIMAL)
        return 0;
    if (s->status != CHOICE_FEASIBLE)
        return 1;
    return s->cost > 0 ? (double)(s->cost - s->lower_bound) / (double)s->cost
                       : 1;
}

static double solve(const Bench *b, const ChoiceProblem *p, int64_t limit,
                    double *ms, ChoiceSolution *out)
{
    ChoiceProblem with = *p;
    ChoiceOptions options = {.work_limit = b->work_limit};
    Arena scratch = b->scratch, arena = arena_split(&scratch);
    with.usage_limit = limit;
    double start = cpu_ms();
    *out = choice_solve(&arena, scratch, &with, &options);
    *ms = cpu_ms() - start;
    return gap_of(out);
}

static void measure(void *context, const ChoiceProblem *p)
{
    Bench *b = context;
    Result result = {.n_nodes = p->n_nodes};
    uint64_t hash = hash_of(p);
    for (int64_t i = 0; i < b->seen.count; i++)
        if (b->seen.data[i] == hash)
            return;
    *vector_push(&b->arena, &b->seen) = hash;
    for (int32_t v = 0; v < p->n_nodes; v++)
        result.n_choices += p->nodes[v].n_choices;
    ChoiceSolution s;
    double ignored;
    result.n_core = core_nodes(p, b->scratch);
    result.slack_gap = solve(b, p, CHOICE_MAGNITUDE_MAX, &result.slack_ms, &s);
    solve(b, p, 0, &ignored, &s);
    result.tight_gap =
        solve(b, p, s.peak_usage / 100 * LIMIT_PERCENT, &result.tight_ms, &s);
    if (b->list)
        printf("%016llx: %d nodes, %d left, slack %.1f ms, gap %.2g, tight "
               "%.1f ms, gap %.2g\n",
               (unsigned long long)hash, result.n_nodes, result.n_core,
               result.slack_ms, result.slack_gap, result.tight_ms,
               result.tight_gap);
    *vector_push(&b->arena, &b->results) = result;
}

/* -- one model on one cluster ---------------------------------------------- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct Spread {
    double median, most;
} Spread;

static Spread spread_of(double *values, int64_t n)
{
    qsort(values, (size_t)n, sizeof *values, compare_doubles);
    return (Spread){n ? values[n / 2] : 0, n ? values[n - 1] : 0};
}

static void print_row(const Bench *b, const char *model, const char *mesh,
                      const char *const *settings, Arena scratch)
{
    int64_t n = b->results.count;
    const Result *r = b->results.data;
    double *values[5];
    int64_t open[2] = {0};
    double gap[2] = {0};
    for (int i = 0; i < 5; i++)
        values[i] = arena_new(&scratch, double, n);
    for (int64_t i = 0; i < n; i++) {
        values[0][i] = r[i].n_nodes;
        values[1][i] = (double)r[i].n_choices;
        values[2][i] = r[i].n_core;
        values[3][i] = r[i].slack_ms;
        values[4][i] = r[i].tight_ms;
        open[0] += r[i].slack_gap > 0;
        open[1] += r[i].tight_gap > 0;
        gap[0] = larger(gap[0], r[i].slack_gap);
        gap[1] = larger(gap[1], r[i].tight_gap);
    }
    Spread s[5];
    for (int i = 0; i < 5; i++)
        s[i] = spread_of(values[i], n);
    Text name = text_new(&scratch);
    text_format(&name, "%s", model);
    for (int i = 0; settings[i]; i++)
        text_format(&name, " %s", settings[i]);
    printf("| %.*s | %s | %lld | %.0f / %.0f | %.0f / %.0f | %.0f / %.0f | "
           "%.1f / %.1f | %lld (%.2g) | %.1f / %.1f | %lld (%.2g) |\n",
           (int)name.length, text_str(&name).data, mesh, (long long)n,
           s[0].median, s[0].most, s[1].median, s[1].most, s[2].median,
           s[2].most, s[3].median, s[3].most, (long long)open[0], gap[0],
           s[4].median, s[4].most, (long long)open[1], gap[1]);
    fflush(stdout);
}

static int32_t read_source(Arena *arena, const char *folder, const char *name,
                           const char *extension, Diagnostics *d)
{
    Str text, path = str_format(arena, "%s/%s%s%s", DNNC_MODELS, folder, name,
                                extension);
    Status status = file_read(arena, path.data, &text);
    return status_failed(&status) ? 0 : diagnostics_add_source(d, path, text);
}

static bool run(Bench *b, const char *model, const char *mesh,
                const char *const *settings)
{
    Setting list[SETTINGS_MAX];
    int64_t n = 0;
    Bench start = *b;
    Arena arena = arena_split(&b->scratch), scratch = arena_split(&b->scratch);
    for (; settings[n]; n++)
        list[n].text = str_from(settings[n]);
    Diagnostics d = diagnostics_new(&arena);
    int32_t model_source = read_source(&arena, "", model, ".dnn", &d);
    int32_t mesh_source = read_source(&arena, "clusters/", mesh, ".mesh", &d);
    Model lowered = {0};
    Mesh cluster = {0};
    Plan plan = {0};
    PassOptions options = {.training = &lowered.training, .diagnostics = &d};
    PlanOptions planning = {.observer = {measure, b}};
    bool done = model_source && mesh_source &&
                frontend_model(&arena, model_source, list, n, &d, &lowered) &&
                frontend_mesh(&arena, mesh_source, &d, &cluster) &&
                pass_run_all(&lowered.graphs, &options, &arena, scratch) &&
                plan_search(&arena, scratch, &lowered.graphs, &lowered.training,
                            &cluster, &planning, &d, &plan);
    if (done || b->results.count > 0)
        print_row(b, model, mesh, settings, scratch);
    if (!done)
        printf("%s", diagnostics_print(&d, &arena).data);
    *b = start;
    return done;
}

/* -- all of them ----------------------------------------------------------- */

static const char *const MODELS[][SETTINGS_MAX] = {
    {"mlp"},
    {"digits", "batch=64"},
    {"lenet5", "batch=64"},
    {"gpt2", "layers=2", "d=64", "heads=4", "vocab=251", "context=32",
     "batch=16"},
};
static const char *const MESHES[] = {
    "local1", "local2",  "local4",         "local8",  "fast4",
    "tight4", "slow2x2", "p3_16xlarge_x8", "a100x64", "h100x64",
};

int main(int argc, char **argv)
{
    ArenaMemory memory;
    Bench b = {.work_limit = PLAN_WORK_LIMIT};
    int first = 1;
    for (; first < argc && argv[first][0] == '-'; first++) {
        if (strcmp(argv[first], "--list") == 0)
            b.list = true;
        else if (strcmp(argv[first], "--work-limit") == 0 && first + 1 < argc)
            b.work_limit = atoll(argv[++first]);
    }
    b.scratch = arena_reserve(&memory, (int64_t)1 << 35, NULL);
    b.arena = arena_split(&b.scratch);
    printf("| model | cluster | networks | nodes | choices | core | slack ms | "
           "open | tight ms | open |\n"
           "|---|---|---|---|---|---|---|---|---|---|\n");
    if (argc > first + 1)
        return !run(&b, argv[first], argv[first + 1],
                    (const char *const *)argv + first + 2);
    for (size_t i = 0; i < sizeof MODELS / sizeof *MODELS; i++)
        for (size_t k = 0; k < sizeof MESHES / sizeof *MESHES; k++)
            run(&b, MODELS[i][0], MESHES[k], MODELS[i] + 1);
    arena_release(&memory);
    return 0;
}
