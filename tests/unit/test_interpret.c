/* Unit tests of the oracle's corners: what random instances do not reach.
 * docs/ir.md promises each of these values. */
#include "ir/graph_text.h"
#include "ir/interpret.h"
#include "support/philox.h"
#include "tests/arena.h"

#include <math.h>

/* %1 = a, %2 = b and then one op on them. */
typedef struct Case {
    const char *dtype, *a, *b, *op; /* op: the text after "%3 ... = " */
    double value;
} Case;

static const Case CASES[] = {
    /* NaN is kept by maxima and minima, whichever operand it is. */
    {"f32", "nan", "0", "max(%1, %2) : f32[]", (double)NAN},
    {"f32", "0", "nan", "max(%1, %2) : f32[]", (double)NAN},
    {"f32", "nan", "0", "min(%1, %2) : f32[]", (double)NAN},
    {"f32", "0", "nan", "min(%1, %2) : f32[]", (double)NAN},
    {"f32", "nan", "nan", "eq(%1, %2) : f32[]", 0},
    {"f32", "nan", "0", "le(%1, %2) : f32[]", 0},
    {"f32", "nan", "0", "sign(%1) : f32[]", 0},
    {"f32", "-inf", "0", "sign(%1) : f32[]", -1},
    {"f32", "nan", "2", "select(%1, %2, %1) : f32[]", 2},
    {"f32", "-0", "2", "select(%1, %1, %2) : f32[]", 2},
    /* Division follows IEEE 754 in f32 and never traps in i32. */
    {"f32", "1", "0", "div(%1, %2) : f32[]", HUGE_VAL},
    {"f32", "-5", "3", "rem(%1, %2) : f32[]", -2},
    {"i32", "5", "0", "div(%1, %2) : i32[]", 0},
    {"i32", "5", "0", "rem(%1, %2) : i32[]", 0},
    {"i32", "-7", "2", "div(%1, %2) : i32[]", -3},
    {"i32", "-7", "2", "rem(%1, %2) : i32[]", -1},
    {"i32", "-2147483648", "-1", "div(%1, %2) : i32[]", -2147483648.0},
    {"i32", "-2147483648", "-1", "rem(%1, %2) : i32[]", 0},
    /* i32 wraps. */
    {"i32", "2147483647", "1", "add(%1, %2) : i32[]", -2147483648.0},
    {"i32", "65536", "65537", "mul(%1, %2) : i32[]", 65536},
    {"i32", "-2147483648", "0", "neg(%1) : i32[]", -2147483648.0},
    {"i32", "-2147483648", "0", "abs(%1) : i32[]", -2147483648.0},
    /* Conversions truncate and saturate. */
    {"f32", "-1.75", "0", "to_i32(%1) : i32[]", -1},
    {"f32", "1e10", "0", "to_i32(%1) : i32[]", 2147483647},
    {"f32", "-inf", "0", "to_i32(%1) : i32[]", -2147483648.0},
    {"f32", "nan", "0", "to_i32(%1) : i32[]", 0},
    {"i32", "16777217", "0", "to_f32(%1) : f32[]", 16777216},
    /* Sums are exact until the end. */
    {"f32", "3e38", "-3e38", "world_sum(%1, %1, %2) : f32[]", (double)3e38f},
    {"f32", "16777216", "1", "world_sum(%1, %2, %2) : f32[]", 16777218},
};

static double interpret_last(const char *text, const Environment *environment)
{
    Diagnostics d = diagnostics_new(&arena);
    int32_t source = diagnostics_add_source(&d, STR("test.ir"), str_from(text));
    Graph *g = graph_parse(&arena, source, &d);
    if (!g)
        fail_msg("%s%s", text, diagnostics_print(&d, &arena).data);
    Tensor *values = arena_new(&arena, Tensor, g->nodes.count);
    graph_interpret(g, environment, &arena, values);
    Tensor last = values[g->nodes.count - 1];
    assert_int_equal(shape_count(&last.type.shape), 1);
    return last.type.dtype == DTYPE_I32 ? (double)tensor_i32(last)[0]
                                        : (double)tensor_f32(last)[0];
}

