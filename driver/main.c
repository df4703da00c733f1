/* dnnc: picks the subcommand, owns the memory, and is the only file that ends
 * the process. */
#include "driver/command.h"

#include <setjmp.h>
#include <string.h>

static const CommandRow commands[] = {
#define COMMAND(name, arguments, summary) \
    {#name, arguments, summary, command_##name},
#include "driver/commands.def"
#undef COMMAND
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void print_help(FILE *to)
{
    fputs("dnnc compiles a deep-learning model for a cluster into one "
          "executable.\n\nUsage: dnnc COMMAND [ARGUMENT]...\n\nCommands:\n",
          to);
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].summary);
    fputs("\nOptions:\n"
          "  --help     print this; `dnnc COMMAND --help` says what a command "
          "takes\n"
          "  --version  print the version\n"
          "\nExit status: 0 done, 1 the input is wrong, 2 the command line is "
          "wrong,\n3 the environment failed (a file, memory, a peer, a "
          "device).\n",
          to);
}

static const CommandRow *find_command(const char *name)
{
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

static int complain_unknown(const char *name)
{
    const char *names[N_COMMANDS];
    for (int i = 0; i < N_COMMANDS; i++)
        names[i] = commands[i].name;
    const char *nearest = option_nearest(name, names, N_COMMANDS);
    fprintf(stderr, "dnnc: error: unknown %s '%s'",
            name[0] == '-' ? "option" : "command", name);
    if (nearest)
        fprintf(stderr, " (did you mean '%s'?)", nearest);
    fputs("\n`dnnc --help` lists the commands.\n", stderr);
    return STATUS_USAGE;
}

static int run_command(const CommandRow *row, int argc, char **argv)
{
    jmp_buf landing;
    ArenaMemory memory;
    Session session = {.command = row};
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
    if (fflush(stdout) == 0 && !ferror(stdout))
        return result;
    fputs("dnnc: error: cannot write to standard output\n", stderr);
    return result ? result : STATUS_ENVIRONMENT;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    bool asks_help = strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 ||
                     strcmp(name, "-h") == 0;
    if (argc < 2 || (asks_help && argc == 2)) {
        print_help(asks_help ? stdout : stderr);
        return asks_help ? STATUS_OK : STATUS_USAGE;
    }
    if (strcmp(name, "--version") == 0) {
        puts("dnnc " DNNC_VERSION);
        return STATUS_OK;
    }
    const CommandRow *row = find_command(asks_help ? argv[2] : name);
    if (!row)
        return complain_unknown(asks_help ? argv[2] : name);
    char help[] = "--help";
    char *asked[] = {argv[1], help, NULL}; /* `dnnc help plan` */
    return asks_help ? run_command(row, 2, asked)
                     : run_command(row, argc - 1, argv + 1);
}
