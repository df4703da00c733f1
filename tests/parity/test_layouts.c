/* Layouts: the shipped models under Megatron-style plans, as programs on the
 * virtual cluster, against the interpreter on one device.
 *
 *     test_layouts [--steps N] [CASE]
 *
 * Prints the worst relative error of losses and of variables (L2 per tensor)
 * for every case and layout.
 */
#include "passes/layer.h"
#include "passes/pass.h"
#include "passes/plan.h"
#include "passes/program_build.h"
#include "tests/oracle/trainer.h"
#include "tests/parity/cases.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double SGD_TOLERANCE = 1e-5, ADAM_TOLERANCE = 1e-4;

/* Mathematically zero gradients: what remains is rounding, which Adam divides
 * by itself. */
static const char *const ZERO_GRADIENTS[] = {".key.bias", ".k.bias"};

static const UniformShape LAYOUTS[] = {
    {.data = 1, .tensor = 1, .pipeline = 1, .microbatches = 1},
    {.data = 1, .tensor = 1, .pipeline = 1, .microbatches = 4},
    {.data = 2, .tensor = 1, .pipeline = 1, .microbatches = 2},
    {.data = 1, .tensor = 2, .pipeline = 1, .microbatches = 4},
    {.data = 1, .tensor = 4, .pipeline = 1, .microbatches = 1},
    {.data = 4, .tensor = 2, .pipeline = 1, .microbatches = 1},
    {.data = 1, .tensor = 1, .pipeline = 2, .microbatches = 4},
    {.data = 1, .tensor = 1, .pipeline = 4, .microbatches = 4},
    {.data = 2, .tensor = 1, .pipeline = 2, .microbatches = 2},
    {.data = 1, .tensor = 2, .pipeline = 2, .microbatches = 4},
};
enum { N_LAYOUTS = sizeof LAYOUTS / sizeof LAYOUTS[0] };

static Mesh host_of(int64_t devices, Arena *arena)
{
    Mesh mesh = {.name = STR("host")};
    Link link = {1e-6, 1e10};
    DeviceType *type = vector_push(arena, &mesh.device_types);
    *type = (DeviceType){.name = STR("device"),
                         .target = STR("native"),
                         .memory_bytes = (int64_t)1 << 30,
                         .memory_bandwidth_bytes_per_second = 1e10,
                         .kernel_latency_seconds = 1e-6};
    type->flops[DTYPE_F32] = type->flops[DTYPE_I32] = 1e10;
    *vector_push(arena, &mesh.groups) = (HostGroup){.name = STR("hosts"),
                                                    .n_hosts = 1,
                                                    .devices_per_host = devices,
                                                    .inner = link,
                                                    .outer = link};
    mesh.between = link;
    return mesh;
}

static double relative(double got, double wanted)
{
    return fabs(got - wanted) / fmax(fabs(wanted), 1e-30);
}

static double tensor_error(Tensor got, Tensor wanted)
{
    double difference = 0, square = 0;
    for (int64_t i = 0; i < shape_count(&got.type.shape); i++) {
        double x = (double)tensor_f32(got)[i],
               y = (double)tensor_f32(wanted)[i];
        difference += (x - y) * (x - y);
        square += y * y;
    }
    if (!isfinite(difference))
        return HUGE_VAL;
    return sqrt(difference) / fmax(sqrt(square), 1e-3);
}

static bool ends_with(Str s, const char *end)
{
    int64_t n = (int64_t)strlen(end);
    return s.length >= n && memcmp(s.data + s.length - n, end, (size_t)n) == 0;
}

static bool is_compared(const ProgramVariable *v)
{
    if (v->kind != VARIABLE_PARAMETER)
        return false;
    for (size_t i = 0; i < sizeof ZERO_GRADIENTS / sizeof *ZERO_GRADIENTS; i++)
        if (ends_with(v->name, ZERO_GRADIENTS[i]))
            return false;
    return true;
}

typedef struct Errors {
    double loss, tensor;
    Str worst;
    const char *fault; /* NULL: it ran */
    bool skipped;      /* the model has not so many layers */
} Errors;

static void compare_variables(VirtualCluster *cluster, const Program *program,
                              const Trainer *trainer, Errors *errors,
                              Arena scratch)
{
    for (int32_t v = 0; v < program->variables.count && !errors->fault; v++) {
        Tensor value;
        Status status = cluster_read_variable(cluster, v, &scratch, &value);
        if (status_failed(&status))
            errors->fault = str_copy(&scratch, str_from(status.message)).data;
        if (!is_compared(&program->variables.data[v]))
            continue;
        double error = tensor_error(value, trainer->variables[v]);
        if (error > errors->tensor) {
            errors->tensor = error;
            errors->worst = program->variables.data[v].name;
        }
    }
}

