/* Partitioned == whole: random models under random legal plans, executed on
 * the virtual cluster and compared with the interpreter's training.
 *
 *     test_partition [--draws N] [--seed S] [--program]
 *
 * Compared are the first values of all variables (exactly), the losses,
 * metrics and variables of a few steps, and an evaluation whose last batch is
 * short.  At the end comes the table of what was covered; with 1200 draws or
 * more, a cell below its least count fails.
 */
#include "passes/pass.h"
#include "passes/program_build.h"
#include "tests/numeric/random_graph.h"
#include "tests/oracle/trainer.h"
#include "tests/property/coverage.h"
#include "tests/property/random_plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 2, NOISY = 2 };

/* What a value may be off by: a few roundings, and what roundings do to it in
 * this model, which is what trainers with noise are off by. */
static const double TOLERANCE = 5e-7, AMPLIFIED = 4;

/* One device's training by the oracle: exactly, and with noise. */
typedef struct Oracle {
    Trainer exact;
    Trainer noisy[NOISY];
} Oracle;

/* Scalars of one graph, and how far noise moves each. */
typedef struct Scalars {
    int64_t n;
    double value[8], spread[8];
} Scalars;

typedef struct Case {
    uint64_t seed;
    RandomModel model;
    GraphSet set;
    Plan plan;
    Mesh mesh;
    Program program;
    ProgramCode code;
    int64_t batch;
    int64_t ties; /* metrics that differ by one hit */
    Str failure;
    Arena *arena;
} Case;

static bool fail(Case *c, const char *what, double got, double wanted)
{
    c->failure = str_format(c->arena, "seed %llu: %s: %.9g, expected %.9g",
                            (unsigned long long)c->seed, what, got, wanted);
    return false;
}

static bool draw_case(Case *c, Arena scratch)
{
    Random random = {c->seed, 0};
    static const int64_t BATCHES[] = {4, 6, 8, 12, 15, 15};
    c->batch = BATCHES[random_between(&random, 0, 5)];
    RandomModelOptions options = {
        .n_steps = (int32_t)random_between(&random, 1, 14),
        .batch = c->batch,
        .dropout = random_chance(&random, 30),
        .images = random_chance(&random, 75),
        .states = random_chance(&random, 40),
    };
    c->model = random_model(&random, &options, c->arena);
    c->set = c->model.set;
    /* Steps so small that no draw runs away to where rounding is amplified. */
    bool clips = random_chance(&random, 50);
    Training training = {
        .optimizer =
            random_chance(&random, 70) ? OPTIMIZER_SGD : OPTIMIZER_ADAMW,
        .momentum = random_chance(&random, 50) ? 0.9 : 0,
        .beta1 = 0.9,
        .beta2 = 0.99,
        .epsilon = 0.1,
        .decay = 0.01,
        .learning_rate = {SCHEDULE_CONSTANT, .peak = clips ? 0.05 : 0.005},
        .clip_norm = clips ? 0.5 : 0,
        .batch = c->batch,
    };
    Diagnostics diagnostics = diagnostics_new(c->arena);
    PassOptions passes = {.training = &training,
                          .n_layers = (int32_t)random_between(&random, 1, 8),
                          .diagnostics = &diagnostics};
    if (!pass_run_all(&c->set, &passes, c->arena, scratch))
        return fail(c, "the passes refuse the model", 0, 0);
    RandomPlanOptions plan_options = {0};
    c->plan = random_plan(&random, &plan_options, &c->set, c->arena, &c->mesh);
    ProgramExcess excess;
    Str fault = program_build(&c->set, &c->plan, &c->mesh, c->arena,
                              &c->program, &c->code, &excess);
    if (fault.length)
        return fail(c, fault.data, 0, 0);
    return true;
}

static double relative_error(const Tensor *got, const Tensor *wanted)
{
    double difference = 0, square = 0;
    if (got->type.dtype == DTYPE_I32)
        return memcmp(got->data, wanted->data,
                      (size_t)type_bytes(&got->type)) != 0;
    for (int64_t i = 0; i < shape_count(&got->type.shape); i++) {
        double x = (double)tensor_f32(*got)[i],
               y = (double)tensor_f32(*wanted)[i];
        if (!isfinite(x))
            return HUGE_VAL;
        difference += (x - y) * (x - y);
        square += y * y;
    }
    return sqrt(difference) / (1e-3 + sqrt(square));
}

static double spread_of_variable(const Oracle *oracle, int32_t v)
{
    double spread = 0;
    for (int i = 0; i < NOISY; i++)
        spread = fmax(spread, relative_error(&oracle->noisy[i].variables[v],
                                             &oracle->exact.variables[v]));
    return spread;
}

