/* Unit tests of ir/factors.c, ir/rule.c and ir/microbatch.c: the strategies
 * that follow from index rules, and what time does in a training graph. */
#include "ir/rule.h"
#include "tests/arena.h"

static Graph *g;
static Diagnostics diagnostics;

static int fresh_graph(void **state)
{
    (void)state;
    g = graph_new(&arena, STR("test"));
    diagnostics = diagnostics_new(&arena);
    return 0;
}

static const Attr NONE = {0};

static NodeOrigin at(const char *path)
{
    return (NodeOrigin){.layer = LAYER_NONE, .path = str_from(path)};
}

static NodeOrigin backward(const char *path)
{
    NodeOrigin origin = at(path);
    origin.region = REGION_BACKWARD;
    return origin;
}

#define SHAPE(...) \
    ((Shape){sizeof((int64_t[]){__VA_ARGS__}) / 8, {__VA_ARGS__}})

static NodeId input(const char *name, Shape shape)
{
    NodeId node;
    graph_add_input(g, str_from(name), (Type){DTYPE_F32, shape}, at(name),
                    &node);
    return node;
}

static NodeId parameter(const char *name, Shape shape)
{
    Variable variable = {str_from(name),
                         {DTYPE_F32, shape},
                         VARIABLE_PARAMETER,
                         {0},
                         -1,
                         -1,
                         {0}};
    int32_t index = graph_add_variable(g, variable, at(name));
    return g->variables.data[index].node;
}

static LogicalMesh mesh_of(int64_t microbatches, int64_t x, int64_t y)
{
    LogicalMesh mesh = {.n_axes = 3};
    const char *names[] = {"microbatch", "x", "y"};
    int64_t sizes[] = {microbatches, x, y};
    for (int i = 0; i < 3; i++) {
        mesh.axis[i].name = str_from(names[i]);
        mesh.axis[i].size = sizes[i];
    }
    return mesh;
}

/* "strategy: operands -> result" of every strategy over x, a line each; every
 * strategy's text is read back. */
static const char *strategies(NodeId id, const LogicalMesh *mesh)
{
    const Node *node = graph_node(g, id);
    Rule rule = rule_of(g, id);
    Strategy *list;
    int64_t n = rule_strategies(g, id, &rule, mesh, ASSIGN_NONE, &arena, &list);
    Text text = text_new(&arena);
    for (int64_t i = 0; i < n; i++) {
        Sharding operands[3], result;
        assert_true(
            rule_shardings(g, id, &rule, mesh, &list[i], operands, &result));
        Str name = strategy_print(&arena, mesh, &rule, &list[i]);
        Strategy back;
        assert_true(strategy_parse(name, mesh, &rule, &back));
        assert_memory_equal(&back, &list[i], sizeof back);
        text_format(&text, "%.*s:", STR_ARG(name));
        for (int32_t k = 0; k < node->n_operands; k++) {
            int32_t rank = graph_operand(g, node, k)->type.shape.rank;
            text_format(
                &text, " %.*s",
                STR_ARG(sharding_print(&arena, mesh, rank, &operands[k])));
        }
        text_format(&text, " -> %.*s\n",
                    STR_ARG(sharding_print(&arena, mesh, node->type.shape.rank,
                                           &result)));
    }
    return text_str(&text).data;
}

static void a_dot_splits_over_every_label(void **state)
{
    (void)state;
    LogicalMesh mesh = mesh_of(1, 2, 1);
    NodeId dot = graph_dot(g, input("a", SHAPE(4, 6)), input("b", SHAPE(6, 8)),
                           "ik,kj->ij", at("dot"));
    assert_string_equal(strategies(dot, &mesh),
                        "replicated: [-, -] [-, -] -> [-, -]\n"
                        "x=i: [x, -] [-, -] -> [x, -]\n"
                        "x=k: [-, x] [x, -] -> [-, -] partial(x, sum)\n"
                        "x=j: [-, -] [-, x] -> [-, x]\n"
                        "x=partial(0): [-, -] partial(x, sum) [-, -] -> "
                        "[-, -] partial(x, sum)\n"
                        "x=partial(1): [-, -] [-, -] partial(x, sum) -> "
                        "[-, -] partial(x, sum)\n");
    Rule rule = rule_of(g, dot);
    LogicalMesh both = mesh_of(1, 2, 2);
    Strategy split = {{0, ASSIGN_FACTOR, ASSIGN_FACTOR + 1}};
    assert_true(rule_flops(g, dot, &rule, &both, &split) == 2.0 * 2 * 3 * 8);
    Strategy *list;
    assert_int_equal(rule_strategies(g, dot, &rule, &both, 0, &arena, &list),
                     35); /* all pairs but k over both: 6 over 4 */
}

