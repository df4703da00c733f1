/* Virtual run: see the header. */
#include "tests/parity/virtual_run.h"

#include "passes/layer.h"
#include "passes/pass.h"
#include "tests/oracle/host.h"
#include "tests/oracle/trainer.h"

#include <math.h>
#include <string.h>

/* Mathematically zero gradients: what remains is rounding, which Adam divides
 * by itself. */
static const char *const ZERO_GRADIENTS[] = {".key.bias", ".k.bias"};

const char *layout_build(const Case *c, const UniformShape *shape, Arena *arena,
                         Arena scratch, Layout *out, bool *has_layers)
{
    Diagnostics diagnostics = diagnostics_new(arena);
    *out = (Layout){.model = case_model(c, &diagnostics, arena)};
    GraphSet *set = &out->model.graphs;
    PassOptions passes = {.training = &out->model.training,
                          .n_layers = (int32_t)shape->pipeline,
                          .diagnostics = &diagnostics};
    PlanOptions options = {0};
    out->plan.model_name = out->model.name;
    out->mesh = host_of(shape->data * shape->tensor * shape->pipeline, arena);
    *has_layers = true;
    if (!pass_run_all(set, &passes, arena, scratch))
        return diagnostics_print(&diagnostics, arena).data;
    *has_layers = layer_count(set->train) >= shape->pipeline;
    if (!*has_layers)
        return "too few layers";
    if (!plan_uniform(arena, scratch, set, &out->mesh, shape, &options,
                      &diagnostics, &out->plan))
        return diagnostics_print(&diagnostics, arena).data;
    ProgramExcess excess;
    Str fault = program_build(set, &out->plan, &out->mesh, arena, &out->program,
                              &out->code, &excess);
    return fault.length ? fault.data : NULL;
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

Errors layout_train(const Case *c, const Layout *layout, int64_t steps,
                    Arena *arena)
{
    const GraphSet *set = &layout->model.graphs;
    const Program *program = &layout->program;
    Errors errors = {0};
    Arena scratch = arena_split(arena);
    Trainer trainer;
    trainer_init(&trainer, set, CASE_SEED, arena, scratch);
    VirtualCluster *cluster =
        cluster_new(arena, program, &layout->code, CASE_SEED);
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
