/* Training: the `train` block, resolved to numbers.
 *
 * Settings are tables: a name, where its value goes and the range it must lie
 * in.  Parameter groups select variables by rank or by name; the first group
 * that selects a variable has it.
 */
#include "frontend/lower.h"

#include <math.h>
#include <string.h>

typedef enum SettingKind { SETTING_NUMBER, SETTING_BOOL } SettingKind;

/* One setting: written as `name = value`. */
typedef struct TrainSetting {
    const char *name;
    void *to;         /* double or bool */
    double low, high; /* low <= value < high */
    SettingKind kind;
    bool given;
} TrainSetting;

static const struct {
    const char *name;
    OptimizerKind kind;
} optimizers[] = {
    {"sgd", OPTIMIZER_SGD},
    {"adam", OPTIMIZER_ADAM},
    {"adamw", OPTIMIZER_ADAMW},
};

/* Schedules and their arguments, in order; the first n_required must be
 * given. */
static const struct {
    const char *name;
    const char *arguments[4];
    ScheduleKind kind;
    int n_required;
} schedules[] = {
    {"constant", {"peak"}, SCHEDULE_CONSTANT, 1},
    {"warmup", {"peak", "warmup"}, SCHEDULE_WARMUP, 2},
    {"warmup_cosine",
     {"peak", "warmup", "total", "final"},
     SCHEDULE_WARMUP_COSINE,
     3},
    {"warmup_linear",
     {"peak", "warmup", "total", "final"},
     SCHEDULE_WARMUP_LINEAR,
     3},
    {"steps", {"peak", "every", "factor"}, SCHEDULE_STEPS, 3},
};

static bool in_range(Lowering *l, Span span, const char *name, double value,
                     double low, double high)
{
    if (value >= low && value < high)
        return true;
    Str range = isinf(high) ? str_format(l->arena, "at least %g", low)
                            : str_format(l->arena, "in [%g, %g)", low, high);
    complain(l, span, out_of_range, name, value, range.data);
    return false;
}

/* -- learning rate --------------------------------------------------------------- */

static bool set_schedule(Lowering *l, Schedule *schedule, const char *name,
                         double value, Span span)
{
    if (strcmp(name, "peak") == 0)
        schedule->peak = value;
    else if (strcmp(name, "final") == 0)
        schedule->final = value;
    else if (strcmp(name, "factor") == 0)
        schedule->factor = value;
    bool counts = strcmp(name, "warmup") == 0 || strcmp(name, "total") == 0 ||
                  strcmp(name, "every") == 0;
    if (!counts)
        return in_range(l, span, name, value, 0, HUGE_VAL);
    if (value != floor(value) || value < 1 || value > 1e15) {
        complain(l, span, out_of_range, name, value,
                 "a whole number of steps, at least 1");
        return false;
    }
    if (name[0] == 'w')
        schedule->warmup = (int64_t)value;
    else if (name[0] == 't')
        schedule->total = (int64_t)value;
    else
        schedule->every = (int64_t)value;
    return true;
}

/* The argument called `name` or at `position`; -1 when left out. */
static int64_t schedule_argument(const ArgumentList *list, int position,
                                 const char *name)
{
    int64_t positional = 0;
    for (int64_t i = 0; i < list->count; i++) {
        Str written = list->data[i].name.text;
        if (written.length ? str_equal_c(written, name)
                           : positional++ == position)
            return i;
    }
    return -1;
}

static bool fill_schedule(Lowering *l, const Expr *call, int row, Schedule *out)
{
    const ArgumentList *list = &call->as.call.arguments;
    *out = (Schedule){.kind = schedules[row].kind};
    int64_t used = 0;
    for (int i = 0; i < 4 && schedules[row].arguments[i]; i++) {
        const char *name = schedules[row].arguments[i];
        int64_t at = schedule_argument(list, i, name);
        if (at < 0 && i >= schedules[row].n_required)
            continue;
        if (at < 0) {
            complain(l, call->span, argument_missing,
                     (int)strlen(schedules[row].name), schedules[row].name,
                     (int)strlen(name), name);
            return false;
        }
        const Expr *expr = list->data[at].value;
        Value v = eval(l, expr, false);
        double number;
        if (!need_number(l, &v, expr->span, name, &number) ||
            !set_schedule(l, out, name, number, expr->span))
            return false;
        used++;
    }
    if (used == list->count)
        return true;
    complain(l, call->span, too_many_arguments,
             (int)strlen(schedules[row].name), schedules[row].name);
    return false;
}

