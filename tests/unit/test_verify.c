/* Unit tests of ir/verify.c: each promise broken once, in the form that makes
 * it, with the violation's words. */
#include "ir/graph_text.h"
#include "ir/verify.h"
#include "tests/arena.h"

/* A model with a parameter `w` (row 0), its loss and the start of more. */
#define HEAD                                              \
    "graph \"g\"\n"                                       \
    "input 0 \"x\" : f32[4, 2]\n"                         \
    "parameter 0 \"w\" : f32[2]\n"                        \
    "optimizer 1 \"w.m\" : f32[2] of 0\n"                 \
    "%1 \"x\" = input {0} : f32[4, 2]\n"                  \
    "%2 \"w\" = variable {0} : f32[2] layer 0\n"          \
    "%3 \"y\" = dot(%1, %2) {ik,k->i} : f32[4] layer 0\n" \
    "%4 \"sum\" = sum(%3) {0} : f32[] layer 0\n"          \
    "%5 \"loss\" = world_sum(%4) : f32[] layer 0\n"
#define LOSS     "loss \"loss\" = %5\n"
#define GRADIENT "%6 \"g\" = neg(%2) : f32[2] backward layer 0 of %3\n"
#define UPDATE   "%7 \"u\" = add(%2, %6) : f32[2] update layer 0\n"

static const struct {
    GraphForm form;
    const char *text, *violation;
} GRAPHS[] = {
    {FORM_MODEL, HEAD LOSS, ""},
    {FORM_PRIMITIVE, HEAD LOSS, ""},
    {FORM_GRADIENT, HEAD GRADIENT LOSS "gradient \"w\" = %6 variable 0\n", ""},
    {FORM_TRAIN, HEAD GRADIENT UPDATE LOSS "update \"w\" = %7 variable 0\n",
     ""},
    {FORM_LAYERED, HEAD GRADIENT UPDATE LOSS "update \"w\" = %7 variable 0\n",
     ""},
    {FORM_LOCAL, HEAD "%6 \"r\" = receive {0} : f32[2]\n", ""},
    {FORM_MODEL, HEAD GRADIENT, "node 'g': is not of the forward region"},
    {FORM_GRADIENT, HEAD GRADIENT UPDATE, "node 'u': is of the update region"},
    {FORM_GRADIENT, HEAD LOSS, "parameter 'w': has no gradient"},
    {FORM_TRAIN, HEAD GRADIENT LOSS "gradient \"w\" = %6 variable 0\n",
     "output 'w': is a gradient"},
    {FORM_TRAIN, HEAD GRADIENT LOSS, "parameter 'w': has no update"},
    {FORM_TRAIN, HEAD GRADIENT "%7 \"f\" = neg(%6) : f32[2]\n" LOSS,
     "node 'f': operand 0 is of a later region"},
    {FORM_MODEL, HEAD "%6 \"s\" = softmax(%3) : f32[4]\n", ""},
    {FORM_PRIMITIVE, HEAD "%6 \"s\" = softmax(%3) : f32[4]\n",
     "node 's': softmax is a composite"},
    {FORM_MODEL, HEAD "%6 \"r\" = receive {0} : f32[2]\n",
     "node 'r': receive belongs to the local form"},
    {FORM_LAYERED,
     HEAD GRADIENT "%7 \"u\" = add(%2, %6) : f32[2] update\n" LOSS
                   "update \"w\" = %7 variable 0\n",
     "node 'u': has no layer"},
    {FORM_MODEL, HEAD "%6 \"x2\" = input {0} : f32[4, 3]\n",
     "node 'x2': its type is not its input's"},
    {FORM_MODEL, HEAD "%6 \"x2\" = input {1} : f32[4, 2]\n",
     "node 'x2': there is no input 1"},
    {FORM_LOCAL, HEAD "%6 \"x2\" = input {0} : f32[2, 2]\n", ""},
    {FORM_LOCAL, HEAD "%6 \"x2\" = input {0} : f32[4]\n",
     "node 'x2': its type is not its input's"},
    {FORM_MODEL, HEAD "%6 \"w2\" = variable {0} : f32[2]\n",
     "node 'w': variable 'w' has another node"},
    {FORM_MODEL, HEAD "%6 \"m\" = variable {1} : f32[3]\n",
     "node 'm': its type is not its variable's"},
    {FORM_MODEL, "graph \"g\"\ninput 0 \"x\" : f32[]\n",
     "input 'x': has no sample dimension"},
    {FORM_MODEL,
     "graph \"g\"\nparameter 0 \"v\" : f32[]\nparameter 1 \"w\" : f32[] of 0\n",
     "variable 'w': belongs to no parameter"},
    {FORM_MODEL, "graph \"g\"\noptimizer 0 \"m\" : f32[]\n",
     "variable 'm': belongs to no parameter"},
    {FORM_MODEL, HEAD "loss \"loss\" = %4\n",
     "output 'loss': is not a world_sum"},
    {FORM_MODEL, HEAD LOSS LOSS, "output 'loss': comes twice"},
    {FORM_MODEL, HEAD "output \"o\" = %4\n",
     "output 'o': has no sample dimension"},
    {FORM_MODEL, HEAD "output \"o\" = %3 variable 0\n",
     "output 'o': names a variable"},
    {FORM_MODEL, HEAD "update \"o\" = %3\n", "output 'o': names no variable"},
    {FORM_MODEL, HEAD "update \"o\" = %3 variable 0\n",
     "output 'o': its type is not its variable's"},
    {FORM_GRADIENT, HEAD "gradient \"o\" = %2 variable 1\n",
     "output 'o': is the gradient of no parameter"},
};

