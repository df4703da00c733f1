/* Unit tests of lowering: what small texts compute, through the oracle
 * interpreter, against values worked out by hand. */
#include "frontend/frontend.h"
#include "ir/interpret.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static ArenaMemory memory;
static Arena whole, arena;

static int set_up(void **state)
{
    (void)state;
    whole = arena_reserve(&memory, (int64_t)1 << 34, NULL);
    return whole.next ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_release(&memory);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    arena = whole;
    return 0;
}

static Model lower_text(Str text)
{
    Diagnostics diagnostics = diagnostics_new(&arena);
    int32_t source =
        diagnostics_add_source(&diagnostics, STR("test.dnn"), text);
    Model model;
    if (!frontend_model(&arena, source, NULL, 0, &diagnostics, &model))
        fail_msg("%s", diagnostics_print(&diagnostics, &arena).data);
    return model;
}

/* Statements over one input x of the given shape. */
static Model lower_body(const char *shape, const char *body)
{
    return lower_text(str_format(&arena,
                                 "model test(n = 3)\ninput x: f32[%s]\n%s\n"
                                 "train { optimizer sgd(lr = 0.1) }\n",
                                 shape, body));
}

static Tensor counting(Type type)
{
    Tensor x = tensor_new(&arena, type);
    for (int64_t i = 0; i < shape_count(&type.shape); i++)
        tensor_f32(x)[i] = (float)i;
    return x;
}

/* Every node's value. */
static Tensor *run(const Graph *graph, const Tensor *inputs,
                   const Tensor *variables)
{
    Environment environment = {.inputs = inputs, .variables = variables};
    environment.context.seed = 7;
    Tensor *values = arena_new(&arena, Tensor, graph->nodes.count);
    graph_interpret(graph, &environment, &arena, values);
    return values;
}

static const Output *output_named(const Graph *graph, const char *name)
{
    for (int64_t i = 0; i < graph->outputs.count; i++)
        if (str_equal_c(graph->outputs.data[i].name, name))
            return &graph->outputs.data[i];
    fail_msg("no output %s", name);
    return NULL;
}

static Tensor value_of(const Graph *graph, const Tensor *values,
                       const char *name)
{
    return values[output_named(graph, name)->node.index];
}

/* First values of all variables. */
static Tensor *initial(const Model *model)
{
    const Graph *graph = model->graphs.init;
    Tensor *values = run(graph, NULL, NULL);
    Tensor *variables = arena_new(&arena, Tensor, graph->variables.count);
    for (int64_t i = 0; i < graph->outputs.count; i++)
        variables[graph->outputs.data[i].variable] =
            values[graph->outputs.data[i].node.index];
    return variables;
}

/* -- expressions ------------------------------------------------------------ */

