/* Subject: a shipped model made into a program. */
#include "subject.h"

#include "passes/pass.h"
#include "passes/program_build.h"
#include "support/file.h"

static bool read_model(const Subject *subject, Arena *arena,
                       Diagnostics *diagnostics, Model *out)
{
    Str text;
    Status status = file_read(arena, subject->path, &text);
    if (status_failed(&status))
        return false;
    int32_t source =
        diagnostics_add_source(diagnostics, str_from(subject->path), text);
    Setting settings[SETTINGS_MAX];
    int64_t n = 0;
    for (; n < SETTINGS_MAX && subject->settings[n]; n++)
        settings[n].text = str_from(subject->settings[n]);
    return frontend_model(arena, source, settings, n, diagnostics, out);
}

Str subject_build(const Subject *subject, const RandomPlanOptions *options,
                  uint64_t seed, Arena *arena, Arena scratch, Built *out)
{
    Diagnostics diagnostics = diagnostics_new(arena);
    PassOptions passes = {.training = &out->model.training,
                          .diagnostics = &diagnostics};
    if (!read_model(subject, arena, &diagnostics, &out->model) ||
        !pass_run_all(&out->model.graphs, &passes, arena, scratch)) {
        Str printed = diagnostics_print(&diagnostics, arena);
        return printed.length ? printed : STR("the model cannot be read");
    }
    Random random = {seed, 0};
    Mesh mesh;
    Plan plan = random_plan(&random, options, &out->model.graphs, arena, &mesh);
    ProgramExcess excess;
    return program_build(&out->model.graphs, &plan, &mesh, arena, &out->program,
                         &out->code, &excess);
}
