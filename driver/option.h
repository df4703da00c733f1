/* Options: one table a command says what it takes; usage follows from it. */
#ifndef DNNC_DRIVER_OPTION_H
#define DNNC_DRIVER_OPTION_H

#include "support/status.h"
#include "support/vector.h"

typedef enum OptionKind {
    OPTION_FLAG,    /* bool */
    OPTION_TEXT,    /* const char * */
    OPTION_INTEGER, /* int64_t, >= 0 */
    OPTION_LIST,    /* OptionList: may be given more than once */
} OptionKind;

typedef VECTOR(const char *) OptionList;

typedef struct Option {
    const char *name; /* "--mesh"; "-o" */
    OptionKind kind;
    void *value;          /* where it goes, of the kind's type */
    const char *argument; /* "FILE"; NULL for a flag */
    const char *help;     /* lines of at most 57 columns */
} Option;

/* Reads `--name value`, `--name=value` and positional arguments (into
 * `positional`).  After "--" the rest is positional.  An unknown option is an
 * error that names the nearest known one. */
Status option_parse(Arena *arena, const Option *options, int n_options,
                    int argc, char **argv, OptionList *positional) MUST_USE;

/* The one of `names` that is spelled most like `name`; NULL when none is near. */
const char *option_nearest(const char *name, const char *const *names,
                           int n_names);

/* "Usage: dnnc NAME ARGUMENTS", a line for each line of `arguments`. */
Str option_forms(Arena *arena, const char *name, const char *arguments);
/* These and one aligned line an option; lines of at most 80 columns. */
Str option_usage(Arena *arena, const char *name, const char *arguments,
                 const Option *options, int n_options);

#endif
