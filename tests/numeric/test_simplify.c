/* Simplify on random graphs: the values stay, and simplifying again changes
 * nothing.
 *
 * Graphs are drawn from the ops that have rules, with the constants that rules
 * look for and with repetitions.  Values may differ by rounding alone, so
 * nothing discontinuous is applied to what was computed. */
#include "ir/graph_text.h"
#include "passes/pass.h"
#include "tests/arena.h"
#include "tests/numeric/random_op.h"

#include <math.h>
#include <stdio.h>

enum { GRAPHS = 1500, NODES = 28, N_INPUTS = 3 };

static const NodeOrigin ORIGIN = {.layer = LAYER_NONE, .path = {"n", 1}};

typedef struct Maker {
    Random random;
    Graph *graph;
} Maker;

static int32_t below(Maker *m, int64_t n)
{
    return (int32_t)random_between(&m->random, 0, n - 1);
}

static bool is_f32(const Graph *graph, int32_t i)
{
    return graph->nodes.data[i].type.dtype == DTYPE_F32;
}

static NodeId any_node(Maker *m)
{
    int32_t i;
    do
        i = 1 + below(m, m->graph->nodes.count - 1);
    while (!is_f32(m->graph, i));
    return (NodeId){i};
}

static const Shape *shape_of(const Maker *m, NodeId x)
{
    return &graph_node(m->graph, x)->type.shape;
}

static NodeId number(Maker *m, const Shape *shape)
{
    static const double NUMBERS[] = {0, 1, -1, 2, 0.5, -3.25};
    return graph_constant(m->graph, NUMBERS[below(m, 6)],
                          (Type){DTYPE_F32, *shape}, ORIGIN);
}

/* A node of x's shape: one that is there, or a number. */
static NodeId partner(Maker *m, NodeId x)
{
    for (int attempt = 0; attempt < 4; attempt++) {
        NodeId y = any_node(m);
        if (shape_equal(shape_of(m, x), shape_of(m, y)))
            return y;
    }
    return number(m, shape_of(m, x));
}

static void make_unary(Maker *m, NodeId x)
{
    static const Op OPS[] = {OP_NEG, OP_TANH, OP_ABS, OP_COPY};
    graph_unary(m->graph, OPS[below(m, 4)], x, ORIGIN);
}

static void make_binary(Maker *m, NodeId x)
{
    static const Op OPS[] = {OP_ADD, OP_SUB, OP_MUL, OP_MAX, OP_MIN};
    NodeId y = partner(m, x);
    bool swap = random_chance(&m->random, 50);
    graph_binary(m->graph, OPS[below(m, 5)], swap ? y : x, swap ? x : y,
                 ORIGIN);
}

static void make_power(Maker *m, NodeId x)
{
    static const double POWERS[] = {1, 2};
    static const double DIVISORS[] = {1, 2, -4, 3};
    Type type = {DTYPE_F32, *shape_of(m, x)};
    bool divide = random_chance(&m->random, 50);
    double value = divide ? DIVISORS[below(m, 4)] : POWERS[below(m, 2)];
    NodeId y = graph_constant(m->graph, value, type, ORIGIN);
    graph_binary(m->graph, divide ? OP_DIV : OP_POW, x, y, ORIGIN);
}

static void make_select(Maker *m, NodeId x)
{
    NodeId condition = number(m, shape_of(m, x));
    NodeId y = random_chance(&m->random, 30) ? x : partner(m, x);
    graph_select(m->graph, condition, x, y, ORIGIN);
}

static void make_broadcast(Maker *m, NodeId x)
{
    const Shape from = *shape_of(m, x);
    Shape shape = {0};
    int32_t dims[RANK_MAX] = {0};
    for (int32_t i = 0; i <= from.rank; i++) {
        while (shape.rank + from.rank - i < 4 && random_chance(&m->random, 30))
            shape.extent[shape.rank++] = 1 + below(m, 3);
        if (i < from.rank) {
            dims[i] = shape.rank;
            shape.extent[shape.rank++] = from.extent[i];
        }
    }
    graph_broadcast(m->graph, x, dims, shape, ORIGIN);
}