/* Each variable against the oracle's: exactly, or up to rounding. */
static bool compare_variables(Case *c, VirtualCluster *cluster,
                              const Oracle *oracle, bool exactly)
{
    for (int32_t v = 0; v < c->program.variables.count; v++) {
        Arena scratch = *c->arena;
        Tensor value;
        Status status = cluster_read_variable(cluster, v, &scratch, &value);
        if (status_failed(&status)) {
            Str message = str_from(status.message);
            c->failure =
                str_format(c->arena, "seed %llu: %.*s",
                           (unsigned long long)c->seed, STR_ARG(message));
            return false;
        }
        double error = relative_error(&value, &oracle->exact.variables[v]);
        double spread = exactly ? 0 : spread_of_variable(oracle, v);
        double most = exactly ? 0 : TOLERANCE + AMPLIFIED * spread;
        if (!(error <= most))
            return fail(c, c->program.variables.data[v].name.data, error, most);
    }
    return true;
}

static int64_t trainer_scalars(const Trainer *trainer, const Graph *graph,
                               const Tensor *inputs, double *scalars,
                               Arena scratch)
{
    Tensor *values = trainer_values(trainer, graph, inputs, &scratch);
    int64_t n = 0;
    for (int64_t i = 0; i < graph->outputs.count; i++) {
        const Output *output = &graph->outputs.data[i];
        if (output->kind == OUTPUT_LOSS || output->kind == OUTPUT_METRIC)
            scalars[n++] = (double)*tensor_f32(values[output->node.index]);
    }
    return n;
}

/* The losses and metrics of a graph, in the order of the program's outputs. */
static Scalars oracle_scalars(const Oracle *oracle, const Graph *graph,
                              const Tensor *inputs, Arena scratch)
{
    Scalars s = {0};
    s.n = trainer_scalars(&oracle->exact, graph, inputs, s.value, scratch);
    for (int i = 0; i < NOISY; i++) {
        double noisy[8];
        trainer_scalars(&oracle->noisy[i], graph, inputs, noisy, scratch);
        for (int64_t k = 0; k < s.n; k++)
            s.spread[k] = fmax(s.spread[k], fabs(noisy[k] - s.value[k]));
    }
    return s;
}

/* Where two classes tie, rounding decides which is the largest: a hit more or
 * less among as many as the metric counts. */
static bool is_tie(const Case *c, int64_t scalar, double difference)
{
    int64_t n = 0;
    for (int64_t i = 0; i < c->set.train->outputs.count; i++) {
        const Output *output = &c->set.train->outputs.data[i];
        if (output->kind != OUTPUT_LOSS && output->kind != OUTPUT_METRIC)
            continue;
        if (n++ == scalar)
            return output->kind == OUTPUT_METRIC &&
                   difference <= 1 / (double)c->batch + TOLERANCE;
    }
    return false;
}

static bool compare_scalars(Case *c, const char *what, const double *got,
                            const Scalars *wanted)
{
    for (int64_t i = 0; i < wanted->n; i++) {
        double difference = fabs(got[i] - wanted->value[i]);
        if (difference <= TOLERANCE * (1 + fabs(wanted->value[i])) +
                              AMPLIFIED * wanted->spread[i])
            continue;
        if (!is_tie(c, i, difference))
            return fail(c, what, got[i], wanted->value[i]);
        c->ties++;
    }
    return true;
}

/* The inputs with samples [first, batch) replaced by sample 0. */
static Tensor *with_tail_of_first(const Case *c, int64_t first, Arena *arena)
{
    int64_t n = c->set.eval->inputs.count;
    Tensor *inputs = arena_new(arena, Tensor, n);
    for (int64_t i = 0; i < n; i++) {
        const Tensor *whole = &c->model.inputs[i];
        int64_t bytes = type_bytes(&whole->type) / c->batch;
        inputs[i] = tensor_new(arena, whole->type);
        for (int64_t s = 0; s < c->batch; s++)
            memcpy((char *)inputs[i].data + s * bytes,
                   (char *)whole->data + (s < first ? s : 0) * bytes,
                   (size_t)bytes);
    }
    return inputs;
}

/* Means over a batch are linear in its samples, so a batch of which `count`
 * samples are real is one whose tail repeats sample 0, less that tail. */
