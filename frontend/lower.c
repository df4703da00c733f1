/* Lower: a model's text to its three graphs.
 *
 * The text runs twice, for training and for evaluation; both runs declare the
 * same inputs and parameters in the same order, which is checked.
 */
#include "frontend/lower.h"

#include "frontend/library.h"
#include "frontend/parse.h"

static const Stmt *find_model(Diagnostics *diagnostics,
                              const StmtList *statements, int32_t source)
{
    for (int64_t i = 0; i < statements->count; i++)
        if (statements->data[i]->kind == STMT_MODEL)
            return statements->data[i];
    Span begin = {source, 0, 0};
    if (statements->count)
        begin = statements->data[0]->span;
    diagnose(diagnostics, begin, model_missing);
    return NULL;
}

/* -- the model's parameters and --set --------------------------------------------- */

typedef struct ParsedSetting {
    Name name;
    Expr *value;
    bool used;
} ParsedSetting;

static bool parse_settings(Arena *arena, const Setting *settings, int64_t n,
                           Diagnostics *diagnostics, ParsedSetting *out)
{
    bool ok = true;
    for (int64_t i = 0; i < n; i++) {
        int32_t source =
            diagnostics_add_source(diagnostics, STR("--set"), settings[i].text);
        ok = parse_setting(arena, source, diagnostics, &out[i].name,
                           &out[i].value) &&
             ok;
    }
    return ok;
}

/* The last setting of a name counts. */
static ParsedSetting *setting_for(ParsedSetting *settings, int64_t n, Str name)
{
    ParsedSetting *found = NULL;
    for (int64_t i = 0; i < n; i++)
        if (str_equal(settings[i].name.text, name)) {
            settings[i].used = true;
            found = &settings[i];
        }
    return found;
}

/* A setting has its default's kind; a whole number may stand for a number. */
static bool same_kind(const Value *standard, const Value *given)
{
    return standard->kind == given->kind ||
           (standard->kind == VALUE_FLOAT && given->kind == VALUE_INT);
}

static void bind_model_parameter(Lowering *l, const Parameter *p,
                                 const ParsedSetting *setting)
{
    if (p->type || !p->standard) {
        complain(l, p->span, model_parameter_unfit, STR_ARG(p->name.text));
        scope_bind(l, l->global, p->name, poison(p->span));
        return;
    }
    Value standard = eval(l, p->standard, false), v = standard;
    if (setting) {
        v = eval(l, setting->value, false);
        if (!is_poison(&v) && !is_poison(&standard) &&
            !same_kind(&standard, &v)) {
            Str got = value_describe(l, &v);
            Str wanted = value_describe(l, &standard);
            Diagnostic *d =
                complain(l, setting->value->span, setting_kind,
                         STR_ARG(p->name.text), STR_ARG(got), STR_ARG(wanted));
            explain(l, d, p->span, "the parameter is declared here");
            v = poison(p->span);
        }
    }
    v.span = p->span;
    scope_bind(l, l->global, p->name, v);
}

static void bind_model_parameters(Lowering *l, ParsedSetting *settings,
                                  int64_t n)
{
    const ParameterList *parameters = &l->model->as.function.parameters;
    if (parameters->count > PARAMETERS_MAX) {
        complain(l, l->model->span, too_many_parameters, PARAMETERS_MAX);
        l->stopped = true;
        return;
    }
    for (int64_t i = 0; i < parameters->count; i++) {
        const Parameter *p = &parameters->data[i];
        Binding *old = scope_find_local(l->global, p->name.text);
        if (old) {
            Diagnostic *d =
                complain(l, p->span, parameter_twice, STR_ARG(p->name.text));
            explain(l, d, old->span, "declared here");
            continue;
        }
        bind_model_parameter(l, p, setting_for(settings, n, p->name.text));
    }
    for (int64_t i = 0; i < n; i++) {
        if (settings[i].used)
            continue;
        Diagnostic *d = complain(l, settings[i].name.span, parameter_unknown,
                                 STR_ARG(settings[i].name.text));
        explain(l, d, l->model->span, "the model's parameters");
    }
}

/* -- one run ---------------------------------------------------------------------------- */

static void run_library(Lowering *l, const StmtList *library)
{
    Frame frame = {.scope = l->library, .name = STR("library")};
    l->frame = &frame;
    exec_block(l, library);
    l->frame = NULL;
}

