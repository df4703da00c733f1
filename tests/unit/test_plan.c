/* Unit tests of ir/plan_fold.c, ir/plan_print.c, ir/plan_parse.c and
 * ir/json_place.c: what repeats is stated once; a plan survives its text;
 * damage is diagnosed where it is. */
#include "ir/json_place.h"
#include "ir/plan.h"
#include "tests/arena.h"

#include <stdlib.h>
#include <string.h>

static Plan sample(void)
{
    Plan plan = {
        .model_name = STR("mlp"),
        .model_path = STR("models/mlp.dnn"),
        .model_text = STR("model mlp(d = 4)\n\tx = \"quoted\" \xc3\xa9\n"),
        .mesh_path = STR("two.mesh"),
        .mesh_text = STR("cluster two\n"),
        .model_hash = 0xfedcba9876543210u,
        .mesh_hash = 7,
        .n_microbatches = 4,
        .planned_seconds = 0.1,
        .lower_bound_seconds = 1. / 3,
    };
    *vector_push(&arena, &plan.settings) = (PlanSetting){STR("d"), STR("8")};
    PlanLayer *layer = vector_push(&arena, &plan.layers);
    layer->name = STR("up");
    *vector_push(&arena, &layer->paths) = STR("up.dot");
    *vector_push(&arena, &layer->paths) = STR("up.relu");
    PlanStage *stage = vector_push(&arena, &plan.stages);
    *stage = (PlanStage){
        .end_layer = 1,
        .submesh = {0, 0, 2, 1, 2},
        .mesh = {.n_axes = 2},
        .microbatch_seconds = 1e-3,
        .step_seconds = 2e-3,
        .memory = {1, 2, 3, 4, 5, 15},
    };
    stage->mesh.axis[1] = (LogicalAxis){.name = STR("x"), .size = 2};
    *vector_push(&arena, &stage->train) =
        (PlanChoice){.path = STR("up.dot"), .text = STR("x=i")};
    *vector_push(&arena, &stage->eval) =
        (PlanChoice){.path = STR("up.dot"), .text = STR("replicated")};
    plan_fold(&arena, arena_split(&arena), &plan);
    *vector_push(&arena, &plan.idle_ranks) = 0;
    *vector_push(&arena, &plan.idle_ranks) = 1;
    return plan;
}

static bool parse(Str text, Plan *plan, Diagnostics *diagnostics)
{
    *diagnostics = diagnostics_new(&arena);
    int32_t source = diagnostics_add_source(diagnostics, STR("a.plan"), text);
    return plan_parse(&arena, source, diagnostics, plan);
}

static Str replaced(Str text, const char *old, const char *new)
{
    const char *at = strstr(text.data, old);
    assert_non_null(at);
    return str_format(&arena, "%.*s%s%s", (int)(at - text.data), text.data, new,
                      at + strlen(old));
}

static void a_plan_survives_its_text(void **state)
{
    (void)state;
    Plan plan = sample(), again;
    Diagnostics diagnostics;
    Str text = plan_print(&arena, &plan);
    assert_true(parse(text, &again, &diagnostics));
    assert_string_equal(plan_print(&arena, &again).data, text.data);
    assert_true(again.planned_seconds == plan.planned_seconds);
    assert_true(again.lower_bound_seconds == plan.lower_bound_seconds);
    assert_true(str_equal(again.model_text, plan.model_text));
    assert_true(again.model_hash == plan.model_hash);
    assert_int_equal(again.strategies.count, 1);
    assert_int_equal(again.strategies.data[0].stages.data[0], 0);
    const PlanChoice *choice = &again.strategies.data[0].train.data[0];
    assert_true(str_equal_c(choice->path, "up.dot"));
    assert_true(str_equal_c(choice->text, "x=i"));
    const PlanStage *stage = &again.stages.data[0];
    assert_memory_equal(&stage->submesh, &plan.stages.data[0].submesh,
                        sizeof stage->submesh);
    assert_int_equal(stage->mesh.axis[1].size, 2);
    assert_int_equal(stage->mesh.axis[0].size, 4);
}

/* Three stages of a deep model, the last with another mesh. */
static Plan deep(void)
{
    Plan plan = {.n_microbatches = 1};
    static const struct {
        const char *path, *text;
    } choices[3][4] = {
        {{"tokens", "x=a"}, {"block.0.dot", "x=i"}, {"block.1.dot", "x=n"}},
        {{"tokens", "x=a"}, {"block.2.dot", "x=i"}, {"block.3.add#2", "x=a"}},
        {{"block.4.dot", "x=i"}, {"block.5.dot", "x=i"}},
    };
    for (int32_t s = 0; s < 3; s++) {
        PlanStage *stage = vector_push(&arena, &plan.stages);
        stage->mesh.n_axes = 2;
        stage->mesh.axis[1] =
            (LogicalAxis){.name = STR("x"), .size = s == 2 ? 4 : 2};
        for (int32_t i = 0; choices[s][i].path; i++)
            *vector_push(&arena, &stage->train) =
                (PlanChoice){.path = str_from(choices[s][i].path),
                             .text = str_from(choices[s][i].text)};
    }
    return plan;
}

static void assert_stated(const PlanChoices *choices, const char *expected)
{
    Text text = text_new(&arena);
    for (int64_t i = 0; i < choices->count; i++)
        text_format(&text, "%.*s:%.*s ", STR_ARG(choices->data[i].path),
                    STR_ARG(choices->data[i].text));
    assert_string_equal(text_str(&text).data, expected);
}

