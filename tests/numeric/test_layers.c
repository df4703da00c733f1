/* The graph passes on random models: every pass's form verifies, simplified
 * and plain training agree, eval keeps its values, and data flows from layer
 * to layer forward, then backward. */
#include "ir/graph_text.h"
#include "passes/layer.h"
#include "passes/pass.h"
#include "tests/arena.h"
#include "tests/numeric/random_graph.h"
#include "tests/oracle/trainer.h"

#include <math.h>
#include <stdio.h>

enum { MODELS = 120, STEPS = 2, BATCH = 8 };

static Diagnostics diagnostics;

static RandomModel model_of(uint64_t seed, Arena *a)
{
    Random random = {seed, 0};
    RandomModelOptions options = {
        .n_steps = (int32_t)random_between(&random, 1, 12),
        .batch = BATCH,
        .dropout = random_chance(&random, 30),
        .images = random_chance(&random, 30),
    };
    return random_model(&random, &options, a);
}

static Training training_of(uint64_t seed)
{
    Training t = {.optimizer = seed % 2 ? OPTIMIZER_SGD : OPTIMIZER_ADAMW,
                  .momentum = 0.9,
                  .nesterov = seed % 4 == 1,
                  .beta1 = 0.9,
                  .beta2 = 0.99,
                  .epsilon = 1e-3,
                  .decay = 0.01,
                  .learning_rate = {SCHEDULE_CONSTANT, .peak = 0.01},
                  .clip_norm = 1,
                  .batch = BATCH};
    return t;
}

static GraphSet prepared(const RandomModel *model, const Training *training,
                         int32_t n_layers, Arena *a)
{
    GraphSet set = model->set;
    diagnostics = diagnostics_new(a);
    PassOptions options = {.training = training,
                           .n_layers = n_layers,
                           .diagnostics = &diagnostics};
    assert_true(pass_run_all(&set, &options, a, scratch));
    return set;
}

/* Without simplify, cluster and align. */
static GraphSet plain(const RandomModel *model, const Training *training,
                      Arena *a)
{
    PassOptions options = {.training = training, .diagnostics = &diagnostics};
    GraphForm train = FORM_MODEL, eval = FORM_MODEL, init = FORM_MODEL;
    GraphSet set;
    set.train =
        pass_run_by_name(STR("expand,differentiate,optimizer"),
                         model->set.train, &train, &options, a, scratch);
    options.train = set.train;
    set.eval = pass_run_by_name(STR("expand,adopt"), model->set.eval, &eval,
                                &options, a, scratch);
    set.init = pass_run_by_name(STR("expand,adopt"), model->set.init, &init,
                                &options, a, scratch);
    return set;
}

static void assert_close(Tensor x, Tensor y, double tolerance)
{
    assert_true(type_equal(&x.type, &y.type));
    if (x.type.dtype != DTYPE_F32)
        return;
    double square = 0, difference = 0;
    for (int64_t i = 0; i < shape_count(&x.type.shape); i++) {
        double a = (double)tensor_f32(x)[i], b = (double)tensor_f32(y)[i];
        square += a * a;
        difference += (a - b) * (a - b);
    }
    assert_true(sqrt(difference) <= tolerance * (1 + sqrt(square)));
}

static void test_training_agrees(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= MODELS; seed++) {
        Arena a = arena;
        RandomModel model = model_of(seed, &a);
        Training training = training_of(seed);
        GraphSet simplified = prepared(&model, &training, 0, &a);
        GraphSet whole = plain(&model, &training, &a);
        Trainer x, y;
        trainer_init(&x, &simplified, seed, &a, scratch);
        trainer_init(&y, &whole, seed, &a, scratch);
        for (int i = 0; i < STEPS; i++) {
            double loss = trainer_step(&x, model.inputs, scratch);
            assert_true(fabs(loss - trainer_step(&y, model.inputs, scratch)) <=
                        1e-4 * (1 + fabs(loss)));
        }
        for (int64_t v = 0; v < whole.train->variables.count; v++)
            assert_close(x.variables[v], y.variables[v], 1e-4);
    }
}

static void test_eval_agrees(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= MODELS; seed++) {
        Arena a = arena;
        RandomModel model = model_of(seed, &a);
        Training training = training_of(seed);
        GraphSet set = prepared(&model, &training, 0, &a);
        Trainer x;
        trainer_init(&x, &set, seed, &a, scratch);
        Tensor *before = trainer_values(&x, model.set.eval, model.inputs, &a);
        Tensor *after = trainer_values(&x, set.eval, model.inputs, &a);
        assert_int_equal(set.eval->outputs.count,
                         model.set.eval->outputs.count);
        for (int64_t i = 0; i < set.eval->outputs.count; i++)
            assert_close(before[model.set.eval->outputs.data[i].node.index],
                         after[set.eval->outputs.data[i].node.index], 1e-5);
    }
}

