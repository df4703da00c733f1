/* The search finds what it should on shipped meshes, its prices add up from
 * their parts, and its plans survive their text. */
#include "passes/plan_check.h"
#include "planned.h"
#include "tests/arena.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static Planned plan_of(const char *model, const char *mesh,
                       const char *const *settings)
{
    Planned p;
    if (!planned(&arena, scratch, model, mesh, settings, &p))
        fail_msg("%s", diagnostics_print(&p.diagnostics, &arena).data);
    return p;
}
#define PLAN(model, mesh, ...) \
    plan_of(model, mesh, (const char *const[]){__VA_ARGS__, NULL})

/* Bytes a step that each device of a stage sends by one kind of collective. */
static int64_t sent(const Planned *p, int64_t stage, ReshardKind kind)
{
    int64_t bytes = 0;
    const StageAccount *account = &p->accounts[stage];
    for (int64_t i = 0; i < account->traffic.count; i++)
        if (account->traffic.data[i].kind == kind)
            bytes += account->traffic.data[i].bytes;
    return bytes;
}

static int64_t variable_bytes(const Planned *p, VariableKind kind)
{
    int64_t bytes = 0;
    const Graph *train = p->model.graphs.train;
    for (int64_t i = 0; i < train->variables.count; i++)
        if (train->variables.data[i].kind == kind)
            bytes += type_bytes(&train->variables.data[i].type);
    return bytes;
}

static int64_t placed_bytes(const Planned *p, int64_t stage, VariableKind kind)
{
    int64_t bytes = 0;
    const StageAccount *account = &p->accounts[stage];
    for (int64_t i = 0; i < account->variables.count; i++) {
        const VariablePlace *place = &account->variables.data[i];
        if (p->model.graphs.train->variables.data[place->variable].kind == kind)
            bytes += place->bytes;
    }
    return bytes;
}

static bool is_within(double value, double wanted, double tolerance)
{
    return fabs(value - wanted) <= tolerance * wanted;
}

/* -- what it should find --------------------------------------------------- */

/* Fast links, few parameters, many samples: whole parameters everywhere, and
 * the gradients meet once: what an all-reduce over four devices sends,
 * 2 (4 - 1) / 4 of them. */
static void fast_links_give_data_parallelism(void **state)
{
    (void)state;
    Planned p = PLAN("mlp.dnn", "clusters/fast4.mesh", "batch=4096");
    assert_int_equal(p.plan.stages.count, 1);
    assert_int_equal(p.plan.idle_ranks.count, 0);
    int64_t parameters = variable_bytes(&p, VARIABLE_PARAMETER);
    assert_int_equal(placed_bytes(&p, 0, VARIABLE_PARAMETER), parameters);
    int64_t bytes = sent(&p, 0, RESHARD_ALL_REDUCE) +
                    sent(&p, 0, RESHARD_REDUCE_SCATTER) +
                    sent(&p, 0, RESHARD_ALL_GATHER);
    assert_true(is_within((double)bytes, 1.5 * (double)parameters, 0.01));
    assert_int_equal(sent(&p, 0, RESHARD_ALL_TO_ALL), 0);
    assert_int_equal(sent(&p, 0, RESHARD_PERMUTE), 0);
}

/* Memory at 60 % of parameters, momentum and gradients: each device keeps a
 * quarter of the state. */
static void little_memory_gives_sharded_state(void **state)
{
    (void)state;
    Planned p =
        PLAN("mlp.dnn", "clusters/tight4.mesh", "hidden=1152", "batch=512");
    int64_t parameters = variable_bytes(&p, VARIABLE_PARAMETER);
    int64_t limit = p.mesh.device_types.data[0].memory_bytes;
    assert_true(is_within((double)limit, 0.6 * 3 * (double)parameters, 0.02));
    assert_int_equal(p.plan.stages.count, 1);
    double quarter = 0.25 * (double)parameters;
    assert_true(is_within((double)placed_bytes(&p, 0, VARIABLE_OPTIMIZER),
                          quarter, 0.01));
    assert_true(placed_bytes(&p, 0, VARIABLE_PARAMETER) < parameters);
    assert_true(p.plan.stages.data[0].memory.peak <= limit);
    assert_true(sent(&p, 0, RESHARD_REDUCE_SCATTER) > 0);
    assert_true(sent(&p, 0, RESHARD_ALL_GATHER) > 0);
}