/* Appends the graph of `program` to l->graph and reads what it declares. */
static void run(Lowering *l, const StmtList *library, const StmtList *program,
                ParsedSetting *settings, int64_t n_settings, Training *training)
{
    int64_t errors = l->diagnostics->list.count;
    l->library = scope_new(l, NULL, true);
    l->global = scope_new(l, l->library, true);
    run_library(l, library);
    Frame frame = {.scope = l->global, .name = l->model->name.text};
    l->frame = &frame;
    bind_model_parameters(l, settings, n_settings);
    exec_block(l, program);
    frame.label = STR("");
    frame.fresh = false;
    if (!l->stopped && training)
        lower_training(l, training);
    if (training && l->diagnostics->list.count == errors)
        check_names(l, program);
    bool clean = l->diagnostics->list.count == errors;
    if (clean && l->graph->inputs.count == 0)
        complain(l, l->model->span, input_missing);
    if (clean && !map_find(&l->outputs, STR("loss")))
        complain(l, l->model->span, loss_missing);
    l->frame = NULL;
}

static bool tables_agree(const Graph *a, const Graph *b)
{
    if (a->inputs.count != b->inputs.count ||
        a->variables.count != b->variables.count)
        return false;
    for (int64_t i = 0; i < a->inputs.count; i++)
        if (!str_equal(a->inputs.data[i].name, b->inputs.data[i].name) ||
            !type_equal(&a->inputs.data[i].type, &b->inputs.data[i].type))
            return false;
    for (int64_t i = 0; i < a->variables.count; i++)
        if (!str_equal(a->variables.data[i].name, b->variables.data[i].name) ||
            !type_equal(&a->variables.data[i].type, &b->variables.data[i].type))
            return false;
    return true;
}

typedef struct Sources {
    StmtList library, program;
    int32_t library_source;
    ParsedSetting *settings;
    int64_t n_settings;
} Sources;

static Lowering lowering_new(Arena *arena, Diagnostics *diagnostics,
                             const Sources *sources, const Stmt *model,
                             bool training)
{
    return (Lowering){
        .arena = arena,
        .diagnostics = diagnostics,
        .graph = graph_new(arena, training ? STR("train") : STR("eval")),
        .training = training,
        .library_source = sources->library_source,
        .model = model,
    };
}

static bool lower(Arena *arena, Diagnostics *diagnostics,
                  const Sources *sources, const Stmt *model, Model *out)
{
    int64_t errors = diagnostics->list.count;
    Lowering train = lowering_new(arena, diagnostics, sources, model, true);
    run(&train, &sources->library, &sources->program, sources->settings,
        sources->n_settings, &out->training);
    if (diagnostics->list.count > errors)
        return false;
    Lowering eval = lowering_new(arena, diagnostics, sources, model, false);
    run(&eval, &sources->library, &sources->program, sources->settings,
        sources->n_settings, NULL);
    if (diagnostics->list.count > errors)
        return false;
    if (!tables_agree(train.graph, eval.graph)) {
        diagnose(diagnostics, model->span, training_changes_tables);
        return false;
    }
    for (int64_t i = 0; i < eval.graph->variables.count; i++)
        eval.graph->variables.data[i].group =
            train.graph->variables.data[i].group;
    Graph *init = lower_initial(&train);
    if (!init)
        return false;
    out->name = model->name.text;
    out->graphs = (GraphSet){
        .train = train.graph, .eval = eval.graph, .init = init};
    return true;
}

bool frontend_model(Arena *arena, int32_t source, const Setting *settings,
                    int64_t n_settings, Diagnostics *diagnostics, Model *out)
{
    *out = (Model){0};
    Sources sources = {.n_settings = n_settings};
    sources.settings = arena_new(arena, ParsedSetting, n_settings);
    bool ok = parse_model(arena, source, diagnostics, &sources.program);
    ok = parse_settings(arena, settings, n_settings, diagnostics,
                        sources.settings) &&
         ok;
    if (!ok)
        return false;
    Str library = {library_text, library_text_length};
    sources.library_source =
        diagnostics_add_source(diagnostics, STR("library.dnn"), library);
    if (!parse_model(arena, sources.library_source, diagnostics,
                     &sources.library))
        return false;
    const Stmt *model = find_model(diagnostics, &sources.program, source);
    return model && lower(arena, diagnostics, &sources, model, out);
}
