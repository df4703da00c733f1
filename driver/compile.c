/* dnnc compile: the whole compiler as prose.
 *
 *     text -> graphs -> gradients, update -> layers -> plan
 *          -> local graphs, kernels, schedule, memory = program
 *          -> objects -> executable
 */
#include "driver/compile.h"

#include "codegen/codegen.h"
#include "driver/source.h"
#include "driver/temporary.h"
#include "ir/graph_text.h"
#include "passes/pass.h"
#include "passes/plan.h"
#include "passes/plan_check.h"
#include "passes/program_build.h"
#include "support/checked.h"
#include "support/file.h"

#include <time.h>

enum { REPLANS_MAX = 8 };

void compile_options(Request *request, Option *options)
{
    const Option rows[COMPILE_OPTIONS] = {
        {"--mesh", OPTION_TEXT, &request->mesh, "FILE",
         "the cluster (a .mesh file)"},
        {"--set", OPTION_LIST, &request->settings, "NAME=VALUE",
         "override a model parameter (repeatable)"},
        {"--plan", OPTION_TEXT, &request->plan, "FILE",
         "use this plan, edited or not, instead of searching"},
        {"--uniform", OPTION_TEXT, &request->uniform, "SHAPE",
         "data=D,tensor=T,pipeline=P,microbatch=M: a plan of that shape"},
        {"--layers", OPTION_INTEGER, &request->layers, "N",
         "cut the model into N layers, the units of pipeline stages"},
        {"--work-limit", OPTION_INTEGER, &request->work_limit, "N",
         "stop each stage's search after this much work"},
    };
    for (int i = 0; i < COMPILE_OPTIONS; i++)
        options[i] = rows[i];
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Reads model and cluster.  A plan that is given brings both along; files
 * named beside it are read instead, and must say the same. */
static Status read_sources(Session *session, const Request *request,
                           int32_t *model, int32_t *mesh, Compilation *out)
{
    Diagnostics *diagnostics = &session->diagnostics;
    Plan *plan = &out->plan;
    if (request->plan) {
        TRY(session_read(session, request->plan, &out->plan_source));
        if (!plan_parse(&session->perm, out->plan_source, diagnostics, plan))
            return status_ok();
    } else if (!request->model || !request->mesh) {
        return status_error(STATUS_USAGE, "a model and --mesh are needed, "
                                          "or --plan");
    }
    if (request->model) {
        TRY(session_read(session, request->model, model));
        plan->model_path = str_from(request->model);
    } else {
        *model = diagnostics_add_source(diagnostics, plan->model_path,
                                        plan->model_text);
    }
    if (request->mesh) {
        TRY(session_read(session, request->mesh, mesh));
        plan->mesh_path = str_from(request->mesh);
    } else {
        *mesh = diagnostics_add_source(diagnostics, plan->mesh_path,
                                       plan->mesh_text);
    }
    Str model_text = diagnostics->sources.data[*model].text;
    Str mesh_text = diagnostics->sources.data[*mesh].text;
    if (request->plan && !str_equal(model_text, plan->model_text))
        return status_error(STATUS_INPUT,
                            "'%s' is not the model of the plan '%s' (plan "
                            "again, or leave the model out)",
                            request->model, request->plan);
    if (request->plan && !str_equal(mesh_text, plan->mesh_text))
        return status_error(STATUS_INPUT,
                            "'%s' is not the cluster of the plan '%s' (plan "
                            "again, or leave --mesh out)",
                            request->mesh, request->plan);
    plan->model_text = model_text;
    plan->mesh_text = mesh_text;
    return status_ok();
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
            *vector_push(perm, &plan->settings) = (PlanSetting){
                {text.data, n},
                {text.data + min_i64(n + 1, text.length),
                 max_i64(text.length - n - 1, 0)}};
        }
    }
    *n_settings = plan->settings.count;
    Setting *settings = arena_new(perm, Setting, *n_settings);
    for (int64_t i = 0; i < *n_settings; i++)
        settings[i].text = str_format(
            perm, "%.*s=%.*s", STR_ARG(plan->settings.data[i].name),
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
        plan->model_hash =
            plan->model_hash * 31 + str_hash(setting->name) * 7 +
            str_hash(setting->value);
    }
}

/* Decides: a plan given is checked, a shape given is filled in, else the
 * search.  `cut_bytes` is taken off every device's memory. */
static bool decide(Session *session, const Request *request,
                   int64_t cut_bytes, Compilation *c)
{
    const PlanOptions options = {.memory_cut_bytes = cut_bytes,
                                 .work_limit = request->work_limit};
    Diagnostics *diagnostics = &session->diagnostics;
    Arena *perm = &session->perm;
    if (request->plan)
        return plan_check(perm, session->scratch, &c->model.graphs, &c->mesh,
                          c->plan_source, &options, diagnostics, &c->plan);
    if (!request->uniform)
        return plan_search(perm, session->scratch, &c->model.graphs,
                           &c->model.training, &c->mesh, &options,
                           diagnostics, &c->plan);
    UniformShape shape;
    return uniform_parse(str_from(request->uniform), diagnostics, &shape) &&
           plan_uniform(perm, session->scratch, &c->model.graphs, &c->mesh,
                        &shape, &options, diagnostics, &c->plan);
}

/* Plans and builds until the program as placed fits: the planner's picture of
 * memory is the liveness of whole values, placement adds alignment and the
 * buffers that resharding needs. */
