/* dnnc check: report what is wrong in models and clusters, do nothing else. */
#include "driver/command.h"
#include "driver/option.h"
#include "driver/source.h"
#include "frontend/frontend.h"

static void check_one(Session *session, int32_t source, Str name,
                      const OptionList *settings)
{
    if (source_kind(name) == SOURCE_CLUSTER) {
        Mesh mesh;
        (void)frontend_mesh(&session->perm, source, &session->diagnostics,
                            &mesh);
        return;
    }
    Model model;
    (void)frontend_model(&session->perm, source,
                         settings_from(&session->perm, settings),
                         settings->count, &session->diagnostics, &model);
}

int command_check(Session *session, int argc, char **argv)
{
    OptionList settings = {0}, files = {0};
    bool help = false;
    const Option options[] = {
        {"--set", OPTION_LIST, &settings, "NAME=VALUE",
         "override a model parameter (repeatable)"},
        {"--help", OPTION_FLAG, &help, NULL, "print this"},
    };
    Status status = option_parse(&session->perm, options, 2, argc, argv,
                                 &files);
    if (status_failed(&status))
        return command_finish(session, status);
    if (help || files.count == 0)
        return command_usage("check", options, 2, help, &session->perm);
    for (int64_t i = 0; i < files.count; i++) {
        int32_t source;
        status = session_read(session, files.data[i], &source);
        if (status_failed(&status))
            break;
        check_one(session, source, str_from(files.data[i]), &settings);
    }
    return command_finish(session, status);
}