/* Scalars over x = [[0, 1, 2], [3, 4, 5]], in training and evaluation. */
static const struct {
    const char *expression;
    double value;
} expressions[] = {
    {"sum(x)", 15},
    {"mean(x ** 2)", 55.0 / 6},
    {"sum(abs(x - mean(x, 1, keep = true)))", 4},
    {"sum(x ** 0.5 * sqrt(x))", 15},
    {"sum(-x)", -15},
    {"sum(2 - x) + sum(x / 2)", -3 + 7.5},
    {"sum(x * x[0])", 0 + 1 + 4 + 0 + 4 + 10},
    {"sum(x > 2) + 10 * sum(x >= 2) + 100 * sum(x < 2)", 3 + 40 + 200},
    {"sum(x == 3) + 10 * sum(x != 3) + 100 * sum(not x)", 1 + 50 + 100},
    {"sum(select(x > 2, x, 0))", 12},
    {"sum(select(x[0] > 0, 1, -1))", 1},
    {"sum(maximum(x, 2)) + sum(minimum(x, 2))", 18 + 9},
    {"sum(relu(x - 2))", 6},
    {"sum(max(x, 1))", 7},
    {"sum(f32(iota((2, 3), 1) % 2))", 2},
    {"sum(f32(iota(7) // 2))", 0 + 0 + 1 + 1 + 2 + 2 + 3},
    {"sum(f32(i32(x / 2)))", 0 + 0 + 1 + 1 + 2 + 2},
    {"f32(argmax(x)[1]) + 10 * f32(argmax(-x, 0)[2])", 2},
    {"einsum(\"bk,jk->bj\", x, x)[1, 0]", 14},
    {"einsum(\"bk->k\", x)[2]", 7},
    {"einsum(\"bk->kb\", x)[2, 1]", 5},
    {"einsum(\"bk,kj,j->b\", x, full((3, 2), 1), full(2, 1))[1]", 24},
    {"einsum(\"bk,j->b\", x, full(4, 1))[1]", 48},
    {"(x @ full((3, 2), 2))[1, 1]", 24},
    {"(x @ full(3, 2))[1]", 24},
    {"matmul(x, x, transposed = true)[0, 1]", 14},
    {"(reshape(x, (2, 1, 3)) @ reshape(x, (2, 3, 1)))[1, 0, 0]", 50},
    {"concat((x, x[:, 0:1]), 1)[1, 3] + concat((x, x), 0)[3, 0]", 6},
    {"transpose(x, (1, 0))[2, 1]", 5},
    {"reshape(x, (n, -1))[2, 1]", 5},
    {"pad(x, (1, 0), (0, 1))[2, 2] + sum(pad(x, (1, 2), (3, 4)))", 20},
    {"sum(broadcast(x[0], (4, 3)))", 12},
    {"x[-1, -2] + x[1:, 1:][0, 1]", 4 + 5},
    {"max(unfold(reshape(x, (1, 1, 2, 3)), 2, fill = \"lowest\"), (4, 5))"
     "[0, 0, 0, 1]",
     5},
    {"sum(avg_pool(reshape(x, (1, 1, 2, 3)), (2, 3)))", 2.5},
    {"sum(convolve(reshape(x, (1, 1, 2, 3)), full((1, 1, 2, 2), 1)))",
     0 + 1 + 3 + 4 + 1 + 2 + 4 + 5},
    {"standardize(x)[0, 2]", 1.2247356859083902},
    {"rms_standardize(x)[1, 0]", 0.7348467},
    {"softmax(x)[0, 2]", 0.6652409557748219},
    {"log_softmax(x)[1, 0]", -2.4076059644443806},
    {"sigmoid(x)[0, 1] + silu(x)[0, 1]", 2 * 0.7310585786300049},
    {"cross_entropy(x, iota(2))[1]", 1.4076059644443806},
    {"gather(x, iota(2))[1, 2]", 5},
    {"stop_gradient(x)[1, 2]", 5},
    {"correct(x, full_i32(2))[0]", 1},
    /* at compile time */
    {"x[0, 0] + 7 // -2 + 10 * (7 % -2) + 2 ** -1", -4 - 10 + 0.5},
    {"x[0, 0] + product(shape(x)) + length((1, 2) + (3,))", 9},
    {"x[0, 0] + (if n == 3 and not (n > 3) then 1 else 2)", 1},
    {"x[0, 0] + total", 0 + 1 + 2 + 40 + 50},
    {"x[0, 0] + pair(4)[1] + floor(2.5) + maximum(3, 1)", 4 + 2 + 3},
};

static void expressions_have_their_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof expressions / sizeof expressions[0]; i++) {
        arena = whole;
        Str body = str_format(
            &arena,
            "fn full_i32(k) { return iota(2) * 0 + k }\n"
            "total = 0\n"
            "for i in 0..n { total = total + i }\n"
            "for w in (4, 5) { if w > 3 { total = total + 10 * w } }\n"
            "loss = %s",
            expressions[i].expression);
        Model model = lower_body("2, n", body.data);
        Tensor x = counting(model.graphs.train->inputs.data[0].type);
        const Graph *graphs[] = {model.graphs.train, model.graphs.eval};
        for (int g = 0; g < 2; g++) {
            Tensor *values = run(graphs[g], &x, NULL);
            double got =
                (double)tensor_f32(value_of(graphs[g], values, "loss"))[0];
            if (fabs(got - expressions[i].value) > 1e-5)
                fail_msg("%s is %g, expected %g", expressions[i].expression,
                         got, expressions[i].value);
        }
    }
}

