/* Cases: small sizes, so that 20 steps in the naive interpreter take seconds;
 * clipping is active in about half of the steps. */
#include "tests/parity/cases.h"

#include "support/file.h"

#include <assert.h>

#define SGD(rate, limit)                                      \
    {                                                         \
        .optimizer = OPTIMIZER_SGD,                           \
        .momentum = 0.9,                                      \
        .clip_norm = (limit),                                 \
        .learning_rate = {SCHEDULE_CONSTANT, .peak = (rate)}, \
    }
#define ADAMW(rate, limit)                                    \
    {                                                         \
        .optimizer = OPTIMIZER_ADAMW,                         \
        .clip_norm = (limit),                                 \
        .beta1 = 0.9,                                         \
        .beta2 = 0.95,                                        \
        .epsilon = 1e-8,                                      \
        .decay = 0.1,                                         \
        .learning_rate = {SCHEDULE_CONSTANT, .peak = (rate)}, \
    }
#define MLP "mlp", {"hidden=24", "batch=16"}, 10
#define DIGITS \
    "digits", {"batch=8", "pixel_max=1", "channels=4", "hidden=16"}, 10
#define LENET5 "lenet5", {"batch=4", "pixel_mean=0", "pixel_deviation=1"}, 10
#define GPT2                                                                   \
    "gpt2",                                                                    \
        {"layers=2", "d=32", "heads=4", "vocab=251", "context=12", "batch=8"}, \
        251

static const Case CASES[] = {
    {"mlp/sgd", MLP, SGD(0.1, 0.5)},
    {"mlp/adamw", MLP, ADAMW(0.003, 0.6)},
    {"digits/sgd", DIGITS, SGD(0.05, 0.44)},
    {"digits/adamw", DIGITS, ADAMW(0.003, 0.51)},
    {"lenet5/sgd", LENET5, SGD(0.02, 0.6)},
    {"lenet5/adamw", LENET5, ADAMW(0.001, 0.61)},
    {"gpt2/sgd", GPT2, SGD(0.1, 0.6)},
    {"gpt2/adamw", GPT2, ADAMW(0.001, 1.02)},
};

const Case *parity_cases(int32_t *n_cases)
{
    *n_cases = sizeof CASES / sizeof CASES[0];
    return CASES;
}

static void forget_groups(Graph *graph)
{
    for (int64_t i = 0; i < graph->variables.count; i++)
        graph->variables.data[i].group = -1;
}

Model case_model(const Case *c, Diagnostics *diagnostics, Arena *arena)
{
    Str path = str_format(arena, "%s/models/%s.dnn", DNNC_SOURCE_DIR, c->model);
    Str text;
    Status status = file_read(arena, path.data, &text);
    assert(!status_failed(&status));
    Setting settings[CASE_SETTINGS_MAX];
    int64_t n = 0;
    for (; n < CASE_SETTINGS_MAX && c->settings[n]; n++)
        settings[n].text = str_from(c->settings[n]);
    Model model;
    int32_t source = diagnostics_add_source(diagnostics, path, text);
    bool compiles =
        frontend_model(arena, source, settings, n, diagnostics, &model);
    assert(compiles);
    int64_t batch = model.training.batch;
    model.training = c->training;
    model.training.batch = batch;
    forget_groups(model.graphs.train);
    forget_groups(model.graphs.eval);
    forget_groups(model.graphs.init);
    return model;
}

/* -- data ------------------------------------------------------------------- */

static uint32_t mix(uint32_t h)
{
    h ^= h >> 16;
    h *= 0x7feb352dU;
    h ^= h >> 15;
    h *= 0x846ca68bU;
    return h ^ h >> 16;
}

uint32_t case_draw(int64_t step, int32_t input, int64_t index)
{
    uint32_t key = mix((uint32_t)(step * 16 + input + 1));
    return mix((uint32_t)index * 0x9e3779b9U + key);
}

float case_pixel(uint32_t draw)
{
    return (float)(draw >> 8) * 0x1p-24F;
}

/* A sample has one element more in the stream than in the input, for inputs
 * that are others shifted. */
static Tensor input_values(const Case *c, const Graph *graph, int32_t input,
                           int64_t step, Arena *arena)
{
    const Input *row = &graph->inputs.data[input];
    int32_t stream = row->shift_of >= 0 ? row->shift_of : input;
    Tensor t = tensor_new(arena, row->type);
    int64_t samples = row->type.shape.extent[0];
    int64_t length = shape_count(&row->type.shape) / samples;
    for (int64_t i = 0; i < samples * length; i++) {
        int64_t index = i / length * (length + 1) + i % length + row->shift;
        uint32_t h = case_draw(step, stream, index);
        if (row->type.dtype == DTYPE_I32)
            tensor_i32(t)[i] = (int32_t)(h % (uint32_t)c->classes);
        else
            tensor_f32(t)[i] = case_pixel(h);
    }
    return t;
}

Tensor *case_inputs(const Case *c, const Graph *graph, int64_t step,
                    Arena *arena)
{
    Tensor *inputs = arena_new(arena, Tensor, graph->inputs.count);
    for (int32_t i = 0; i < graph->inputs.count; i++)
        inputs[i] = input_values(c, graph, i, step, arena);
    return inputs;
}
