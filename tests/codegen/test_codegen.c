/* Generated code computes what the interpreter computes: random bodies, and
 * kernels of the shapes that training makes. */
#include "batch.h"
#include "random_body.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static ArenaMemory memory;
static Arena arena, scratch;

static int set_up(void **state)
{
    (void)state;
    arena = arena_reserve(&memory, (int64_t)1 << 34, NULL);
    scratch = arena_split(&arena);
    return arena.next ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_release(&memory);
    return 0;
}

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

/* Runs one kernel of the batch and the interpreter on random inputs. */
static bool kernel_agrees(const Batch *batch, int32_t code, uint64_t seed,
                          Arena here)
{
    const KernelBody *body = batch_body(batch, code);
    const Graph *graph = body->graph;
    Environment environment = {.inputs = random_inputs(&here, graph, seed),
                               .context = test_context(),
                               .mesh = &MESH};
    Tensor *values = arena_new(&here, Tensor, graph->nodes.count);
    graph_interpret(graph, &environment, &here, values);
    Tensor result = tensor_new(&here, graph_node(graph, body->root)->type);
    memset(result.data, 0xff, (size_t)type_bytes(&result.type));
    batch_run(batch, code, environment.inputs, result, &environment.context);
    return tensors_agree(result, values[body->root.index], 4e-6);
}

static void random_bodies_agree(void **state)
{
    (void)state;
    const char *count = getenv("DNNC_RANDOM_BODIES");
    int32_t n = count ? atoi(count) : 200, failed = 0;
    Batch batch;
    batch_init(&batch, &arena, &MESH);
    for (int32_t i = 0; i < n; i++) {
        NodeId root;
        Graph *graph =
            random_body(&arena, (uint64_t)i, 1 + i % 12, &MESH, &root);
        batch_add(&batch, graph, root);
    }
    Status status = batch_compile(&batch, scratch);
    assert_string_equal(status.message, "");
    for (int32_t i = 0; i < n; i++) {
        if (!kernel_agrees(&batch, i, (uint64_t)i, arena)) {
            print_error("body %d\n", i);
            if (failed++ == 0)
                print_body(batch_body(&batch, i)->graph,
                           batch_body(&batch, i)->root);
        }
    }
    batch_deinit(&batch);
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_bodies_agree, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