static void make_transpose(Maker *m, NodeId x)
{
    int32_t dims[RANK_MAX] = {0}, rank = shape_of(m, x)->rank;
    for (int32_t i = 0; i < rank; i++) {
        int32_t j = below(m, i + 1);
        dims[i] = dims[j];
        dims[j] = i;
    }
    graph_transpose(m->graph, x, dims, ORIGIN);
}

/* Two neighbouring dimensions become one, or a dimension of 1 appears. */
static void make_reshape(Maker *m, NodeId x)
{
    const Shape from = *shape_of(m, x);
    Shape shape = {0};
    int32_t at = below(m, from.rank + 1);
    bool merge = from.rank >= 2 && random_chance(&m->random, 50);
    for (int32_t i = 0; i < from.rank; i++) {
        if (!merge && i == at && from.rank < 4)
            shape.extent[shape.rank++] = 1;
        if (merge && i == 1)
            shape.extent[0] *= from.extent[1];
        else
            shape.extent[shape.rank++] = from.extent[i];
    }
    graph_reshape(m->graph, x, shape, ORIGIN);
}

static void make_window(Maker *m, NodeId x)
{
    const Shape *shape = shape_of(m, x);
    Attr attr = {0};
    bool cut = random_chance(&m->random, 50);
    for (int32_t i = 0; i < shape->rank; i++) {
        int64_t room = cut ? shape->extent[i] - 1 : 2;
        attr.window.low[i] = random_between(&m->random, 0, room > 0);
        attr.window.high[i] =
            random_between(&m->random, 0, room > attr.window.low[i]);
    }
    NodeId y =
        graph_append(m->graph, cut ? OP_SLICE : OP_PAD, &x, 1, attr, ORIGIN);
    if (!cut && random_chance(&m->random, 50))
        graph_append(m->graph, OP_SLICE, &y, 1, attr, ORIGIN);
}

static void make_sum(Maker *m, NodeId x)
{
    uint32_t dims = (uint32_t)below(m, (int64_t)1 << shape_of(m, x)->rank);
    if (dims != 0)
        graph_reduce(m->graph, OP_SUM, x, dims, ORIGIN);
}

/* A gather of rows 0, 1, ..., or a scatter to them. */
static void make_lookup(Maker *m, NodeId x)
{
    const Shape shape = *shape_of(m, x);
    if (shape.rank == 0)
        return;
    bool gather = random_chance(&m->random, 50);
    int64_t n = shape.extent[0];
    if (gather)
        n = 1 + below(m, n);
    NodeId index = graph_iota(m->graph, 0, (Shape){1, {n}}, ORIGIN);
    Attr attr = {0};
    if (!gather)
        attr.scatter.rows = n + below(m, 3);
    NodeId operands[2] = {gather ? x : index, gather ? index : x};
    graph_append(m->graph, gather ? OP_GATHER : OP_SCATTER_ADD, operands, 2,
                 attr, ORIGIN);
}

/* x over sums that are not near zero. */
static void make_quotient(Maker *m, NodeId x)
{
    const Shape shape = *shape_of(m, x);
    if (shape.rank == 0)
        return;
    int32_t dims[RANK_MAX] = {1, 2, 3, 4, 5, 6, 7};
    Shape rest = {.rank = shape.rank - 1};
    for (int32_t i = 0; i < rest.rank; i++)
        rest.extent[i] = shape.extent[i + 1];
    NodeId y = number(m, &rest);
    y = graph_unary(m->graph, OP_EXP, y, ORIGIN);
    y = graph_broadcast(m->graph, y, dims, shape, ORIGIN);
    graph_binary(m->graph, OP_DIV, x, y, ORIGIN);
}

/* The same op on the same operands, once more. */
static void make_twin(Maker *m, NodeId x)
{
    const Node *node = graph_node(m->graph, x);
    if (node->op == OP_INPUT)
        return;
    graph_append_typed(m->graph, node->op, node->operands, node->n_operands,
                       node->attr, node->type, ORIGIN);
}

