/* Declare: what a model states about itself: functions, inputs, parameters,
 * state, loss, metrics and outputs. */
#include "frontend/lower.h"

/* A declaration may hide a name of an outer block, not one of its own. */
static bool name_is_free(Lowering *l, Name name)
{
    Scope *scope = l->frame->scope;
    int64_t *index = map_find(&scope->names, name.text);
    if (!index)
        return true;
    Diagnostic *d = complain(l, name.span, name_taken, STR_ARG(name.text));
    explain(l, d, scope->bindings.data[*index].span, "declared here");
    return false;
}

static void declare_function(Lowering *l, const Stmt *stmt)
{
    Scope *scope = l->frame->scope;
    if (!name_is_free(l, stmt->name))
        return;
    const ParameterList *parameters = &stmt->as.function.parameters;
    if (parameters->count > PARAMETERS_MAX) {
        complain(l, stmt->span, too_many_parameters, PARAMETERS_MAX);
        return;
    }
    for (int64_t i = 0; i < parameters->count; i++)
        for (int64_t k = 0; k < i; k++)
            if (str_equal(parameters->data[i].name.text,
                          parameters->data[k].name.text)) {
                Diagnostic *d =
                    complain(l, parameters->data[i].span, parameter_twice,
                             STR_ARG(parameters->data[i].name.text));
                explain(l, d, parameters->data[k].span, "declared here");
                return;
            }
    Value v = {.span = stmt->span,
               .kind =
                   stmt->kind == STMT_MODULE ? VALUE_MODULE : VALUE_FUNCTION};
    v.as.function.declaration = stmt;
    v.as.function.scope = scope;
    scope_bind(l, scope, stmt->name, v);
}

static void bind_new(Lowering *l, Name name, Value value)
{
    if (!name_is_free(l, name))
        return;
    scope_bind(l, l->frame->scope, name, value);
}

/* -- inputs ---------------------------------------------------------------------- */

static int32_t find_input(const Graph *graph, Str name)
{
    for (int64_t i = 0; i < graph->inputs.count; i++)
        if (str_equal(graph->inputs.data[i].name, name))
            return (int32_t)i;
    return -1;
}

/* tokens shifted 1 */
static void declare_shift(Lowering *l, const Stmt *stmt, Input *input)
{
    Name source = stmt->as.declaration.source;
    int32_t of = find_input(l->graph, source.text);
    if (of < 0 || &l->graph->inputs.data[of] == input) {
        complain(l, source.span, input_unknown, STR_ARG(source.text));
        return;
    }
    const Input *other = &l->graph->inputs.data[of];
    if (!type_equal(&other->type, &input->type)) {
        Diagnostic *d =
            complain(l, stmt->span, shift_mismatch, STR_ARG(stmt->name.text),
                     STR_ARG(source.text));
        explain(l, d, other->span, "declared here");
        return;
    }
    const Expr *amount = stmt->as.declaration.amount;
    Value v = eval(l, amount, false);
    if (!need_int(l, &v, amount->span, "a shift", &input->shift))
        return;
    if (input->shift < 1)
        complain(l, amount->span, shift_not_positive);
    input->shift_of = of;
}

/* Dimension 0 of every input is the sample: they have equally many. */
static bool check_batch(Lowering *l, const Stmt *stmt, const Type *type)
{
    if (type->shape.rank == 0) {
        complain(l, stmt->span, input_without_batch, STR_ARG(stmt->name.text));
        return false;
    }
    if (l->graph->inputs.count == 0)
        return true;
    const Input *first = &l->graph->inputs.data[0];
    if (first->type.shape.extent[0] == type->shape.extent[0])
        return true;
    Diagnostic *d =
        complain(l, stmt->span, batch_mismatch, STR_ARG(stmt->name.text),
                 (long long)type->shape.extent[0], STR_ARG(first->name),
                 (long long)first->type.shape.extent[0]);
    explain(l, d, first->span, "declared here");
    return false;
}

static void declare_input(Lowering *l, const Stmt *stmt)
{
    Type type;
    Value v = poison(stmt->span);
    if (resolve_type(l, stmt->as.declaration.type, &type) &&
        check_batch(l, stmt, &type)) {
        NodeOrigin origin = origin_here(l, stmt->span, "");
        origin.path = stmt->name.text;
        NodeId node;
        int32_t index =
            graph_add_input(l->graph, stmt->name.text, type, origin, &node);
        v = value_node(stmt->span, node);
        if (stmt->as.declaration.amount)
            declare_shift(l, stmt, &l->graph->inputs.data[index]);
    }
    bind_new(l, stmt->name, v);
}

/* -- parameters and state ------------------------------------------------------------ */

