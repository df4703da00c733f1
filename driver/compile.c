/* dnnc compile: the whole compiler as prose.
 *
 *     text -> graphs -> gradients, update -> layers -> plan
 *          -> local graphs, kernels, schedule, memory = program
 *          -> objects -> executable
 */
#include "driver/compile.h"

#include "codegen/codegen.h"
#include "driver/temporary.h"
#include "ir/graph_text.h"
#include "passes/pass.h"
#include "passes/plan.h"
#include "passes/plan_check.h"
#include "passes/program_build.h"
#include "support/file.h"

enum { REPLANS_MAX = 8 };

/* -- decisions ------------------------------------------------------------- */

/* A plan given is checked, a shape given is filled in, else the search.
 * `cut_bytes` is taken off every device's memory. */
static bool decide(Session *session, const Request *request, int32_t source,
                   int64_t cut_bytes, Compilation *c)
{
    const PlanOptions options = {.memory_cut_bytes = cut_bytes,
                                 .work_limit = request->work_limit,
                                 .observer = request->observer};
    Diagnostics *diagnostics = &session->diagnostics;
    Arena *perm = &session->perm;
    if (request->plan)
        return plan_check(perm, session->scratch, &c->model.graphs, &c->mesh,
                          source, &options, diagnostics, &c->plan);
    if (!request->uniform)
        return plan_search(perm, session->scratch, &c->model.graphs,
                           &c->model.training, &c->mesh, &options, diagnostics,
                           &c->plan);
    UniformShape shape;
    return uniform_parse(str_from(request->uniform), diagnostics, &shape) &&
           plan_uniform(perm, session->scratch, &c->model.graphs, &c->mesh,
                        &shape, &options, diagnostics, &c->plan);
}

static Status build_program(Session *session, Compilation *c,
                            int64_t *excess_bytes)
{
    ProgramExcess excess;
    Str fault = program_build(&c->model.graphs, &c->plan, &c->mesh,
                              &session->perm, &c->program, &c->code, &excess);
    *excess_bytes = excess.bytes;
    return fault.length == 0
               ? status_ok()
               : status_error(STATUS_ENVIRONMENT,
                              "internal error: the program made of this plan "
                              "is wrong: %.*s (please report it)",
                              STR_ARG(fault));
}

/* Decides again until the program as placed fits: the planner's picture of
 * memory is the liveness of whole values, placement adds alignment and the
 * buffers that resharding needs. */
static Status decide_and_build(Session *session, const Request *request,
                               int32_t source, Compilation *c)
{
    int64_t cut_bytes = 0;
    for (int attempt = 0; attempt < REPLANS_MAX; attempt++) {
        int64_t excess_bytes;
        if (!decide(session, request, source, cut_bytes, c))
            return status_ok();
        TRY(build_program(session, c, &excess_bytes));
        if (excess_bytes == 0)
            return status_ok();
        cut_bytes += excess_bytes;
        if (request->plan)
            break;
    }
    return status_error(STATUS_INPUT,
                        "the placed program is %lld bytes over the memory of "
                        "a device: use more microbatches, a smaller batch or "
                        "more devices",
                        (long long)cut_bytes);
}

/* -- from texts to a program ----------------------------------------------- */

Status compile_plan(Session *session, const Request *request, Compilation *out)
{
    Arena *perm = &session->perm;
    Diagnostics *diagnostics = &session->diagnostics;
    RequestTexts texts;
    TRY(request_read(session, request, &texts, &out->plan));
    if (diagnostics_any(diagnostics))
        return status_ok();

    /* Text to graphs: a forward pass for training, one for evaluation, and
     * the first values of all variables. */
    bool good = frontend_model(perm, texts.model, texts.settings,
                               texts.n_settings, diagnostics, &out->model);
    good = frontend_mesh(perm, texts.mesh, diagnostics, &out->mesh) && good;
    if (!good)
        return status_ok();
    out->plan.model_name = out->model.name;

    /* From here on only primitive ops; then gradients and the optimizer's
     * update; then every node has a layer, and copies where resharding can
     * be shared. */
    const PassOptions options = {.training = &out->model.training,
                                 .n_layers = (int32_t)request->layers,
                                 .plan = request->plan ? &out->plan : NULL,
                                 .diagnostics = diagnostics};
    if (!pass_run_all(&out->model.graphs, &options, perm, session->scratch))
        return status_ok();

    /* The decisions, and the program that follows from them: local graphs,
     * kernels, a schedule without deadlock, every buffer in its place. */
    TRY(decide_and_build(session, request, texts.plan, out));
    out->program.plan_hash = str_hash(plan_print(perm, &out->plan));
    out->program.learning_rate = out->model.training.learning_rate;
    return status_ok();
}

/* -- from a program to a job ----------------------------------------------- */

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
    TRY(codegen_objects(&session->perm, session->scratch, &c->code, &c->program,
                        &options, &objects));
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

/* -- the command ----------------------------------------------------------- */

int command_compile(Session *session, int argc, char **argv)
{
    Request request = {0};
    const char *output = NULL, *save_temps = NULL;
    enum { N_OPTIONS = REQUEST_OPTIONS + 2 };
    Option options[N_OPTIONS] = {
        [REQUEST_OPTIONS] = {"-o", OPTION_TEXT, &output, "JOB",
                             "the executable to write"},
        {"--save-temps", OPTION_TEXT, &save_temps, "FOLDER",
         "keep IR, LLVM IR, schedule and plan there"},
    };
    request_options(&request, options);
    OptionList models = {0};
    int result;
    if (!command_arguments(session, options, N_OPTIONS, 0, 1, argc, argv,
                           &models, &result))
        return result;
    if (!output)
        return command_finish(
            session, status_error(STATUS_USAGE, "no job is named: -o JOB"));
    request.model = models.count ? models.data[0] : NULL;
    Status status = file_check_output(output, false);
    if (status_failed(&status))
        return command_finish(session, status);
    Compilation *compilation = arena_new(&session->perm, Compilation, 1);
    status = compile_plan(session, &request, compilation);
    if (!status_failed(&status) && !diagnostics_any(&session->diagnostics))
        status = compile_job(session, compilation, output, save_temps);
    return command_finish(session, status);
}
