/* Options: a job's command line. */
#ifndef DNNC_RUNTIME_OPTIONS_H
#define DNNC_RUNTIME_OPTIONS_H

#include "support/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { BINDINGS_MAX = 32 };

typedef struct Bindings {
    int64_t count;
    const char *text[BINDINGS_MAX];
} Bindings;

typedef struct Options {
    bool help;
    Bindings data, validation;
    double validation_fraction;
    int64_t steps, epochs; /* -1: not given */
    int64_t seed;          /* -1: not given */
    int64_t threads;
    bool eval;
    int64_t eval_every; /* 0: only at the end */
    const char *predict;
    const char *generate;
    int64_t tokens;
    double temperature;
    const char *init;
    const char *checkpoint;
    int64_t checkpoint_every; /* 0: only at the end */
    int64_t keep;             /* 0: all */
    bool resume;
    int64_t check_replicas; /* 0: never */
    bool deterministic;
    const char *log;
    int64_t log_every;
    const char *trace;
    bool info;
} Options;

/* Strings are borrowed from argv. */
Status options_parse(Options *out, int argc, char **argv) MUST_USE;
/* The text of --help. */
const char *options_help(void);

#endif
