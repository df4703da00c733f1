/* Rule: from factors to strategies, shardings, work and text. */
#include "ir/rule.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char REPLICATED[] = "replicated";

/* -- shardings ------------------------------------------------------------- */

/* Gives axis `axis` to `factor` in one value's dimensions: it must be the
 * major factor wherever it occurs. */
static bool split_dims(const DimRule *dims, int8_t factor, int32_t axis,
                       Sharding *s)
{
    for (int d = 0; d < RANK_MAX; d++) {
        for (int i = 0; i < dims[d].n; i++) {
            if (dims[d].factor[i] != factor)
                continue;
            if (i > 0)
                return false;
            s->axes[d] |= (uint8_t)(1 << axis);
        }
    }
    return true;
}

static bool occurs(const DimRule *dims, int8_t factor)
{
    for (int d = 0; d < RANK_MAX; d++)
        for (int i = 0; i < dims[d].n; i++)
            if (dims[d].factor[i] == factor)
                return true;
    return false;
}

static bool make_partial(const Node *node, int32_t axis, ReduceOp operator,
                         Sharding * s)
{
    if (node->type.dtype != DTYPE_F32 || (s->partial && s->operator!= operator))
        return false;
    s->partial |= (uint8_t)(1 << axis);
    s->operator=(uint8_t) operator;
    return true;
}

static bool assign_factor(const Node *node, const Rule *rule, int8_t factor,
                          int32_t axis, Sharding *operands, Sharding *result)
{
    if (factor >= rule->n_factors || rule->factor[factor].kind == FACTOR_WHOLE)
        return false;
    for (int32_t i = 0; i < rule->n_operands; i++)
        if (!split_dims(rule->operand[i], factor, axis, &operands[i]))
            return false;
    if (occurs(rule->result, factor))
        return split_dims(rule->result, factor, axis, result);
    return make_partial(node, axis, rule->sum_operator, result);
}

/* The operands of a linear group, 0 when the op has no such group.  A world
 * sum takes every operand partial; what windows read outside must be 0 (or
 * infinite) for their parts to add up. */
static uint32_t linear_group(const Node *node, int group)
{
    if (op_has(node->op, TRAIT_WORLD))
        return group == 0 ? UINT32_MAX : 0;
    if (group >= 3)
        return 0;
    double fill = node->op == OP_UNFOLD ? node->attr.spatial.fill : 0;
    return fill == 0 || isinf(fill) ? op_info(node->op)->linear[group] : 0;
}

static bool assign_linear(const Graph *graph, const Node *node, int group,
                          int32_t axis, Sharding *operands, Sharding *result)
{
    uint32_t members = linear_group(node, group);
    for (int32_t i = 0; i < node->n_operands; i++) {
        bool is_member = i >= 32 || members >> i & 1;
        const Node *operand = graph_operand(graph, node, i);
        if (is_member && !make_partial(operand, axis, REDUCE_SUM, &operands[i]))
            return false;
    }
    if (op_has(node->op, TRAIT_WORLD))
        return members != 0;
    return members != 0 && make_partial(node, axis, REDUCE_SUM, result);
}

/* A dimension of several factors is cut evenly through its major one. */
static bool even_where_needed(const Rule *rule, const DimRule *dims,
                              const LogicalMesh *mesh, const Sharding *s)
{
    for (int d = 0; d < RANK_MAX; d++) {
        if (dims[d].n < 2)
            continue;
        int64_t extent = rule->factor[dims[d].factor[0]].extent;
        if (extent % mesh_axes_size(mesh, s->axes[d]) != 0)
            return false;
    }
    return true;
}

static bool all_fit(const Graph *graph, const Node *node, const Rule *rule,
                    const LogicalMesh *mesh, const Sharding *operands,
                    const Sharding *result)
{
    for (int32_t i = 0; i < rule->n_operands; i++) {
        const Shape *shape = &graph_operand(graph, node, i)->type.shape;
        if (!sharding_fits(mesh, shape, &operands[i]) ||
            !even_where_needed(rule, rule->operand[i], mesh, &operands[i]))
            return false;
    }
    return sharding_fits(mesh, &node->type.shape, result) &&
           even_where_needed(rule, rule->result, mesh, result);
}

bool rule_shardings(const Graph *graph, NodeId id, const Rule *rule,
                    const LogicalMesh *mesh, const Strategy *strategy,
                    Sharding *operands, Sharding *result)
{
    const Node *node = graph_node(graph, id);
    memset(operands, 0, (size_t)node->n_operands * sizeof *operands);
    *result = (Sharding){0};
    for (int32_t axis = 0; axis < MESH_AXES_MAX; axis++) {
        uint8_t assign = strategy->assign[axis];
        if (assign == ASSIGN_NONE)
            continue;
        bool legal = axis < mesh->n_axes;
        if (legal && assign >= ASSIGN_LINEAR)
            legal = assign_linear(graph, node, assign - ASSIGN_LINEAR, axis,
                                  operands, result);
        else if (legal)
            legal = assign_factor(node, rule, (int8_t)(assign - ASSIGN_FACTOR),
                                  axis, operands, result);
        if (!legal)
            return false;
    }
    return all_fit(graph, node, rule, mesh, operands, result);
}

/* -- strategies ------------------------------------------------------------ */