static void a_reshape_splits_through_the_major_factor(void **state)
{
    (void)state;
    LogicalMesh mesh = mesh_of(1, 4, 1);
    NodeId x = input("x", SHAPE(3, 8, 5));
    NodeId merged = graph_reshape(g, x, SHAPE(24, 5), at("merged"));
    NodeId heads = graph_reshape(g, x, SHAPE(3, 4, 2, 5), at("heads"));
    NodeId mixed =
        graph_reshape(g, input("y", SHAPE(24, 4)), SHAPE(16, 6), at("mixed"));
    const char *only_linear = "replicated: [-, -, -] -> [-, -]\n"
                              "x=partial(0): [-, -, -] partial(x, sum) -> "
                              "[-, -] partial(x, sum)\n";
    assert_string_equal(strategies(merged, &mesh), only_linear);
    assert_string_equal(strategies(heads, &mesh),
                        "replicated: [-, -, -] -> [-, -, -, -]\n"
                        "x=b: [-, x, -] -> [-, x, -, -]\n"
                        "x=partial(0): [-, -, -] partial(x, sum) -> "
                        "[-, -, -, -] partial(x, sum)\n");
    assert_string_equal(strategies(mixed, &mesh),
                        "replicated: [-, -] -> [-, -]\n"
                        "x=a: [x, -] -> [x, -]\n"
                        "x=partial(0): [-, -] partial(x, sum) -> "
                        "[-, -] partial(x, sum)\n");
}

static void a_split_table_gives_partial_look_ups(void **state)
{
    (void)state;
    LogicalMesh mesh = mesh_of(1, 2, 1);
    NodeId index = graph_iota(g, 0, SHAPE(6), at("i"));
    NodeId operands[] = {parameter("table", SHAPE(251, 4)), index};
    NodeId gather = graph_append(g, OP_GATHER, operands, 2, NONE, at("gather"));
    assert_string_equal(strategies(gather, &mesh),
                        "replicated: [-, -] [-] -> [-, -]\n"
                        "x=a: [x, -] [-] -> [-, -] partial(x, sum)\n"
                        "x=b: [-, -] [x] -> [x, -]\n"
                        "x=c: [-, x] [-] -> [-, x]\n"
                        "x=partial(0): [-, -] partial(x, sum) [-] -> "
                        "[-, -] partial(x, sum)\n");
    NodeId add[] = {index, gather};
    NodeId scatter = graph_append(g, OP_SCATTER_ADD, add, 2,
                                  (Attr){.scatter = {251}}, at("scatter"));
    assert_string_equal(strategies(scatter, &mesh),
                        "replicated: [-] [-, -] -> [-, -]\n"
                        "x=a: [-] [-, -] -> [x, -]\n"
                        "x=b: [x] [x, -] -> [-, -] partial(x, sum)\n"
                        "x=c: [-] [-, x] -> [-, x]\n"
                        "x=partial(0): [-] [-, -] partial(x, sum) -> "
                        "[-, -] partial(x, sum)\n");
}

static void a_maximum_is_partial_with_its_own_operator(void **state)
{
    (void)state;
    LogicalMesh mesh = mesh_of(1, 2, 1);
    NodeId max =
        graph_reduce(g, OP_REDUCE_MAX, input("x", SHAPE(4, 6)), 2, at("max"));
    assert_string_equal(strategies(max, &mesh),
                        "replicated: [-, -] -> [-]\n"
                        "x=a: [x, -] -> [x]\n"
                        "x=b: [-, x] -> [-] partial(x, max)\n");
}