static Graph *parse(const char *text)
{
    Diagnostics d = diagnostics_new(&arena);
    int32_t source = diagnostics_add_source(&d, STR("test.ir"), str_from(text));
    Graph *graph = graph_parse(&arena, source, &d);
    if (!graph)
        fail_msg("%s", diagnostics_print(&d, &arena).data);
    return graph;
}

static void each_form_keeps_its_promises(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(GRAPHS) / sizeof(*GRAPHS); i++) {
        Graph *graph = parse(GRAPHS[i].text);
        Str violation = graph_verify(graph, GRAPHS[i].form, &arena);
        if (!str_equal_c(violation, GRAPHS[i].violation))
            fail_msg("%s\ngot:  %.*s\nwant: %s", GRAPHS[i].text,
                     STR_ARG(violation), GRAPHS[i].violation);
    }
}

/* What no text can say: a graph damaged in memory. */
static void assert_damage(Graph *graph, const char *violation)
{
    Str found = graph_verify(graph, FORM_MODEL, &arena);
    assert_string_equal(str_copy(&arena, found).data, violation);
}

static void damaged_graphs_are_found(void **state)
{
    (void)state;
    Graph *graph = parse(HEAD LOSS);
    Node *sum = &graph->nodes.data[4], good = *sum;
    sum->operands[0].index = 5;
    assert_damage(graph, "node 'sum': operand 0 comes later");
    sum->operands[0].index = 0;
    assert_damage(graph, "node 'sum': operand 0 is none");
    sum->operands[0].index = 3;
    sum->type.shape = (Shape){1, {4}};
    assert_damage(graph, "node 'sum': has type f32[4], sum gives f32[]");
    *sum = good;
    sum->type.shape.extent[1] = 1;
    assert_damage(graph, "node 'sum': its type is not one");
    *sum = good;
    sum->attr.reduce.dims = 2;
    assert_damage(graph, "node 'sum': sum does not take these operands");
    *sum = good;
    sum->path = STR("total");
    assert_damage(graph, "node 'total': its path does not name it");
    sum->path = STR("");
    assert_damage(graph, "node 4 has no path");
    *sum = good;
    sum->op = OP_NONE;
    assert_damage(graph, "node 4 has no op");
    *sum = good;
    sum->forward.index = 4;
    assert_damage(graph, "node 'sum': its forward node comes later");
    *sum = good;
    sum->layer = -2;
    assert_damage(graph, "node 'sum': there is no layer -2");
    *sum = good;
    graph->variables.data[1].node.index = 2;
    assert_damage(graph, "variable 'w.m': its node is another's");
    graph->variables.data[1].node.index = 9;
    assert_damage(graph, "variable 'w.m': there is no node 9");
    graph->variables.data[1].node.index = 0;
    graph->inputs.data[0].shift_of = 0;
    assert_damage(graph, "input 'x': shifts a later input");
    graph->inputs.data[0].shift_of = -1;
    graph->outputs.data[0].node.index = 0;
    assert_damage(graph, "output 'loss': has no node");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_keeps_its_promises),
        cmocka_unit_test(damaged_graphs_are_found),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
