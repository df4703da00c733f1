/* The errors that codegen/math.h states, measured against double precision on
 * a million arguments of each function's domain, and the special values. */
#include "batch.h"
#include "support/philox.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { POINTS = 1 << 20 };

typedef struct Function {
    Op op;
    double (*exact)(double);
    float low, high; /* arguments, uniform in their logarithm when low > 0 */
    double ulps;     /* as stated */
} Function;

// clang-format off
static const Function FUNCTIONS[] = {
    {OP_EXP, exp, -87.3f, 88.7f, 2},
    {OP_EXP, exp, 1e-30f, 88.7f, 2},
    {OP_LOG, log, 1e-45f, 3e38f, 2},
    {OP_LOG, log, 0.5f, 2.0f, 2},
    {OP_TANH, tanh, -9.0f, 9.0f, 6},
    {OP_TANH, tanh, 1e-30f, 9.0f, 6},
    {OP_SIN, sin, -4.0f, 4.0f, 2},
    {OP_SIN, sin, 1e-30f, 1048576.0f, 2},
    {OP_COS, cos, -4.0f, 4.0f, 2},
    {OP_COS, cos, 1e-30f, 1048576.0f, 2},
};
// clang-format on
enum { N_FUNCTIONS = sizeof(FUNCTIONS) / sizeof(FUNCTIONS[0]) };

static ArenaMemory memory;
static Arena arena;
static Batch batch;

static int set_up(void **state)
{
    (void)state;
    arena = arena_reserve(&memory, (int64_t)1 << 32, NULL);
    Arena scratch = arena_split(&arena);
    const LogicalMesh mesh = {1, {{.size = 1}}};
    batch_init(&batch, &arena);
    for (int i = 0; i < N_FUNCTIONS; i++) {
        Graph *graph = graph_new(&arena, STR("function"));
        NodeOrigin origin = {.layer = LAYER_NONE};
        NodeId x;
        graph_add_input(graph, STR("x"), (Type){DTYPE_F32, {1, {POINTS}}},
                        origin, &x);
        batch_add(&batch, graph, graph_unary(graph, FUNCTIONS[i].op, x, origin),
                  &mesh);
    }
    Status status = batch_compile(&batch, scratch);
    return status_failed(&status) ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    batch_deinit(&batch);
    arena_release(&memory);
    return 0;
}

static float argument(const Function *f, uint32_t i)
{
    float u = philox_uniform(philox(1, i, 0, 0, 0).word[0]);
    if (f->low <= 0)
        return f->low + u * (f->high - f->low);
    double low = log((double)f->low), high = log((double)f->high);
    return (float)exp(low + (double)u * (high - low));
}

/* Distance in units in the last place of the exact result. */
static double ulps_apart(float value, double exact)
{
    float rounded = (float)exact;
    double unit = fmax((double)nextafterf(fabsf(rounded), INFINITY) -
                           (double)fabsf(rounded),
                       0x1p-149);
    return fabs((double)value - exact) / unit;
}

static void errors_are_as_stated(void **state)
{
    (void)state;
    for (int k = 0; k < N_FUNCTIONS; k++) {
        Arena here = arena;
        const Function *f = &FUNCTIONS[k];
        Tensor x = tensor_new(&here, (Type){DTYPE_F32, {1, {POINTS}}});
        Tensor y = tensor_new(&here, x.type);
        for (uint32_t i = 0; i < POINTS; i++)
            tensor_f32(x)[i] = argument(f, i);
        batch_run(&batch, k, &(Environment){.inputs = &x}, y);
        double worst = 0, where = 0;
        for (int64_t i = 0; i < POINTS; i++) {
            double at = (double)tensor_f32(x)[i];
            double apart = ulps_apart(tensor_f32(y)[i], f->exact(at));
            if (apart > worst) {
                worst = apart;
                where = at;
            }
        }
        print_message("%-5s [%g, %g]: %.2f ulp at %.9g\n", op_info(f->op)->text,
                      (double)f->low, (double)f->high, worst, where);
        assert_true(worst <= f->ulps);
    }
}

static void special_values_are_kept(void **state)
{
    (void)state;
    static const float special[] = {0.0f,    INFINITY, -INFINITY,
                                    NAN,     -1.0f,    1e-45f,
                                    -200.0f, 200.0f,   -0x1p-126f};
    enum { N = sizeof(special) / sizeof(special[0]) };
    for (int k = 0; k < N_FUNCTIONS; k++) {
        Arena here = arena;
        Tensor x = tensor_new(&here, (Type){DTYPE_F32, {1, {POINTS}}});
        Tensor y = tensor_new(&here, x.type);
        memcpy(x.data, special, sizeof(special));
        batch_run(&batch, k, &(Environment){.inputs = &x}, y);
        for (int i = 0; i < N; i++) {
            float want = (float)FUNCTIONS[k].exact((double)special[i]);
            float got = tensor_f32(y)[i];
            if (isfinite(want))
                assert_true(fabsf(got - want) <= 1e-5f * fabsf(want) + 1e-37f);
            else
                assert_true(isnan(want) ? isnan(got) : got == want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_as_stated),
        cmocka_unit_test(special_values_are_kept),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
