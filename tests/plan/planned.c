/* Planned: see the header. */
#include "planned.h"

#include "passes/pass.h"
#include "support/file.h"

static int32_t read_source(Arena *arena, const char *name, Diagnostics *d)
{
    Str text, path = str_format(arena, "%s/%s", DNNC_MODELS, name);
    Status status = file_read(arena, path.data, &text);
    return status_failed(&status) ? 0 : diagnostics_add_source(d, path, text);
}

bool planned_read(Arena *arena, Arena scratch, const char *model,
                  const char *mesh, const char *const *settings, Planned *out)
{
    enum { SETTINGS_MAX = 8 };
    Setting list[SETTINGS_MAX];
    int64_t n = 0;
    for (; settings[n]; n++)
        list[n].text = str_from(settings[n]);
    out->diagnostics = diagnostics_new(arena);
    Diagnostics *d = &out->diagnostics;
    int32_t model_source = read_source(arena, model, d);
    int32_t mesh_source = read_source(arena, mesh, d);
    PassOptions options = {.training = &out->model.training, .diagnostics = d};
    return model_source && mesh_source &&
           frontend_model(arena, model_source, list, n, d, &out->model) &&
           frontend_mesh(arena, mesh_source, d, &out->mesh) &&
           pass_run_all(&out->model.graphs, &options, arena, scratch);
}

bool planned(Arena *arena, Arena scratch, const char *model, const char *mesh,
             const char *const *settings, Planned *out)
{
    *out = (Planned){0};
    if (!planned_read(arena, scratch, model, mesh, settings, out) ||
        !plan_search(arena, scratch, &out->model.graphs, &out->model.training,
                     &out->mesh, &(PlanOptions){0}, &out->diagnostics,
                     &out->plan))
        return false;
    out->accounts = plan_account(arena, scratch, out->model.graphs.train,
                                 &out->mesh, &out->plan);
    return true;
}