/* -- layers ------------------------------------------------------------------- */

/* A causal model's output at a position depends on no later position. */
static void causal_attention_looks_back_only(void **state)
{
    (void)state;
    Model model = lower_body("2, 5, 8", "y = attention(x, 2, causal = true)\n"
                                        "output y\nloss = mean(y)");
    const Graph *graph = model.graphs.eval;
    Tensor *variables = initial(&model);
    Tensor x = counting(graph->inputs.data[0].type);
    for (int64_t i = 0; i < 80; i++)
        tensor_f32(x)[i] = sinf(tensor_f32(x)[i]);
    Tensor before = value_of(graph, run(graph, &x, variables), "y");
    tensor_f32(x)[3 * 8 + 2] += 1; /* sample 0, position 3 */
    Tensor after = value_of(graph, run(graph, &x, variables), "y");
    int changed = 0;
    for (int i = 0; i < 80; i++) {
        bool later = i >= 3 * 8 && i < 5 * 8;
        bool differs = tensor_f32(before)[i] != tensor_f32(after)[i];
        assert_true(later || !differs);
        changed += differs;
    }
    assert_true(changed > 8);
}

static void dropout_keeps_and_scales(void **state)
{
    (void)state;
    Model model = lower_body("100, 100", "y = dropout(x * 0 + 1, 0.25)\n"
                                         "metric zeros_seen = mean(y == 0)\n"
                                         "metric scaled = mean(y > 1.3333)\n"
                                         "loss = mean(y)");
    Tensor x = counting(model.graphs.train->inputs.data[0].type);
    const Graph *train = model.graphs.train, *eval = model.graphs.eval;
    Tensor *values = run(train, &x, NULL);
    double zeros = (double)tensor_f32(value_of(train, values, "zeros_seen"))[0];
    double scaled = (double)tensor_f32(value_of(train, values, "scaled"))[0];
    assert_true(fabs(zeros - 0.25) < 0.02);
    assert_true(fabs(zeros + scaled - 1) < 1e-6);
    values = run(eval, &x, NULL);
    assert_true(tensor_f32(value_of(eval, values, "loss"))[0] == 1);
}

/* Two groups of two samples: statistics by group, one running update. */
static void batchnorm_has_its_statistics_group(void **state)
{
    (void)state;
    Model model =
        lower_body("4, 1, 1, 2", "y = batchnorm(x, samples = 2)\noutput y\n"
                                 "loss = y[0, 0, 0, 0] + 10 * y[2, 0, 0, 0]");
    const Graph *train = model.graphs.train, *eval = model.graphs.eval;
    Tensor *variables = initial(&model);
    Tensor x = counting(train->inputs.data[0].type);
    Tensor *values = run(train, &x, variables);
    /* both groups are 0 1 2 3 but for an offset: (0 - 1.5) / sqrt(1.25) */
    double first = -1.5 / sqrt(1.25 + 1e-5);
    double loss = (double)tensor_f32(value_of(train, values, "loss"))[0];
    assert_true(fabs(loss - 11 * first) < 1e-5);
    Tensor mean = value_of(train, values, "y.running_mean");
    Tensor variance = value_of(train, values, "y.running_variance");
    assert_true(fabs((double)tensor_f32(mean)[0] - 0.1 * 3.5) < 1e-6);
    assert_true(fabs((double)tensor_f32(variance)[0] -
                     (0.9 + 0.1 * 1.25 * 4 / 3)) < 1e-6);
    Tensor y = value_of(eval, run(eval, &x, variables), "y");
    assert_true(fabs((double)tensor_f32(y)[7] - 7 / sqrt(1 + 1e-5)) < 1e-5);
    for (int64_t i = 0; i < eval->outputs.count; i++)
        assert_int_not_equal(eval->outputs.data[i].kind, OUTPUT_UPDATE);
}

/* -- first values ---------------------------------------------------------------- */

