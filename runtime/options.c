/* The command line as a table. */
#include "runtime/options.h"

#include "runtime/checkpoint.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef enum OptionKind {
    OPTION_FLAG,     /* bool */
    OPTION_WHOLE,    /* int64_t, >= 0 */
    OPTION_REAL,     /* double, >= 0 */
    OPTION_TEXT,     /* const char * */
    OPTION_BINDINGS, /* Bindings, repeatable */
} OptionKind;

typedef struct OptionRow {
    const char *name;
    OptionKind kind;
    size_t offset; /* in Options */
} OptionRow;

#define ROW(name, kind, field) {name, kind, offsetof(Options, field)}
static const OptionRow rows[] = {
    ROW("--help", OPTION_FLAG, help),
    ROW("-h", OPTION_FLAG, help),
    ROW("--info", OPTION_FLAG, info),
    ROW("--data", OPTION_BINDINGS, data),
    ROW("--validation", OPTION_BINDINGS, validation),
    ROW("--validation-fraction", OPTION_REAL, validation_fraction),
    ROW("--steps", OPTION_WHOLE, steps),
    ROW("--epochs", OPTION_WHOLE, epochs),
    ROW("--seed", OPTION_WHOLE, seed),
    ROW("--threads", OPTION_WHOLE, threads),
    ROW("--eval", OPTION_FLAG, eval),
    ROW("--eval-every", OPTION_WHOLE, eval_every),
    ROW("--predict", OPTION_TEXT, predict),
    ROW("--generate", OPTION_TEXT, generate),
    ROW("--tokens", OPTION_WHOLE, tokens),
    ROW("--temperature", OPTION_REAL, temperature),
    ROW("--init", OPTION_TEXT, init),
    ROW("--checkpoint", OPTION_TEXT, checkpoint),
    ROW("--checkpoint-every", OPTION_WHOLE, checkpoint_every),
    ROW("--keep", OPTION_WHOLE, keep),
    ROW("--resume", OPTION_FLAG, resume),
    ROW("--check-replicas", OPTION_WHOLE, check_replicas),
    ROW("--deterministic", OPTION_FLAG, deterministic),
    ROW("--log", OPTION_TEXT, log),
    ROW("--log-every", OPTION_WHOLE, log_every),
    ROW("--trace", OPTION_TEXT, trace),
};

static const char help_text[] =
    "usage: JOB [OPTIONS]\n"
    "   or: dnnc run JOB -n N -- [OPTIONS]     (N processes)\n"
    "\n"
    "data (docs/data.md)\n"
    "  --data FILE               the model's input; or --data NAME=FILE for "
    "each\n"
    "                            input: bytes, .bin tokens, .npy, .csv:COLUMNS,"
    "\n"
    "                            IDX; any of them .gz\n"
    "  --validation FILE         data to validate on, given like --data\n"
    "  --validation-fraction F   or: the last F of the data\n"
    "  --seed N                  of initial values, order and dropout "
    "(default 0)\n"
    "training\n"
    "  --steps N                 train up to step N\n"
    "  --epochs N                or: for N passes over the data\n"
    "  --init FILE               parameters' first values (.safetensors)\n"
    "  --eval-every N            validate every N steps (and at the end)\n"
    "  --log FILE                one JSON object a step\n"
    "  --log-every N             print every N steps (default: about once a "
    "second)\n"
    "checkpoints (docs/checkpoint.md)\n"
    "  --checkpoint DIR          save into DIR at the end and when stopped\n"
    "  --checkpoint-every N      and every N steps\n"
    "  --keep N                  keep the N newest (default: all)\n"
    "  --resume                  go on from DIR's newest checkpoint\n"
    "using a model\n"
    "  --eval                    loss and metrics on the validation data (or "
    "--data)\n"
    "  --predict FILE.npy        the model's output for every sample of --data\n"
    "  --generate TEXT           go on with TEXT (language models over bytes)\n"
    "  --tokens N                how many tokens (default 200)\n"
    "  --temperature T           0 takes the likeliest token (default 0.8)\n"
    "checking and measuring\n"
    "  --check-replicas N        every N steps, compare replicated state\n"
    "  --deterministic           two runs of one plan give equal bits\n"
    "  --trace FILE              a Chrome trace of all ranks\n"
    "  --threads N               of each process's libraries (default 1)\n"
    "  --info                    what this job is, then exit\n";