/* A slow link between two hosts: one stage each, and what crosses is the
 * layer's activations and their gradients, not the parameters'. */
static void a_slow_link_gives_a_pipeline(void **state)
{
    (void)state;
    Planned p = PLAN("mlp.dnn", "clusters/slow2x2.mesh", "hidden=1024",
                     "layers=4", "batch=256");
    assert_int_equal(p.plan.stages.count, 2);
    assert_true(p.plan.n_microbatches > 1);
    for (int64_t s = 0; s < 2; s++) {
        const PlanStage *stage = &p.plan.stages.data[s];
        assert_int_equal(stage->submesh.host, s);
        assert_int_equal(submesh_devices(&stage->submesh), 2);
        int64_t boundary = 256 * 1024 * 4; /* the batch's, both devices */
        assert_true(p.accounts[s].received_bytes > 0);
        assert_true(p.accounts[s].received_bytes <= boundary);
    }
    assert_true(p.plan.planned_seconds <
                0.5 * (double)variable_bytes(&p, VARIABLE_PARAMETER) / 100e6);
}

/* -- what must add up ------------------------------------------------------ */

static void assert_adds_up(const Planned *p)
{
    double m = (double)p->plan.n_microbatches;
    double sum = 0, slowest = 0;
    for (int64_t s = 0; s < p->plan.stages.count; s++) {
        const PlanStage *stage = &p->plan.stages.data[s];
        const StageAccount *a = &p->accounts[s];
        int64_t total = a->compute_nanoseconds + a->received_nanoseconds;
        for (int64_t i = 0; i < a->traffic.count; i++)
            total += a->traffic.data[i].nanoseconds;
        double price = m * stage->microbatch_seconds + stage->step_seconds;
        assert_true(fabs(price - 1e-9 * (double)total) <= 1e-12 * m + 1e-15);
        sum += price;
        slowest = fmax(slowest, price);
    }
    double planned = (sum + (m - 1) * slowest) / m;
    assert_true(is_within(p->plan.planned_seconds, planned, 1e-9));
    assert_true(p->plan.lower_bound_seconds <=
                p->plan.planned_seconds * (1 + 1e-12));
}

/* The price, taken apart by another road, and the plan read back. */
static void assert_survives(Planned *p)
{
    Str text = plan_print(&arena, &p->plan);
    Diagnostics d = diagnostics_new(&arena);
    int32_t source = diagnostics_add_source(&d, STR("a.plan"), text);
    Plan again;
    bool read = plan_parse(&arena, source, &d, &again) &&
                plan_check(&arena, scratch, &p->model.graphs, &p->mesh, source,
                           &(PlanOptions){0}, &d, &again);
    if (!read)
        fail_msg("%s", diagnostics_print(&d, &arena).data);
    assert_true(again.planned_seconds == p->plan.planned_seconds);
    for (int64_t s = 0; s < again.stages.count; s++)
        assert_int_equal(again.stages.data[s].memory.peak,
                         p->plan.stages.data[s].memory.peak);
    assert_string_equal(plan_print(&arena, &again).data, text.data);
}

static void prices_add_up_and_plans_survive_their_text(void **state)
{
    (void)state;
    static const char *const MODELS[] = {"mlp.dnn", "digits.dnn", "lenet5.dnn"};
    static const char *const MESHES[] = {"clusters/local2.mesh",
                                         "clusters/slow2x2.mesh",
                                         "clusters/local1.mesh"};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            Planned p = PLAN(MODELS[i], MESHES[k], "batch=64");
            assert_adds_up(&p);
            assert_survives(&p);
        }
    Planned pipeline = PLAN("mlp.dnn", "clusters/slow2x2.mesh", "hidden=1024",
                            "layers=4", "batch=256");
    assert_adds_up(&pipeline);
    assert_survives(&pipeline);
}

