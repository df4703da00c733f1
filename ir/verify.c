/* Verify: the checkable list of what is legal in each form of a graph.
 *
 * Each check_* looks at one promise and reports the first violation through
 * fail(), which returns false so that checks chain.
 */
#include "ir/verify.h"

#include "ir/rule.h"

enum { N_OUTPUT_KINDS = OUTPUT_GRADIENT + 1 };

typedef struct Verifier {
    const Graph *graph;
    GraphForm form;
    Arena *arena;
    Str violation;
} Verifier;

static bool fail(Verifier *v, const char *format, ...) PRINTF_LIKE(2, 3);
static bool fail(Verifier *v, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    v->violation = str_format_v(v->arena, format, args);
    va_end(args);
    return false;
}

#define FAIL_NODE(v, node, format, ...) \
    fail((v), "node '%.*s': " format,   \
         STR_ARG((node)->path) __VA_OPT__(, ) __VA_ARGS__)

static bool is_local(const Verifier *v)
{
    return v->form == FORM_LOCAL;
}

static bool in_range(int64_t index, int64_t count)
{
    return index >= 0 && index < count;
}

/* -- nodes: every form ----------------------------------------------------- */

static bool check_operands(Verifier *v, int32_t id)
{
    const Node *node = &v->graph->nodes.data[id];
    for (int32_t i = 0; i < node->n_operands; i++) {
        int32_t operand = node->operands[i].index;
        if (operand <= 0)
            return FAIL_NODE(v, node, "operand %d is none", i);
        if (operand >= id)
            return FAIL_NODE(v, node, "operand %d comes later", i);
        if (graph_operand(v->graph, node, i)->region > node->region)
            return FAIL_NODE(v, node, "operand %d is of a later region", i);
    }
    if (!in_range(node->forward.index, id))
        return FAIL_NODE(v, node, "its forward node comes later");
    return true;
}

static bool check_type(Verifier *v, const Node *node)
{
    Arena scratch = *v->arena;
    Type *types = arena_new(&scratch, Type, node->n_operands);
    for (int32_t i = 0; i < node->n_operands; i++)
        types[i] = graph_operand(v->graph, node, i)->type;
    Type type = node->type;
    if (!type_valid(&type))
        return FAIL_NODE(v, node, "its type is not one");
    if (!rule_infer(node->op, &node->attr, types, node->n_operands, &type))
        return FAIL_NODE(v, node, "%s does not take these operands",
                         op_info(node->op)->text);
    if (!type_equal(&type, &node->type))
        return FAIL_NODE(v, node, "has type %.*s, %s gives %.*s",
                         STR_ARG(type_print(v->arena, &node->type)),
                         op_info(node->op)->text,
                         STR_ARG(type_print(v->arena, &type)));
    return true;
}

static bool check_path(Verifier *v, int32_t id)
{
    const Node *node = &v->graph->nodes.data[id];
    if (node->path.length == 0)
        return fail(v, "node %d has no path", id);
    const int64_t *found = map_find(&v->graph->paths, node->path);
    if (!found || *found != id)
        return FAIL_NODE(v, node, "its path does not name it");
    return true;
}

/* In the local form a leaf holds a block of what its row says. */
static bool leaf_fits(const Verifier *v, const Node *node, const Type *row)
{
    if (is_local(v))
        return node->type.dtype == row->dtype &&
               node->type.shape.rank == row->shape.rank;
    return type_equal(&node->type, row);
}

static bool check_input(Verifier *v, const Node *node)
{
    int32_t input = node->attr.input.input;
    if (!in_range(input, v->graph->inputs.count))
        return FAIL_NODE(v, node, "there is no input %d", input);
    if (!leaf_fits(v, node, &v->graph->inputs.data[input].type))
        return FAIL_NODE(v, node, "its type is not its input's");
    return true;
}

static bool check_variable(Verifier *v, int32_t id)
{
    const Node *node = &v->graph->nodes.data[id];
    int32_t variable = node->attr.variable.variable;
    if (!in_range(variable, v->graph->variables.count))
        return FAIL_NODE(v, node, "there is no variable %d", variable);
    const Variable *row = &v->graph->variables.data[variable];
    if (row->node.index != id)
        return FAIL_NODE(v, node, "variable '%.*s' has another node",
                         STR_ARG(row->name));
    if (!leaf_fits(v, node, &row->type))
        return FAIL_NODE(v, node, "its type is not its variable's");
    return true;
}

