/* Generated code computes what the interpreter computes: random bodies, and
 * kernels of the shapes that training makes. */
#include "batch.h"
#include "random_body.h"
#include "tests/arena.h"
#include "tests/numeric/random_op.h"
#include "training_kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const LogicalMesh MESH = {2, {{.size = 2}, {.size = 3}}};

static KernelContext test_context(void)
{
    return (KernelContext){.seed = 0x123456789abcdef,
                           .step = 7,
                           .sample_count = 5,
                           .coordinate = {1, 2}};
}

/* The largest difference, relative to the largest value and to each. */
static bool tensors_agree(Tensor a, Tensor b, double tolerance)
{
    int64_t n = shape_count(&a.type.shape);
    if (a.type.dtype == DTYPE_I32)
        return memcmp(a.data, b.data, (size_t)n * 4) == 0;
    double scale = 0;
    for (int64_t i = 0; i < n; i++)
        if (isfinite(tensor_f32(b)[i]))
            scale = fmax(scale, fabs((double)tensor_f32(b)[i]));
    for (int64_t i = 0; i < n; i++) {
        double x = (double)tensor_f32(a)[i], y = (double)tensor_f32(b)[i];
        if (isnan(x) && isnan(y))
            continue;
        if (x != y && !(fabs(x - y) <= tolerance * (scale + fabs(y)))) {
            print_error("element %ld: %.9g, expected %.9g\n", (long)i, x, y);
            return false;
        }
    }
    return true;
}

static void print_body(const Graph *graph, NodeId root)
{
    for (int32_t i = 1; i <= root.index; i++) {
        const Node *node = &graph->nodes.data[i];
        print_error("%%%d = %s(", i, op_info(node->op)->text);
        for (int32_t k = 0; k < node->n_operands; k++)
            print_error(" %%%d", node->operands[k].index);
        Str type = type_print(&scratch, &node->type);
        print_error(" ) : %.*s\n", STR_ARG(type));
    }
}

/* Runs one kernel of the batch and the interpreter. */
static bool kernel_agrees(const Batch *batch, int32_t code,
                          const Environment *environment, Arena here)
{
    const KernelBody *body = batch_body(batch, code);
    const Graph *graph = body->graph;
    Tensor *values = arena_new(&here, Tensor, graph->nodes.count);
    graph_interpret(graph, environment, &here, values);
    Tensor result = tensor_new(&here, graph_node(graph, body->root)->type);
    memset(result.data, 0xff, (size_t)type_bytes(&result.type));
    batch_run(batch, code, environment, result);
    return tensors_agree(result, values[body->root.index], 4e-6);
}

static void random_bodies_agree(void **state)
{
    (void)state;
    const char *count = getenv("DNNC_RANDOM_BODIES");
    int32_t n = count ? atoi(count) : 120, failed = 0;
    Batch batch;
    batch_init(&batch, &arena);
    for (int32_t i = 0; i < n; i++) {
        NodeId root;
        Graph *graph =
            random_body(&arena, (uint64_t)i, 1 + i % 12, &MESH, &root);
        batch_add(&batch, graph, root, &MESH);
    }
    Status status = batch_compile(&batch, scratch);
    assert_string_equal(status.message, "");
    for (int32_t i = 0; i < n; i++) {
        Arena here = arena;
        const Graph *graph = batch_body(&batch, i)->graph;
        Environment environment = {.inputs =
                                       random_inputs(&here, graph, (uint64_t)i),
                                   .context = test_context(),
                                   .mesh = &MESH};
        if (!kernel_agrees(&batch, i, &environment, here)) {
            print_error("body %d\n", i);
            if (failed++ == 0)
                print_body(graph, batch_body(&batch, i)->root);
        }
    }
    batch_deinit(&batch);
    assert_int_equal(failed, 0);
}

/* Ops that are emitted; the others are read from buffers or are a library's
 * or another pass's work. */
static bool is_emitted(Op op)
{
    return op_is_evaluated(op) && op != OP_INPUT && op != OP_VARIABLE &&
           op != OP_WORLD_SUM && !op_has(op, TRAIT_CONTRACTION) &&
           !op_has(op, TRAIT_COMPOSITE);
}

