/* Unit tests of ir/graph.c and ir/infer.c: result types of every rule, paths,
 * tables, copies. */
#include "ir/graph.h"
#include "ir/rule.h"
#include "tests/arena.h"

#include <math.h>

/* -- result types ---------------------------------------------------------- */

#define F32(...) ((Type){DTYPE_F32, SHAPE(__VA_ARGS__)})
#define I32(...) ((Type){DTYPE_I32, SHAPE(__VA_ARGS__)})
#define SHAPE(...)                            \
    {                                         \
        sizeof((int64_t[]){__VA_ARGS__}) / 8, \
        {                                     \
            __VA_ARGS__                       \
        }                                     \
    }
#define SCALAR_F32 ((Type){DTYPE_F32, {0}})

/* The result type's text, "-" when the operands do not fit. */
static const char *infer(Op op, Attr attr, Type a, Type b, Type wanted)
{
    Type operands[3] = {a, b, b};
    int32_t n = op_info(op)->n_operands;
    if (!rule_infer(op, &attr, operands, n < 0 ? 2 : n, &wanted))
        return "-";
    return type_print(&arena, &wanted).data;
}
#define assert_infers(op, attr, a, b, wanted, text) \
    assert_string_equal(infer(op, attr, a, b, wanted), text)

static const Attr NONE = {0};
static const Type ANY = {0};

static void elementwise_types(void **state)
{
    (void)state;
    assert_infers(OP_ADD, NONE, F32(2, 3), F32(2, 3), ANY, "f32[2, 3]");
    assert_infers(OP_ADD, NONE, I32(2), I32(2), ANY, "i32[2]");
    assert_infers(OP_ADD, NONE, F32(2, 3), F32(3, 2), ANY, "-");
    assert_infers(OP_ADD, NONE, F32(2), I32(2), ANY, "-");
    assert_infers(OP_EXP, NONE, I32(2), ANY, ANY, "-");
    assert_infers(OP_EQ, NONE, I32(2), I32(2), ANY, "f32[2]");
    assert_infers(OP_TO_F32, NONE, I32(2), ANY, ANY, "f32[2]");
    assert_infers(OP_TO_F32, NONE, F32(2), ANY, ANY, "-");
    assert_infers(OP_TO_I32, NONE, F32(2), ANY, ANY, "i32[2]");
    assert_infers(OP_SELECT, NONE, F32(2), I32(2), ANY, "i32[2]");
    assert_infers(OP_SELECT, NONE, I32(2), I32(2), ANY, "-");
    assert_infers(OP_RANDOM, NONE, I32(2), I32(2), ANY, "f32[2]");
    assert_infers(OP_RANDOM, NONE, F32(2), F32(2), ANY, "-");
}

static void leaf_types(void **state)
{
    (void)state;
    Attr third = {.iota = {2}}, half = {.constant = {0.5}};
    assert_infers(OP_INPUT, NONE, ANY, ANY, I32(4), "i32[4]");
    assert_infers(OP_INPUT, NONE, ANY, ANY, I32(4, 0), "-");
    assert_infers(OP_IOTA, NONE, ANY, ANY, I32(4, 2), "i32[4, 2]");
    assert_infers(OP_IOTA, third, ANY, ANY, I32(4, 2), "-");
    assert_infers(OP_IOTA, NONE, ANY, ANY, F32(4), "-");
    assert_infers(OP_IOTA, NONE, ANY, ANY, I32((int64_t)1 << 31), "-");
    assert_infers(OP_CONSTANT, half, ANY, ANY, F32(4), "f32[4]");
    assert_infers(OP_CONSTANT, half, ANY, ANY, I32(4), "-");
    assert_infers(OP_SCALAR, NONE, ANY, ANY, SCALAR_F32, "-");
}

