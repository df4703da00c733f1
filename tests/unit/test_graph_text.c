/* Unit tests of the textual IR: every attribute round-trips byte for byte, and
 * every mistake is diagnosed at its place. */
#include "ir/graph_text.h"
#include "tests/arena.h"

static Graph *parse(const char *text, Diagnostics *diagnostics)
{
    *diagnostics = diagnostics_new(&arena);
    int32_t source =
        diagnostics_add_source(diagnostics, STR("test.ir"), str_from(text));
    return graph_parse(&arena, source, diagnostics);
}

static void assert_round_trip(const char *text)
{
    Diagnostics diagnostics;
    Graph *graph = parse(text, &diagnostics);
    if (!graph)
        fail_msg("%s", diagnostics_print(&diagnostics, &arena).data);
    assert_string_equal(graph_print(&arena, graph).data, text);
}

static void a_model_round_trips(void **state)
{
    (void)state;
    assert_round_trip(
        "graph \"mlp\"\n"
        "input 0 \"x\" : f32[32, 784]\n"
        "input 1 \"y\" : i32[32]\n"
        "input 2 \"z\" : i32[32] = input 1 shifted -1\n"
        "parameter 0 \"fc.weight\" : f32[784, 10] group 1\n"
        "optimizer 1 \"fc.weight.momentum\" : f32[784, 10] of 0\n"
        "state 2 \"mean\" : f32[10]\n"
        "%1 \"x\" = input {0} : f32[32, 784]\n"
        "%2 \"fc.weight\" = variable {0} : f32[784, 10]\n"
        "%3 \"fc.dot\" = dot(%1, %2) {ik,kj->ij} : f32[32, 10] layer 0\n"
        "%4 \"loss.sum\" = sum(%3) {0, 1} : f32[]\n"
        "%5 \"loss\" = world_sum(%4) : f32[]\n"
        "%6 \"g\" = neg(%2) : f32[784, 10] backward layer 2 of %3\n"
        "%7 \"u\" = add(%2, %6) : f32[784, 10] update\n"
        "loss \"loss\" = %5\n"
        "update \"fc.weight\" = %7 variable 0\n"
        "gradient \"fc.weight\" = %6 variable 0\n");
}

static void every_attribute_round_trips(void **state)
{
    (void)state;
    assert_round_trip(
        "graph \"attributes\"\n"
        "%1 \"c\" = constant {0.1} : f32[2, 3]\n"
        "%2 \"c#2\" = constant {-inf} : f32[]\n"
        "%3 \"c#3\" = constant {nan} : f32[]\n"
        "%4 \"c#4\" = constant {-0} : f32[]\n"
        "%5 \"c#5\" = constant {1e-45} : f32[]\n"
        "%6 \"c#6\" = constant {-2147483648} : i32[]\n"
        "%7 \"i\" = iota {1} : i32[2, 3]\n"
        "%8 \"s\" = scalar {step} : i32[]\n"
        "%9 \"s#2\" = scalar {sample_count} : i32[]\n"
        "%10 \"r\" = random(%7, %7) {uniform stream 4294967295 by_step} : "
        "f32[2, 3]\n"
        "%11 \"r#2\" = random(%7, %7) {normal stream 0} : f32[2, 3]\n"
        "%12 \"b\" = broadcast(%1) {0, 2} : f32[2, 4, 3]\n"
        "%13 \"b#2\" = broadcast(%2) {} : f32[4]\n"
        "%14 \"h\" = reshape(%1) : f32[6]\n"
        "%15 \"t\" = transpose(%1) {1, 0} : f32[3, 2]\n"
        "%16 \"v\" = slice(%1) {1:0, 0:2} : f32[1, 1]\n"
        "%17 \"p\" = pad(%1) {1:0, 0:2} : f32[3, 5]\n"
        "%18 \"q\" = constant {0} : f32[1, 1, 4, 5]\n"
        "%19 \"f\" = unfold(%18) {kernel 2, 3 stride 1, 2 padding 0, 1 input "
        "4, 5 fill -inf} : f32[1, 1, 3, 3, 2, 3]\n"
        "%20 \"m\" = argmax(%1) {1} : i32[2]\n"
        "%21 \"a\" = scatter_add(%20, %1) {9} : f32[9, 3]\n"
        "%22 \"n\" = layernorm(%1) {1e-05} : f32[2, 3]\n"
        "%23 \"o\" = shard_start {dim 0 axes 3 outer 4 extent 10} : i32[]\n"
        "%24 \"k\" = shard_slice(%1) {dim 1 axes 2 outer 0 extent 3} : "
        "f32[2, 2]\n"
        "%25 \"l\" = all_reduce(%1) {max axes 6} : f32[2, 3]\n"
        "%26 \"d\" = dot(%14, %14) {i,i->} : f32[]\n"
        "%27 \"w\" = receive {3} : f32[2]\n");
}

