/* dnnc: picks the subcommand, owns the memory, and is the only file that ends
 * the process. */
#include "driver/command.h"
#include "driver/option.h"
#include "support/file.h"

#include <setjmp.h>
#include <string.h>

typedef struct CommandRow {
    const char *name, *arguments, *summary;
    Command *run;
} CommandRow;

static const CommandRow commands[] = {
#define COMMAND(name, arguments, summary)                                     \
    {#name, arguments, summary, command_##name},
#include "driver/commands.def"
#undef COMMAND
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void print_commands(FILE *to)
{
    fputs("dnnc compiles a deep-learning model for a cluster into one "
          "executable.\n\nUsage: dnnc COMMAND ...\n\n",
          to);
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].summary);
    fputs("\n`dnnc COMMAND --help` says what a command takes.\n", to);
}

int command_finish(Session *session, Status status)
{
    if (diagnostics_any(&session->diagnostics)) {
        Str text = diagnostics_print(&session->diagnostics, &session->perm);
        fwrite(text.data, 1, (size_t)text.length, stderr);
        return STATUS_INPUT;
    }
    if (status_failed(&status))
        fprintf(stderr, "dnnc: error: %s\n", status.message);
    return (int)status.code;
}

int command_usage(const char *name, const Option *options, int n_options,
                  bool asked, Arena *arena)
{
    int row = 0;
    while (strcmp(commands[row].name, name) != 0)
        row++;
    Str text = option_usage(arena, name, commands[row].arguments,
                            commands[row].summary, options, n_options);
    fwrite(text.data, 1, (size_t)text.length, asked ? stdout : stderr);
    return asked ? STATUS_OK : STATUS_USAGE;
}

Status session_read(Session *session, const char *path, int32_t *source)
{
    Str text;
    TRY(file_read(&session->perm, path, &text));
    *source = diagnostics_add_source(&session->diagnostics, str_from(path),
                                     text);
    return status_ok();
}

static int run_command(const CommandRow *row, const char *program, int argc,
                       char **argv)
{
    jmp_buf landing;
    ArenaMemory memory;
    Session session = {.program = program};
    session.perm = arena_reserve(
        &memory, (int64_t)1 << ARENA_DEFAULT_BYTES_LOG2, &landing);
    if (!session.perm.next) {
        fputs("dnnc: error: no address space for the compiler\n", stderr);
        return STATUS_ENVIRONMENT;
    }
    if (setjmp(landing)) {
        fputs("dnnc: error: the model is too large for the compiler's "
              "memory\n",
              stderr);
        arena_release(&memory);
        return STATUS_ENVIRONMENT;
    }
    session.scratch = arena_split(&session.perm);
    session.diagnostics = diagnostics_new(&session.perm);
    int result = row->run(&session, argc, argv);
    arena_release(&memory);
    return result;
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "help") == 0 ||
        strcmp(argv[1], "--help") == 0) {
        print_commands(argc < 2 ? stderr : stdout);
        return argc < 2 ? STATUS_USAGE : STATUS_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("dnnc " DNNC_VERSION);
        return 0;
    }
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return run_command(&commands[i], argv[0], argc - 1, argv + 1);
    fprintf(stderr, "dnnc: error: unknown command '%s'\n\n", argv[1]);
    print_commands(stderr);
    return STATUS_USAGE;
}