static void moving_types(void **state)
{
    (void)state;
    Attr swap = {.permute = {{1, 0}}}, twice = {.permute = {{1, 1}}};
    assert_infers(OP_TRANSPOSE, swap, F32(2, 3), ANY, ANY, "f32[3, 2]");
    assert_infers(OP_TRANSPOSE, twice, F32(2, 3), ANY, ANY, "-");
    assert_infers(OP_TRANSPOSE, swap, F32(2, 3, 4), ANY, ANY, "-");
    Attr last = {.broadcast = {{1}}}, falling = {.broadcast = {{1, 0}}};
    assert_infers(OP_BROADCAST, last, F32(3), ANY, F32(2, 3), "f32[2, 3]");
    assert_infers(OP_BROADCAST, last, F32(2), ANY, F32(2, 3), "-");
    assert_infers(OP_BROADCAST, last, F32(3), ANY, I32(2, 3), "-");
    assert_infers(OP_BROADCAST, falling, F32(3, 2), ANY, F32(2, 3), "-");
    assert_infers(OP_RESHAPE, NONE, F32(2, 3), ANY, F32(6), "f32[6]");
    assert_infers(OP_RESHAPE, NONE, F32(2, 3), ANY, F32(5), "-");
    Attr edge = {.window = {{1}, {2}}}, far = {.window = {{0, 1}, {0}}};
    assert_infers(OP_SLICE, edge, F32(4), ANY, ANY, "f32[1]");
    assert_infers(OP_SLICE, edge, F32(3), ANY, ANY, "-");
    assert_infers(OP_SLICE, far, F32(3), ANY, ANY, "-");
    assert_infers(OP_PAD, edge, I32(4), ANY, ANY, "i32[7]");
    Attr back = {.window = {{-1}, {0}}};
    assert_infers(OP_PAD, back, I32(4), ANY, ANY, "-");
}

static void image_types(void **state)
{
    (void)state;
    Attr s = {.spatial = {.kernel = {3, 2},
                          .stride = {2, 1},
                          .padding = {1, 0},
                          .input = {5, 4}}};
    Type x = F32(2, 3, 5, 4), w = F32(7, 3, 3, 2), y = F32(2, 7, 3, 3);
    assert_infers(OP_CONV2D, s, x, w, ANY, "f32[2, 7, 3, 3]");
    assert_infers(OP_CONV2D, s, x, F32(7, 2, 3, 2), ANY, "-");
    assert_infers(OP_CONV2D_GRADIENT_INPUT, s, y, w, ANY, "f32[2, 3, 5, 4]");
    assert_infers(OP_CONV2D_GRADIENT_FILTER, s, x, y, ANY, "f32[7, 3, 3, 2]");
    assert_infers(OP_UNFOLD, s, x, ANY, ANY, "f32[2, 3, 3, 3, 3, 2]");
    assert_infers(OP_FOLD, s, F32(2, 3, 3, 3, 3, 2), ANY, ANY,
                  "f32[2, 3, 5, 4]");
    assert_infers(OP_FOLD, s, F32(2, 3, 3, 2, 3, 2), ANY, ANY, "-");
    s.spatial.fill = 1;
    assert_infers(OP_UNFOLD, s, x, ANY, ANY, "-");
    s.spatial.fill = -HUGE_VAL;
    assert_infers(OP_UNFOLD, s, x, ANY, ANY, "f32[2, 3, 3, 3, 3, 2]");
    s.spatial.padding[0] = INT64_MAX;
    assert_infers(OP_UNFOLD, s, x, ANY, ANY, "-");
    s.spatial = (SpatialAttr){{9, 1}, {1, 1}, {0, 0}, {5, 4}, 0};
    assert_infers(OP_UNFOLD, s, x, ANY, ANY, "-");
}

static void reduction_types(void **state)
{
    (void)state;
    Attr ends = {.reduce = {5}}, middle = {.reduce = {2}};
    Type x = F32(2, 3, 4);
    assert_infers(OP_SUM, ends, x, ANY, ANY, "f32[3]");
    assert_infers(OP_SUM, NONE, x, ANY, ANY, "-");
    assert_infers(OP_SUM, ends, F32(2, 3), ANY, ANY, "-");
    assert_infers(OP_ARGMAX, middle, x, ANY, ANY, "i32[2, 4]");
    assert_infers(OP_ARGMAX, ends, x, ANY, ANY, "-");
}

