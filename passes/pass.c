/* Pass: runs the rows of passes/passes.def, each between two verifications. */
#include "passes/pass.h"

#include "ir/graph_text.h"
#include "passes/input_limit.h"

#include <assert.h>
#include <stddef.h>

static const Pass passes[] = {
#define PASS(name, on, from, to, summary) \
    {{#name, (int64_t)sizeof(#name) - 1}, on, from, to, summary, pass_##name},
#include "passes/passes.def"
#undef PASS
};

enum { N_PASSES = sizeof passes / sizeof passes[0], N_GRAPHS = 3 };

const Pass *pass_table(int32_t *n_passes)
{
    *n_passes = N_PASSES;
    return passes;
}

const Pass *pass_find(Str name)
{
    for (int32_t i = 0; i < N_PASSES; i++) {
        if (str_equal(passes[i].name, name))
            return &passes[i];
    }
    return NULL;
}

static void assert_legal(const Graph *graph, GraphForm form, Arena scratch)
{
    Str violation = graph_verify(graph, form, &scratch);
    assert(violation.length == 0 && "a pass met or made an illegal graph");
}

Graph *pass_run(const Pass *pass, const Graph *from, GraphForm *form,
                const PassOptions *options, Arena *perm, Arena scratch)
{
    assert(*form >= pass->from);
    assert_legal(from, *form, scratch);
    Graph *result = pass->run(from, options, perm, scratch);
    if (!result)
        return NULL;
    if (*form < pass->to)
        *form = pass->to;
    assert_legal(result, *form, scratch);
    if (options->dump) {
        text_format(options->dump, "# after %.*s\n", STR_ARG(pass->name));
        text_append(options->dump, graph_print(&scratch, result));
    }
    return result;
}

/* Cuts the text before the next comma off *names. */
static Str next_name(Str *names)
{
    int64_t n = 0;
    while (n < names->length && names->data[n] != ',')
        n++;
    Str name = {names->data, n};
    int64_t used = n < names->length ? n + 1 : n;
    *names = (Str){names->data + used, names->length - used};
    return name;
}

Graph *pass_run_by_name(Str names, const Graph *from, GraphForm *form,
                        const PassOptions *options, Arena *perm, Arena scratch)
{
    const Graph *graph = from;
    Graph *result = NULL;
    do {
        Str name = next_name(&names);
        const Pass *pass = pass_find(name);
        if (!pass) {
            diagnose(options->diagnostics, (Span){0}, pass_unknown,
                     STR_ARG(name));
            return NULL;
        }
        if (*form < pass->from) {
            diagnose(options->diagnostics, (Span){0}, pass_too_early,
                     STR_ARG(name));
            return NULL;
        }
        result = pass_run(pass, graph, form, options, perm, scratch);
        graph = result;
    } while (result && names.length != 0);
    return result;
}

bool pass_run_all(GraphSet *set, const PassOptions *options, Arena *perm,
                  Arena scratch)
{
    Graph **graphs[N_GRAPHS] = {&set->train, &set->eval, &set->init};
    GraphForm form[N_GRAPHS] = {FORM_MODEL, FORM_MODEL, FORM_MODEL};
    PassOptions own = *options;
    set->input_limits = input_limits(perm, set->train);
    for (int32_t p = 0; p < N_PASSES; p++) {
        for (int32_t i = 0; i < N_GRAPHS; i++) {
            if (!(passes[p].on & 1u << i))
                continue;
            own.train = set->train;
            *graphs[i] =
                pass_run(&passes[p], *graphs[i], &form[i], &own, perm, scratch);
            if (!*graphs[i])
                return false;
        }
    }
    return true;
}