/* Whether `node` of its layer may read `operand` of another. */
static bool flows(const Node *operand, const Node *node)
{
    if (operand->layer == LAYER_NONE || node->layer == LAYER_NONE ||
        node->region == REGION_UPDATE)
        return true;
    if (operand->region == REGION_BACKWARD)
        return operand->layer >= node->layer;
    return operand->layer <= node->layer;
}

static void check_flow(const Graph *graph, Arena own)
{
    for (int64_t i = 1; i < graph->nodes.count; i++) {
        const Node *node = &graph->nodes.data[i];
        for (int32_t k = 0; k < node->n_operands; k++) {
            if (!flows(graph_operand(graph, node, k), node))
                fail_msg("%.*s reads operand %d against the flow\n%s",
                         STR_ARG(node->path), k, graph_print(&own, graph).data);
        }
    }
}

static void test_layers(void **state)
{
    (void)state;
    int32_t layers = 0;
    for (uint64_t seed = 1; seed <= MODELS; seed++) {
        Arena a = arena;
        RandomModel model = model_of(seed, &a);
        Training training = training_of(seed);
        GraphSet set = prepared(&model, &training, 0, &a);
        check_flow(set.train, a);
        check_flow(set.eval, a);
        int32_t n = layer_count(set.train);
        Plan plan = {0};
        layer_describe(set.train, &a, &plan);
        assert_int_equal(plan.layers.count, n);
        for (int32_t i = 0; i < n; i++) {
            assert_true(plan.layers.data[i].name.length > 0);
            assert_true(plan.layers.data[i].paths.count > 0);
        }
        assert_true(layer_count(set.eval) <= n);
        layers += n;
        GraphSet one = prepared(&model, &training, 1, &a);
        assert_int_equal(layer_count(one.train), 1);
    }
    printf("%d layers in %d models\n", layers, MODELS);
    assert_true(layers > MODELS + MODELS / 2);
}

/* -- layers that a plan names ----------------------------------------------- */

static GraphForm form;

/* The train graph with layers, before copies are made from them. */
static Graph *layered(const RandomModel *model, const Training *training,
                      Arena *a)
{
    diagnostics = diagnostics_new(a);
    PassOptions options = {.training = training, .diagnostics = &diagnostics};
    form = FORM_MODEL;
    return pass_run_by_name(
        STR("expand,differentiate,optimizer,simplify,cluster"),
        model->set.train, &form, &options, a, scratch);
}

static Graph *clustered(const Graph *graph, const PassOptions *options,
                        Arena *a)
{
    form = FORM_TRAIN;
    diagnostics = diagnostics_new(a);
    return pass_run(pass_find(STR("cluster")), graph, &form, options, a,
                    scratch);
}

static void assert_rejected(const Graph *graph, const Plan *plan,
                            DiagnosticId id, Arena own)
{
    PassOptions options = {.plan = plan, .diagnostics = &diagnostics};
    assert_null(clustered(graph, &options, &own));
    assert_int_equal(diagnostics.list.data[0].id, id);
}

/* A plan's layers give the graph that they were read from; a node left out,
 * named twice, unknown or moved against the flow is named. */
static void test_plan_layers(void **state)
{
    (void)state;
    Arena a = arena;
    Graph *graph;
    uint64_t seed = 0;
    do {
        RandomModel model = model_of(++seed, &a);
        Training training = training_of(seed);
        graph = layered(&model, &training, &a);
    } while (layer_count(graph) < 2);
    Plan plan = {0};
    layer_describe(graph, &a, &plan);
    PassOptions options = {.plan = &plan, .diagnostics = &diagnostics};
    Graph *again = clustered(graph, &options, &a);
    assert_non_null(again);
    assert_string_equal(graph_print(&a, again).data,
                        graph_print(&a, graph).data);

    PlanLayer *first = &plan.layers.data[0], *last = first + 1;
    Str moved = first->paths.data[0];
    first->paths.data[0] = STR("no.such.node");
    assert_rejected(graph, &plan, DIAGNOSTIC_plan_layer_unknown, a);
    first->paths.data[0] = last->paths.data[0];
    assert_rejected(graph, &plan, DIAGNOSTIC_plan_layer_twice, a);
    first->paths.data[0] = moved;
    last->paths.count--;
    assert_rejected(graph, &plan, DIAGNOSTIC_plan_layer_missing, a);
    last->paths.count++;
    /* the first item of all and the last of layer 1 change places */
    first->paths.data[0] = last->paths.data[last->paths.count - 1];
    last->paths.data[last->paths.count - 1] = moved;
    assert_rejected(graph, &plan, DIAGNOSTIC_plan_layer_order, a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_training_agrees),
        cmocka_unit_test(test_eval_agrees),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_plan_layers),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
