/* Request: see the header. */
#include "driver/request.h"

#include "driver/source.h"
#include "support/checked.h"

void request_options(Request *request, Option *options)
{
    const Option rows[REQUEST_OPTIONS] = {
        {"--mesh", OPTION_TEXT, &request->mesh, "FILE",
         "the cluster (a .mesh file)"},
        OPTION_SET(request->settings),
        {"--plan", OPTION_TEXT, &request->plan, "FILE",
         "this plan, edited or not, instead of searching"},
        {"--uniform", OPTION_TEXT, &request->uniform, "SHAPE",
         "a Megatron-style plan instead of searching:\n"
         "data=D,tensor=T,pipeline=P,microbatch=M"},
        {"--layers", OPTION_INTEGER, &request->layers, "N",
         "cut the model into N layers, the units of stages"},
        {"--work-limit", OPTION_INTEGER, &request->work_limit, "N",
         "stop each stage's search after this much work"},
    };
    for (int i = 0; i < REQUEST_OPTIONS; i++)
        options[i] = rows[i];
}

/* One text: the file that is named, or what the plan embeds. */
static Status read_text(Session *session, const char *path, Str plan_path,
                        Str plan_text, int32_t *source)
{
    if (path)
        return session_read(session, path, source);
    *source =
        diagnostics_add_source(&session->diagnostics, plan_path, plan_text);
    return status_ok();
}

/* The text of the source takes the plan's place for it, and must be it where
 * the plan was given. */
static Status adopt_text(const Session *session, const Request *request,
                         int32_t source, const char *what, const char *instead,
                         Str *plan_path, Str *plan_text)
{
    const Source *read = &session->diagnostics.sources.data[source];
    if (request->plan && !str_equal(read->text, *plan_text))
        return status_error(STATUS_INPUT,
                            "'%.*s' is not the %s of the plan '%s' (plan "
                            "again, or leave %s out)",
                            STR_ARG(read->name), what, request->plan, instead);
    *plan_path = read->name;
    *plan_text = read->text;
    return status_ok();
}

static Status read_plan(Session *session, const Request *request,
                        int32_t *source, Plan *plan)
{
    TRY(session_read(session, request->plan, source));
    (void)plan_parse(&session->perm, *source, &session->diagnostics, plan);
    return status_ok();
}

static Status check_named(const Request *request)
{
    if (!request->plan && !request->model)
        return status_error(STATUS_USAGE, "no model is named, and no --plan");
    if (!request->plan && !request->mesh)
        return status_error(STATUS_USAGE,
                            "no cluster is named: --mesh FILE (an installation "
                            "has some in share/dnnc/models/clusters)");
    if (request->plan && (request->uniform || request->settings.count))
        return status_error(STATUS_USAGE,
                            "--plan goes with neither --uniform nor --set: a "
                            "plan has its shape and its settings");
    if (request->model)
        TRY(source_expect(request->model, SOURCE_MODEL));
    return request->mesh ? source_expect(request->mesh, SOURCE_CLUSTER)
                         : status_ok();
}

/* The settings of the command line, or those of the plan that is given. */
static Setting *read_settings(Session *session, const Request *request,
                              Plan *plan, int64_t *n_settings)
{
    Arena *perm = &session->perm;
    if (!request->plan) {
        for (int64_t i = 0; i < request->settings.count; i++) {
            Str text = str_from(request->settings.data[i]);
            int64_t n = 0;
            while (n < text.length && text.data[n] != '=')
                n++;
            *vector_push(perm, &plan->settings) =
                (PlanSetting){{text.data, n},
                              {text.data + min_i64(n + 1, text.length),
                               max_i64(text.length - n - 1, 0)}};
        }
    }
    *n_settings = plan->settings.count;
    Setting *settings = arena_new(perm, Setting, *n_settings);
    for (int64_t i = 0; i < *n_settings; i++)
        settings[i].text =
            str_format(perm, "%.*s=%.*s", STR_ARG(plan->settings.data[i].name),
                       STR_ARG(plan->settings.data[i].value));
    return settings;
}

/* Fingerprints of what a plan was made from: the model's text with its
 * settings, and the cluster's text. */
static void set_hashes(Plan *plan)
{
    plan->mesh_hash = str_hash(plan->mesh_text);
    plan->model_hash = str_hash(plan->model_text);
    for (int64_t i = 0; i < plan->settings.count; i++) {
        const PlanSetting *setting = &plan->settings.data[i];
        plan->model_hash = plan->model_hash * 31 + str_hash(setting->name) * 7 +
                           str_hash(setting->value);
    }
}

Status request_read(Session *session, const Request *request,
                    RequestTexts *texts, Plan *plan)
{
    *texts = (RequestTexts){0};
    TRY(check_named(request));
    if (request->plan)
        TRY(read_plan(session, request, &texts->plan, plan));
    if (diagnostics_any(&session->diagnostics))
        return status_ok();
    TRY(read_text(session, request->model, plan->model_path, plan->model_text,
                  &texts->model));
    TRY(read_text(session, request->mesh, plan->mesh_path, plan->mesh_text,
                  &texts->mesh));
    TRY(adopt_text(session, request, texts->model, "model", "the model",
                   &plan->model_path, &plan->model_text));
    TRY(adopt_text(session, request, texts->mesh, "cluster", "--mesh",
                   &plan->mesh_path, &plan->mesh_text));
    texts->settings = read_settings(session, request, plan, &texts->n_settings);
    set_hashes(plan);
    return status_ok();
}