static bool compare_eval(Case *c, VirtualCluster *cluster, const Oracle *oracle,
                         int64_t count)
{
    Arena scratch = *c->arena;
    double got[8], tail = (double)(c->batch - count) / (double)c->batch;
    Scalars wanted = oracle_scalars(
        oracle, c->set.eval, with_tail_of_first(c, count, &scratch), scratch);
    Scalars first = oracle_scalars(oracle, c->set.eval,
                                   with_tail_of_first(c, 1, &scratch), scratch);
    for (int64_t i = 0; i < wanted.n; i++) {
        wanted.value[i] -= tail * first.value[i];
        wanted.spread[i] += tail * first.spread[i];
    }
    Status status = cluster_eval(cluster, c->model.inputs, count, got);
    if (status_failed(&status)) {
        c->failure = str_format(c->arena, "seed %llu: eval: %s",
                                (unsigned long long)c->seed, status.message);
        return false;
    }
    return compare_scalars(
        c, count == c->batch ? "eval" : "eval of a short batch", got, &wanted);
}

static void oracle_init(Oracle *oracle, const Case *c, Arena scratch)
{
    trainer_init(&oracle->exact, &c->set, c->seed, c->arena, scratch);
    for (int i = 0; i < NOISY; i++) {
        trainer_init(&oracle->noisy[i], &c->set, c->seed, c->arena, scratch);
        oracle->noisy[i].noise = (uint64_t)i + 1;
    }
}

static void oracle_step(Oracle *oracle, const Tensor *inputs, Arena scratch)
{
    trainer_step(&oracle->exact, inputs, scratch);
    for (int i = 0; i < NOISY; i++)
        trainer_step(&oracle->noisy[i], inputs, scratch);
}

static bool run_case(Case *c, Arena scratch)
{
    Oracle oracle;
    oracle_init(&oracle, c, scratch);
    VirtualCluster *cluster =
        cluster_new(c->arena, &c->program, &c->code, c->seed);
    Status status = cluster_init(cluster);
    if (!status_failed(&status) &&
        !compare_variables(c, cluster, &oracle, true))
        return false;
    for (int64_t step = 0; step < STEPS && !status_failed(&status); step++) {
        double got[8];
        Scalars wanted =
            oracle_scalars(&oracle, c->set.train, c->model.inputs, scratch);
        oracle_step(&oracle, c->model.inputs, scratch);
        status = cluster_step(cluster, c->model.inputs, step, got);
        if (!status_failed(&status) &&
            (!compare_scalars(c, "train", got, &wanted) ||
             !compare_variables(c, cluster, &oracle, false)))
            return false;
    }
    if (status_failed(&status)) {
        c->failure = str_format(c->arena, "seed %llu: %s",
                                (unsigned long long)c->seed, status.message);
        return false;
    }
    return compare_eval(c, cluster, &oracle, c->batch) &&
           compare_eval(c, cluster, &oracle, c->batch - 1);
}

/* One draw; prints what is wrong. */
static bool test_case(uint64_t seed, bool print, Coverage *coverage,
                      int64_t *ties, Arena arena)
{
    Arena scratch = arena_split(&arena);
    Case c = {.seed = seed, .arena = &arena};
    bool good = draw_case(&c, scratch);
    if (good && print) {
        Str text = program_print(&arena, &c.program);
        fwrite(text.data, 1, (size_t)text.length, stdout);
    }
    if (good)
        good = run_case(&c, scratch);
    if (good)
        coverage_add(coverage, &c.set, &c.plan, &c.program, scratch);
    else
        printf("%.*s\n", STR_ARG(c.failure));
    *ties += c.ties;
    fflush(stdout);
    return good;
}

int main(int argc, char **argv)
{
    enum { DRAWS = 1200, DRAWS_TO_COVER = 1200 };
    int64_t draws = DRAWS, failures = 0, ties = 0;
    uint64_t first = 1;
    bool print = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--draws") == 0 && i + 1 < argc)
            draws = atoll(argv[++i]);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            first = (uint64_t)atoll(argv[++i]);
        else if (strcmp(argv[i], "--program") == 0)
            print = true;
    }
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, (int64_t)1 << 34, NULL);
    Coverage coverage = {0};
    for (int64_t i = 0; i < draws; i++)
        failures +=
            !test_case(first + (uint64_t)i, print, &coverage, &ties, arena);
    int32_t low = coverage_print(&coverage);
    printf("%lld draws, %lld failures, %lld ties, %d cells below %d\n",
           (long long)draws, (long long)failures, (long long)ties, low,
           CELL_EXECUTIONS_MIN);
    return failures != 0 || ties > draws / 100 ||
           (draws >= DRAWS_TO_COVER && low != 0);
}