static void dot_types(void **state)
{
    (void)state;
    Attr batched = {.dot = {"bik", "bkj", "bji"}};
    assert_infers(OP_DOT, batched, F32(2, 3, 4), F32(2, 4, 5), ANY,
                  "f32[2, 5, 3]");
    assert_infers(OP_DOT, batched, F32(2, 3, 4), F32(2, 3, 5), ANY, "-");
    Attr lost = {.dot = {"ik", "kj", "i"}};
    assert_infers(OP_DOT, lost, F32(3, 4), F32(4, 5), ANY, "-");
    Attr extra = {.dot = {"ik", "kj", "ijz"}};
    assert_infers(OP_DOT, extra, F32(3, 4), F32(4, 5), ANY, "-");
    Attr twice = {.dot = {"ii", "ij", "ij"}};
    assert_infers(OP_DOT, twice, F32(3, 3), F32(3, 5), ANY, "-");
    Attr upper = {.dot = {"iK", "Kj", "ij"}};
    assert_infers(OP_DOT, upper, F32(3, 4), F32(4, 5), ANY, "-");
    Attr inner = {.dot = {"i", "i", ""}};
    assert_infers(OP_DOT, inner, F32(3), F32(3), ANY, "f32[]");
}

static void indexed_types(void **state)
{
    (void)state;
    assert_infers(OP_GATHER, NONE, F32(9, 4), I32(2, 3), ANY, "f32[2, 3, 4]");
    assert_infers(OP_GATHER, NONE, F32(9, 4), F32(2, 3), ANY, "-");
    assert_infers(OP_GATHER, NONE, F32(2, 2, 2, 2, 2), I32(1, 1, 1, 1, 1), ANY,
                  "-");
    Attr rows = {.scatter = {9}};
    assert_infers(OP_SCATTER_ADD, rows, I32(2, 3), F32(2, 3, 4), ANY,
                  "f32[9, 4]");
    assert_infers(OP_SCATTER_ADD, rows, I32(2, 3), F32(2, 2, 4), ANY, "-");
    assert_infers(OP_SCATTER_ADD, NONE, I32(2, 3), F32(2, 3, 4), ANY, "-");
    assert_infers(OP_CROSS_ENTROPY, NONE, F32(2, 9), I32(2), ANY, "f32[2]");
    assert_infers(OP_CROSS_ENTROPY, NONE, F32(2, 9), I32(9), ANY, "-");
    assert_infers(OP_WORLD_SUM, NONE, SCALAR_F32, SCALAR_F32, ANY, "f32[]");
    assert_infers(OP_WORLD_SUM, NONE, F32(1), F32(1), ANY, "-");
}

static void local_types(void **state)
{
    (void)state;
    Attr cut = {.shard = {.dim = 1, .axes = 2, .extent = 5}};
    assert_infers(OP_SHARD_SLICE, cut, F32(2, 5), ANY, F32(2, 3), "f32[2, 3]");
    assert_infers(OP_SHARD_SLICE, cut, F32(2, 5), ANY, F32(2, 6), "-");
    assert_infers(OP_SHARD_SLICE, cut, F32(2, 5), ANY, F32(1, 3), "-");
    assert_infers(OP_ALL_GATHER, NONE, F32(2), ANY, F32(4, 2), "f32[4, 2]");
    assert_infers(OP_ALL_GATHER, NONE, F32(2), ANY, F32(2, 4), "-");
    assert_infers(OP_REDUCE_SCATTER, NONE, F32(4, 2), ANY, ANY, "f32[2]");
    assert_infers(OP_REDUCE_SCATTER, NONE, SCALAR_F32, ANY, ANY, "-");
}

/* -- building -------------------------------------------------------------- */

static NodeOrigin at(const char *path)
{
    return (NodeOrigin){.layer = LAYER_NONE, .path = str_from(path)};
}

/* relu(x w): input, parameter, dot, max with a broadcast zero, sum. */
static Graph *small_model(void)
{
    Graph *g = graph_new(&arena, STR("small"));
    NodeId x;
    graph_add_input(g, STR("x"), F32(4, 2), at("x"), &x);
    int32_t w = graph_add_variable(
        g, (Variable){.name = STR("w"), .type = F32(2, 3), .of = -1}, at("w"));
    NodeId y = graph_dot(g, x, g->variables.data[w].node, "ik,kj->ij", at("y"));
    NodeId zero = graph_constant(g, 0, SCALAR_F32, at("zero"));
    NodeId zeros =
        graph_splat(g, zero, graph_node(g, y)->type.shape, at("zero"));
    NodeId sum =
        graph_reduce(g, OP_SUM, graph_binary(g, OP_MAX, y, zeros, at("relu")),
                     3, at("loss"));
    graph_add_output(g, (Output){.kind = OUTPUT_LOSS,
                                 .name = STR("loss"),
                                 .node = sum,
                                 .variable = -1});
    return g;
}