enum { OP_INSTANCES = 6 };

static void every_op_agrees(void **state)
{
    (void)state;
    Batch batch;
    batch_init(&batch, &arena);
    OpInstance *instances =
        arena_new(&arena, OpInstance, OP_COUNT * OP_INSTANCES);
    int32_t n = 0, failed = 0;
    for (int op = OP_NONE + 1; op < OP_COUNT; op++) {
        for (int i = 0; is_emitted((Op)op) && i < OP_INSTANCES; i++) {
            Random random = {.seed = (uint64_t)(op * OP_INSTANCES + i)};
            OpInstance *made = &instances[n++];
            *made = random_op(&random, (Op)op, false, &arena);
            batch_add(&batch, made->graph, made->node, made->environment.mesh);
        }
    }
    Status status = batch_compile(&batch, scratch);
    assert_string_equal(status.message, "");
    for (int32_t i = 0; i < n; i++) {
        if (kernel_agrees(&batch, i, &instances[i].environment, arena))
            continue;
        failed++;
        print_body(instances[i].graph, instances[i].node);
    }
    batch_deinit(&batch);
    assert_int_equal(failed, 0);
}

static NodeId unary_of(Graph *graph, Op op, NodeId x)
{
    return graph_append(graph, op, &x, 1, (Attr){0},
                        (NodeOrigin){.layer = LAYER_NONE});
}

static NodeId matrix_input(Graph *graph, int64_t rows, int64_t columns)
{
    NodeId x;
    graph_add_input(graph, STR("x"), (Type){DTYPE_F32, {2, {rows, columns}}},
                    (NodeOrigin){.layer = LAYER_NONE}, &x);
    return x;
}

/* Softmax, layer norm, attention's mask, pooling, ...: the interpreter's
 * values at sizes where loops, tiles and rows come into play. */
static void training_kernels_agree(void **state)
{
    (void)state;
    enum { ROWS = 32 };
    int32_t failed = 0;
    Batch batch;
    batch_init(&batch, &arena);
    for (int32_t i = 0; i < N_TRAINING_KERNELS; i++) {
        Graph *graph = graph_new(&arena, STR("kernel"));
        NodeId root = TRAINING_KERNELS[i].make(graph, ROWS);
        batch_add(&batch, graph, root, &MESH);
    }
    Status status = batch_compile(&batch, scratch);
    assert_string_equal(status.message, "");
    for (int32_t i = 0; i < N_TRAINING_KERNELS; i++) {
        Arena here = arena;
        const Graph *graph = batch_body(&batch, i)->graph;
        Environment environment = {.inputs = random_inputs(&here, graph, 3),
                                   .context = test_context(),
                                   .mesh = &MESH};
        if (!kernel_agrees(&batch, i, &environment, here)) {
            print_error("%s\n", TRAINING_KERNELS[i].name);
            failed++;
        }
    }
    batch_deinit(&batch);
    assert_int_equal(failed, 0);
}

/* What microbatches 0, 1, 2 add up: 0 starts from whatever the buffer held. */
static void check_running_sum(const Batch *batch, int32_t code)
{
    Arena here = arena;
    const Graph *graph = batch_body(batch, code)->graph;
    NodeId root = batch_body(batch, code)->root;
    Tensor result = tensor_new(&here, graph_node(graph, root)->type);
    Tensor want = tensor_new(&here, result.type);
    memset(result.data, 0xff, (size_t)type_bytes(&result.type));
    for (int m = 0; m < 3; m++) {
        Environment environment = {.inputs =
                                       random_inputs(&here, graph, (uint64_t)m),
                                   .context = test_context(),
                                   .mesh = &MESH};
        environment.context.coordinate[0] = m;
        batch_run(batch, code, &environment, result);
        Tensor term = {0};
        Tensor *values = arena_new(&here, Tensor, graph->nodes.count);
        for (int32_t i = 1; i < root.index; i++) {
            const Node *node = &graph->nodes.data[i];
            Tensor operands[2];
            for (int32_t k = 0; k < node->n_operands; k++)
                operands[k] = values[node->operands[k].index];
            values[i] = node_interpret(graph, (NodeId){i}, operands,
                                       &environment, &here);
            term = values[i];
        }
        bool is_max =
            graph_node(graph, root)->attr.collective.operator== REDUCE_MAX;
        for (int64_t i = 0; i < shape_count(&want.type.shape); i++) {
            float *sum = &tensor_f32(want)[i], x = tensor_f32(term)[i];
            *sum = m == 0 ? x : is_max ? fmaxf(*sum, x) : *sum + x;
        }
    }
    assert_true(tensors_agree(result, want, 4e-6));
}

