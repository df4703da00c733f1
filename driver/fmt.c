/* dnnc fmt: one layout for models and clusters. */
#include "driver/command.h"
#include "driver/option.h"
#include "driver/source.h"
#include "frontend/frontend.h"
#include "support/file.h"

#include <string.h>

/* Formats one file; with `only_check`, counts it instead of writing it. */
static Status format_one(Session *session, const char *path, bool only_check,
                         int64_t *n_different)
{
    int32_t source;
    TRY(session_read(session, path, &source));
    Str formatted;
    if (!frontend_format(&session->perm, source, source_kind(str_from(path)),
                         &session->diagnostics, &formatted))
        return status_ok();
    if (strcmp(path, "-") == 0) {
        fwrite(formatted.data, 1, (size_t)formatted.length, stdout);
        return status_ok();
    }
    if (str_equal(formatted, session->diagnostics.sources.data[source].text))
        return status_ok();
    ++*n_different;
    if (only_check) {
        printf("%s\n", path);
        return status_ok();
    }
    return file_write(path, formatted, false);
}

int command_fmt(Session *session, int argc, char **argv)
{
    OptionList files = {0};
    bool only_check = false;
    const Option options[] = {
        {"--check", OPTION_FLAG, &only_check, NULL,
         "write nothing: list files that would change;\n"
         "exit status 1 if there are any"},
    };
    int result;
    if (!command_arguments(session, options, 1, 1, INT64_MAX, argc, argv,
                           &files, &result))
        return result;
    int64_t n_different = 0;
    Status status = status_ok();
    for (int64_t i = 0; i < files.count && !status_failed(&status); i++)
        status = format_one(session, files.data[i], only_check, &n_different);
    result = command_finish(session, status);
    return result == 0 && only_check && n_different ? STATUS_INPUT : result;
}