static void names_are_escaped(void **state)
{
    (void)state;
    assert_round_trip("graph \"a \\\"b\\\" \\\\ \\x09\\x01 \xc3\xa9\"\n");
}

static void comments_and_blank_lines_are_skipped(void **state)
{
    (void)state;
    Diagnostics d;
    Graph *graph = parse("\n# a # comment\ngraph \"g\"\n\n  # more\n"
                         "%1 \"c\" = constant {1} : f32[]",
                         &d);
    assert_non_null(graph);
    assert_string_equal(graph_print(&arena, graph).data,
                        "graph \"g\"\n%1 \"c\" = constant {1} : f32[]\n");
    assert_int_equal(graph->nodes.data[1].span.source, 1);
}

/* One mistake: the diagnostic and the column (1-based) in the last line. */
static const struct {
    const char *text;
    DiagnosticId id;
    int64_t column;
} MISTAKES[] = {
    {"grph \"g\"\n", DIAGNOSTIC_ir_expected, 1},
    {"graph g\n", DIAGNOSTIC_ir_expected, 7},
    {"graph \"g", DIAGNOSTIC_ir_expected, 9},
    {"graph \"\\q\"", DIAGNOSTIC_ir_expected, 8},
    {"graph \"g\" x", DIAGNOSTIC_ir_expected, 11},
    {"graph \"g\"\nnode", DIAGNOSTIC_ir_expected, 1},
    {"graph \"g\"\ninput 1 \"x\" : f32[2]", DIAGNOSTIC_ir_row_order, 7},
    {"graph \"g\"\ninput 0 \"x\" : f32[2] = input 0 shifted 1",
     DIAGNOSTIC_ir_row_unknown, 30},
    {"graph \"g\"\ninput 0 \"x\" : f64[2]", DIAGNOSTIC_ir_expected, 15},
    {"graph \"g\"\ninput 0 \"x\" : f32[0]", DIAGNOSTIC_ir_expected, 15},
    {"graph \"g\"\ninput 0 \"x\" : f32[99999999999999999999]",
     DIAGNOSTIC_ir_number, 19},
    {"graph \"g\"\ninput 0 \"x\" : f32[1,1,1,1,1,1,1,1,1]",
     DIAGNOSTIC_ir_expected, 35},
    {"graph \"g\"\n%2 \"c\" = constant {1} : f32[]", DIAGNOSTIC_ir_node_order,
     1},
    {"graph \"g\"\n%1 \"\" = constant {1} : f32[]", DIAGNOSTIC_ir_expected, 4},
    {"graph \"g\"\n%1 \"c\" = constants {1} : f32[]", DIAGNOSTIC_ir_op_unknown,
     10},
    {"graph \"g\"\n%1 \"c\" = constant {x} : f32[]", DIAGNOSTIC_ir_expected,
     20},
    {"graph \"g\"\n%1 \"c\" = constant {1.5} : i32[]", DIAGNOSTIC_ir_operands,
     1},
    {"graph \"g\"\n%1 \"c\" = variable {0} : f32[]", DIAGNOSTIC_ir_row_unknown,
     1},
    {"graph \"g\"\n%1 \"c\" = constant {1} : f32[]\n"
     "%2 \"c\" = constant {1} : f32[]",
     DIAGNOSTIC_ir_path_taken, 4},
    {"graph \"g\"\n%1 \"c\" = constant {1} : f32[]\n%2 \"d\" = neg(%2) : f32[]",
     DIAGNOSTIC_ir_node_unknown, 14},
    {"graph \"g\"\n%1 \"c\" = constant {1} : f32[]\n%2 \"d\" = neg(%1) : i32[]",
     DIAGNOSTIC_ir_operands, 1},
    {"graph \"g\"\n%1 \"c\" = constant {1} : f32[]\n"
     "%2 \"d\" = sum(%1) {9} : f32[]",
     DIAGNOSTIC_ir_number, 19},
    {"graph \"g\"\nloss \"l\" = %1", DIAGNOSTIC_ir_node_unknown, 12},
};

static void mistakes_are_diagnosed_at_their_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(MISTAKES) / sizeof(*MISTAKES); i++) {
        Diagnostics d;
        assert_null(parse(MISTAKES[i].text, &d));
        assert_int_equal(d.list.count, 1);
        int64_t line, column;
        source_place(d.sources.data[1].text, d.list.data[0].span.begin, &line,
                     &column);
        if (d.list.data[0].id != MISTAKES[i].id || column != MISTAKES[i].column)
            fail_msg("%s\nwant %s at column %d", MISTAKES[i].text,
                     diagnostics_print(&d, &arena).data,
                     (int)MISTAKES[i].column);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_round_trips),
        cmocka_unit_test(every_attribute_round_trips),
        cmocka_unit_test(names_are_escaped),
        cmocka_unit_test(comments_and_blank_lines_are_skipped),
        cmocka_unit_test(mistakes_are_diagnosed_at_their_place),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