static bool eval_initial(Lowering *l, const Expr *expr, Value *out)
{
    *out = eval(l, expr, true);
    if (is_number(out)) {
        Initializer constant = {.a = value_number(out)};
        out->kind = VALUE_INITIALIZER;
        out->as.initializer = constant;
    }
    if (out->kind == VALUE_INITIALIZER)
        return true;
    if (!is_poison(out)) {
        Str got = value_describe(l, out);
        Diagnostic *d = complain(
            l, expr->span, wrong_value, "the first value",
            "a number or an initializer (normal, uniform, xavier, ...)",
            STR_ARG(got));
        if (out->span.source != expr->span.source)
            explain(l, d, out->span, "the value comes from here");
    }
    return false;
}

static bool new_variable_name(Lowering *l, const Stmt *stmt, Str name)
{
    int64_t *known = map_find(&l->variables, name);
    if (!known)
        return true;
    Diagnostic *d = complain(l, stmt->span, parameter_collides, STR_ARG(name));
    explain(l, d, l->graph->variables.data[*known].span,
            "it was made here first");
    return false;
}

static void declare_variable(Lowering *l, const Stmt *stmt)
{
    Frame *f = l->frame;
    bool trained = stmt->kind == STMT_PARAM;
    Str name = path_join(l, f->path, path_indexed(l, stmt->name.text));
    Type type;
    Value initial, v = poison(stmt->span);
    bool ok = resolve_type(l, stmt->as.declaration.type, &type);
    ok = eval_initial(l, stmt->as.declaration.value, &initial) && ok;
    if (ok && type.dtype != DTYPE_F32) {
        complain(l, stmt->as.declaration.type->span, variable_not_f32,
                 STR_ARG(stmt->name.text));
        ok = false;
    }
    if (ok && new_variable_name(l, stmt, name)) {
        NodeOrigin origin = origin_here(l, stmt->span, "");
        origin.path = name;
        int32_t index = graph_add_variable(
            l->graph,
            (Variable){.name = name,
                       .type = type,
                       .kind = trained ? VARIABLE_PARAMETER : VARIABLE_STATE,
                       .of = -1,
                       .group = -1,
                       .span = origin.span},
            origin);
        map_insert(l->arena, &l->variables, name, index, NULL);
        *vector_push(l->arena, &l->declared) = (Declared){.initial = initial};
        v = value_node(stmt->span, l->graph->variables.data[index].node);
    }
    bind_new(l, stmt->name, v);
}

/* The state variable called `name`, or -1 after a diagnostic. */
static int32_t find_state(Lowering *l, Name name)
{
    Binding *found = scope_find(l->frame->scope, name.text);
    if (found && is_poison(&found->value))
        return -1;
    if (found && found->value.kind == VALUE_TENSOR) {
        const Node *node = graph_node(l->graph, found->value.as.node);
        if (node->op == OP_VARIABLE) {
            int32_t index = node->attr.variable.variable;
            if (l->graph->variables.data[index].kind == VARIABLE_STATE)
                return index;
        }
    }
    Diagnostic *d = complain(l, name.span, not_a_state, STR_ARG(name.text));
    if (found)
        explain(l, d, found->span, "'%.*s' is bound here", STR_ARG(name.text));
    return -1;
}

/* update mean = ...: what the state holds after the step. */
static void declare_update(Lowering *l, const Stmt *stmt)
{
    if (!l->training)
        return;
    l->frame->label = stmt->name.text;
    Value v = eval(l, stmt->as.bind.value, true);
    int32_t index = find_state(l, stmt->name);
    NodeId node;
    if (index < 0 || !need_tensor(l, &v, stmt->span, "the new value", &node))
        return;
    const Variable *variable = &l->graph->variables.data[index];
    Declared *declared = &l->declared.data[index];
    if (!type_equal(&graph_node(l->graph, node)->type, &variable->type)) {
        Str got = type_print(l->arena, &graph_node(l->graph, node)->type);
        Str wanted = type_print(l->arena, &variable->type);
        Diagnostic *d =
            complain(l, stmt->span, update_mismatch, STR_ARG(stmt->name.text),
                     STR_ARG(wanted), STR_ARG(got));
        explain(l, d, variable->span, "the state is declared here");
        return;
    }
    if (declared->updated) {
        Diagnostic *d =
            complain(l, stmt->span, update_twice, STR_ARG(variable->name));
        explain(l, d, declared->updated_span, "it is updated here first");
        return;
    }
    declared->updated = true;
    declared->updated_span = complaint_place(l, stmt->span);
    graph_add_output(l->graph, (Output){.kind = OUTPUT_UPDATE,
                                        .name = variable->name,
                                        .node = node,
                                        .variable = index,
                                        .span = declared->updated_span});
}

/* -- outputs ---------------------------------------------------------------------------- */

