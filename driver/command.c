/* Command: what all subcommands do alike. */
#include "driver/command.h"

#include "support/file.h"

static void print_text(Str text, FILE *to)
{
    fwrite(text.data, 1, (size_t)text.length, to);
}

bool command_arguments(Session *session, const Option *options, int n_options,
                       int64_t least, int64_t most, int argc, char **argv,
                       OptionList *operands, int *exit_status)
{
    Arena *perm = &session->perm;
    const CommandRow *command = session->command;
    bool help = false;
    Option *all = arena_new(perm, Option, n_options + 2);
    for (int i = 0; i < n_options; i++)
        all[i] = options[i];
    all[n_options] = (Option){"--help", OPTION_FLAG, &help, NULL, "print this"};
    all[n_options + 1] = (Option){"-h", OPTION_FLAG, &help, NULL, NULL};
    Status status =
        option_parse(perm, all, n_options + 2, argc, argv, operands);
    if (!status_failed(&status) && help) {
        print_text(option_usage(perm, command->name, command->arguments, all,
                                n_options + 1),
                   stdout);
        *exit_status = STATUS_OK;
        return false;
    }
    if (!status_failed(&status) && operands->count < least)
        status = status_error(STATUS_USAGE, "'%s' needs a file to work on",
                              command->name);
    if (!status_failed(&status) && operands->count > most)
        status = status_error(STATUS_USAGE, "unexpected argument '%s'",
                              operands->data[most]);
    if (!status_failed(&status))
        return true;
    *exit_status = command_finish(session, status);
    return false;
}

int command_finish(Session *session, Status status)
{
    Arena *perm = &session->perm;
    const CommandRow *command = session->command;
    if (diagnostics_any(&session->diagnostics)) {
        print_text(diagnostics_print(&session->diagnostics, perm), stderr);
        return STATUS_INPUT;
    }
    if (status_failed(&status))
        fprintf(stderr, "dnnc: error: %s\n", status.message);
    if (status.code == STATUS_USAGE) {
        print_text(option_forms(perm, command->name, command->arguments),
                   stderr);
        fprintf(stderr, "`dnnc %s --help` lists the options.\n", command->name);
    }
    return (int)status.code;
}

Status session_read(Session *session, const char *path, int32_t *source)
{
    Str text;
    TRY(file_read(&session->perm, path, &text));
    *source =
        diagnostics_add_source(&session->diagnostics, str_from(path), text);
    return status_ok();
}