static bool read_learning_rate(Lowering *l, const Expr *expr, Schedule *out)
{
    const Expr *callee = expr->kind == EXPR_CALL ? expr->as.call.callee : NULL;
    int count = (int)(sizeof schedules / sizeof schedules[0]);
    for (int i = 0; callee && callee->kind == EXPR_NAME && i < count; i++)
        if (str_equal_c(callee->as.text, schedules[i].name))
            return fill_schedule(l, expr, i, out) &&
                   (out->total == 0 || out->total > out->warmup ||
                    in_range(l, expr->span, "total", (double)out->total,
                             (double)out->warmup + 1, HUGE_VAL));
    Value v = eval(l, expr, false);
    *out = (Schedule){.kind = SCHEDULE_CONSTANT};
    return need_number(l, &v, expr->span, "the learning rate", &out->peak) &&
           in_range(l, expr->span, "lr", out->peak, 0, HUGE_VAL);
}

/* -- settings ----------------------------------------------------------------------- */

static TrainSetting *find_setting(TrainSetting *settings, int n, Str name)
{
    for (int i = 0; i < n; i++)
        if (str_equal_c(name, settings[i].name))
            return &settings[i];
    return NULL;
}

static void setting_unknown_here(Lowering *l, Name name,
                                 const TrainSetting *settings, int n,
                                 const char *others)
{
    Text known = text_new(l->arena);
    text_format(&known, "%s", others);
    for (int i = 0; i < n; i++)
        text_format(&known, "%s%s", known.length ? ", " : "", settings[i].name);
    Diagnostic *d = complain(l, name.span, setting_unknown, STR_ARG(name.text));
    Str list = text_str(&known);
    advise(l, d, "what can be set here: %.*s", STR_ARG(list));
}

static bool give_setting(Lowering *l, TrainSetting *setting, const Expr *expr)
{
    Value v = eval(l, expr, false);
    setting->given = true;
    if (setting->kind == SETTING_BOOL)
        return need_bool(l, &v, expr->span, setting->name, setting->to);
    double *to = setting->to;
    return need_number(l, &v, expr->span, setting->name, to) &&
           in_range(l, expr->span, setting->name, *to, setting->low,
                    setting->high);
}

/* -- parameter groups ------------------------------------------------------------------ */