static bool new_output(Lowering *l, const Stmt *stmt)
{
    bool inserted;
    int64_t *at = map_insert(l->arena, &l->outputs, stmt->name.text,
                             l->output_spans.count, &inserted);
    if (inserted) {
        *vector_push(l->arena, &l->output_spans) = stmt->span;
        return true;
    }
    Diagnostic *d =
        complain(l, stmt->name.span, output_twice, STR_ARG(stmt->name.text));
    explain(l, d, l->output_spans.data[*at], "declared here");
    return false;
}

/* loss and metric: a scalar that every device knows. */
static void declare_scalar(Lowering *l, const Stmt *stmt)
{
    l->frame->label = stmt->name.text;
    l->frame->fresh = true;
    const Expr *expr = stmt->as.bind.value;
    Value v = eval(l, expr, false);
    if (!new_output(l, stmt) || is_poison(&v))
        return;
    Type scalar = {.dtype = DTYPE_F32};
    if (v.kind != VALUE_TENSOR || !type_equal(value_type(l, &v), &scalar)) {
        Str got = value_describe(l, &v);
        complain(l, expr->span, not_a_scalar, STR_ARG(stmt->name.text),
                 STR_ARG(got));
        return;
    }
    Value sum = append(l, stmt->span, OP_WORLD_SUM, &v.as.node, 1, (Attr){0},
                       (Type){0});
    if (is_poison(&sum))
        return;
    graph_add_output(
        l->graph,
        (Output){.kind = stmt->kind == STMT_LOSS ? OUTPUT_LOSS : OUTPUT_METRIC,
                 .name = stmt->name.text,
                 .node = sum.as.node,
                 .variable = -1,
                 .span = stmt->span});
}

/* output: a value per sample, computed by evaluation only. */
static void declare_output(Lowering *l, const Stmt *stmt)
{
    l->frame->label = stmt->name.text;
    l->frame->fresh = stmt->as.bind.value != NULL;
    Expr name = {.kind = EXPR_NAME, .depth = 1, .span = stmt->name.span};
    name.as.text = stmt->name.text;
    const Expr *expr = stmt->as.bind.value ? stmt->as.bind.value : &name;
    Value v = eval(l, expr, true);
    NodeId node;
    if (!new_output(l, stmt) ||
        !need_tensor(l, &v, expr->span, "an output", &node))
        return;
    const Shape *shape = &graph_node(l->graph, node)->type.shape;
    bool by_sample =
        shape->rank > 0 && l->graph->inputs.count > 0 &&
        l->graph->inputs.data[0].type.shape.extent[0] == shape->extent[0];
    if (!by_sample) {
        Str got = value_describe(l, &v);
        complain(l, expr->span, output_without_batch, STR_ARG(stmt->name.text),
                 STR_ARG(got));
        return;
    }
    if (l->training)
        return;
    graph_add_output(l->graph, (Output){.kind = OUTPUT_VALUE,
                                        .name = stmt->name.text,
                                        .node = node,
                                        .variable = -1,
                                        .span = stmt->span});
}

/* -- which may stand where ------------------------------------------------------------- */

static bool at_top(Lowering *l, const Stmt *stmt, const char *what)
{
    if (!l->frame->caller && l->frame->indices.length == 0)
        return true;
    complain(l, stmt->span, not_at_top, what);
    return false;
}

static void remember_train(Lowering *l, const Stmt *stmt)
{
    if (l->train && l->train != stmt) {
        Diagnostic *d = complain(l, stmt->span, block_twice, "train");
        explain(l, d, l->train->span, "the first one is here");
        return;
    }
    l->train = stmt;
}

static void check_model(Lowering *l, const Stmt *stmt)
{
    if (stmt == l->model)
        return;
    Diagnostic *d = complain(l, stmt->span, block_twice, "model");
    explain(l, d, l->model->span, "the first one is here");
}

void exec_declaration(Lowering *l, const Stmt *stmt)
{
    switch (stmt->kind) {
    case STMT_MODEL:
        if (at_top(l, stmt, "a model"))
            check_model(l, stmt);
        break;
    case STMT_FUNCTION:
    case STMT_MODULE: declare_function(l, stmt); break;
    case STMT_INPUT:
        if (at_top(l, stmt, "an input"))
            declare_input(l, stmt);
        break;
    case STMT_PARAM:
    case STMT_STATE: declare_variable(l, stmt); break;
    case STMT_UPDATE: declare_update(l, stmt); break;
    case STMT_LOSS:
        if (at_top(l, stmt, "the loss"))
            declare_scalar(l, stmt);
        break;
    case STMT_METRIC:
        if (at_top(l, stmt, "a metric"))
            declare_scalar(l, stmt);
        break;
    case STMT_OUTPUT:
        if (at_top(l, stmt, "an output"))
            declare_output(l, stmt);
        break;
    case STMT_TRAIN:
        if (at_top(l, stmt, "a train block"))
            remember_train(l, stmt);
        break;
    default: break;
    }
}
