/* Command: what every subcommand is given and returns.
 *
 * A command reads its command line with command_arguments, works in the
 * session's arenas, and returns the process's exit status:
 *
 *     0 done · 1 the user's input is wrong · 2 usage · 3 the environment
 */
#ifndef DNNC_DRIVER_COMMAND_H
#define DNNC_DRIVER_COMMAND_H

#include "driver/option.h"
#include "support/diagnostic.h"
#include "support/status.h"

#include <stdio.h>

typedef struct CommandRow CommandRow;

typedef struct Session {
    const CommandRow *command;
    Arena perm;    /* lives as long as the command */
    Arena scratch; /* passed by value */
    Diagnostics diagnostics;
} Session;

/* argv[0] is the subcommand's name. */
typedef int Command(Session *session, int argc, char **argv);

/* A row of driver/commands.def. */
struct CommandRow {
    const char *name;
    const char *arguments; /* one line a form of use */
    const char *summary;
    Command *run;
};

#define COMMAND(name, arguments, summary) Command command_##name;
#include "driver/commands.def"
#undef COMMAND

/* The options of every command that takes models. */
#define OPTION_SET(list)                          \
    {"--set", OPTION_LIST, &(list), "NAME=VALUE", \
     "override a model parameter (repeatable)"}

/* Reads the command line: options by table, `least` to `most` operands (the
 * files a command is about).  Every command has --help.  False when the command
 * is over: help was printed, or what is wrong; *exit_status says which. */
bool command_arguments(Session *session, const Option *options, int n_options,
                       int64_t least, int64_t most, int argc, char **argv,
                       OptionList *operands, int *exit_status) MUST_USE;

/* Prints the session's diagnostics, or else `status`, on stderr; returns the
 * exit status that they mean (diagnostics: 1). */
int command_finish(Session *session, Status status);

/* The bytes of `path`, registered as a source for spans. */
Status session_read(Session *session, const char *path,
                    int32_t *source) MUST_USE;

#endif
