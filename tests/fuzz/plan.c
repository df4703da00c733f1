/* Fuzz plan files: any text is read or diagnosed, and what is read survives
 * its own print.  A plan that is read is compiled as `dnnc compile --plan` does,
 * to a program that is diagnosed or passes its verifier. */
#include "ir/plan.h"

#include "frontend/frontend.h"
#include "passes/pass.h"
#include "passes/plan_check.h"
#include "passes/program_build.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

enum { SETTINGS_MAX = 8 };

/* Reads the model and the cluster that the plan embeds. */
static bool read_texts(Arena *arena, const Plan *plan, Diagnostics *d,
                       Model *model, Mesh *mesh)
{
    Setting settings[SETTINGS_MAX];
    int64_t n = 0;
    for (; n < plan->settings.count && n < SETTINGS_MAX; n++)
        settings[n].text =
            str_format(arena, "%.*s=%.*s", STR_ARG(plan->settings.data[n].name),
                       STR_ARG(plan->settings.data[n].value));
    int32_t model_source =
        diagnostics_add_source(d, plan->model_path, plan->model_text);
    int32_t mesh_source =
        diagnostics_add_source(d, plan->mesh_path, plan->mesh_text);
    return frontend_model(arena, model_source, settings, n, d, model) &&
           frontend_mesh(arena, mesh_source, d, mesh);
}

static void compile(Arena *arena, Arena scratch, int32_t source, Diagnostics *d,
                    Plan *plan)
{
    Model model;
    Mesh mesh;
    if (!read_texts(arena, plan, d, &model, &mesh))
        return;
    const PassOptions options = {
        .training = &model.training, .plan = plan, .diagnostics = d};
    if (!pass_run_all(&model.graphs, &options, arena, scratch) ||
        !plan_check(arena, scratch, &model.graphs, &mesh, source,
                    &(PlanOptions){0}, d, plan)) {
        assert(diagnostics_any(d));
        return;
    }
    Program program;
    ProgramCode code;
    ProgramExcess excess;
    Str fault = program_build(&model.graphs, plan, &mesh, arena, &program,
                              &code, &excess);
    assert(fault.length == 0);
}

void fuzz_input(Str text, Arena *arena)
{
    Diagnostics d = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&d, STR("fuzz.plan"), text);
    Plan plan, again;
    bool ok = plan_parse(arena, source, &d, &plan);
    assert(ok != diagnostics_any(&d));
    diagnostics_print(&d, arena);
    if (!ok)
        return;
    Str once = plan_print(arena, &plan);
    Diagnostics e = diagnostics_new(arena);
    int32_t printed = diagnostics_add_source(&e, STR("again.plan"), once);
    bool survives = plan_parse(arena, printed, &e, &again);
    assert(survives && "what was read and printed is read");
    assert(str_equal(plan_print(arena, &again), once));
    Arena scratch = arena_split(arena);
    compile(arena, scratch, source, &d, &plan);
    diagnostics_print(&d, arena);
}