static Graph *random_graph(uint64_t seed, Arena *a)
{
    static void (*const MAKE[])(Maker *, NodeId) = {
        make_unary,     make_binary,    make_binary,   make_power,  make_select,
        make_broadcast, make_transpose, make_reshape,  make_window, make_sum,
        make_twin,      make_lookup,    make_quotient,
    };
    static const Shape SHAPES[N_INPUTS] = {{1, {3}}, {2, {2, 3}}, {2, {3, 3}}};
    Maker m = {{seed, 0}, graph_new(a, STR("random"))};
    for (int i = 0; i < N_INPUTS; i++) {
        NodeId node;
        graph_add_input(m.graph, STR("x"), (Type){DTYPE_F32, SHAPES[i]}, ORIGIN,
                        &node);
    }
    while (m.graph->nodes.count < NODES)
        MAKE[below(&m, sizeof MAKE / sizeof MAKE[0])](&m, any_node(&m));
    for (int32_t i = NODES - 6; i < m.graph->nodes.count; i++) {
        if (is_f32(m.graph, i) && shape_of(&m, (NodeId){i})->rank > 0)
            graph_add_output(m.graph, (Output){.kind = OUTPUT_VALUE,
                                               .name = STR("y"),
                                               .node = {i},
                                               .variable = -1});
    }
    return m.graph;
}

static Graph *simplified(const Graph *graph, Arena *a)
{
    Diagnostics diagnostics = diagnostics_new(a);
    PassOptions options = {.diagnostics = &diagnostics};
    GraphForm form = FORM_PRIMITIVE;
    return pass_run(pass_find(STR("simplify")), graph, &form, &options, a,
                    scratch);
}

static Tensor *values_of(const Graph *graph, const Tensor *inputs, Arena *a)
{
    Environment environment = {.inputs = inputs};
    Tensor *values = arena_new(a, Tensor, graph->nodes.count);
    graph_interpret(graph, &environment, a, values);
    return values;
}

static double greatest(const Graph *graph, const Tensor *values)
{
    double most = 1;
    for (int32_t i = 1; i < graph->nodes.count; i++) {
        for (int64_t k = 0;
             is_f32(graph, i) && k < shape_count(&values[i].type.shape); k++)
            most = fmax(most, fabs((double)tensor_f32(values[i])[k]));
    }
    return most;
}

static void compare(const Graph *before, const Graph *after,
                    const Tensor *inputs, Arena own)
{
    Tensor *x = values_of(before, inputs, &own);
    Tensor *y = values_of(after, inputs, &own);
    double tolerance = 1e-5 * greatest(before, x);
    for (int64_t i = 0; i < before->outputs.count; i++) {
        Tensor a = x[before->outputs.data[i].node.index];
        Tensor b = y[after->outputs.data[i].node.index];
        assert_true(type_equal(&a.type, &b.type));
        for (int64_t k = 0; k < shape_count(&a.type.shape); k++) {
            double difference =
                (double)tensor_f32(a)[k] - (double)tensor_f32(b)[k];
            if (!(fabs(difference) <= tolerance))
                fail_msg("output %lld differs by %g\n%s\n%s", (long long)i,
                         difference, graph_print(&own, before).data,
                         graph_print(&own, after).data);
        }
    }
}

static void test_values_stay(void **state)
{
    (void)state;
    int64_t nodes_before = 0, nodes_after = 0;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        Arena a = arena;
        Graph *before = random_graph(seed, &a);
        Graph *after = simplified(before, &a);
        Tensor inputs[N_INPUTS];
        Random random = {seed, 1000};
        for (int i = 0; i < N_INPUTS; i++)
            inputs[i] = random_tensor(&random, before->inputs.data[i].type, &a);
        compare(before, after, inputs, a);
        nodes_before += before->nodes.count;
        nodes_after += after->nodes.count;
    }
    printf("%lld nodes became %lld\n", (long long)nodes_before,
           (long long)nodes_after);
    assert_true(nodes_after * 10 < nodes_before * 9);
}

static void test_idempotent(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        Arena a = arena;
        Graph *once = simplified(random_graph(seed, &a), &a);
        Graph *twice = simplified(once, &a);
        assert_string_equal(graph_print(&a, twice).data,
                            graph_print(&a, once).data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_stay),
        cmocka_unit_test(test_idempotent),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