static void what_repeats_is_stated_once(void **state)
{
    (void)state;
    Plan plan = deep();
    plan_fold(&arena, arena_split(&arena), &plan);
    assert_int_equal(plan.strategies.count, 2);
    assert_int_equal(plan.strategies.data[0].stages.count, 2);
    assert_stated(&plan.strategies.data[0].train,
                  "tokens:x=a block.*.dot:x=i block.1.dot:x=n "
                  "block.3.add#2:x=a ");
    assert_stated(&plan.strategies.data[1].train, "block.*.dot:x=i ");
}

/* An input that two stages read in two ways separates them. */
static void stages_that_disagree_are_apart(void **state)
{
    (void)state;
    Plan plan = deep();
    plan.stages.data[1].train.data[0].text = STR("replicated");
    plan_fold(&arena, arena_split(&arena), &plan);
    assert_int_equal(plan.strategies.count, 3);
}

static void equal_layers_are_written_once(void **state)
{
    (void)state;
    Plan plan = sample(), again;
    static const char *const PATHS[][2] = {
        {"block.1.q.dot", "block.1.add"},
        {"block.12.q.dot", "block.12.add"},
        {"block.3.q.dot", "block.2.add"}, /* not one part renamed */
    };
    for (int i = 0; i < 3; i++) {
        PlanLayer *layer = vector_push(&arena, &plan.layers);
        layer->name = STR("block");
        for (int k = 0; k < 2; k++)
            *vector_push(&arena, &layer->paths) = str_from(PATHS[i][k]);
    }
    Diagnostics diagnostics;
    Str text = plan_print(&arena, &plan);
    assert_non_null(strstr(text.data, "\"from\": \"block.1\","));
    assert_non_null(strstr(text.data, "\"to\": \"block.12\""));
    assert_null(strstr(text.data, "block.12.q.dot"));
    assert_non_null(strstr(text.data, "block.3.q.dot"));
    assert_true(parse(text, &again, &diagnostics));
    for (int64_t i = 0; i < 3; i++)
        for (int64_t k = 0; k < 2; k++)
            assert_true(str_equal(again.layers.data[1 + i].paths.data[k],
                                  plan.layers.data[1 + i].paths.data[k]));
    const char *const damage[][2] = {
        {"\"layer\": 1", "\"layer\": 2"},
        {"\"from\": \"block.1\"", "\"from\": \"clock.1\""},
    };
    for (int i = 0; i < 2; i++)
        assert_false(parse(replaced(text, damage[i][0], damage[i][1]), &again,
                           &diagnostics));
}

/* The first diagnostic of the sample with one text replaced. */
static void assert_complains(const char *old, const char *new, DiagnosticId id,
                             const char *message, int64_t line)
{
    Plan plan = sample();
    Diagnostics diagnostics;
    Str text = replaced(plan_print(&arena, &plan), old, new);
    assert_false(parse(text, &plan, &diagnostics));
    const Diagnostic *first = &diagnostics.list.data[0];
    assert_int_equal(first->id, id);
    assert_string_equal(first->message.data, message);
    int64_t at, column;
    source_place(text, first->span.begin, &at, &column);
    assert_int_equal(at, line);
}

static void damage_is_diagnosed_in_its_place(void **state)
{
    (void)state;
    assert_complains("\"dnnc_plan\": 1", "\"dnnc_plan\": 2",
                     DIAGNOSTIC_plan_value,
                     "dnnc_plan is not an integer from 1 to 1", 2);
    assert_complains("\"microbatches\": 4", "\"microbatches\": 0",
                     DIAGNOSTIC_plan_value,
                     "microbatches is not an integer from 1 to 1048576", 3);
    assert_complains("\"hosts\": 1", "\"hosts\": \"one\"",
                     DIAGNOSTIC_plan_value,
                     "stages[0].submesh.hosts is not an integer from 1 to "
                     "1048576",
                     20);
    assert_complains("\"x\": 2", "\"q\": 2", DIAGNOSTIC_plan_missing,
                     "stages[0].mesh.x is missing, expected an integer from 1 "
                     "to 1048576",
                     23);
    assert_complains("\"x=i\"", "7", DIAGNOSTIC_plan_value,
                     "strategies[0].train.up.dot is not a string", 44);
    assert_complains("fedcba9876543210", "fedcba987654321",
                     DIAGNOSTIC_plan_value,
                     "model.hash is not a hash of 16 hexadecimal digits", 63);
    assert_complains("\"idle_ranks\": [",
                     "\"idle_ranks\": ", DIAGNOSTIC_plan_syntax,
                     "this is not JSON: string or '}' expected near '1'", 8);
}

/* No prefix of a plan, and no plan with one byte changed, does worse than be
 * refused or read. */
static void truncated_and_changed_plans_do_not_crash(void **state)
{
    (void)state;
    Plan plan = sample();
    Str text = plan_print(&arena, &plan);
    Arena start = arena;
    for (int64_t i = 0; i < text.length; i++) {
        Diagnostics diagnostics;
        arena = start;
        assert_false(parse((Str){text.data, i}, &plan, &diagnostics) &&
                     i + 1 < text.length);
        Str changed = str_copy(&arena, text);
        char *bytes = arena_new(&arena, char, text.length + 1);
        memcpy(bytes, changed.data, (size_t)text.length);
        bytes[i] = "\"{}[]0,:x\n"[i % 10];
        parse((Str){bytes, text.length}, &plan, &diagnostics);
        diagnostics_print(&diagnostics, &arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_survives_its_text),
        cmocka_unit_test(what_repeats_is_stated_once),
        cmocka_unit_test(stages_that_disagree_are_apart),
        cmocka_unit_test(equal_layers_are_written_once),
        cmocka_unit_test(damage_is_diagnosed_in_its_place),
        cmocka_unit_test(truncated_and_changed_plans_do_not_crash),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
