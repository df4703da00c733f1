/* Options: parsing by table, and the usage text that follows from it. */
#include "driver/option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Levenshtein distance of short names: for "did you mean". */
static int distance(const char *a, const char *b)
{
    enum { LENGTH_MAX = 32 };
    int row[LENGTH_MAX + 1];
    int n = (int)strnlen(b, LENGTH_MAX);
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            int shorter = row[j] < row[j - 1] ? row[j] : row[j - 1];
            row[j] = replaced < shorter + 1 ? replaced : shorter + 1;
        }
    }
    return row[n];
}

const char *option_nearest(const char *name, const char *const *names,
                           int n_names)
{
    int least = 4;
    const char *nearest = NULL;
    for (int i = 0; i < n_names; i++) {
        int d = distance(name, names[i]);
        if (d >= least || d >= (int)strlen(names[i]))
            continue;
        least = d;
        nearest = names[i];
    }
    return nearest;
}

static Status unknown(Arena scratch, const Option *options, int n_options,
                      const char *name)
{
    const char **names = arena_new(&scratch, const char *, n_options);
    for (int i = 0; i < n_options; i++)
        names[i] = options[i].name;
    const char *nearest = option_nearest(name, names, n_options);
    if (nearest)
        return status_error(STATUS_USAGE,
                            "unknown option '%s' (did you mean '%s'?)", name,
                            nearest);
    return status_error(STATUS_USAGE, "unknown option '%s'", name);
}

static Status assign(Arena *arena, const Option *option, const char *text)
{
    if (option->kind == OPTION_TEXT) {
        *(const char **)option->value = text;
    } else if (option->kind == OPTION_LIST) {
        *vector_push(arena, (OptionList *)option->value) = text;
    } else {
        char *end;
        errno = 0;
        long long value = strtoll(text, &end, 10);
        if (errno || *end || end == text || value < 0)
            return status_error(STATUS_USAGE,
                                "'%s' wants a whole number, not '%s'",
                                option->name, text);
        *(int64_t *)option->value = value;
    }
    return status_ok();
}

Status option_parse(Arena *arena, const Option *options, int n_options,
                    int argc, char **argv, OptionList *positional)
{
    bool only_positional = false;
    for (int i = 1; i < argc; i++) {
        char *argument = argv[i];
        if (only_positional || argument[0] != '-' || !argument[1]) {
            *vector_push(arena, positional) = argument;
            continue;
        }
        if (strcmp(argument, "--") == 0) {
            only_positional = true;
            continue;
        }
        char *equals = argument[1] == '-' ? strchr(argument, '=') : NULL;
        Str name =
            equals ? (Str){argument, equals - argument} : str_from(argument);
        const Option *option = NULL;
        for (int k = 0; k < n_options && !option; k++)
            if (str_equal_c(name, options[k].name))
                option = &options[k];
        if (!option)
            return unknown(*arena, options, n_options,
                           str_copy(arena, name).data);
        if (option->kind == OPTION_FLAG) {
            if (equals)
                return status_error(STATUS_USAGE, "'%s' takes no value",
                                    option->name);
            *(bool *)option->value = true;
            continue;
        }
        if (!equals && i + 1 == argc)
            return status_error(STATUS_USAGE, "'%s' wants %s", option->name,
                                option->argument);
        TRY(assign(arena, option, equals ? equals + 1 : argv[++i]));
    }
    return status_ok();
}

Str option_forms(Arena *arena, const char *name, const char *arguments)
{
    Text out = text_new(arena);
    const char *lead = "Usage:";
    while (*arguments) {
        int length = (int)strcspn(arguments, "\n");
        text_format(&out, "%-6s dnnc %s %.*s\n", lead, name, length, arguments);
        arguments += length + (arguments[length] == '\n');
        lead = "";
    }
    return text_str(&out);
}

Str option_usage(Arena *arena, const char *name, const char *arguments,
                 const Option *options, int n_options)
{
    enum { HELP_COLUMN = 23 };
    Text out = text_new(arena);
    text_append(&out, option_forms(arena, name, arguments));
    text_append(&out, STR("\nOptions:\n"));
    for (int i = 0; i < n_options; i++) {
        text_format(&out, "  %s", options[i].name);
        if (options[i].argument)
            text_format(&out, " %s", options[i].argument);
        text_append(&out, STR(" "));
        for (const char *help = options[i].help; *help;) {
            int length = (int)strcspn(help, "\n");
            text_pad(&out, HELP_COLUMN);
            text_format(&out, "%.*s\n", length, help);
            help += length + (help[length] == '\n');
        }
    }
    return text_str(&out);
}