/* Trains `steps` steps both ways. */
static Errors train(const Case *c, const GraphSet *set, const Program *program,
                    const ProgramCode *code, int64_t steps, Arena *arena)
{
    Errors errors = {0};
    Arena scratch = arena_split(arena);
    Trainer trainer;
    trainer_init(&trainer, set, CASE_SEED, arena, scratch);
    VirtualCluster *cluster = cluster_new(arena, program, code, CASE_SEED);
    Status status = cluster_init(cluster);
    for (int64_t t = 0; t < steps && !status_failed(&status); t++) {
        double scalars[8], loss = 0;
        Tensor *inputs = case_inputs(c, set->train, t, arena);
        double wanted = trainer_step(&trainer, inputs, scratch);
        status = cluster_step(cluster, inputs, t, scalars);
        for (int64_t o = 0, n = 0; o < program->outputs.count; o++) {
            const ProgramOutput *output = &program->outputs.data[o];
            if (output->eval || output->kind == OUTPUT_VALUE)
                continue;
            if (output->kind == OUTPUT_LOSS)
                loss = scalars[n];
            n++;
        }
        errors.loss = fmax(errors.loss, relative(loss, wanted));
    }
    if (status_failed(&status)) {
        errors.fault = str_copy(arena, str_from(status.message)).data;
        return errors;
    }
    compare_variables(cluster, program, &trainer, &errors, scratch);
    return errors;
}

static Errors run_layout(const Case *c, const UniformShape *shape,
                         int64_t steps, Arena arena, Arena scratch,
                         int64_t *arena_bytes)
{
    Diagnostics diagnostics = diagnostics_new(&arena);
    Model model = case_model(c, &diagnostics, &arena);
    PassOptions passes = {.training = &model.training,
                          .n_layers = (int32_t)shape->pipeline,
                          .diagnostics = &diagnostics};
    Plan plan = {.model_name = model.name};
    PlanOptions options = {0};
    int64_t devices = shape->data * shape->tensor * shape->pipeline;
    Mesh mesh = host_of(devices, &arena);
    if (!pass_run_all(&model.graphs, &passes, &arena, scratch))
        return (Errors){.fault = diagnostics_print(&diagnostics, &arena).data};
    if (layer_count(model.graphs.train) < shape->pipeline)
        return (Errors){.skipped = true};
    if (!plan_uniform(&arena, scratch, &model.graphs, &mesh, shape, &options,
                      &diagnostics, &plan))
        return (Errors){.fault = diagnostics_print(&diagnostics, &arena).data};
    Program program;
    ProgramCode code;
    ProgramExcess excess;
    Str fault = program_build(&model.graphs, &plan, &mesh, &arena, &program,
                              &code, &excess);
    if (fault.length)
        return (Errors){.fault = fault.data};
    *arena_bytes = program.stages.data[0].arena_bytes;
    return train(c, &model.graphs, &program, &code, steps, &arena);
}

int main(int argc, char **argv)
{
    int64_t steps = 2;
    const char *only = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--steps") == 0 && i + 1 < argc)
            steps = atoll(argv[++i]);
        else
            only = argv[i];
    }
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, (int64_t)1 << 34, NULL);
    Arena scratch = arena_split(&arena);
    int32_t n_cases, failures = 0;
    const Case *cases = parity_cases(&n_cases);
    for (int32_t i = 0; i < n_cases; i++) {
        bool adam = cases[i].training.optimizer != OPTIMIZER_SGD;
        double tolerance = adam ? ADAM_TOLERANCE : SGD_TOLERANCE;
        for (int32_t l = 0; l < N_LAYOUTS; l++) {
            const UniformShape *s = &LAYOUTS[l];
            if (only && strcmp(only, cases[i].name) != 0)
                continue;
            int64_t bytes = 0;
            Errors e = run_layout(&cases[i], s, steps, arena, scratch, &bytes);
            if (e.skipped)
                continue;
            bool good = !e.fault && e.loss <= 1e-5 && e.tensor <= tolerance;
            printf("%-14s data=%lld tensor=%lld pipeline=%lld microbatch=%lld "
                   "loss %.1e, variables %.1e, arena %lld%s%s\n",
                   cases[i].name, (long long)s->data, (long long)s->tensor,
                   (long long)s->pipeline, (long long)s->microbatches, e.loss,
                   e.tensor, (long long)bytes, good ? "" : " FAILED ",
                   e.fault ? e.fault
                   : good  ? ""
                           : e.worst.data);
            fflush(stdout);
            failures += !good;
        }
    }
    return failures != 0;
}
