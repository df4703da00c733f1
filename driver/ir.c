/* dnnc ir: print a model's graph in the textual IR, after any pass. */
#include "driver/command.h"
#include "driver/option.h"
#include "driver/source.h"
#include "frontend/frontend.h"
#include "ir/graph_text.h"
#include "passes/pass.h"

#include <string.h>

/* The graph of the set that `name` picks; NULL for an unknown name. */
static const Graph *pick(const GraphSet *set, const char *name, uint32_t *on)
{
    const struct {
        const char *name;
        const Graph *graph;
        uint32_t on;
    } graphs[] = {{"train", set->train, ON_TRAIN},
                  {"eval", set->eval, ON_EVAL},
                  {"init", set->init, ON_INIT}};
    for (int i = 0; i < 3; i++) {
        if (strcmp(graphs[i].name, name) == 0) {
            *on = graphs[i].on;
            return graphs[i].graph;
        }
    }
    return NULL;
}

/* Every pass up to `last` that concerns the graphs `on`, by name. */
static Str passes_until(Arena *arena, const char *last, uint32_t on)
{
    int32_t n_passes;
    const Pass *passes = pass_table(&n_passes);
    Text names = text_new(arena);
    for (int32_t i = 0; i < n_passes; i++) {
        if (passes[i].on & on)
            text_format(&names, "%s%.*s", names.length ? "," : "",
                        STR_ARG(passes[i].name));
        if (str_equal_c(passes[i].name, last))
            break;
    }
    return text_str(&names);
}

static Status print_graph(Session *session, const char *path,
                          const OptionList *settings, const char *which,
                          const char *names, const char *until)
{
    int32_t source;
    TRY(session_read(session, path, &source));
    Model model;
    if (!frontend_model(&session->perm, source,
                        settings_from(&session->perm, settings),
                        settings->count, &session->diagnostics, &model))
        return status_ok();
    uint32_t on = 0;
    const Graph *graph = pick(&model.graphs, which, &on);
    if (!graph)
        return status_error(
            STATUS_USAGE, "--graph wants train, eval or init, not '%s'", which);
    if (until && !pass_find(str_from(until)))
        return status_error(STATUS_USAGE, "there is no pass '%s'", until);
    Str passes = until ? passes_until(&session->perm, until, on)
                       : str_from(names ? names : "");
    GraphForm form = FORM_MODEL;
    PassOptions options = {.training = &model.training,
                           .train = model.graphs.train,
                           .diagnostics = &session->diagnostics};
    if (passes.length)
        graph = pass_run_by_name(passes, graph, &form, &options, &session->perm,
                                 session->scratch);
    if (graph) {
        Str text = graph_print(&session->perm, graph);
        fwrite(text.data, 1, (size_t)text.length, stdout);
    }
    return status_ok();
}

/* What --after does, and the passes that it may name. */
static const char *after_help(Arena *arena)
{
    enum { NAMES_A_LINE = 5 };
    int32_t n_passes;
    const Pass *passes = pass_table(&n_passes);
    Text help = text_new(arena);
    text_append(&help, STR("run the compiler's passes up to this one:"));
    for (int32_t i = 0; i < n_passes; i++)
        text_format(&help, "%s%s%.*s", i ? "," : "",
                    i % NAMES_A_LINE ? " " : "\n", STR_ARG(passes[i].name));
    return text_str(&help).data;
}

int command_ir(Session *session, int argc, char **argv)
{
    OptionList settings = {0}, files = {0};
    const char *which = "train", *names = NULL, *until = NULL;
    const Option options[] = {
        {"--graph", OPTION_TEXT, &which, "NAME",
         "train (default), eval or init"},
        {"--pass", OPTION_TEXT, &names, "A,B,...",
         "run these passes, in this order"},
        {"--after", OPTION_TEXT, &until, "PASS", after_help(&session->perm)},
        OPTION_SET(settings),
    };
    int result;
    if (!command_arguments(session, options, 4, 1, 1, argc, argv, &files,
                           &result))
        return result;
    return command_finish(session, print_graph(session, files.data[0],
                                               &settings, which, names, until));
}