/* -- nodes: what some forms forbid ----------------------------------------- */

static bool check_op_of_form(Verifier *v, const Node *node)
{
    if (op_has(node->op, TRAIT_COMPOSITE) && v->form >= FORM_PRIMITIVE)
        return FAIL_NODE(v, node, "%s is a composite", op_info(node->op)->text);
    if (op_has(node->op, TRAIT_LOCAL) && !is_local(v))
        return FAIL_NODE(v, node, "%s belongs to the local form",
                         op_info(node->op)->text);
    if (node->region != REGION_FORWARD && v->form < FORM_GRADIENT)
        return FAIL_NODE(v, node, "is not of the forward region");
    if (node->region == REGION_UPDATE && v->form < FORM_TRAIN)
        return FAIL_NODE(v, node, "is of the update region");
    return true;
}

/* What every stage computes for itself: leaves but variables, what follows
 * from free leaves alone, and what all devices know (sums over the world). */
static bool may_lack_layer(const Verifier *v, const Node *node)
{
    if (op_has(node->op, TRAIT_LEAF))
        return node->op != OP_VARIABLE;
    if (node->op == OP_WORLD_SUM)
        return true;
    for (int32_t i = 0; i < node->n_operands; i++) {
        const Node *operand = graph_operand(v->graph, node, i);
        if (operand->layer != LAYER_NONE || operand->op == OP_INPUT)
            return false;
    }
    return true;
}

static bool check_layer(Verifier *v, const Node *node)
{
    if (node->layer < LAYER_NONE)
        return FAIL_NODE(v, node, "there is no layer %d", node->layer);
    if (v->form == FORM_LAYERED && node->layer == LAYER_NONE &&
        !may_lack_layer(v, node))
        return FAIL_NODE(v, node, "has no layer");
    return true;
}

static bool check_node(Verifier *v, int32_t id)
{
    const Node *node = &v->graph->nodes.data[id];
    if (node->op <= OP_NONE || node->op >= OP_COUNT)
        return fail(v, "node %d has no op", id);
    if (!check_path(v, id) || !check_operands(v, id) || !check_type(v, node))
        return false;
    if (node->op == OP_INPUT && !check_input(v, node))
        return false;
    if (node->op == OP_VARIABLE && !check_variable(v, id))
        return false;
    return check_op_of_form(v, node) && check_layer(v, node);
}

/* -- tables ---------------------------------------------------------------- */

static bool check_input_row(Verifier *v, int32_t index)
{
    const Input *row = &v->graph->inputs.data[index];
    if (!type_valid(&row->type) || row->type.shape.rank < 1)
        return fail(v, "input '%.*s': has no sample dimension",
                    STR_ARG(row->name));
    if (row->shift_of != -1 && !in_range(row->shift_of, index))
        return fail(v, "input '%.*s': shifts a later input",
                    STR_ARG(row->name));
    return true;
}

static bool check_variable_row(Verifier *v, int32_t index)
{
    const Variable *row = &v->graph->variables.data[index];
    const Variable *all = v->graph->variables.data;
    if (!type_valid(&row->type))
        return fail(v, "variable '%.*s': its type is not one",
                    STR_ARG(row->name));
    bool belongs = in_range(row->of, v->graph->variables.count) &&
                   all[row->of].kind == VARIABLE_PARAMETER;
    if (row->kind == VARIABLE_OPTIMIZER ? !belongs : row->of != -1)
        return fail(v, "variable '%.*s': belongs to no parameter",
                    STR_ARG(row->name));
    int32_t node = row->node.index;
    if (!in_range(node, v->graph->nodes.count))
        return fail(v, "variable '%.*s': there is no node %d",
                    STR_ARG(row->name), node);
    if (node != 0 &&
        (v->graph->nodes.data[node].op != OP_VARIABLE ||
         v->graph->nodes.data[node].attr.variable.variable != index))
        return fail(v, "variable '%.*s': its node is another's",
                    STR_ARG(row->name));
    return true;
}

static bool names_variable(OutputKind kind)
{
    return kind == OUTPUT_UPDATE || kind == OUTPUT_INIT ||
           kind == OUTPUT_GRADIENT;
}

#define FAIL_OUTPUT(v, output, message) \
    fail((v), "output '%.*s': " message, STR_ARG((output)->name))