static void the_same_input_gives_the_same_plan(void **state)
{
    (void)state;
    Planned a = PLAN("lenet5.dnn", "clusters/local4.mesh", "batch=64");
    Planned b = PLAN("lenet5.dnn", "clusters/local4.mesh", "batch=64");
    assert_string_equal(plan_print(&arena, &a.plan).data,
                        plan_print(&arena, &b.plan).data);
}

/* -- shapes that are asked for --------------------------------------------- */

static void uniform_shapes(void **state)
{
    (void)state;
    Planned p;
    const char *const settings[] = {"layers=4", "hidden=64", NULL};
    assert_true(planned_read(&arena, scratch, "mlp.dnn", "clusters/local8.mesh",
                             settings, &p));
    UniformShape shape;
    Plan plan = {0};
    assert_true(uniform_parse(STR("data=2,tensor=2,pipeline=2,microbatch=4"),
                              &p.diagnostics, &shape));
    assert_true(plan_uniform(&arena, scratch, &p.model.graphs, &p.mesh, &shape,
                             &(PlanOptions){0}, &p.diagnostics, &plan));
    assert_int_equal(plan.stages.count, 2);
    assert_int_equal(plan.n_microbatches, 4);
    p.plan = plan;
    StageAccount *accounts =
        plan_account(&arena, scratch, p.model.graphs.train, &p.mesh, &plan);
    for (int64_t s = 0; s < 2; s++) {
        assert_int_equal(plan.stages.data[s].mesh.n_axes, 3);
        for (int64_t i = 0; i < accounts[s].variables.count; i++)
            assert_false(
                sharding_split_axes(&accounts[s].variables.data[i].sharding) &
                1 << 1); /* x: data */
    }
    assert_survives(&p);
}

/* Bytes a step that each of four devices sends over the tensor axis between
 * the begin and the update of a GPT with so many blocks, where computing costs
 * nothing; checks that no weight is ever sent. */
static int64_t sent_for_blocks(const char *layers, int64_t *n_weights)
{
    Planned p;
    const char *const settings[] = {layers,     "d=256",     "heads=4",
                                    "batch=32", "vocab=256", "context=64",
                                    NULL};
    assert_true(planned_read(&arena, scratch, "gpt2.dnn",
                             "clusters/local4.mesh", settings, &p));
    DeviceType *device = &p.mesh.device_types.data[0];
    device->memory_bandwidth_bytes_per_second = 1e18;
    device->flops[DTYPE_F32] = device->flops[DTYPE_I32] = 1e20;
    device->kernel_latency_seconds = 0;
    const UniformShape shape = {1, 4, 1, 1};
    p.plan = (Plan){0};
    assert_true(plan_uniform(&arena, scratch, &p.model.graphs, &p.mesh, &shape,
                             &(PlanOptions){0}, &p.diagnostics, &p.plan));
    const StageAccount *account =
        plan_account(&arena, scratch, p.model.graphs.train, &p.mesh, &p.plan);
    int64_t bytes = 0;
    for (int64_t i = 0; i < account->traffic.count; i++) {
        const Traffic *traffic = &account->traffic.data[i];
        assert_true(traffic->part != PART_BEGIN);
        if (traffic->part != PART_UPDATE)
            bytes += traffic->bytes;
    }
    *n_weights = 0;
    for (int64_t i = 0; i < account->variables.count; i++) {
        const VariablePlace *place = &account->variables.data[i];
        const Variable *variable =
            &p.model.graphs.train->variables.data[place->variable];
        if (variable->type.shape.rank == 2 &&
            sharding_split_axes(&place->sharding) == 1 << 1)
            ++*n_weights;
    }
    return bytes;
}

/* Megatron-LM: two all-reduces of the activations forward and two backward in
 * each block, for six weights, each kept with its two moments. */