const char *options_help(void)
{
    return help_text;
}

static const OptionRow *find_row(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strlen(rows[i].name) == length &&
            memcmp(rows[i].name, name, length) == 0)
            return &rows[i];
    return NULL;
}

static Status set_value(Options *out, const OptionRow *row, const char *value)
{
    char *field = (char *)out + row->offset, *end;
    errno = 0;
    switch (row->kind) {
    case OPTION_FLAG: *(bool *)field = true; break;
    case OPTION_TEXT: *(const char **)field = value; break;
    case OPTION_WHOLE:
        *(int64_t *)field = strtoll(value, &end, 10);
        if (end == value || *end || errno || *(int64_t *)field < 0)
            return status_error(STATUS_USAGE,
                                "%s takes a whole number >= 0, not '%s'",
                                row->name, value);
        break;
    case OPTION_REAL:
        *(double *)field = strtod(value, &end);
        if (end == value || *end || !(*(double *)field >= 0) ||
            *(double *)field > 1e300)
            return status_error(STATUS_USAGE,
                                "%s takes a number >= 0, not '%s'", row->name,
                                value);
        break;
    case OPTION_BINDINGS: {
        Bindings *bindings = (Bindings *)field;
        if (bindings->count == BINDINGS_MAX)
            return status_error(STATUS_USAGE, "more than %d times %s",
                                BINDINGS_MAX, row->name);
        bindings->text[bindings->count++] = value;
        break;
    }
    }
    return status_ok();
}

static Status check(const Options *o)
{
    if (o->validation_fraction >= 1)
        return status_error(STATUS_USAGE,
                            "--validation-fraction takes a number below 1");
    if (o->validation.count && o->validation_fraction > 0)
        return status_error(STATUS_USAGE, "--validation and "
                                          "--validation-fraction exclude "
                                          "each other");
    if (o->steps >= 0 && o->epochs >= 0)
        return status_error(STATUS_USAGE,
                            "--steps and --epochs exclude each other");
    if (!o->checkpoint && (o->resume || o->checkpoint_every || o->keep))
        return status_error(STATUS_USAGE,
                            "--resume, --checkpoint-every and --keep need "
                            "--checkpoint DIR");
    if (o->checkpoint && strlen(o->checkpoint) > CHECKPOINT_PATH_MAX - 64)
        return status_error(STATUS_USAGE, "--checkpoint: the path is too long");
    if (o->init && o->resume)
        return status_error(STATUS_USAGE,
                            "--init and --resume exclude each other");
    if (o->threads < 1)
        return status_error(STATUS_USAGE, "--threads takes at least 1");
    return status_ok();
}

Status options_parse(Options *out, int argc, char **argv)
{
    *out = (Options){.seed = -1,
                     .steps = -1,
                     .epochs = -1,
                     .threads = 1,
                     .tokens = 200,
                     .temperature = 0.8};
    for (int i = 1; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        bool is_joined = equals && strncmp(argv[i], "--", 2) == 0;
        size_t length =
            is_joined ? (size_t)(equals - argv[i]) : strlen(argv[i]);
        const OptionRow *row = find_row(argv[i], length);
        if (!row)
            return status_error(STATUS_USAGE,
                                "unknown option '%s'; --help lists them",
                                argv[i]);
        const char *value = is_joined ? equals + 1 : NULL;
        if (row->kind == OPTION_FLAG && is_joined)
            return status_error(STATUS_USAGE, "%s takes no value", row->name);
        if (row->kind != OPTION_FLAG && !value) {
            if (i + 1 == argc)
                return status_error(STATUS_USAGE, "%s needs a value",
                                    row->name);
            value = argv[++i];
        }
        TRY(set_value(out, row, value));
    }
    return out->help ? status_ok() : check(out);
}
