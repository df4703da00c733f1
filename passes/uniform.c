/* Uniform: plans of a given shape, as Megatron-LM makes them.
 *
 * Narayanan et al., "Efficient large-scale language model training on GPU
 * clusters using Megatron-LM", SC'21: every stage has the same data x tensor
 * mesh, data replicas split the samples and keep whole copies of what the
 * tensor axis leaves of each variable (passes/axis_role.h).  Within that the
 * strategies are the best.
 */
#include "passes/layer.h"
#include "passes/plan.h"
#include "passes/plan_fill.h"
#include "support/checked.h"

#include <stddef.h>

/* -- the option's text ----------------------------------------------------- */

static Str cut_at(Str *rest, char at)
{
    int64_t n = 0;
    while (n < rest->length && rest->data[n] != at)
        n++;
    Str head = {rest->data, n};
    int64_t used = n < rest->length ? n + 1 : n;
    *rest = (Str){rest->data + used, rest->length - used};
    return head;
}

/* A number from 1 to a million. */
static bool parse_count(Str text, int64_t *out)
{
    *out = 0;
    for (int64_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || *out > 100000)
            return false;
        *out = *out * 10 + (text.data[i] - '0');
    }
    return *out >= 1;
}

static int64_t *field_named(UniformShape *shape, Str name)
{
    const struct {
        const char *name;
        int64_t *field;
    } fields[] = {
        {"data", &shape->data},
        {"tensor", &shape->tensor},
        {"pipeline", &shape->pipeline},
        {"microbatch", &shape->microbatches},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (str_equal_c(name, fields[i].name))
            return fields[i].field;
    return NULL;
}

bool uniform_parse(Str text, Diagnostics *diagnostics, UniformShape *out)
{
    UniformShape shape = {0};
    while (text.length) {
        Str value = cut_at(&text, ','), name = cut_at(&value, '=');
        int64_t *field = field_named(&shape, name);
        if (!field || *field || !parse_count(value, field)) {
            diagnose(diagnostics, (Span){0}, uniform_syntax, STR_ARG(name));
            return false;
        }
    }
    *out = (UniformShape){
        max_i64(1, shape.data),
        max_i64(1, shape.tensor),
        max_i64(1, shape.pipeline),
        max_i64(1, shape.microbatches),
    };
    return true;
}

/* -- the plan -------------------------------------------------------------- */

/* The option with one block of that many devices on the first group. */
static int32_t option_of(const SearchSpace *space, int64_t devices)
{
    for (int32_t o = 0; o < space->n_options; o++)
        if (space->options[o].group == 0 &&
            space->options[o].n_hosts * space->options[o].devices_per_host ==
                devices)
            return o;
    return -1;
}

/* The block with the one logical shape that is wanted; the axes' roles. */
static UniformAxes shape_option(SubmeshOption *option,
                                const UniformShape *shape)
{
    LogicalShape logical = {0};
    UniformAxes axes = {.n_sample_parts = shape->data * shape->microbatches};
    if (shape->data > 1) {
        logical.size[logical.n_axes++] = shape->data;
        axes.data = (uint8_t)(1 << logical.n_axes);
    }
    if (shape->tensor > 1) {
        logical.size[logical.n_axes++] = shape->tensor;
        axes.tensor = (uint8_t)(1 << logical.n_axes);
    }
    option->n_shapes = 1;
    option->shape[0] = logical;
    return axes;
}

/* Whether the model allows the microbatches, and each of them splits evenly
 * over the replicas. */
static bool splits_samples(const GraphSet *set, const UniformShape *shape,
                           Arena scratch, Diagnostics *diagnostics)
{
    uint8_t *time;
    int64_t m = shape->microbatches;
    if (!rule_microbatch(set->train, m, &scratch, &time, diagnostics) ||
        !rule_microbatch(set->eval, m, &scratch, &time, diagnostics))
        return false;
    for (int64_t i = 0; i < set->train->inputs.count; i++) {
        const Input *input = &set->train->inputs.data[i];
        if (input->type.shape.extent[0] % (m * shape->data) == 0)
            continue;
        diagnose(diagnostics, input->span, uniform_batch,
                 (long long)shape->data, (long long)m,
                 (long long)input->type.shape.extent[0], STR_ARG(input->name));
        return false;
    }
    return true;
}

static bool fill_uniform(Arena *perm, Arena scratch, const GraphSet *set,
                         SearchSpace *space, const UniformShape *shape,
                         int32_t option, Diagnostics *diagnostics, Plan *plan)
{
    int32_t n_stages = (int32_t)shape->pipeline;
    Arena arena = arena_split(&scratch);
    SubmeshOption *block = arena_new(&arena, SubmeshOption, 1);
    StageCut *cuts = arena_new(&arena, StageCut, n_stages);
    PlannedStage *stages = arena_new(&arena, PlannedStage, n_stages);
    *block = space->options[option];
    UniformAxes axes = shape_option(block, shape);
    space->options = block;
    space->n_options = 1;
    inter_cut_evenly(space, n_stages, 0, scratch, cuts);
    if (!inter_place(space, shape->microbatches, cuts, n_stages, stages)) {
        diagnose(diagnostics, (Span){0}, uniform_devices,
                 (long long)(shape->data * shape->tensor * shape->pipeline),
                 (long long)cluster_devices(space->mesh));
        return false;
    }
    FillStatus status;
    while ((status = plan_fill(perm, scratch, set, space, shape->microbatches,
                               stages, n_stages, &axes, diagnostics, plan)) ==
           FILL_TOO_LARGE) {
        space->tick_nanoseconds *= 10;
        plan->stages.count = 0;
    }
    return status == FILL_DONE;
}

bool plan_uniform(Arena *perm, Arena scratch, const GraphSet *set,
                  const Mesh *mesh, const UniformShape *shape,
                  const PlanOptions *options, Diagnostics *diagnostics,
                  Plan *plan)
{
    SubmeshOption *submeshes;
    SearchSpace space = {
        .graph = set->train,
        .mesh = mesh,
        .n_layers = layer_count(set->train),
        .n_options = submesh_options(mesh, &scratch, &submeshes),
        .memory_cut_bytes = options->memory_cut_bytes,
        .tick_nanoseconds = 1,
        .work_limit =
            options->work_limit ? options->work_limit : PLAN_WORK_LIMIT,
        .observer = options->observer,
    };
    space.options = submeshes;
    int32_t option = option_of(&space, shape->data * shape->tensor);
    if (option < 0) {
        diagnose(diagnostics, (Span){0}, uniform_devices,
                 (long long)(shape->data * shape->tensor * shape->pipeline),
                 (long long)cluster_devices(mesh));
        return false;
    }
    if (shape->pipeline > space.n_layers) {
        diagnose(diagnostics, (Span){0}, uniform_stages,
                 (long long)shape->pipeline, (int)space.n_layers);
        return false;
    }
    if (!splits_samples(set, shape, scratch, diagnostics) ||
        !fill_uniform(perm, scratch, set, &space, shape, option, diagnostics,
                      plan))
        return false;
    plan->lower_bound_seconds = 0;
    return true;
}