static void a_block_takes_two_and_two_all_reduces(void **state)
{
    (void)state;
    int64_t few, many;
    int64_t more =
        sent_for_blocks("layers=4", &many) - sent_for_blocks("layers=2", &few);
    int64_t activations = 32 * 64 * 256 * (int64_t)sizeof(float);
    int64_t all_reduce = 2 * activations * 3 / 4;
    assert_int_equal(more, 2 * 4 * all_reduce);
    assert_int_equal(many - few, 2 * 6 * 3);
}

/* The update of replicas sends sums of gradients and nothing else. */
static void replicas_sum_gradients_alone(void **state)
{
    (void)state;
    Planned p;
    const char *const settings[] = {"hidden=64", NULL};
    assert_true(planned_read(&arena, scratch, "mlp.dnn", "clusters/local4.mesh",
                             settings, &p));
    const UniformShape shape = {4, 1, 1, 2};
    p.plan = (Plan){0};
    assert_true(plan_uniform(&arena, scratch, &p.model.graphs, &p.mesh, &shape,
                             &(PlanOptions){0}, &p.diagnostics, &p.plan));
    p.accounts =
        plan_account(&arena, scratch, p.model.graphs.train, &p.mesh, &p.plan);
    int64_t parameters = 0;
    for (int64_t i = 0; i < p.model.graphs.train->variables.count; i++) {
        const Variable *v = &p.model.graphs.train->variables.data[i];
        parameters += v->kind == VARIABLE_OPTIMIZER ? 0 : type_bytes(&v->type);
    }
    assert_int_equal(p.accounts->traffic.count, 1);
    assert_int_equal(sent(&p, 0, RESHARD_ALL_REDUCE), 2 * parameters * 3 / 4);
    assert_survives(&p);
}

static bool try_uniform(Planned *p, const char *text)
{
    UniformShape shape;
    Plan plan = {0};
    p->diagnostics = diagnostics_new(&arena);
    return uniform_parse(str_from(text), &p->diagnostics, &shape) &&
           plan_uniform(&arena, scratch, &p->model.graphs, &p->mesh, &shape,
                        &(PlanOptions){0}, &p->diagnostics, &plan);
}

static void uniform_shapes_that_are_not(void **state)
{
    (void)state;
    Planned p;
    const char *const settings[] = {"hidden=64", NULL};
    assert_true(planned_read(&arena, scratch, "mlp.dnn", "clusters/local8.mesh",
                             settings, &p));
    static const struct {
        const char *text;
        DiagnosticId id;
    } cases[] = {
        {"data=0", DIAGNOSTIC_uniform_syntax},
        {"data=2,data=2", DIAGNOSTIC_uniform_syntax},
        {"depth=2", DIAGNOSTIC_uniform_syntax},
        {"data", DIAGNOSTIC_uniform_syntax},
        {"tensor=-1", DIAGNOSTIC_uniform_syntax},
        {"data=3", DIAGNOSTIC_uniform_devices},
        {"data=4,pipeline=3", DIAGNOSTIC_uniform_devices},
        {"pipeline=8", DIAGNOSTIC_uniform_stages},
        {"microbatch=7", DIAGNOSTIC_microbatches_divide},
        {"data=4,microbatch=32", DIAGNOSTIC_uniform_batch},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(try_uniform(&p, cases[i].text));
        assert_int_equal(p.diagnostics.list.data[0].id, cases[i].id);
    }
}

/* -- what is not possible -------------------------------------------------- */

static void a_model_that_fits_on_no_plan(void **state)
{
    (void)state;
    Planned p;
    const char *const settings[] = {"hidden=4096", "batch=64", NULL};
    assert_false(planned(&arena, scratch, "mlp.dnn", "clusters/tight4.mesh",
                         settings, &p));
    assert_int_equal(p.diagnostics.list.count, 1);
    const Diagnostic *d = &p.diagnostics.list.data[0];
    assert_int_equal(d->id, DIAGNOSTIC_plan_memory);
    assert_non_null(strstr(d->message.data, "MB"));
    assert_non_null(strstr(d->message.data, "layer '"));
}