static void strategies_that_are_not(void **state)
{
    (void)state;
    LogicalMesh mesh = mesh_of(1, 2, 1);
    NodeId x = input("x", SHAPE(4, 6));
    Rule rule = rule_of(g, x);
    static const char *const WRONG[] = {"",           "x",           "x=q",
                                        "z=a",        "x=a, x=b",    "x=a,",
                                        "partial(0)", "x=partial(3)"};
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        Strategy out;
        assert_false(strategy_parse(str_from(WRONG[i]), &mesh, &rule, &out));
    }
    Strategy out;
    assert_true(strategy_parse(STR("  x = b "), &mesh, &rule, &out));
    assert_int_equal(out.assign[1], ASSIGN_FACTOR + 1);
}

/* loss = mean of (x w)^2 with dropout, and the gradient of w. */
static void time_splits_samples_and_sums_gradients(void **state)
{
    (void)state;
    NodeId x = input("x", SHAPE(8, 6)), w = parameter("w", SHAPE(6, 4));
    NodeId y = graph_dot(g, x, w, "ik,kj->ij", at("y"));
    NodeId i = graph_iota(g, 0, SHAPE(8, 4), at("i"));
    NodeId counters[] = {i, i};
    NodeId mask = graph_append(g, OP_RANDOM, counters, 2, NONE, at("mask"));
    NodeId z = graph_binary(g, OP_MUL, y, mask, at("z"));
    NodeId sum = graph_reduce(g, OP_SUM, graph_binary(g, OP_MUL, z, z, at("q")),
                              3, at("sum"));
    NodeId part = graph_binary(
        g, OP_MUL, sum,
        graph_constant(g, 1. / 32, (Type){DTYPE_F32, {0}}, at("n")),
        at("part"));
    NodeId loss = graph_append(g, OP_WORLD_SUM, &part, 1, NONE, at("loss"));
    NodeId dw = graph_dot(g, x, z, "ik,ij->kj", backward("dw"));
    NodeId scaled = graph_unary(g, OP_NEG, dw, backward("scaled"));
    NodeId root = graph_unary(g, OP_SQRT, scaled, backward("root"));
    uint8_t *time;
    assert_true(rule_microbatch(g, 4, &arena, &time, &diagnostics));
    assert_int_equal(time[x.index], ASSIGN_FACTOR);
    assert_int_equal(time[w.index], ASSIGN_NONE);
    assert_int_equal(time[y.index], ASSIGN_FACTOR);
    assert_int_equal(time[mask.index], ASSIGN_FACTOR); /* as its user */
    assert_int_equal(time[i.index], ASSIGN_FACTOR);
    assert_int_equal(time[sum.index], ASSIGN_FACTOR);
    assert_int_equal(time[part.index], ASSIGN_LINEAR);
    assert_int_equal(time[loss.index], ASSIGN_NONE); /* accumulated before */
    assert_int_equal(time[dw.index], ASSIGN_FACTOR); /* label i: a sum */
    assert_int_equal(time[scaled.index], ASSIGN_LINEAR);
    assert_int_equal(time[root.index], ASSIGN_NONE);
    assert_true(rule_microbatch(g, 1, &arena, &time, &diagnostics));
    assert_int_equal(time[x.index], ASSIGN_NONE);
    assert_int_equal(diagnostics.list.count, 0);
    assert_false(rule_microbatch(g, 3, &arena, &time, &diagnostics));
    assert_int_equal(diagnostics.list.data[0].id,
                     DIAGNOSTIC_microbatches_divide);
}

static void add_update(NodeId value, int32_t state)
{
    graph_add_output(g, (Output){.kind = OUTPUT_UPDATE,
                                 .name = STR("s"),
                                 .node = value,
                                 .variable = state});
}

/* A state's new value may be any function of sums and maxima over the batch:
 * it is computed once, when they are finished. */
