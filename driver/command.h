/* Command: what every subcommand is given and returns.
 *
 * A command parses its arguments with option_parse, works in the session's
 * arenas, and returns the process's exit status:
 *
 *     0 done · 1 the user's input is wrong · 2 usage · 3 the environment
 */
#ifndef DNNC_DRIVER_COMMAND_H
#define DNNC_DRIVER_COMMAND_H

#include "driver/option.h"
#include "support/diagnostic.h"
#include "support/status.h"

#include <stdio.h>

typedef struct Session {
    const char *program; /* argv[0]: where the installation is found */
    Arena perm;          /* lives as long as the command */
    Arena scratch;       /* passed by value */
    Diagnostics diagnostics;
} Session;

/* argv[0] is the subcommand's name. */
typedef int Command(Session *session, int argc, char **argv);

#define COMMAND(name, arguments, summary) Command command_##name;
#include "driver/commands.def"
#undef COMMAND

/* Prints the session's diagnostics, or else `status`, on stderr; returns the
 * exit status that they mean (diagnostics: 1). */
int command_finish(Session *session, Status status);

/* Prints how command `name` is used: on stdout with status 0 when `asked`, on
 * stderr with status 2 otherwise. */
int command_usage(const char *name, const Option *options, int n_options,
                  bool asked, Arena *arena);

/* The bytes of `path`, registered as a source for spans. */
Status session_read(Session *session, const char *path, int32_t *source)
    MUST_USE;

#endif