static int32_t axis_options(const Node *node, const Rule *rule, int64_t size,
                            uint8_t *options)
{
    int32_t n = 0;
    options[n++] = ASSIGN_NONE;
    if (size == 1)
        return n;
    for (int32_t f = 0; f < rule->n_factors; f++)
        options[n++] = (uint8_t)(ASSIGN_FACTOR + f);
    for (int group = 0; linear_group(node, group); group++)
        options[n++] = (uint8_t)(ASSIGN_LINEAR + group);
    return n;
}

int64_t rule_strategies(const Graph *graph, NodeId id, const Rule *rule,
                        const LogicalMesh *mesh, uint8_t time, Arena *arena,
                        Strategy **out)
{
    const Node *node = graph_node(graph, id);
    uint8_t options[MESH_AXES_MAX][FACTORS_MAX + 4] = {{time}};
    int32_t n_options[MESH_AXES_MAX] = {1, 1, 1, 1};
    int64_t combinations = 1;
    for (int32_t axis = 1; axis < mesh->n_axes; axis++) {
        n_options[axis] =
            axis_options(node, rule, mesh->axis[axis].size, options[axis]);
        combinations *= n_options[axis];
    }
    Strategy *strategies = arena_new(arena, Strategy, combinations);
    Arena scratch = *arena;
    Sharding *operands = arena_new(&scratch, Sharding, node->n_operands + 1);
    int64_t count = 0;
    for (int64_t number = 0; number < combinations; number++) {
        Strategy strategy = {{0}};
        int64_t rest = number;
        for (int32_t axis = MESH_AXES_MAX - 1; axis >= 0; axis--) {
            strategy.assign[axis] = options[axis][rest % n_options[axis]];
            rest /= n_options[axis];
        }
        Sharding result;
        if (rule_shardings(graph, id, rule, mesh, &strategy, operands, &result))
            strategies[count++] = strategy;
    }
    *out = strategies;
    return count;
}

double rule_flops(const Graph *graph, NodeId id, const Rule *rule,
                  const LogicalMesh *mesh, const Strategy *strategy)
{
    const Node *node = graph_node(graph, id);
    double flops = op_info(node->op)->work_flops;
    if (op_has(node->op, TRAIT_WORLD))
        return flops * node->n_operands;
    for (int32_t f = 0; f < rule->n_factors; f++) {
        if (rule->factor[f].derived)
            continue;
        uint8_t mask = 0;
        for (int32_t axis = 0; axis < mesh->n_axes; axis++)
            if (strategy->assign[axis] == ASSIGN_FACTOR + f)
                mask |= (uint8_t)(1 << axis);
        flops *= (double)sharding_block(mesh, rule->factor[f].extent, mask);
    }
    return flops;
}

/* -- text ------------------------------------------------------------------ */

Str strategy_print(Arena *arena, const LogicalMesh *mesh, const Rule *rule,
                   const Strategy *strategy)
{
    Text text = text_new(arena);
    for (int32_t axis = 1; axis < mesh->n_axes; axis++) {
        uint8_t assign = strategy->assign[axis];
        if (assign == ASSIGN_NONE)
            continue;
        text_format(&text, "%s%.*s=", text.length ? ", " : "",
                    STR_ARG(mesh->axis[axis].name));
        if (assign >= ASSIGN_LINEAR)
            text_format(&text, "partial(%d)", assign - ASSIGN_LINEAR);
        else
            text_format(&text, "%s", rule->factor[assign - ASSIGN_FACTOR].name);
    }
    return text.length ? text_str(&text) : str_from(REPLICATED);
}

static Str trim(Str s)
{
    while (s.length && s.data[0] == ' ')
        s = (Str){s.data + 1, s.length - 1};
    while (s.length && s.data[s.length - 1] == ' ')
        s.length--;
    return s;
}

/* Cuts *s at the first `at`; what follows stays in *s (empty at the end). */
static Str cut(Str *s, char at)
{
    const char *found =
        s->length ? memchr(s->data, at, (size_t)s->length) : NULL;
    Str head = found ? (Str){s->data, found - s->data} : *s;
    int64_t used = head.length + (found != NULL);
    *s = (Str){s->data + used, s->length - used};
    return trim(head);
}

static uint8_t parse_assign(Str value, const Rule *rule)
{
    static const char *const GROUPS[] = {"partial(0)", "partial(1)",
                                         "partial(2)"};
    for (uint8_t group = 0; group < 3; group++)
        if (str_equal_c(value, GROUPS[group]))
            return (uint8_t)(ASSIGN_LINEAR + group);
    for (int32_t f = 0; f < rule->n_factors; f++)
        if (str_equal_c(value, rule->factor[f].name))
            return (uint8_t)(ASSIGN_FACTOR + f);
    return ASSIGN_NONE;
}

bool strategy_parse(Str text, const LogicalMesh *mesh, const Rule *rule,
                    Strategy *out)
{
    *out = (Strategy){{0}};
    text = trim(text);
    if (str_equal_c(text, REPLICATED))
        return true;
    if (text.length == 0 || text.data[text.length - 1] == ',')
        return false;
    do {
        Str value = cut(&text, ','), name = cut(&value, '=');
        uint8_t assign = parse_assign(trim(value), rule);
        int32_t axis = 1;
        while (axis < mesh->n_axes && !str_equal(name, mesh->axis[axis].name))
            axis++;
        if (axis == mesh->n_axes || assign == ASSIGN_NONE ||
            out->assign[axis] != ASSIGN_NONE)
            return false;
        out->assign[axis] = assign;
    } while (text.length);
    return true;
}
