/* Case: building, running and comparing. */
#include "tests/property/case.h"

#include "passes/pass.h"
#include "passes/plan.h"
#include "tests/property/random_plan.h"

#include <math.h>
#include <string.h>

enum { STEPS = 2, NOISY = 2, SCALARS_MAX = 16, SEARCH_WORK = 20000 };

/* What a value may be off by: a few roundings, and what roundings do to it in
 * this model, which is what trainers with noise are off by. */
static const double TOLERANCE = 5e-7, AMPLIFIED = 8;

/* One device's training by the oracle: exactly, and with noise. */
typedef struct Oracle {
    Trainer exact;
    Trainer noisy[NOISY];
} Oracle;

/* Scalars of one graph, and how far noise moves each. */
typedef struct Scalars {
    int64_t n;
    double value[SCALARS_MAX], spread[SCALARS_MAX];
} Scalars;

static bool fail(Case *c, const char *what, double got, double wanted)
{
    c->failure =
        str_format(c->arena, "%s: %.9g, expected %.9g", what, got, wanted);
    return false;
}

static bool fail_status(Case *c, const Status *status)
{
    c->failure = str_format(c->arena, "%s", status->message);
    return false;
}

bool case_build(Case *c, Random *random, const Training *training,
                int32_t n_layers, bool *refused, Arena scratch)
{
    Diagnostics diagnostics = diagnostics_new(c->arena);
    PassOptions passes = {.training = training,
                          .n_layers = n_layers,
                          .diagnostics = &diagnostics};
    *refused = !pass_run_all(&c->set, &passes, c->arena, scratch);
    if (*refused)
        return diagnostics_any(&diagnostics)
                   ? false
                   : fail(c, "refused without a diagnostic", 0, 0);
    RandomPlanOptions plan_options = {0};
    c->plan = random_plan(random, &plan_options, &c->set, c->arena, &c->mesh);
    if (c->searched) {
        Plan found = {.model_name = STR("random")};
        PlanOptions options = {.work_limit = SEARCH_WORK};
        if (!plan_search(c->arena, scratch, &c->set, training, &c->mesh,
                         &options, &diagnostics, &found))
            return fail(c, diagnostics_print(&diagnostics, c->arena).data, 0,
                        0);
        c->plan = found;
    }
    ProgramExcess excess;
    Str fault = program_build(&c->set, &c->plan, &c->mesh, c->arena,
                              &c->program, &c->code, &excess);
    return fault.length == 0 || fail(c, fault.data, 0, 0);
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
            return fail_status(c, &status);
        }
        double error = relative_error(&value, &oracle->exact.variables[v]);
        double spread = exactly ? 0 : spread_of_variable(oracle, v);
        double most = exactly ? 0 : TOLERANCE + AMPLIFIED * spread;
        if (!(error <= most))
            return fail(
                c, str_copy(c->arena, c->program.variables.data[v].name).data,
                error, most);
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
        double noisy[SCALARS_MAX];
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
                              AMPLIFIED * wanted->spread[i] ||
            (isnan(got[i]) && isnan(wanted->value[i])))
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
        const Tensor *whole = &c->inputs[i];
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
    double got[SCALARS_MAX],
        tail = (double)(c->batch - count) / (double)c->batch;
    Scalars wanted = oracle_scalars(
        oracle, c->set.eval, with_tail_of_first(c, count, &scratch), scratch);
    Scalars first = oracle_scalars(oracle, c->set.eval,
                                   with_tail_of_first(c, 1, &scratch), scratch);
    for (int64_t i = 0; i < wanted.n && tail > 0; i++) {
        wanted.value[i] -= tail * first.value[i];
        wanted.spread[i] += tail * first.spread[i];
    }
    Status status = cluster_eval(cluster, c->inputs, count, got);
    if (status_failed(&status)) {
        return fail_status(c, &status);
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

static void oracle_back_to(Oracle *oracle, int64_t step)
{
    oracle->exact.step = step;
    for (int i = 0; i < NOISY; i++)
        oracle->noisy[i].step = step;
}

bool case_run(Case *c, bool linear, Arena scratch)
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
        double got[SCALARS_MAX];
        Scalars wanted =
            oracle_scalars(&oracle, c->set.train, c->inputs, scratch);
        oracle_step(&oracle, c->inputs, scratch);
        status = cluster_step(cluster, c->inputs, step, got);
        if (!status_failed(&status) &&
            (!compare_scalars(c, "train", got, &wanted) ||
             !compare_variables(c, cluster, &oracle, false)))
            return false;
    }
    if (status_failed(&status)) {
        return fail_status(c, &status);
    }
    oracle_back_to(&oracle, STEPS - 1); /* the cluster still knows that step */
    return compare_eval(c, cluster, &oracle, c->batch) &&
           (!linear || compare_eval(c, cluster, &oracle, c->batch - 1));
}

bool case_execute(Case *c, Arena scratch)
{
    Trainer trainer;
    double got[SCALARS_MAX];
    trainer_init(&trainer, &c->set, c->seed, c->arena, scratch);
    trainer_step(&trainer, c->inputs, scratch);
    VirtualCluster *cluster =
        cluster_new(c->arena, &c->program, &c->code, c->seed);
    Status status = cluster_init(cluster);
    if (!status_failed(&status))
        status = cluster_step(cluster, c->inputs, 0, got);
    if (!status_failed(&status))
        status = cluster_eval(cluster, c->inputs, c->batch, got);
    return !status_failed(&status) || fail_status(c, &status);
}
