/* Golden tests of graph passes (golden.h): textual IR in, passes, textual IR
 * or diagnostics out.  A case begins with
 *
 *     # the idea
 *     run simplify from train
 */
#include "ir/graph_text.h"
#include "passes/pass.h"
#include "tests/golden/golden.h"

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

static Str answer(Str name, Str input, Arena *arena, Arena scratch)
{
    Str line = golden_line(&input);
    while (line.length > 0 && line.data[0] == '#')
        line = golden_line(&input);
    Command command;
    if (!parse_command(line, arena, &command)) {
        printf("%s: not a command: %.*s\n", name.data, STR_ARG(line));
        return (Str){0};
    }
    Diagnostics diagnostics = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&diagnostics, name, input);
    Graph *graph = graph_parse(arena, source, &diagnostics);
    PassOptions options = {
        .training = &TRAINING, .train = graph, .diagnostics = &diagnostics};
    if (graph)
        graph = pass_run_by_name(str_from(command.passes), graph, &command.form,
                                 &options, arena, scratch);
    return graph ? graph_print(arena, graph)
                 : diagnostics_print(&diagnostics, arena);
}

int main(int argc, char **argv)
{
    return golden_main(argc, argv, answer);
}