static void corner_values_are_as_documented(void **state)
{
    (void)state;
    Environment none = {0};
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        const Case *c = &CASES[i];
        Str text = str_format(&arena,
                              "graph \"g\"\n%%1 \"a\" = constant {%s} : %s[]\n"
                              "%%2 \"b\" = constant {%s} : %s[]\n"
                              "%%3 \"c\" = %s\n",
                              c->a, c->dtype, c->b, c->dtype, c->op);
        double got = interpret_last(text.data, &none);
        if (got != c->value && !(isnan(got) && isnan(c->value)))
            fail_msg("%s gave %.9g, not %.9g", text.data, got, c->value);
    }
}

static void rows_outside_a_table_are_zero_and_dropped(void **state)
{
    (void)state;
    Environment none = {0};
    const char *gather = "graph \"g\"\n"
                         "%1 \"t\" = constant {3} : f32[2]\n"
                         "%2 \"i\" = constant {2} : i32[]\n"
                         "%3 \"r\" = gather(%1, %2) : f32[]\n";
    assert_true(interpret_last(gather, &none) == 0);
    const char *scatter = "graph \"g\"\n"
                          "%1 \"i\" = constant {-1} : i32[]\n"
                          "%2 \"u\" = constant {3} : f32[]\n"
                          "%3 \"s\" = scatter_add(%1, %2) {2} : f32[2]\n"
                          "%4 \"n\" = sum(%3) {0} : f32[]\n";
    assert_true(interpret_last(scatter, &none) == 0);
}

static void a_maximum_keeps_nan_and_argmax_the_first(void **state)
{
    (void)state;
    float data[] = {1, NAN, 2, 2};
    Tensor input = {{DTYPE_F32, {2, {1, 4}}}, data};
    Environment environment = {.inputs = &input};
    const char *max = "graph \"g\"\ninput 0 \"x\" : f32[1, 4]\n"
                      "%1 \"x\" = input {0} : f32[1, 4]\n"
                      "%2 \"m\" = reduce_max(%1) {1} : f32[1]\n";
    assert_true(isnan(interpret_last(max, &environment)));
    const char *argmax = "graph \"g\"\ninput 0 \"x\" : f32[1, 4]\n"
                         "%1 \"x\" = input {0} : f32[1, 4]\n"
                         "%2 \"m\" = argmax(%1) {1} : i32[1]\n";
    data[1] = 0;
    assert_true(interpret_last(argmax, &environment) == 2);
}

static const char *random_text(const char *option)
{
    return str_format(&arena,
                      "graph \"g\"\n%%1 \"n\" = constant {1} : i32[]\n"
                      "%%2 \"r\" = random(%%1, %%1) {uniform stream 3%s} : "
                      "f32[]\n",
                      option)
        .data;
}

static void random_numbers_follow_step_only_when_asked(void **state)
{
    (void)state;
    Environment one = {.context = {.seed = 9, .step = 1}};
    Environment two = {.context = {.seed = 9, .step = 2}};
    const char *fixed = random_text("");
    const char *stepped = random_text(" by_step");
    assert_true(interpret_last(fixed, &one) == interpret_last(fixed, &two));
    assert_true(interpret_last(stepped, &one) != interpret_last(stepped, &two));
    PhiloxWords w = philox(9, 1, 1, 3, 2);
    assert_true(interpret_last(stepped, &two) ==
                (double)philox_uniform(w.word[0]));
}

/* Softmax of large and equal logits neither overflows nor loses a row. */
static void composites_are_stable(void **state)
{
    (void)state;
    Environment none = {0};
    const char *softmax = "graph \"g\"\n%1 \"x\" = constant {3e38} : f32[4]\n"
                          "%2 \"s\" = softmax(%1) : f32[4]\n"
                          "%3 \"m\" = reduce_max(%2) {0} : f32[]\n";
    assert_true(interpret_last(softmax, &none) == 0.25);
    const char *loss = "graph \"g\"\n%1 \"x\" = constant {-1e6} : f32[1, 8]\n"
                       "%2 \"t\" = constant {5} : i32[1]\n"
                       "%3 \"l\" = cross_entropy(%1, %2) : f32[1]\n";
    assert_true(fabs(interpret_last(loss, &none) - log(8)) < 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(corner_values_are_as_documented),
        cmocka_unit_test(rows_outside_a_table_are_zero_and_dropped),
        cmocka_unit_test(a_maximum_keeps_nan_and_argmax_the_first),
        cmocka_unit_test(random_numbers_follow_step_only_when_asked),
        cmocka_unit_test(composites_are_stable),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