static Status decide_and_build(Session *session, const Request *request,
                               Compilation *c)
{
    int64_t cut_bytes = 0;
    for (int attempt = 0; attempt < REPLANS_MAX; attempt++) {
        if (!decide(session, request, cut_bytes, c))
            return status_ok();
        ProgramExcess excess;
        Str fault = program_build(&c->model.graphs, &c->plan, &c->mesh,
                                  &session->perm, &c->program, &c->code,
                                  &excess);
        if (fault.length)
            return status_error(STATUS_ENVIRONMENT,
                                "internal error: the program made of this "
                                "plan is wrong: %.*s (please report it)",
                                STR_ARG(fault));
        if (excess.bytes == 0)
            return status_ok();
        cut_bytes += excess.bytes;
        if (request->plan)
            break;
    }
    return status_error(STATUS_INPUT,
                        "the placed program is %lld bytes over the memory of "
                        "a device: use more microbatches, a smaller batch or "
                        "more devices",
                        (long long)cut_bytes);
}

Status compile_plan(Session *session, const Request *request,
                    Compilation *out)
{
    Diagnostics *diagnostics = &session->diagnostics;
    int32_t model_source = 0, mesh_source = 0;
    TRY(read_sources(session, request, &model_source, &mesh_source, out));
    if (diagnostics_any(diagnostics))
        return status_ok();

    /* Text to graphs: a forward pass for training, one for evaluation, and
     * the first values of all variables. */
    int64_t n_settings;
    Setting *settings =
        read_settings(session, request, &out->plan, &n_settings);
    bool good = frontend_model(&session->perm, model_source, settings,
                               n_settings, diagnostics, &out->model);
    good = frontend_mesh(&session->perm, mesh_source, diagnostics,
                         &out->mesh) &&
           good;
    if (!good)
        return status_ok();
    out->plan.model_name = out->model.name;
    set_hashes(&out->plan);

    /* From here on only primitive ops; then gradients and the optimizer's
     * update; then every node has a layer, and copies where resharding can
     * be shared. */
    const PassOptions options = {.training = &out->model.training,
                                 .n_layers = (int32_t)request->layers,
                                 .plan = request->plan ? &out->plan : NULL,
                                 .diagnostics = diagnostics};
    if (!pass_run_all(&out->model.graphs, &options, &session->perm,
                      session->scratch))
        return status_ok();

    /* The decisions, and the program that follows from them. */
    double begin = seconds_now();
    TRY(decide_and_build(session, request, out));
    out->planning_seconds = seconds_now() - begin;
    out->program.plan_hash =
        str_hash(plan_print(&session->perm, &out->plan));
    out->program.learning_rate = out->model.training.learning_rate;
    return status_ok();
}

/* What --save-temps leaves beside the objects and the LLVM IR. */
static Status save_listings(Session *session, const Compilation *c,
                            const char *folder)
{
    const struct {
        const char *name;
        Str text;
    } files[] = {
        {"train.ir", graph_print(&session->perm, c->model.graphs.train)},
        {"eval.ir", graph_print(&session->perm, c->model.graphs.eval)},
        {"init.ir", graph_print(&session->perm, c->model.graphs.init)},
        {"plan.json", plan_print(&session->perm, &c->plan)},
        {"program.txt", program_print(&session->perm, &c->program)},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        TRY(file_write(
            str_format(&session->perm, "%s/%s", folder, files[i].name).data,
            files[i].text, false));
    return status_ok();
}

static Status emit_and_link(Session *session, const Compilation *c,
                            const char *folder, bool listings,
                            const char *output)
{
    const CodegenOptions options = {.directory = str_from(folder),
                                    .listings = listings};
    CodeObjects objects = {0};
    TRY(codegen_objects(&session->perm, session->scratch, &c->code,
                        &c->program, &options, &objects));
    JobLink link = {.directory = str_from(folder)};
    TRY(job_library_find(&session->perm, &link.library));
    return job_link(session->scratch, &c->program, &objects, &link,
                    str_from(output));
}

Status compile_job(Session *session, const Compilation *compilation,
                   const char *output, const char *save_temps)
{
    TemporaryFolder folder;
    TRY(temporary_init(&folder, save_temps));
    Status status = status_ok();
    if (save_temps)
        status = save_listings(session, compilation, folder.path);
    if (!status_failed(&status))
        status = emit_and_link(session, compilation, folder.path,
                               save_temps != NULL, output);
    temporary_deinit(&folder);
    return status;
}

int command_compile(Session *session, int argc, char **argv)
{
    Request request = {0};
    const char *output = NULL, *save_temps = NULL;
    bool help = false;
    enum { N_OPTIONS = COMPILE_OPTIONS + 3 };
    Option options[N_OPTIONS] = {
        [COMPILE_OPTIONS] = {"-o", OPTION_TEXT, &output, "JOB",
                             "the executable to write"},
        {"--save-temps", OPTION_TEXT, &save_temps, "FOLDER",
         "keep the IR, the LLVM IR, the schedule and the plan there"},
        {"--help", OPTION_FLAG, &help, NULL, "print this"},
    };
    compile_options(&request, options);
    OptionList models = {0};
    Status status = option_parse(&session->perm, options, N_OPTIONS, argc,
                                 argv, &models);
    if (status_failed(&status))
        return command_finish(session, status);
    if (help || !output || models.count + (request.plan != NULL) < 1 ||
        models.count > 1)
        return command_usage("compile", options, N_OPTIONS, help,
                             &session->perm);
    request.model = models.count ? models.data[0] : NULL;
    Compilation *compilation = arena_new(&session->perm, Compilation, 1);
    status = compile_plan(session, &request, compilation);
    if (!status_failed(&status) && !diagnostics_any(&session->diagnostics))
        status = compile_job(session, compilation, output, save_temps);
    return command_finish(session, status);
}