static void states_follow_finished_statistics(void **state)
{
    (void)state;
    NodeId x = input("x", SHAPE(8, 6)), s = parameter("s", SHAPE(6));
    NodeId sum = graph_reduce(g, OP_SUM, x, 1, at("sum"));
    NodeId tenth = graph_constant(g, 0.1, (Type){DTYPE_F32, SHAPE(6)}, at("t"));
    NodeId part = graph_binary(g, OP_MUL, sum, tenth, at("part"));
    NodeId moved = graph_binary(g, OP_ADD, s, part, at("moved"));
    NodeId most = graph_reduce(g, OP_REDUCE_MAX, x, 1, at("most"));
    NodeId twice = graph_binary(g, OP_MUL, most, tenth, at("twice"));
    add_update(graph_binary(g, OP_MAX, moved, twice, at("new")), 0);
    uint8_t *time;
    assert_true(rule_microbatch(g, 4, &arena, &time, &diagnostics));
    assert_int_equal(time[sum.index], ASSIGN_FACTOR);
    assert_int_equal(time[part.index], ASSIGN_LINEAR);
    assert_int_equal(time[moved.index], ASSIGN_NONE); /* s is not a part */
    assert_int_equal(time[most.index], ASSIGN_FACTOR);
    assert_int_equal(time[twice.index], ASSIGN_NONE); /* 2 max is no sum */
}

/* ... but not what each sample has for itself. */
static void a_state_of_samples_needs_the_whole_batch(void **state)
{
    (void)state;
    NodeId x = input("x", SHAPE(8, 6));
    parameter("s", SHAPE(8, 6));
    add_update(graph_unary(g, OP_NEG, x, at("new")), 0);
    uint8_t *time;
    assert_true(rule_microbatch(g, 1, &arena, &time, &diagnostics));
    assert_false(rule_microbatch(g, 2, &arena, &time, &diagnostics));
    assert_int_equal(diagnostics.list.data[0].id,
                     DIAGNOSTIC_microbatches_mixed);
}

/* Sums of parts are sums of whole numbers too, but (a + b) / 2 is not
 * a / 2 + b / 2 when both are rounded: i32 has no partial values. */
static void whole_numbers_are_never_partial(void **state)
{
    (void)state;
    LogicalMesh mesh = mesh_of(1, 2, 1);
    NodeId x, y;
    graph_add_input(g, STR("x"), (Type){DTYPE_I32, SHAPE(4)}, at("x"), &x);
    graph_add_input(g, STR("y"), (Type){DTYPE_I32, SHAPE(4)}, at("y"), &y);
    static const char *const SPLIT = "replicated: [-] [-] -> [-]\n"
                                     "x=a: [x] [x] -> [x]\n";
    NodeId quotient = graph_binary(g, OP_DIV, x, y, at("quotient"));
    assert_string_equal(strategies(quotient, &mesh), SPLIT);
    assert_string_equal(
        strategies(graph_binary(g, OP_ADD, x, y, at("add")), &mesh), SPLIT);
    assert_string_equal(
        strategies(graph_reduce(g, OP_SUM, quotient, 1, at("sum")), &mesh),
        "replicated: [-] -> []\n");
    NodeId f = graph_unary(g, OP_TO_F32, quotient, at("f"));
    assert_string_equal(strategies(f, &mesh), "replicated: [-] -> [-]\n"
                                              "x=a: [x] -> [x]\n");
}

static void statistics_over_the_batch_are_diagnosed(void **state)
{
    (void)state;
    NodeId x = input("x", SHAPE(8, 6));
    NodeId sum = graph_reduce(g, OP_SUM, x, 1, at("sum"));
    NodeId root = graph_unary(g, OP_SQRT, sum, at("root"));
    NodeId all =
        graph_broadcast(g, root, (int32_t[]){1}, SHAPE(8, 6), at("all"));
    graph_binary(g, OP_DIV, x, all, at("normal"));
    uint8_t *time;
    assert_true(rule_microbatch(g, 1, &arena, &time, &diagnostics));
    assert_false(rule_microbatch(g, 2, &arena, &time, &diagnostics));
    assert_int_equal(diagnostics.list.data[0].id,
                     DIAGNOSTIC_microbatches_mixed);
}

#define TEST(name) cmocka_unit_test_setup(name, fresh_graph)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_dot_splits_over_every_label),
        TEST(a_reshape_splits_through_the_major_factor),
        TEST(a_split_table_gives_partial_look_ups),
        TEST(a_maximum_is_partial_with_its_own_operator),
        TEST(strategies_that_are_not),
        TEST(time_splits_samples_and_sums_gradients),
        TEST(states_follow_finished_statistics),
        TEST(a_state_of_samples_needs_the_whole_batch),
        TEST(whole_numbers_are_never_partial),
        TEST(statistics_over_the_batch_are_diagnosed),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
