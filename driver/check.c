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
    const Option options[] = {
        OPTION_SET(settings),
    };
    int result;
    if (!command_arguments(session, options, 1, 1, INT64_MAX, argc, argv,
                           &files, &result))
        return result;
    Status status = status_ok();
    for (int64_t i = 0; i < files.count; i++) {
        int32_t source;
        status = session_read(session, files.data[i], &source);
        if (status_failed(&status))
            break;
        check_one(session, source, str_from(files.data[i]), &settings);
    }
    return command_finish(session, status);
}