static void first_values_follow_their_distribution(void **state)
{
    (void)state;
    Model model =
        lower_body("8, n", "param a: [200, 50] = normal(1, 0.5)\n"
                           "param b: [200, 50] = uniform(-2, 4)\n"
                           "param c: [3] = 0.25\n"
                           "loss = mean(x) + mean(a) + mean(b) + mean(c)");
    Tensor *first = initial(&model);
    double sum[2] = {0}, squares[2] = {0};
    for (int v = 0; v < 2; v++)
        for (int i = 0; i < 10000; i++) {
            double value = (double)tensor_f32(first[v])[i];
            sum[v] += value;
            squares[v] += value * value;
            assert_true(v == 0 || (value >= -2 && value < 4));
        }
    assert_true(fabs(sum[0] / 1e4 - 1) < 0.02);
    assert_true(fabs(sqrt(squares[0] / 1e4 - 1) - 0.5) < 0.05);
    assert_true(fabs(sum[1] / 1e4 - 1) < 0.07);
    assert_true(fabs(squares[1] / 1e4 - 1 - 3) < 0.2);
    assert_true(tensor_f32(first[2])[2] == 0.25f);
}

/* -- the train block ------------------------------------------------------------- */

static void train_block_is_read(void **state)
{
    (void)state;
    Model model = lower_text(STR(
        "model test(lr = 1e-3)\ninput x: f32[8, 3]\n"
        "y = linear(x, 2)\nz = layernorm(y)\nloss = mean(z)\n"
        "train {\n"
        "    optimizer adamw(lr = warmup_cosine(lr, 10, 100, final = lr / 10),"
        " beta2 = 0.95, decay = 0.1 on matrices)\n"
        "    clip_norm = 2\n    microbatches = 4\n"
        "    group gains = \"*.gain\" {\n        frozen = true\n"
        "        lr_scale = 0.5\n    }\n"
        "}\n"));
    const Training *t = &model.training;
    assert_int_equal(t->optimizer, OPTIMIZER_ADAMW);
    assert_true(t->beta1 == 0.9 && t->beta2 == 0.95);
    assert_true(t->clip_norm == 2 && t->decay == 0);
    assert_int_equal(t->n_microbatches, 4);
    assert_int_equal(t->batch, 8);
    assert_int_equal(t->learning_rate.kind, SCHEDULE_WARMUP_COSINE);
    assert_true(t->learning_rate.peak == 1e-3);
    assert_true(t->learning_rate.final == 1e-4);
    assert_int_equal(t->learning_rate.warmup, 10);
    assert_int_equal(t->learning_rate.total, 100);
    assert_int_equal(t->groups.count, 2);
    const int32_t groups[] = {1, -1, 0, -1}; /* weight, bias, gain, bias */
    for (int i = 0; i < 4; i++) {
        assert_int_equal(model.graphs.train->variables.data[i].group,
                         groups[i]);
        assert_int_equal(model.graphs.eval->variables.data[i].group, groups[i]);
    }
    assert_true(t->groups.data[0].frozen && t->groups.data[1].decay == 0.1);
}

static void targets_are_shifted_tokens(void **state)
{
    (void)state;
    Model model = lower_text(STR(
        "model test(n = 4)\ninput tokens: i32[8, n]\n"
        "input targets: i32[8, n] = tokens shifted 1\n"
        "x = embedding(10, 10)(tokens)\nloss = mean(cross_entropy(x, targets))"
        "\ntrain { optimizer sgd(lr = 0.1) }\n"));
    const Input *inputs = model.graphs.eval->inputs.data;
    assert_int_equal(inputs[0].shift_of, -1);
    assert_int_equal(inputs[1].shift_of, 0);
    assert_int_equal(inputs[1].shift, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(expressions_have_their_values, begin),
        cmocka_unit_test_setup(causal_attention_looks_back_only, begin),
        cmocka_unit_test_setup(dropout_keeps_and_scales, begin),
        cmocka_unit_test_setup(batchnorm_has_its_statistics_group, begin),
        cmocka_unit_test_setup(first_values_follow_their_distribution, begin),
        cmocka_unit_test_setup(train_block_is_read, begin),
        cmocka_unit_test_setup(targets_are_shifted_tokens, begin),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