/* `pattern` with '*' for any characters. */
static bool glob(Str pattern, Str name)
{
    int64_t p = 0, n = 0, star = -1, mark = 0;
    while (n < name.length) {
        if (p < pattern.length && pattern.data[p] == '*') {
            star = p++;
            mark = n;
        } else if (p < pattern.length && pattern.data[p] == name.data[n]) {
            p++;
            n++;
        } else if (star >= 0) {
            p = star + 1;
            n = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.length && pattern.data[p] == '*')
        p++;
    return p == pattern.length;
}

/* One of the patterns separated by commas and blanks. */
static bool any_glob(Str patterns, Str name)
{
    int64_t i = 0;
    while (i < patterns.length) {
        int64_t end = i;
        while (end < patterns.length && patterns.data[end] != ',' &&
               patterns.data[end] != ' ')
            end++;
        Str pattern = {patterns.data + i, end - i};
        if (pattern.length && glob(pattern, name))
            return true;
        i = end + 1;
    }
    return false;
}

static bool selects(const Expr *selector, const Variable *variable)
{
    int32_t rank = variable->type.shape.rank;
    Str text = selector->as.text;
    if (selector->kind == EXPR_STRING)
        return any_glob(text, variable->name);
    if (str_equal(text, STR("matrices")))
        return rank >= 2;
    if (str_equal(text, STR("vectors")))
        return rank < 2;
    return true;
}

static bool check_selector(Lowering *l, const Expr *selector)
{
    bool named = selector->kind == EXPR_NAME &&
                 (str_equal(selector->as.text, STR("matrices")) ||
                  str_equal(selector->as.text, STR("vectors")) ||
                  str_equal(selector->as.text, STR("all")));
    if (named || selector->kind == EXPR_STRING)
        return true;
    complain(l, selector->span, selector_unknown);
    return false;
}

static void add_group(Lowering *l, Training *out, ParameterGroup group,
                      const Expr *selector)
{
    int32_t index = (int32_t)out->groups.count;
    *vector_push(l->arena, &out->groups) = group;
    int64_t n = 0;
    for (int64_t i = 0; i < l->graph->variables.count; i++) {
        Variable *variable = &l->graph->variables.data[i];
        if (variable->kind != VARIABLE_PARAMETER ||
            !selects(selector, variable))
            continue;
        n++;
        if (variable->group < 0)
            variable->group = index;
    }
    if (n == 0 && selector->kind == EXPR_STRING)
        complain(l, selector->span, group_empty, STR_ARG(group.name));
}

static void read_group(Lowering *l, const Stmt *stmt, Training *out)
{
    ParameterGroup group = {.name = stmt->name.text,
                            .learning_rate_scale = 1,
                            .decay = out->decay,
                            .span = stmt->span};
    TrainSetting settings[] = {
        {.name = "decay", .to = &group.decay, .high = HUGE_VAL},
        {.name = "lr_scale",
         .to = &group.learning_rate_scale,
         .high = HUGE_VAL},
        {.name = "frozen", .to = &group.frozen, .kind = SETTING_BOOL},
    };
    const int n = (int)(sizeof settings / sizeof settings[0]);
    for (int64_t i = 0; i < stmt->as.group.body.count; i++) {
        const Stmt *entry = stmt->as.group.body.data[i];
        if (entry->kind == STMT_ERROR)
            continue;
        TrainSetting *setting =
            entry->kind == STMT_BIND
                ? find_setting(settings, n, entry->name.text)
                : NULL;
        if (setting)
            give_setting(l, setting, entry->as.bind.value);
        else
            setting_unknown_here(l, entry->name, settings, n, "");
    }
    if (check_selector(l, stmt->as.group.selector))
        add_group(l, out, group, stmt->as.group.selector);
}

/* -- the optimizer ------------------------------------------------------------------------ */

static bool find_optimizer(Lowering *l, Name name, OptimizerKind *out)
{
    for (size_t i = 0; i < sizeof optimizers / sizeof optimizers[0]; i++)
        if (str_equal_c(name.text, optimizers[i].name)) {
            *out = optimizers[i].kind;
            return true;
        }
    complain(l, name.span, optimizer_unknown, STR_ARG(name.text));
    return false;
}

/* `decay = 0.1 on matrices` is a group of its own; outside it decay is 0. */
static void decay_on(Lowering *l, Training *out, const Expr **selector,
                     double *decay, const Argument *argument)
{
    if (!check_selector(l, argument->on))
        return;
    *selector = argument->on;
    *decay = out->decay;
    out->decay = 0;
}

typedef struct DecayGroup {
    const Expr *selector; /* NULL: none */
    double decay;
} DecayGroup;

static void read_arguments(Lowering *l, const Stmt *stmt, Training *out,
                           TrainSetting *settings, int n, DecayGroup *group)
{
    const ArgumentList *list = &stmt->as.optimizer.arguments;
    bool has_lr = false;
    for (int64_t i = 0; i < list->count; i++) {
        const Argument *a = &list->data[i];
        if (a->name.text.length == 0) {
            complain(l, a->span, argument_unnamed, STR_ARG(stmt->name.text));
            has_lr = true; /* perhaps it was meant */
            continue;
        }
        if (str_equal_c(a->name.text, "lr")) {
            has_lr = true;
            read_learning_rate(l, a->value, &out->learning_rate);
            continue;
        }
        TrainSetting *setting = find_setting(settings, n, a->name.text);
        if (!setting) {
            setting_unknown_here(l, a->name, settings, n, "lr");
            continue;
        }
        if (setting->given)
            complain(l, a->name.span, setting_twice, STR_ARG(a->name.text));
        bool ok = give_setting(l, setting, a->value);
        if (a->on && strcmp(setting->name, "decay") != 0)
            complain(l, a->on->span, on_outside_optimizer);
        else if (a->on && ok)
            decay_on(l, out, &group->selector, &group->decay, a);
    }
    if (!has_lr)
        complain(l, stmt->span, learning_rate_missing);
}

static void read_optimizer(Lowering *l, const Stmt *stmt, Training *out,
                           DecayGroup *group)
{
    if (!find_optimizer(l, stmt->name, &out->optimizer))
        return;
    bool sgd = out->optimizer == OPTIMIZER_SGD;
    out->beta1 = 0.9;
    out->beta2 = 0.999;
    out->epsilon = 1e-8;
    out->decay = out->optimizer == OPTIMIZER_ADAMW ? 0.01 : 0;
    TrainSetting of_sgd[] = {
        {.name = "momentum", .to = &out->momentum, .high = 1},
        {.name = "nesterov", .to = &out->nesterov, .kind = SETTING_BOOL},
        {.name = "decay", .to = &out->decay, .high = HUGE_VAL},
    };
    TrainSetting of_adam[] = {
        {.name = "beta1", .to = &out->beta1, .high = 1},
        {.name = "beta2", .to = &out->beta2, .high = 1},
        {.name = "epsilon", .to = &out->epsilon, .high = HUGE_VAL},
        {.name = "decay", .to = &out->decay, .high = HUGE_VAL},
    };
    read_arguments(l, stmt, out, sgd ? of_sgd : of_adam, sgd ? 3 : 4, group);
}

/* -- the block ------------------------------------------------------------------------------ */

static void read_microbatches(Lowering *l, const Expr *expr, Training *out)
{
    if (expr->kind == EXPR_NAME && str_equal(expr->as.text, STR("auto"))) {
        out->n_microbatches = 0;
        return;
    }
    Value v = eval(l, expr, false);
    int64_t n;
    if (!need_int(l, &v, expr->span, "the number of microbatches", &n))
        return;
    if (n != 0 && (n < 0 || out->batch % n)) {
        Diagnostic *d = complain(l, expr->span, microbatches_unfit,
                                 (long long)n, (long long)out->batch);
        if (l->graph->inputs.count)
            explain(l, d, l->graph->inputs.data[0].span,
                    "the batch is dimension 0 of the inputs");
        return;
    }
    out->n_microbatches = n;
}

static void read_setting(Lowering *l, const Stmt *entry, Training *out)
{
    TrainSetting settings[] = {
        {.name = "clip_norm", .to = &out->clip_norm, .high = HUGE_VAL},
    };
    if (str_equal(entry->name.text, STR("microbatches"))) {
        read_microbatches(l, entry->as.bind.value, out);
        return;
    }
    TrainSetting *setting = find_setting(settings, 1, entry->name.text);
    if (setting)
        give_setting(l, setting, entry->as.bind.value);
    else
        setting_unknown_here(l, entry->name, settings, 1,
                             "optimizer, group, microbatches");
}

static void setting_again(Lowering *l, const StmtList *body, int64_t i)
{
    const Stmt *entry = body->data[i];
    for (int64_t k = 0; k < i; k++) {
        const Stmt *before = body->data[k];
        bool same = before->kind == entry->kind &&
                    (entry->kind == STMT_OPTIMIZER ||
                     str_equal(before->name.text, entry->name.text));
        if (!same || entry->kind == STMT_ERROR)
            continue;
        Diagnostic *d =
            complain(l, entry->span, setting_twice, STR_ARG(entry->name.text));
        explain(l, d, before->span, "the first one is here");
        return;
    }
}

bool lower_training(Lowering *l, Training *out)
{
    int64_t errors = l->diagnostics->list.count;
    *out = (Training){.span = l->train ? l->train->span : l->model->span};
    out->batch = l->graph->inputs.count
                     ? l->graph->inputs.data[0].type.shape.extent[0]
                     : 0;
    if (!l->train) {
        complain(l, l->model->span, train_missing);
        return false;
    }
    DecayGroup decay = {0};
    const StmtList *body = &l->train->as.block.body;
    bool has_optimizer = false;
    for (int64_t i = 0; i < body->count; i++) {
        setting_again(l, body, i);
        if (body->data[i]->kind != STMT_OPTIMIZER || has_optimizer)
            continue;
        read_optimizer(l, body->data[i], out, &decay);
        has_optimizer = true;
    }
    if (!has_optimizer)
        complain(l, l->train->span, optimizer_missing);
    for (int64_t i = 0; i < body->count; i++) {
        if (body->data[i]->kind == STMT_BIND)
            read_setting(l, body->data[i], out);
        else if (body->data[i]->kind == STMT_GROUP)
            read_group(l, body->data[i], out);
    }
    if (decay.selector) {
        ParameterGroup group = {.name = STR("decayed"),
                                .learning_rate_scale = 1,
                                .decay = decay.decay,
                                .span = decay.selector->span};
        add_group(l, out, group, decay.selector);
    }
    return l->diagnostics->list.count == errors;
}
