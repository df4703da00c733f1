/* dnnc plan: decide how a model runs on a cluster, and show it. */
#include "driver/compile.h"
#include "driver/report.h"
#include "driver/temporary.h"
#include "solver/iopddl.h"
#include "support/file.h"

/* Where --save-temps leaves the choice networks of the search. */
typedef struct NetworkFolder {
    TemporaryFolder folder;
    Arena arena; /* of one text */
    int64_t count;
    Status status; /* of the first that could not be written */
} NetworkFolder;

static void write_network(void *context, const ChoiceProblem *problem)
{
    NetworkFolder *to = context;
    Arena arena = to->arena;
    if (status_failed(&to->status))
        return;
    Str name = str_format(&arena, "network-%04lld", (long long)++to->count);
    Str path =
        str_format(&arena, "%s/%.*s.json", to->folder.path, STR_ARG(name));
    to->status =
        file_write(path.data, iopddl_print(&arena, name, problem), false);
}

static Status plan_saving(Session *session, Request *request,
                          const char *save_temps, Compilation *c)
{
    NetworkFolder to = {.arena = arena_split(&session->scratch)};
    TRY(temporary_init(&to.folder, save_temps));
    request->observer = (NetworkObserver){write_network, &to};
    TRY(compile_plan(session, request, c));
    return to.status;
}

/* The two commands that come after this one, ready to be pasted. */
static void print_next(const Request *request, const Compilation *c,
                       const char *output)
{
    const Plan *plan = &c->plan;
    printf("next: dnnc compile");
    if (output || request->plan) {
        printf(" --plan %s", output ? output : request->plan);
    } else {
        printf(" %s --mesh %s", request->model, request->mesh);
        for (int64_t i = 0; i < request->settings.count; i++)
            printf(" --set %s", request->settings.data[i]);
        if (request->uniform)
            printf(" --uniform %s", request->uniform);
    }
    printf(" -o %.*s\n", STR_ARG(plan->model_name));
    printf("      dnnc run ./%.*s -n %lld -- --data FILE\n",
           STR_ARG(plan->model_name), (long long)c->program.n_ranks);
}

static Status show(Session *session, const Request *request,
                   const Compilation *c, const char *output, bool json)
{
    const Graph *train = c->model.graphs.train;
    Str text = json ? report_plan_json(&session->perm, session->scratch, train,
                                       &c->mesh, &c->plan)
                    : report_plan(&session->perm, session->scratch, train,
                                  &c->mesh, &c->plan);
    fwrite(text.data, 1, (size_t)text.length, stdout);
    if (output)
        TRY(file_write(output, plan_print(&session->perm, &c->plan), false));
    if (!json)
        print_next(request, c, output);
    return status_ok();
}

int command_plan(Session *session, int argc, char **argv)
{
    Request request = {0};
    const char *output = NULL, *save_temps = NULL;
    bool json = false;
    enum { N_OPTIONS = REQUEST_OPTIONS + 3 };
    Option options[N_OPTIONS] = {
        [REQUEST_OPTIONS] = {"-o", OPTION_TEXT, &output, "FILE",
                             "write the plan"},
        {"--json", OPTION_FLAG, &json, NULL, "print the report as JSON"},
        {"--save-temps", OPTION_TEXT, &save_temps, "FOLDER",
         "leave the search's choice networks for `dnnc solve`"},
    };
    request_options(&request, options);
    OptionList models = {0};
    int result;
    if (!command_arguments(session, options, N_OPTIONS, 0, 1, argc, argv,
                           &models, &result))
        return result;
    request.model = models.count ? models.data[0] : NULL;
    Status status = output ? file_check_output(output, true) : status_ok();
    if (status_failed(&status))
        return command_finish(session, status);
    Compilation *compilation = arena_new(&session->perm, Compilation, 1);
    status = save_temps
                 ? plan_saving(session, &request, save_temps, compilation)
                 : compile_plan(session, &request, compilation);
    if (!status_failed(&status) && !diagnostics_any(&session->diagnostics))
        status = show(session, &request, compilation, output, json);
    return command_finish(session, status);
}
