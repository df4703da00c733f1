/* Programs of generated code train as the interpreter does: the shipped
 * models, small, under random legal plans, on a virtual cluster whose kernels
 * are once the oracle's and once compiled.
 *
 *     test_programs [DRAWS]
 */
#include "batch.h"
#include "subject.h"
#include "support/philox.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 2, SCALARS_MAX = 8 };
static const double TOLERANCE = 2e-5;

static const Subject SUBJECTS[] = {
    {DNNC_MODELS "/mlp.dnn", {"batch=8", "hidden=24"}},
    {DNNC_MODELS "/digits.dnn", {"batch=4"}},
    {DNNC_MODELS "/gpt2.dnn",
     {"layers=2", "d=16", "heads=2", "vocab=51", "context=8", "batch=8",
      "dropout=0.1", "warmup=2"}},
};
enum { N_SUBJECTS = sizeof(SUBJECTS) / sizeof(SUBJECTS[0]) };

typedef struct Case {
    Arena *arena;
    Built built;
    Str failure;
} Case;

static bool fail(Case *c, Str why)
{
    c->failure = str_copy(c->arena, why);
    return false;
}

/* f32 in [0, 1), i32 below 10: within every table of the subjects. */
static Tensor *draw_inputs(Case *c, uint32_t step, Arena *arena)
{
    const Graph *graph = c->built.model.graphs.train;
    Tensor *inputs = arena_new(arena, Tensor, graph->inputs.count);
    for (int64_t i = 0; i < graph->inputs.count; i++) {
        inputs[i] = tensor_new(arena, graph->inputs.data[i].type);
        for (int64_t k = 0; k < shape_count(&inputs[i].type.shape); k++) {
            uint32_t word =
                philox(1, (uint32_t)k, (uint32_t)i, step, 0).word[0];
            if (inputs[i].type.dtype == DTYPE_F32)
                tensor_f32(inputs[i])[k] = philox_uniform(word);
            else
                tensor_i32(inputs[i])[k] = (int32_t)(word % 10);
        }
    }
    return inputs;
}

static double tensor_error(Tensor got, Tensor wanted)
{
    double difference = 0, square = 0;
    for (int64_t i = 0; i < shape_count(&got.type.shape); i++) {
        double x = (double)tensor_f32(got)[i];
        double y = (double)tensor_f32(wanted)[i];
        difference += (x - y) * (x - y);
        square += y * y;
    }
    return sqrt(difference) / (1e-3 + sqrt(square));
}

/* A key's bias adds the same to all scores of a row, which softmax ignores:
 * its gradient is rounding, and AdamW makes steps of it. */
static bool is_noise(Str name)
{
    const Str suffix = STR("attn.k.bias");
    return name.length >= suffix.length &&
           str_equal(
               (Str){name.data + name.length - suffix.length, suffix.length},
               suffix);
}

static bool variables_agree(Case *c, VirtualCluster *got,
                            VirtualCluster *wanted, int64_t step)
{
    for (int32_t v = 0; v < c->built.program.variables.count; v++) {
        Arena scratch = *c->arena;
        Tensor x, y;
        Status status = cluster_read_variable(got, v, &scratch, &x);
        if (!status_failed(&status))
            status = cluster_read_variable(wanted, v, &scratch, &y);
        if (status_failed(&status))
            return fail(c, str_from(status.message));
        double error = tensor_error(x, y);
        Str name = c->built.program.variables.data[v].name;
        if (!is_noise(name) && !(error <= TOLERANCE))
            return fail(c, str_format(c->arena, "step %lld: %.*s: %.3g",
                                      (long long)step, STR_ARG(name), error));
    }
    return true;
}

static int64_t n_scalars(const Program *program, bool eval)
{
    int64_t n = 0;
    for (int64_t i = 0; i < program->outputs.count; i++)
        n += program->outputs.data[i].kind != OUTPUT_VALUE &&
             program->outputs.data[i].eval == eval;
    return n;
}

static bool train(Case *c, VirtualCluster *got, VirtualCluster *wanted)
{
    Status status = cluster_init(got);
    if (!status_failed(&status))
        status = cluster_init(wanted);
    for (int64_t step = 0; step < STEPS; step++) {
        if (!status_failed(&status) && !variables_agree(c, got, wanted, step))
            return false;
        double x[SCALARS_MAX], y[SCALARS_MAX];
        Tensor *inputs = draw_inputs(c, (uint32_t)step, c->arena);
        if (!status_failed(&status))
            status = cluster_step(got, inputs, step, x);
        if (!status_failed(&status))
            status = cluster_step(wanted, inputs, step, y);
        if (status_failed(&status))
            return fail(c, str_from(status.message));
        for (int64_t i = 0; i < n_scalars(&c->built.program, false); i++)
            if (!(fabs(x[i] - y[i]) <= TOLERANCE * (1 + fabs(y[i]))))
                return fail(c, str_format(c->arena, "loss %.9g, expected %.9g",
                                          x[i], y[i]));
    }
    return variables_agree(c, got, wanted, STEPS);
}

static bool run_case(Case *c, Arena scratch)
{
    Batch batch;
    batch_init(&batch, c->arena);
    Status status = batch_compile_program(&batch, &c->built.program,
                                          &c->built.code, scratch);
    bool good = !status_failed(&status) || fail(c, str_from(status.message));
    if (good) {
        KernelFunction **functions =
            arena_new(c->arena, KernelFunction *, c->built.code.n_code);
        for (int32_t i = 0; i < c->built.code.n_code; i++)
            functions[i] = batch_function(&batch, i);
        VirtualCluster *got =
            cluster_new(c->arena, &c->built.program, &c->built.code, 1);
        cluster_use_code(got, functions);
        good =
            train(c, got,
                  cluster_new(c->arena, &c->built.program, &c->built.code, 1));
    }
    batch_deinit(&batch);
    return good;
}

int main(int argc, char **argv)
{
    int draws = argc > 1 ? atoi(argv[1]) : 9, failures = 0;
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, (int64_t)1 << 35, NULL);
    for (int i = 0; i < draws; i++) {
        Arena perm = arena;
        Arena scratch = arena_split(&perm);
        Case c = {.arena = &perm};
        const Subject *subject = &SUBJECTS[i % N_SUBJECTS];
        RandomPlanOptions any = {0};
        c.failure = subject_build(subject, &any, (uint64_t)i, c.arena, scratch,
                                  &c.built);
        if (c.failure.length == 0 && run_case(&c, scratch))
            continue;
        printf("%s, plan %d: %.*s\n", subject->path, i, STR_ARG(c.failure));
        failures++;
    }
    printf("%d draws, %d failures\n", draws, failures);
    arena_release(&memory);
    return failures != 0;
}