static DiagnosticId complaint_of(const Planned *p, const Mesh *mesh, Str text)
{
    Diagnostics d = diagnostics_new(&arena);
    int32_t source = diagnostics_add_source(&d, STR("a.plan"), text);
    Plan plan;
    assert_true(plan_parse(&arena, source, &d, &plan));
    assert_false(plan_check(&arena, scratch, &p->model.graphs, mesh, source,
                            &(PlanOptions){0}, &d, &plan));
    assert_int_equal(d.list.data[0].span.source, source);
    return d.list.data[0].id;
}

static Str edited(Str text, const char *old, const char *new)
{
    const char *at = strstr(text.data, old);
    assert_non_null(at);
    return str_format(&arena, "%.*s%s%s", (int)(at - text.data), text.data, new,
                      at + strlen(old));
}

static void assert_rejected(const Planned *p, Str text, const char *old,
                            const char *new, DiagnosticId id)
{
    assert_int_equal(complaint_of(p, &p->mesh, edited(text, old, new)), id);
}

static const char BOTH_STAGES[] = "\"stages\": [\n        0,\n        1\n";

static void illegal_edits_are_named(void **state)
{
    (void)state;
    Planned p = PLAN("mlp.dnn", "clusters/slow2x2.mesh", "hidden=1024",
                     "layers=4", "batch=256");
    Str text = plan_print(&arena, &p.plan);
    assert_rejected(&p, text, "\"host\": 1", "\"host\": 0",
                    DIAGNOSTIC_plan_submesh_overlap);
    assert_rejected(&p, text, "\"host\": 1", "\"host\": 2",
                    DIAGNOSTIC_plan_submesh_outside);
    assert_rejected(&p, text, "\"x\": 2", "\"x\": 3",
                    DIAGNOSTIC_plan_mesh_size);
    assert_rejected(&p, text, "\"x\": 2", "\"x\": 2, \"y\": 1",
                    DIAGNOSTIC_plan_stage_meshes);
    assert_rejected(&p, text, "\"layers\": [\n        2,",
                    "\"layers\": [\n        3,", DIAGNOSTIC_plan_stage_layers);
    assert_rejected(&p, text, "        2,\n        5\n",
                    "        2,\n        4\n", DIAGNOSTIC_plan_layers_left);
    assert_rejected(&p, text, "\"microbatches\": 8", "\"microbatches\": 7",
                    DIAGNOSTIC_microbatches_divide);
}

static void illegal_strategies_are_named(void **state)
{
    (void)state;
    Planned p = PLAN("mlp.dnn", "clusters/slow2x2.mesh", "hidden=1024",
                     "layers=4", "batch=256");
    Str text = plan_print(&arena, &p.plan);
    static const char WEIGHTS[] = "\"linear.*.weight\": \"";
    assert_rejected(&p, text, WEIGHTS, "\"linear.*.lost\": \"",
                    DIAGNOSTIC_plan_node_unknown);
    assert_rejected(&p, text, WEIGHTS,
                    "\"linear.4.weight\": \"x=a\", \"linear.*.weight\": \"",
                    DIAGNOSTIC_plan_node_unknown);
    assert_rejected(&p, text, WEIGHTS, "\"linear.*.weight\": \"x=q, ",
                    DIAGNOSTIC_plan_strategy);
    assert_rejected(&p, text, BOTH_STAGES, "\"stages\": [0",
                    DIAGNOSTIC_plan_stage_strategies);
    assert_rejected(&p, text, BOTH_STAGES, "\"stages\": [0, 1, 1",
                    DIAGNOSTIC_plan_stage_strategies);
    Str apart =
        edited(edited(text, BOTH_STAGES, "\"stages\": [1"), "\"strategies\": [",
               "\"strategies\": [{\"stages\": [0], \"train\": "
               "{\"linear.3.weight\": \"x=a\"}, \"eval\": {}}, ");
    assert_int_equal(complaint_of(&p, &p.mesh, apart),
                     DIAGNOSTIC_plan_node_elsewhere);
}

