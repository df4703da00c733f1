/* The random models themselves: legal, printable, finite, cut into
 * microbatches, and of every kind of op that a model has. */
#include "ir/graph_text.h"
#include "ir/rule.h"
#include "ir/verify.h"
#include "tests/arena.h"
#include "tests/numeric/random_graph.h"

#include <math.h>

enum { MODELS = 300 };

static RandomModel draw(int seed)
{
    Random random = {.seed = (uint64_t)seed};
    RandomModelOptions options = {.n_steps = 1 + seed % 12,
                                  .batch = seed % 3 ? 4 : 6,
                                  .dropout = seed % 2,
                                  .images = seed % 5 == 0};
    return random_model(&random, &options, &arena);
}

static void assert_legal(const Graph *graph)
{
    Str violation = graph_verify(graph, FORM_MODEL, &arena);
    if (violation.length)
        fail_msg("%.*s", STR_ARG(violation));
    Str text = graph_print(&arena, graph);
    Diagnostics d = diagnostics_new(&arena);
    int32_t source = diagnostics_add_source(&d, STR("test.ir"), text);
    Graph *parsed = graph_parse(&arena, source, &d);
    assert_non_null(parsed);
    assert_string_equal(graph_print(&arena, parsed).data, text.data);
}

static void models_are_legal_and_round_trip(void **state)
{
    (void)state;
    for (int seed = 0; seed < MODELS; seed++) {
        Arena before = arena;
        RandomModel model = draw(seed);
        assert_legal(model.set.train);
        assert_legal(model.set.eval);
        assert_legal(model.set.init);
        const Graph *a = model.set.train, *b = model.set.eval;
        assert_int_equal(a->variables.count, b->variables.count);
        assert_int_equal(a->inputs.count, b->inputs.count);
        for (int64_t i = 0; i < a->variables.count; i++)
            assert_true(type_equal(&a->variables.data[i].type,
                                   &b->variables.data[i].type));
        arena = before;
    }
}

static void models_are_finite(void **state)
{
    (void)state;
    for (int seed = 0; seed < MODELS; seed++) {
        Arena before = arena;
        RandomModel model = draw(seed);
        const Graph *graph = model.set.train;
        Environment environment = {
            .inputs = model.inputs,
            .variables = random_model_variables(&model, 1, &arena)};
        Tensor *values = arena_new(&arena, Tensor, graph->nodes.count);
        graph_interpret(graph, &environment, &arena, values);
        for (int64_t i = 0; i < graph->outputs.count; i++) {
            Tensor value = values[graph->outputs.data[i].node.index];
            if (!(fabsf(tensor_f32(value)[0]) < 1e4f))
                fail_msg("seed %d: %.9g\n%s", seed,
                         (double)tensor_f32(value)[0],
                         graph_print(&arena, graph).data);
        }
        arena = before;
    }
}

static void models_take_microbatches(void **state)
{
    (void)state;
    for (int seed = 0; seed < MODELS; seed++) {
        Arena before = arena;
        RandomModel model = draw(seed);
        Diagnostics d = diagnostics_new(&arena);
        uint8_t *time;
        if (!rule_microbatch(model.set.train, 2, &arena, &time, &d))
            fail_msg("seed %d\n%s%s", seed, diagnostics_print(&d, &arena).data,
                     graph_print(&arena, model.set.train).data);
        arena = before;
    }
}

static void models_have_every_kind_of_op(void **state)
{
    (void)state;
    int64_t seen[OP_COUNT] = {0};
    for (int seed = 0; seed < MODELS; seed++) {
        Arena before = arena;
        RandomModel model = draw(seed);
        for (int64_t i = 1; i < model.set.train->nodes.count; i++)
            seen[model.set.train->nodes.data[i].op]++;
        arena = before;
    }
    static const Op absent[] = {OP_SIGN,
                                OP_FLOOR,
                                OP_REM,
                                OP_LE,
                                OP_TO_F32,
                                OP_TO_I32,
                                OP_SCALAR,
                                OP_STOP_GRADIENT,
                                OP_COPY,
                                OP_FOLD,
                                OP_SCATTER_ADD,
                                OP_CONV2D_GRADIENT_INPUT,
                                OP_CONV2D_GRADIENT_FILTER};
    for (size_t i = 0; i < sizeof(absent) / sizeof(*absent); i++)
        seen[absent[i]] = -1;
    for (int op = OP_NONE + 1; op < OP_COUNT; op++) {
        if (seen[op] >= 0 && seen[op] < 10 && !op_has((Op)op, TRAIT_LOCAL))
            fail_msg("%s comes %d times", op_info((Op)op)->text, (int)seen[op]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_are_legal_and_round_trip),
        cmocka_unit_test(models_are_finite),
        cmocka_unit_test(models_take_microbatches),
        cmocka_unit_test(models_have_every_kind_of_op),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
