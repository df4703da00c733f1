/* The interpreter against PyTorch: 20 steps of every case.
 *
 *     test_pytorch                  compares with tests/parity/pytorch.json
 *     test_pytorch --initial DIR    writes every case's initial parameters, for
 *                                   tests/parity/record.py
 *
 * Compared are the losses, each parameter's first gradient (its norm and its
 * product with fixed numbers) and each parameter after the last step (the
 * same two), all relative to the norm.  Gradients that are zero in exact
 * arithmetic (a key's bias cancels in the softmax) hold rounding noise in both
 * programs: record.py lists them by name, and they are not compared under
 * AdamW, which scales noise up to the learning rate. */
#include "passes/pass.h"
#include "support/file.h"
#include "tests/oracle/trainer.h"
#include "tests/parity/cases.h"
#include "tests/parity/summary.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const double TOLERANCE = 1e-5;
/* AdamW divides by the square root of small second moments. */
static const double TOLERANCE_ADAMW = 1e-4;

static ArenaMemory memory;
static Arena arena, scratch;
static json_t *recorded;

static Summary tensor_summary(Tensor t)
{
    return summary_of(tensor_f32(t), shape_count(&t.type.shape));
}

/* `floor` keeps the comparison relative to what is not noise. */
static void assert_summary(Summary actual, const json_t *pair, double tolerance,
                           double floor, const char *what, Str name)
{
    double norm = json_number_value(json_array_get(pair, 0));
    double product = json_number_value(json_array_get(pair, 1));
    double bound = tolerance * (norm + floor);
    if (fabs(actual.norm - norm) <= bound &&
        fabs(actual.product - product) <= bound)
        return;
    fail_msg("%s of %.*s: norm %.9g and product %.9g, PyTorch has %.9g, %.9g",
             what, STR_ARG(name), actual.norm, actual.product, norm, product);
}

/* -- the comparison --------------------------------------------------------- */

typedef struct Run {
    const Case *one;
    const json_t *record;
    Diagnostics diagnostics;
    Model model;
    GraphSet set;
    Trainer trainer;
    double tolerance;
} Run;

static void start(Run *run, const Case *one, Arena *a)
{
    *run = (Run){.one = one, .diagnostics = diagnostics_new(a)};
    run->record = json_object_get(recorded, one->name);
    run->model = case_model(one, &run->diagnostics, a);
    run->set = run->model.graphs;
    run->tolerance =
        one->training.optimizer == OPTIMIZER_SGD ? TOLERANCE : TOLERANCE_ADAMW;
    PassOptions options = {.training = &run->model.training,
                           .diagnostics = &run->diagnostics};
    assert_true(pass_run_all(&run->set, &options, a, scratch));
    trainer_init(&run->trainer, &run->set, CASE_SEED, a, scratch);
}

static bool is_noise(const Run *run, Str name)
{
    const json_t *names = json_object_get(run->record, "zero_gradients");
    for (size_t i = 0; i < json_array_size(names); i++) {
        if (str_equal_c(name, json_string_value(json_array_get(names, i))))
            return true;
    }
    return false;
}

static double gradient_norm(const Graph *graph, const Tensor *values)
{
    double square = 0;
    for (int64_t i = 0; i < graph->outputs.count; i++) {
        const Output *output = &graph->outputs.data[i];
        if (output->kind == OUTPUT_GRADIENT)
            square += pow(tensor_summary(values[output->node.index]).norm, 2);
    }
    return sqrt(square);
}

/* Gradients at the initial parameters, before clipping. */
static void compare_gradients(const Run *run, Arena own)
{
    PassOptions options = {.diagnostics = NULL};
    GraphForm form = FORM_MODEL;
    Graph *graph =
        pass_run_by_name(STR("expand,differentiate"), run->model.graphs.train,
                         &form, &options, &own, scratch);
    Tensor *inputs = case_inputs(run->one, graph, 0, &own);
    Tensor *values = trainer_values(&run->trainer, graph, inputs, &own);
    double whole = gradient_norm(graph, values);
    const json_t *record = json_object_get(run->record, "gradients");
    assert_non_null(record);
    for (int64_t i = 0; i < graph->outputs.count; i++) {
        const Output *output = &graph->outputs.data[i];
        if (output->kind == OUTPUT_GRADIENT)
            assert_summary(tensor_summary(values[output->node.index]),
                           json_object_get(record, output->name.data),
                           TOLERANCE, 0.01 * whole, "gradient", output->name);
    }
}