/* What a plan says of one node beats what it says of all alike. */
static void one_layer_may_differ(void **state)
{
    (void)state;
    Planned p = PLAN("mlp.dnn", "clusters/slow2x2.mesh", "hidden=1024",
                     "layers=4", "batch=256");
    Str text = edited(plan_print(&arena, &p.plan), "\"linear.*.bias\": ",
                      "\"linear.1.bias\": \"replicated\", "
                      "\"linear.*.bias\": ");
    Diagnostics d = diagnostics_new(&arena);
    int32_t source = diagnostics_add_source(&d, STR("a.plan"), text);
    Plan plan;
    assert_true(plan_parse(&arena, source, &d, &plan));
    assert_true(plan_check(&arena, scratch, &p.model.graphs, &p.mesh, source,
                           &(PlanOptions){0}, &d, &plan));
    for (int64_t s = 0; s < plan.stages.count; s++) {
        const PlanChoices *choices = &plan.stages.data[s].train;
        for (int64_t i = 0; i < choices->count; i++) {
            Str path = choices->data[i].path;
            if (str_equal_c(plan_pattern(&arena, path), "linear.*.bias"))
                assert_true(str_equal_c(
                    choices->data[i].text,
                    str_equal_c(path, "linear.1.bias") ? "replicated" : "x=a"));
        }
    }
}

static void a_plan_whose_memory_is_not_there(void **state)
{
    (void)state;
    Planned p = PLAN("mlp.dnn", "clusters/slow2x2.mesh", "hidden=1024",
                     "layers=4", "batch=256");
    Str text = plan_print(&arena, &p.plan);
    Mesh small = p.mesh;
    DeviceType device = p.mesh.device_types.data[0];
    device.memory_bytes = p.plan.stages.data[0].memory.peak - 1;
    small.device_types.data = &device;
    assert_int_equal(complaint_of(&p, &small, text),
                     DIAGNOSTIC_plan_stage_memory);
}

static void a_received_value_is_no_partial_sum(void **state)
{
    (void)state;
    Planned p = PLAN("mlp.dnn", "clusters/slow2x2.mesh", "hidden=1024",
                     "layers=4", "batch=256");
    const Graph *train = p.model.graphs.train;
    const PlanStage *stage = &p.plan.stages.data[1];
    for (int64_t i = 0; i < stage->train.count; i++) {
        const PlanChoice *choice = &stage->train.data[i];
        const Node *node =
            &train->nodes.data[*map_find(&train->paths, choice->path)];
        if (node->op != OP_COPY ||
            graph_operand(train, node, 0)->layer >= stage->first_layer)
            continue;
        Str stated =
            str_format(&arena, "\"train\": {\"%.*s\": \"x=partial(0)\", ",
                       STR_ARG(choice->path));
        Str text =
            edited(plan_print(&arena, &p.plan), "\"train\": {", stated.data);
        assert_int_equal(complaint_of(&p, &p.mesh, text),
                         DIAGNOSTIC_plan_received);
        return;
    }
    fail_msg("stage 1 receives nothing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_links_give_data_parallelism),
        cmocka_unit_test(little_memory_gives_sharded_state),
        cmocka_unit_test(a_slow_link_gives_a_pipeline),
        cmocka_unit_test(prices_add_up_and_plans_survive_their_text),
        cmocka_unit_test(the_same_input_gives_the_same_plan),
        cmocka_unit_test(uniform_shapes),
        cmocka_unit_test(a_block_takes_two_and_two_all_reduces),
        cmocka_unit_test(replicas_sum_gradients_alone),
        cmocka_unit_test(uniform_shapes_that_are_not),
        cmocka_unit_test(a_model_that_fits_on_no_plan),
        cmocka_unit_test(illegal_edits_are_named),
        cmocka_unit_test(illegal_strategies_are_named),
        cmocka_unit_test(one_layer_may_differ),
        cmocka_unit_test(a_plan_whose_memory_is_not_there),
        cmocka_unit_test(a_received_value_is_no_partial_sum),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
