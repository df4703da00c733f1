/* dnnc plan: decide how a model runs on a cluster, and show it. */
#include "driver/compile.h"
#include "driver/report.h"
#include "support/file.h"

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
    const char *output = NULL;
    bool json = false;
    enum { N_OPTIONS = REQUEST_OPTIONS + 2 };
    Option options[N_OPTIONS] = {
        [REQUEST_OPTIONS] = {"-o", OPTION_TEXT, &output, "FILE",
                             "write the plan"},
        {"--json", OPTION_FLAG, &json, NULL, "print the report as JSON"},
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
    status = compile_plan(session, &request, compilation);
    if (!status_failed(&status) && !diagnostics_any(&session->diagnostics))
        status = show(session, &request, compilation, output, json);
    return command_finish(session, status);
}
