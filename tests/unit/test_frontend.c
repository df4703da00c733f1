/* Unit tests of frontend/: shipped models and clusters, names, values, and
 * what the lowered graphs compute, through the oracle interpreter. */
#include "frontend/frontend.h"
#include "ir/interpret.h"
#include "ir/rule.h"
#include "ir/verify.h"
#include "support/file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static ArenaMemory memory;
static Arena whole, arena;
static Diagnostics diagnostics;

static int set_up(void **state)
{
    (void)state;
    whole = arena_reserve(&memory, (int64_t)1 << 31, NULL);
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

static bool lower_text(const char *text, Model *out)
{
    diagnostics = diagnostics_new(&arena);
    int32_t source =
        diagnostics_add_source(&diagnostics, STR("test.dnn"), str_from(text));
    return frontend_model(&arena, source, NULL, 0, &diagnostics, out);
}

static int32_t open_shipped(const char *name)
{
    Str path = str_format(&arena, "%s/models/%s", SOURCE_FOLDER, name);
    Str text;
    Status status = file_read(&arena, path.data, &text);
    assert_int_equal(status.code, STATUS_OK);
    diagnostics = diagnostics_new(&arena);
    return diagnostics_add_source(&diagnostics, str_from(name), text);
}

static Model lower_shipped(const char *name, const char *const *settings)
{
    Setting list[8];
    int64_t n = 0;
    for (; settings && settings[n]; n++)
        list[n] = (Setting){str_from(settings[n])};
    int32_t source = open_shipped(name);
    Model model;
    if (!frontend_model(&arena, source, list, n, &diagnostics, &model))
        fail_msg("%s", diagnostics_print(&diagnostics, &arena).data);
    return model;
}

static int64_t parameter_count(const Graph *graph)
{
    int64_t count = 0;
    for (int64_t i = 0; i < graph->variables.count; i++)
        if (graph->variables.data[i].kind == VARIABLE_PARAMETER)
            count += shape_count(&graph->variables.data[i].type.shape);
    return count;
}

static void verify_all(const Model *model)
{
    const Graph *graphs[] = {model->graphs.train, model->graphs.eval,
                             model->graphs.init};
    for (int i = 0; i < 3; i++)
        assert_string_equal(graph_verify(graphs[i], FORM_MODEL, &arena).data,
                            "");
}

static const char *const small_gpt2[] = {"layers=2",    "d=32",       "heads=4",
                                         "vocab=251",   "context=16", "batch=8",
                                         "dropout=0.1", NULL};

static void shipped_models_are_legal(void **state)
{
    (void)state;
    const char *const names[] = {"mlp.dnn", "digits.dnn", "lenet5.dnn",
                                 "gpt2.dnn"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        Model model = lower_shipped(names[i], i == 3 ? small_gpt2 : NULL);
        verify_all(&model);
        uint8_t *time;
        assert_true(rule_microbatch(model.graphs.train, 4, &arena, &time,
                                    &diagnostics));
    }
}

/* Radford et al., 2019, table 2; counts of the published checkpoints. */
static void gpt2_has_the_published_sizes(void **state)
{
    (void)state;
    const struct {
        const char *settings[4];
        int64_t parameters;
    } sizes[] = {
        {{NULL}, 124439808},
        {{"layers=24", "d=1024", "heads=16", NULL}, 354823168},
        {{"layers=36", "d=1280", "heads=20", NULL}, 774030080},
        {{"layers=48", "d=1600", "heads=25", NULL}, 1557611200},
    };
    for (int i = 0; i < 4; i++) {
        Model model = lower_shipped("gpt2.dnn", sizes[i].settings);
        assert_int_equal(parameter_count(model.graphs.train),
                         sizes[i].parameters);
    }
}

static void shipped_clusters_are_legal(void **state)
{
    (void)state;
    const struct {
        const char *name;
        int64_t devices;
    } clusters[] = {
        {"clusters/local1.mesh", 1},          {"clusters/local2.mesh", 2},
        {"clusters/local4.mesh", 4},          {"clusters/local8.mesh", 8},
        {"clusters/a100x64.mesh", 64},        {"clusters/h100x64.mesh", 64},
        {"clusters/p3_16xlarge_x8.mesh", 64}, {"clusters/fast4.mesh", 4},
        {"clusters/tight4.mesh", 4},          {"clusters/slow2x2.mesh", 4},
    };
    for (size_t i = 0; i < sizeof clusters / sizeof clusters[0]; i++) {
        int32_t source = open_shipped(clusters[i].name);
        Mesh mesh;
        if (!frontend_mesh(&arena, source, &diagnostics, &mesh))
            fail_msg("%s", diagnostics_print(&diagnostics, &arena).data);
        assert_int_equal(cluster_devices(&mesh), clusters[i].devices);
    }
}

/* -- names ------------------------------------------------------------------ */

static const Variable *variable_named(const Graph *graph, const char *name)
{
    for (int64_t i = 0; i < graph->variables.count; i++)
        if (str_equal_c(graph->variables.data[i].name, name))
            return &graph->variables.data[i];
    return NULL;
}

static void names_come_from_bindings(void **state)
{
    (void)state;
    Model model = lower_shipped("gpt2.dnn", small_gpt2);
    const char *const names[] = {"wte.weight", "block.0.up.weight",
                                 "block.1.attn.q.bias", "final.gain"};
    for (int i = 0; i < 4; i++)
        assert_non_null(variable_named(model.graphs.train, names[i]));
    assert_non_null(
        map_find(&model.graphs.train->paths, STR("block.1.up.dot")));
}

/* Two dropouts with one mask would not be independent. */
static void random_streams_differ(void **state)
{
    (void)state;
    Model model = lower_shipped("gpt2.dnn", small_gpt2);
    const Graph *graph = model.graphs.train;
    int64_t n = 0;
    for (int64_t i = 1; i < graph->nodes.count; i++) {
        const Node *a = &graph->nodes.data[i];
        if (a->op != OP_RANDOM)
            continue;
        n++;
        for (int64_t k = 1; k < i; k++) {
            const Node *b = &graph->nodes.data[k];
            assert_true(b->op != OP_RANDOM ||
                        b->attr.random.stream != a->attr.random.stream);
        }
    }
    assert_int_equal(n, 1 + 2 * 3);
}

/* A model around some statements over x: f32[8, 4]. */
static bool lower_body(const char *body, Model *out)
{
    Str text = str_format(&arena,
                          "model test(n = 4)\ninput x: f32[8, n]\n%s\n"
                          "train { optimizer sgd(lr = 0.1) }\n",
                          body);
    return lower_text(text.data, out);
}

static void expect(const char *body, DiagnosticId id)
{
    Model model;
    assert_false(lower_body(body, &model));
    if (diagnostics.list.data[0].id != id)
        fail_msg("%s", diagnostics_print(&diagnostics, &arena).data);
}

static void equal_names_are_refused(void **state)
{
    (void)state;
    Model model;
    expect("y = linear(linear(x, 4) + linear(x, 4), 1)\nloss = mean(y)",
           DIAGNOSTIC_parameter_collides);
    assert_true(lower_body("a = linear(x, 4)\nb = linear(x, 4)\n"
                           "loss = mean(a + b)",
                           &model));
}

static void large_sources_are_refused(void **state)
{
    (void)state;
    const int64_t length = ((int64_t)16 << 20) + 1;
    char *spaces = arena_new(&arena, char, length);
    memset(spaces, ' ', (size_t)length);
    diagnostics = diagnostics_new(&arena);
    int32_t source = diagnostics_add_source(&diagnostics, STR("large.dnn"),
                                            (Str){spaces, length});
    Model model;
    assert_false(frontend_model(&arena, source, NULL, 0, &diagnostics, &model));
    assert_int_equal(diagnostics.list.data[0].id, DIAGNOSTIC_source_too_large);
}

/* Batch norm's group of samples, not the plan, says what may be split. */
static void statistics_groups_limit_microbatches(void **state)
{
    (void)state;
    const struct {
        const char *samples;
        int64_t n_microbatches;
        bool legal;
    } cases[] = {
        {"2", 4, true},
        {"4", 2, true},
        {"4", 4, false},
        {"8", 2, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Str body =
            str_format(&arena,
                       "y = batchnorm(reshape(x, (8, 2, 1, 2)), samples = %s)\n"
                       "loss = mean(y)",
                       cases[i].samples);
        Model model;
        assert_true(lower_body(body.data, &model));
        uint8_t *time;
        bool legal =
            rule_microbatch(model.graphs.train, cases[i].n_microbatches, &arena,
                            &time, &diagnostics);
        if (legal != cases[i].legal)
            fail_msg("%s, %d: %s", cases[i].samples,
                     (int)cases[i].n_microbatches,
                     diagnostics_print(&diagnostics, &arena).data);
    }
}

/* -- hostile texts ------------------------------------------------------------ */

/* Repeats `piece` until the text has about `bytes`. */
static Str repeated(const char *before, const char *piece, int64_t bytes,
                    const char *after)
{
    Text text = text_new(&arena);
    text_append(&text, str_from(before));
    while (text.length < bytes)
        text_append(&text, str_from(piece));
    text_append(&text, str_from(after));
    return text_str(&text);
}

static void ends_with_errors(Str text)
{
    diagnostics = diagnostics_new(&arena);
    int32_t source =
        diagnostics_add_source(&diagnostics, STR("hostile.dnn"), text);
    Model model;
    assert_false(frontend_model(&arena, source, NULL, 0, &diagnostics, &model));
    assert_true(diagnostics_any(&diagnostics));
    assert_true(diagnostics.list.count < 1000);
    diagnostics_print(&diagnostics, &arena);
}

static void hostile_texts_end(void **state)
{
    (void)state;
    const int64_t bytes = 1 << 18;
    const struct {
        const char *before, *piece, *after;
    } texts[] = {
        {"", "(", ""},
        {"", ")", ""},
        {"", "{ ", ""},
        {"", "}\n", ""},
        {"", "[{(", ""},
        {"", "$", ""},
        {"", "= \n", ""},
        {"", "\"\n", ""},
        {"", "0x ", ""},
        {"y = ", "- ", "x\n"},
        {"y = ", "not ", "x\n"},
        {"y = x", " + x", "\n"},
        {"y = x", " ** x", "\n"},
        {"y = x", "(1)", "\n"},
        {"y = x", ".a", "\n"},
        {"y = ", "if true then 1 else ", "2\n"},
        {"if true { } ", "else if true { } ", "else { }\n"},
        {"a", ", a", " = 1\n"},
        {"y = f(1", ", 1", ")\n"},
        {"y = f(1", ", a = 1", ")\n"},
        {"model m(a = 1", ", a = 1", ")\n"},
        {"", "fn f() { }\n", ""},
        {"", "for i in 0..9 {\n", ""},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        arena = whole;
        ends_with_errors(
            repeated(texts[i].before, texts[i].piece, bytes, texts[i].after));
    }
}

static void hostile_programs_end(void **state)
{
    (void)state;
    const char *const bodies[] = {
        "fn f(k) { return f(k - 1) + f(k - 1) }\ny = f(0)",
        "fn f(k) { return if k == 0 then 0 else f(k - 1) + f(k - 1) }\n"
        "y = f(60)",
        "for i in 0..9000000000000000000 { y = x + i }",
        "for i in 0..100000 { for j in 0..100000 { k = i * j } }",
        "t = (1, 2)\nfor i in 0..11 { t = t + t }\n"
        "for i in 0..1000000 { t = t[1:] + (1,) }",
        "t = 1\nfor i in 0..100 { t = (t, t) }\nb = t == t",
        "fn f(g) { return g(g) }\ny = f(f)",
        "module m(k) { child = m(k + 1) }\ny = m(0)",
        "fn f(k) { fn g(j) { return f(j) }\n return g(k) }\ny = f(1)",
        "for i in 0..1000000 { param w: [4] = zeros }",
        "for i in 0..1000000 { y = linear(x, 9000000000) }",
        "for i in 0..1000000 { y = attention(reshape(x, (2, 4, n)), 2) }",
        "y = x ** 3\nfor i in 0..100000 { y = concat((y, y)) }",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        arena = whole;
        Str text = str_format(&arena,
                              "model test(n = 4)\ninput x: f32[8, n]\n%s\n"
                              "loss = mean(x)\n"
                              "train { optimizer sgd(lr = 0.1) }\n",
                              bodies[i]);
        ends_with_errors(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(shipped_models_are_legal, begin),
        cmocka_unit_test_setup(gpt2_has_the_published_sizes, begin),
        cmocka_unit_test_setup(shipped_clusters_are_legal, begin),
        cmocka_unit_test_setup(names_come_from_bindings, begin),
        cmocka_unit_test_setup(random_streams_differ, begin),
        cmocka_unit_test_setup(large_sources_are_refused, begin),
        cmocka_unit_test_setup(statistics_groups_limit_microbatches, begin),
        cmocka_unit_test_setup(hostile_texts_end, begin),
        cmocka_unit_test_setup(hostile_programs_end, begin),
        cmocka_unit_test_setup(equal_names_are_refused, begin),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
