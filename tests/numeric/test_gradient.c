/* The gradient of every row of ir/ops.def against central differences.
 *
 * For random instances y = op(x1, x2, ...) the loss is the sum of y times
 * random weights w.  An operand's gradient must equal
 * (w . y(x + h e) - w . y(x - h e)) / 2h in every element, with the dot
 * products in double.  Where the table says `none`, differentiation must say
 * so; where it says `zero`, gradients are zeros and so are the differences. */
#include "ir/graph_text.h"
#include "passes/pass.h"
#include "tests/arena.h"
#include "tests/numeric/random_op.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { INSTANCES = 24 };

static const float STEP = 0.005F;
/* Rounding of f32 values over 2 h, and h^2 times third derivatives. */
static const double TOLERANCE = 4e-3;

static const char *const GRADIENTS[OP_COUNT] = {
#define OP(NAME, text, operands, attr, rule, gradient, work, linear, traits) \
    [OP_##NAME] = #gradient,
#include "ir/ops.def"
#undef OP
};

static Diagnostics diagnostics;

/* The instance with a loss, and the weights that the loss reads. */
typedef struct Case {
    OpInstance op;
    Graph *graph;
    NodeId result; /* the op's, in graph */
    Tensor weights;
} Case;

static NodeOrigin at(const char *path)
{
    return (NodeOrigin){.layer = LAYER_NONE, .path = str_from(path)};
}

/* A state variable with random values, as the last variable. */
static NodeId add_weights(Case *c, Random *random, Type type, Arena *a)
{
    int32_t n = (int32_t)c->graph->variables.count;
    Tensor *variables = arena_new(a, Tensor, n + 1);
    for (int32_t i = 0; i < n; i++)
        variables[i] = c->op.environment.variables[i];
    c->weights = variables[n] = random_tensor(random, type, a);
    c->op.environment.variables = variables;
    Variable row = {.name = STR("weights"),
                    .type = type,
                    .kind = VARIABLE_STATE,
                    .of = -1,
                    .group = -1};
    graph_add_variable(c->graph, row, at("weights"));
    return c->graph->variables.data[n].node;
}

static Case case_of(Random *random, Op op, Arena *a)
{
    Case c = {.op = random_op(random, op, true, a)};
    Graph *g = graph_like(a, c.op.graph, STR("case"));
    NodeId *map = arena_new(a, NodeId, c.op.graph->nodes.count);
    for (int32_t i = 1; i < c.op.graph->nodes.count; i++)
        map[i] = graph_clone(g, c.op.graph, (NodeId){i}, map);
    c.graph = g;
    c.result = map[c.op.node.index];
    NodeId y = c.result;
    if (graph_node(g, y)->type.dtype == DTYPE_I32)
        y = graph_unary(g, OP_TO_F32, y, at("float"));
    Type type = graph_node(g, y)->type;
    NodeId weights = add_weights(&c, random, type, a);
    NodeId sum = graph_binary(g, OP_MUL, y, weights, at("product"));
    if (type.shape.rank > 0)
        sum = graph_reduce(g, OP_SUM, sum, (1u << type.shape.rank) - 1,
                           at("sum"));
    NodeId loss = graph_append(g, OP_WORLD_SUM, &sum, 1, (Attr){0}, at("loss"));
    graph_add_output(g, (Output){.kind = OUTPUT_LOSS,
                                 .name = STR("loss"),
                                 .node = loss,
                                 .variable = -1});
    return c;
}

static Tensor *values_of(const Case *c, const Graph *graph, Arena *a)
{
    Tensor *values = arena_new(a, Tensor, graph->nodes.count);
    graph_interpret(graph, &c->op.environment, a, values);
    return values;
}

static double weighted(const Case *c, Arena own)
{
    Tensor y = values_of(c, c->graph, &own)[c->result.index];
    double sum = 0;
    for (int64_t i = 0; i < shape_count(&y.type.shape); i++)
        sum += (double)tensor_f32(c->weights)[i] *
               (y.type.dtype == DTYPE_I32 ? (double)tensor_i32(y)[i]
                                          : (double)tensor_f32(y)[i]);
    return sum;
}

static void check_element(const Case *c, int32_t operand, int64_t i,
                          double gradient)
{
    float *x = &tensor_f32(c->op.operands[operand])[i];
    float middle = *x, up = middle + STEP, down = middle - STEP;
    *x = up;
    double difference = weighted(c, scratch);
    *x = down;
    difference -= weighted(c, scratch);
    *x = middle;
    difference /= (double)up - (double)down;
    double scale = 1 + fabs(difference);
    if (!(fabs(gradient - difference) <= TOLERANCE * scale)) {
        Arena a = scratch;
        fail_msg("operand %d, element %lld: gradient %.8g, difference %.8g\n%s",
                 operand, (long long)i, gradient, difference,
                 graph_print(&a, c->graph).data);
    }
}

/* Checks the gradients of all operands that may be varied. */
static void check_case(const Case *c, const Graph *differentiated, Arena own)
{
    const Node *node = graph_node(c->op.graph, c->op.node);
    Tensor *values = values_of(c, differentiated, &own);
    for (int64_t k = 0; k < differentiated->outputs.count; k++) {
        const Output *output = &differentiated->outputs.data[k];
        bool is_condition = node->op == OP_SELECT && output->variable == 0;
        if (output->kind != OUTPUT_GRADIENT || is_condition)
            continue;
        Tensor gradient = values[output->node.index];
        for (int64_t i = 0; i < shape_count(&gradient.type.shape); i++)
            check_element(c, output->variable, i,
                          (double)tensor_f32(gradient)[i]);
    }
}

static Graph *run(const char *passes, const Case *c, Arena *a)
{
    PassOptions options = {.diagnostics = &diagnostics};
    GraphForm form = FORM_MODEL;
    return pass_run_by_name(str_from(passes), c->graph, &form, &options, a,
                            scratch);
}

static bool is_tested(Op op)
{
    return op_is_evaluated(op) && !op_has(op, TRAIT_LOCAL) &&
           op_info(op)->n_operands != 0;
}

static bool has_f32_operand(const Case *c)
{
    for (int64_t i = 0; i < c->graph->variables.count; i++) {
        if (c->graph->variables.data[i].kind == VARIABLE_PARAMETER)
            return true;
    }
    return false;
}

static void test_every_row(void **state)
{
    (void)state;
    for (int op = 1; op < OP_COUNT; op++) {
        if (!is_tested((Op)op))
            continue;
        Random random = {(uint64_t)op, 0};
        for (int i = 0; i < INSTANCES; i++) {
            Arena a = arena;
            diagnostics = diagnostics_new(&a);
            Case c = case_of(&random, (Op)op, &a);
            Graph *graph = run("expand,differentiate", &c, &a);
            if (strcmp(GRADIENTS[op], "none") == 0 && has_f32_operand(&c)) {
                assert_null(graph);
                assert_int_equal(diagnostics.list.data[0].id,
                                 DIAGNOSTIC_not_differentiable);
                continue;
            }
            assert_non_null(graph);
            if (strcmp(GRADIENTS[op], "zero") != 0)
                check_case(&c, graph, a);
        }
    }
}

/* Simplified gradients have the same values. */
static void test_simplified(void **state)
{
    (void)state;
    for (int op = 1; op < OP_COUNT; op++) {
        if (!is_tested((Op)op) || strcmp(GRADIENTS[op], "none") == 0)
            continue;
        Random random = {(uint64_t)op + 1000, 0};
        for (int i = 0; i < INSTANCES / 4; i++) {
            Arena a = arena;
            diagnostics = diagnostics_new(&a);
            Case c = case_of(&random, (Op)op, &a);
            Graph *graph = run("expand,differentiate,simplify", &c, &a);
            assert_non_null(graph);
            if (strcmp(GRADIENTS[op], "zero") != 0)
                check_case(&c, graph, a);
        }
    }
}

/* What is zero by decree: nothing flows through comparisons, conversions,
 * step functions, stop_gradient. */
static void test_zero_rows(void **state)
{
    (void)state;
    for (int op = 1; op < OP_COUNT; op++) {
        if (!is_tested((Op)op) || strcmp(GRADIENTS[op], "zero") != 0)
            continue;
        Random random = {(uint64_t)op, 0};
        Arena a = arena;
        diagnostics = diagnostics_new(&a);
        Case c = case_of(&random, (Op)op, &a);
        Graph *graph = run("expand,differentiate", &c, &a);
        Tensor *values = values_of(&c, graph, &a);
        for (int64_t k = 0; k < graph->outputs.count; k++) {
            if (graph->outputs.data[k].kind != OUTPUT_GRADIENT)
                continue;
            Tensor t = values[graph->outputs.data[k].node.index];
            for (int64_t i = 0; i < shape_count(&t.type.shape); i++)
                assert_true(tensor_f32(t)[i] == 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row),
        cmocka_unit_test(test_simplified),
        cmocka_unit_test(test_zero_rows),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