static void paths_are_unique(void **state)
{
    (void)state;
    Graph *g = graph_new(&arena, STR("paths"));
    const char *wanted[] = {"a", "a#2", "a", "a", "", ""};
    const char *got[] = {"a", "a#2", "a#3", "a#4", "constant", "constant#2"};
    for (int i = 0; i < 6; i++) {
        NodeId id = graph_constant(g, 0, SCALAR_F32, at(wanted[i]));
        assert_string_equal(graph_node(g, id)->path.data, got[i]);
        assert_int_equal(*map_find(&g->paths, str_from(got[i])), id.index);
    }
}

static void variables_know_their_node(void **state)
{
    (void)state;
    Graph *g = small_model();
    NodeId node = g->variables.data[0].node;
    assert_int_equal(graph_node(g, node)->op, OP_VARIABLE);
    assert_int_equal(graph_node(g, node)->attr.variable.variable, 0);
}

static void splat_of_the_whole_shape_is_itself(void **state)
{
    (void)state;
    Graph *g = graph_new(&arena, STR("splat"));
    Shape matrix = SHAPE(2, 3);
    NodeId row = graph_constant(g, 1, F32(3), at("row"));
    assert_int_equal(
        graph_splat(g, row, graph_node(g, row)->type.shape, at("")).index,
        row.index);
    NodeId all = graph_splat(g, row, matrix, at("all"));
    assert_int_equal(graph_node(g, all)->attr.broadcast.dims[0], 1);
}

static void derived_origins_extend_the_path(void **state)
{
    (void)state;
    Graph *g = small_model();
    NodeId y = {(int32_t)*map_find(&g->paths, STR("y"))};
    assert_string_equal(node_origin(g, y, "gradient").path.data, "y.gradient");
    assert_string_equal(node_origin(g, y, "").path.data, "y");
}

static void a_clone_of_every_node_is_the_graph(void **state)
{
    (void)state;
    Graph *g = small_model();
    graph_node(g, (NodeId){5})->forward = (NodeId){3};
    Graph *copy = graph_like(&arena, g, STR("copy"));
    assert_int_equal(copy->variables.data[0].node.index, 0);
    NodeId *map = arena_new(&arena, NodeId, g->nodes.count);
    for (int32_t i = 1; i < g->nodes.count; i++)
        map[i] = graph_clone(copy, g, (NodeId){i}, map);
    graph_clone_outputs(copy, g, map);
    assert_int_equal(copy->nodes.count, g->nodes.count);
    for (int32_t i = 1; i < g->nodes.count; i++) {
        const Node *a = &g->nodes.data[i], *b = &copy->nodes.data[i];
        assert_int_equal(a->op, b->op);
        assert_true(str_equal(a->path, b->path));
        assert_true(type_equal(&a->type, &b->type));
        assert_true(attr_equal(a->op, &a->attr, &b->attr));
        assert_int_equal(a->forward.index, b->forward.index);
    }
    assert_int_equal(copy->variables.data[0].node.index,
                     g->variables.data[0].node.index);
    assert_int_equal(copy->outputs.data[0].node.index,
                     g->outputs.data[0].node.index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elementwise_types),
        cmocka_unit_test(leaf_types),
        cmocka_unit_test(moving_types),
        cmocka_unit_test(image_types),
        cmocka_unit_test(reduction_types),
        cmocka_unit_test(dot_types),
        cmocka_unit_test(indexed_types),
        cmocka_unit_test(local_types),
        cmocka_unit_test(paths_are_unique),
        cmocka_unit_test(variables_know_their_node),
        cmocka_unit_test(splat_of_the_whole_shape_is_itself),
        cmocka_unit_test(derived_origins_extend_the_path),
        cmocka_unit_test(a_clone_of_every_node_is_the_graph),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