/* Running sums and maxima of each kind of nest: pointwise, columns, scatter. */
static void running_sums_agree(void **state)
{
    (void)state;
    const NodeOrigin origin = {.layer = LAYER_NONE};
    Batch batch;
    batch_init(&batch, &arena);
    for (int kind = 0; kind < 5; kind++) {
        Graph *graph = graph_new(&arena, STR("sum"));
        NodeId value = matrix_input(graph, 40, 24);
        if (kind == 0 || kind == 3)
            value = unary_of(graph, OP_TANH, value);
        if (kind == 1)
            value = graph_reduce(graph, OP_SUM, value, 1, origin);
        if (kind == 4)
            value = graph_reduce(graph, OP_REDUCE_MAX, value, 1, origin);
        if (kind == 2) {
            NodeId index;
            graph_add_input(graph, STR("i"), (Type){DTYPE_I32, {1, {40}}},
                            origin, &index);
            value =
                graph_append(graph, OP_SCATTER_ADD, (NodeId[]){index, value}, 2,
                             (Attr){.scatter = {7}}, origin);
        }
        Attr attr = {.collective = {.axes = AXIS_MASK_TIME}};
        attr.collective.operator= kind<3 ? REDUCE_SUM : REDUCE_MAX;
        NodeId root =
            graph_append(graph, OP_ACCUMULATE, &value, 1, attr, origin);
        batch_add(&batch, graph, root, &MESH);
    }
    Status status = batch_compile(&batch, scratch);
    assert_string_equal(status.message, "");
    for (int32_t code = 0; code < 5; code++)
        check_running_sum(&batch, code);
    batch_deinit(&batch);
}

/* A kernel that some instruction runs in place of its first operand gives the
 * same result in either case. */
static void in_place_agrees(void **state)
{
    (void)state;
    const NodeOrigin origin = {.layer = LAYER_NONE};
    Batch batch;
    batch_init(&batch, &arena);
    Graph *graph = graph_new(&arena, STR("update"));
    NodeId x = matrix_input(graph, 33, 65), y = matrix_input(graph, 33, 65);
    NodeId half =
        graph_constant(graph, 0.5, graph_node(graph, x)->type, origin);
    NodeId sum = graph_binary(graph, OP_MUL, y, half, origin);
    sum = graph_binary(graph, OP_SUB, x, sum, origin);
    batch_add(&batch, graph, sum, &MESH);
    batch_run_in_place(&batch, 0, 0);
    batch_run_in_place(&batch, 0, -1);
    Status status = batch_compile(&batch, scratch);
    assert_string_equal(status.message, "");
    Arena here = arena;
    Environment environment = {.inputs = random_inputs(&here, graph, 5)};
    Tensor apart = tensor_new(&here, graph_node(graph, sum)->type);
    batch_run(&batch, 0, &environment, apart);
    batch_run(&batch, 0, &environment, environment.inputs[0]);
    assert_memory_equal(apart.data, environment.inputs[0].data,
                        type_bytes(&apart.type));
    batch_deinit(&batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_op_agrees, arena_set_up,
                                        arena_tear_down),
        cmocka_unit_test_setup_teardown(training_kernels_agree, arena_set_up,
                                        arena_tear_down),
        cmocka_unit_test_setup_teardown(running_sums_agree, arena_set_up,
                                        arena_tear_down),
        cmocka_unit_test_setup_teardown(in_place_agrees, arena_set_up,
                                        arena_tear_down),
        cmocka_unit_test_setup_teardown(random_bodies_agree, arena_set_up,
                                        arena_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
