/* Golden tests of graph passes: textual IR in, passes, textual IR out.
 *
 *     test_passes [--bless] FILE...
 *
 * A file holds cases, separated by lines "====".  A case is
 *
 *     # the idea
 *     run simplify from train
 *     <textual IR>
 *     ----
 *     <textual IR after the passes, or the diagnostics>
 *
 * `--bless` rewrites the expected parts; a person reads the difference. */
#include "ir/graph_text.h"
#include "passes/pass.h"
#include "support/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const FORMS[] = {"model", "primitive", "gradient",
                                    "train", "layered",   "local"};

/* What `run optimizer` trains with. */
static const Training TRAINING = {
    .optimizer = OPTIMIZER_SGD,
    .momentum = 0.9,
    .decay = 0.01,
    .learning_rate = {.kind = SCHEDULE_CONSTANT, .peak = 0.1},
    .clip_norm = 1,
};

/* The text up to the line `separator`, which is cut off *rest with it. */
static Str next_part(Str *rest, const char *separator)
{
    Str line_end = {0};
    for (int64_t begin = 0; begin < rest->length;) {
        int64_t end = begin;
        while (end < rest->length && rest->data[end] != '\n')
            end++;
        line_end = (Str){rest->data + begin, end - begin};
        if (str_equal_c(line_end, separator)) {
            Str part = {rest->data, begin};
            int64_t used = end < rest->length ? end + 1 : end;
            *rest = (Str){rest->data + used, rest->length - used};
            return part;
        }
        begin = end + 1;
    }
    Str part = *rest;
    *rest = (Str){rest->data + rest->length, 0};
    return part;
}

static Str next_line(Str *rest)
{
    int64_t end = 0;
    while (end < rest->length && rest->data[end] != '\n')
        end++;
    Str line = {rest->data, end};
    int64_t used = end < rest->length ? end + 1 : end;
    *rest = (Str){rest->data + used, rest->length - used};
    return line;
}

typedef struct Command {
    char passes[128];
    GraphForm form;
} Command;

static bool parse_command(Str line, Arena *arena, Command *out)
{
    char form[32];
    if (sscanf(str_copy(arena, line).data, "run %127s from %31s", out->passes,
               form) != 2)
        return false;
    for (size_t i = 0; i < sizeof FORMS / sizeof FORMS[0]; i++) {
        if (str_equal_c(str_from(form), FORMS[i])) {
            out->form = (GraphForm)i;
            return true;
        }
    }
    return false;
}

/* What the passes make of the input: a graph's text or diagnostics. */
static Str actual_of(Str input, Command *command, Str name, Arena *arena,
                     Arena scratch)
{
    Diagnostics diagnostics = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&diagnostics, name, input);
    Graph *graph = graph_parse(arena, source, &diagnostics);
    PassOptions options = {
        .training = &TRAINING, .train = graph, .diagnostics = &diagnostics};
    if (graph)
        graph = pass_run_by_name(str_from(command->passes), graph,
                                 &command->form, &options, arena, scratch);
    return graph ? graph_print(arena, graph)
                 : diagnostics_print(&diagnostics, arena);
}

/* Runs one case and appends it with the actual result; whether it passed. */
static bool run_case(Str text, Str name, Text *blessed, Arena *arena,
                     Arena scratch)
{
    Str rest = text;
    Str input = next_part(&rest, "----");
    Str head = input;
    Str line = next_line(&input);
    while (line.length > 0 && line.data[0] == '#')
        line = next_line(&input);
    head.length -= input.length;
    Command command;
    if (!parse_command(line, arena, &command)) {
        printf("%.*s: not a command: %.*s\n", STR_ARG(name), STR_ARG(line));
        return false;
    }
    Str actual = actual_of(input, &command, name, arena, scratch);
    if (blessed->length > 0)
        text_append(blessed, STR("====\n"));
    text_append(blessed, head);
    text_append(blessed, input);
    text_append(blessed, STR("----\n"));
    text_append(blessed, actual);
    if (str_equal(actual, rest))
        return true;
    printf("%.*s: this case gives something else:\n%.*s-- expected\n%.*s"
           "-- actual\n%.*s",
           STR_ARG(name), STR_ARG(head), STR_ARG(rest), STR_ARG(actual));
    return false;
}

static bool run_file(const char *path, bool bless, Arena *arena, Arena scratch)
{
    Str text;
    Status status = file_read(arena, path, &text);
    if (status_failed(&status)) {
        printf("%s\n", status.message);
        return false;
    }
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path; /* in diagnostics */
    Text blessed = text_new(arena);
    bool passed = true;
    for (Str rest = text; rest.length > 0;) {
        Str one = next_part(&rest, "====");
        passed &= run_case(one, str_from(name), &blessed, arena, scratch);
    }
    if (!bless)
        return passed;
    status = file_write(path, text_str(&blessed), false);
    return !status_failed(&status);
}

int main(int argc, char **argv)
{
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, (int64_t)1 << 30, NULL);
    Arena scratch = arena_split(&arena);
    bool bless = argc > 1 && str_equal_c(str_from(argv[1]), "--bless");
    bool passed = argc > 1 + bless;
    for (int i = 1 + bless; i < argc; i++)
        passed &= run_file(argv[i], bless, &arena, scratch);
    arena_release(&memory);
    return passed ? EXIT_SUCCESS : EXIT_FAILURE;
}