static bool check_output_of_variable(Verifier *v, const Output *output)
{
    if (!names_variable(output->kind))
        return output->variable == -1 ||
               FAIL_OUTPUT(v, output, "names a variable");
    if (!in_range(output->variable, v->graph->variables.count))
        return FAIL_OUTPUT(v, output, "names no variable");
    const Variable *row = &v->graph->variables.data[output->variable];
    if (output->kind == OUTPUT_GRADIENT && row->kind != VARIABLE_PARAMETER)
        return FAIL_OUTPUT(v, output, "is the gradient of no parameter");
    if (!leaf_fits(v, graph_node(v->graph, output->node), &row->type))
        return FAIL_OUTPUT(v, output, "its type is not its variable's");
    return true;
}

static bool check_output(Verifier *v, const Output *output)
{
    if (output->node.index <= 0 || output->node.index >= v->graph->nodes.count)
        return FAIL_OUTPUT(v, output, "has no node");
    const Node *node = graph_node(v->graph, output->node);
    bool is_scalar =
        output->kind == OUTPUT_LOSS || output->kind == OUTPUT_METRIC;
    if (is_scalar && node->op != OP_WORLD_SUM)
        return FAIL_OUTPUT(v, output, "is not a world_sum");
    if (output->kind == OUTPUT_VALUE && node->type.shape.rank < 1)
        return FAIL_OUTPUT(v, output, "has no sample dimension");
    if (output->kind == OUTPUT_GRADIENT && v->form != FORM_GRADIENT)
        return FAIL_OUTPUT(v, output, "is a gradient");
    return check_output_of_variable(v, output);
}

/* At most one output of a kind for each variable; one loss. */
static bool check_outputs_once(Verifier *v)
{
    Arena scratch = *v->arena;
    bool *seen = arena_new(&scratch, bool,
                           N_OUTPUT_KINDS *(v->graph->variables.count + 1));
    for (int64_t i = 0; i < v->graph->outputs.count; i++) {
        const Output *output = &v->graph->outputs.data[i];
        if (output->kind == OUTPUT_METRIC || output->kind == OUTPUT_VALUE)
            continue;
        bool *entry = &seen[(output->variable + 1) * N_OUTPUT_KINDS +
                            (int32_t)output->kind];
        if (*entry)
            return FAIL_OUTPUT(v, output, "comes twice");
        *entry = true;
    }
    return true;
}

/* Every parameter has an output of `kind`. */
static bool check_parameters(Verifier *v, OutputKind kind, const char *what)
{
    Arena scratch = *v->arena;
    bool *has = arena_new(&scratch, bool, v->graph->variables.count);
    for (int64_t i = 0; i < v->graph->outputs.count; i++) {
        if (v->graph->outputs.data[i].kind == kind)
            has[v->graph->outputs.data[i].variable] = true;
    }
    for (int64_t i = 0; i < v->graph->variables.count; i++) {
        const Variable *row = &v->graph->variables.data[i];
        if (row->kind == VARIABLE_PARAMETER && !has[i])
            return fail(v, "parameter '%.*s': has no %s", STR_ARG(row->name),
                        what);
    }
    return true;
}

/* -------------------------------------------------------------------------- */

static bool check_graph(Verifier *v)
{
    const Graph *graph = v->graph;
    for (int32_t i = 0; i < graph->inputs.count; i++) {
        if (!check_input_row(v, i))
            return false;
    }
    for (int32_t i = 0; i < graph->variables.count; i++) {
        if (!check_variable_row(v, i))
            return false;
    }
    for (int32_t i = 1; i < graph->nodes.count; i++) {
        if (!check_node(v, i))
            return false;
    }
    for (int64_t i = 0; i < graph->outputs.count; i++) {
        if (!check_output(v, &graph->outputs.data[i]))
            return false;
    }
    if (!check_outputs_once(v))
        return false;
    if (v->form == FORM_GRADIENT)
        return check_parameters(v, OUTPUT_GRADIENT, "gradient");
    if (v->form == FORM_TRAIN || v->form == FORM_LAYERED)
        return check_parameters(v, OUTPUT_UPDATE, "update");
    return true;
}

Str graph_verify(const Graph *graph, GraphForm form, Arena *arena)
{
    Verifier v = {graph, form, arena, {"", 0}};
    check_graph(&v);
    return v.violation;
}