static void compare_losses(Run *run)
{
    const json_t *losses = json_object_get(run->record, "losses");
    assert_int_equal(json_array_size(losses), CASE_STEPS);
    for (int64_t t = 0; t < CASE_STEPS; t++) {
        Arena own = scratch;
        Tensor *inputs = case_inputs(run->one, run->set.train, t, &own);
        double loss = trainer_step(&run->trainer, inputs, own);
        double expected = json_number_value(json_array_get(losses, (size_t)t));
        if (!(fabs(loss - expected) <= TOLERANCE * fabs(expected)))
            fail_msg("loss of step %lld is %.9g, PyTorch's %.9g", (long long)t,
                     loss, expected);
    }
}

static void compare_parameters(const Run *run)
{
    const json_t *record = json_object_get(run->record, "parameters");
    const Graph *graph = run->set.train;
    for (int64_t i = 0; i < graph->variables.count; i++) {
        const Variable *variable = &graph->variables.data[i];
        if (variable->kind != VARIABLE_PARAMETER ||
            is_noise(run, variable->name))
            continue;
        assert_summary(tensor_summary(run->trainer.variables[i]),
                       json_object_get(record, variable->name.data),
                       run->tolerance, 0, "last value", variable->name);
    }
}

static void compare_case(void **state)
{
    const Case *one = *state;
    Arena a = arena;
    Run run;
    start(&run, one, &a);
    assert_non_null(run.record);
    compare_gradients(&run, a);
    compare_losses(&run);
    compare_parameters(&run);
}

/* -- what record.py starts from --------------------------------------------- */

/* A safetensors file of the case's parameters. */
static bool write_initial(const Case *one, const char *folder)
{
    Arena a = arena;
    Run run;
    start(&run, one, &a);
    Text header = text_new(&a), bytes = text_new(&a);
    const Graph *graph = run.set.train;
    for (int64_t i = 0; i < graph->variables.count; i++) {
        const Variable *variable = &graph->variables.data[i];
        if (variable->kind != VARIABLE_PARAMETER)
            continue;
        text_format(&header, "%s\"%.*s\":{\"dtype\":\"F32\",\"shape\":[",
                    header.length ? "," : "{", STR_ARG(variable->name));
        for (int32_t d = 0; d < variable->type.shape.rank; d++)
            text_format(&header, "%s%lld", d ? "," : "",
                        (long long)variable->type.shape.extent[d]);
        int64_t size = type_bytes(&variable->type);
        text_format(&header, "],\"data_offsets\":[%lld,%lld]}",
                    (long long)bytes.length, (long long)(bytes.length + size));
        text_append(&bytes, (Str){run.trainer.variables[i].data, size});
    }
    text_append(&header, STR("}"));
    Text file = text_new(&a);
    text_append(&file, (Str){(const char *)&header.length, 8});
    text_append(&file, text_str(&header));
    text_append(&file, text_str(&bytes));
    Str path = str_format(&a, "%s/%s.safetensors", folder, one->model);
    Status status = file_write(path.data, text_str(&file), false);
    if (status_failed(&status))
        printf("%s\n", status.message);
    return !status_failed(&status);
}

int main(int argc, char **argv)
{
    int32_t n;
    const Case *cases = parity_cases(&n);
    arena = arena_reserve(&memory, (int64_t)1 << 33, NULL);
    scratch = arena_split(&arena);
    if (argc == 3 && strcmp(argv[1], "--initial") == 0) {
        bool written = true;
        for (int32_t i = 0; i < n; i++)
            written &= write_initial(&cases[i], argv[2]);
        return written ? 0 : 1;
    }
    recorded =
        json_load_file(DNNC_SOURCE_DIR "/tests/parity/pytorch.json", 0, NULL);
    struct CMUnitTest *tests = arena_new(&arena, struct CMUnitTest, n);
    for (int32_t i = 0; i < n; i++)
        tests[i] = (struct CMUnitTest){
            .name = cases[i].name,
            .test_func = compare_case,
            .initial_state = (void *)(uintptr_t)&cases[i],
        };
    int failed =
        _cmocka_run_group_tests("pytorch", tests, (size_t)n, NULL, NULL);
    json_decref(recorded);
    arena_release(&memory);
    return failed;
}
