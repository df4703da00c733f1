/* Builtin: the table of built-in functions, and those that are not about
 * layout, reduction or contraction. */
#include "frontend/builtin.h"

#include "support/checked.h"

#include <math.h>
#include <string.h>

static const Builtin table[] = {
#define BUILTIN(name, signature, function) {#name, signature, function},
#include "frontend/builtin.def"
#undef BUILTIN
};

enum { BUILTIN_COUNT = sizeof table / sizeof table[0] };

const Builtin *builtin_at(int64_t i)
{
    return i < BUILTIN_COUNT ? &table[i] : NULL;
}

const Builtin *builtin_find(Str name)
{
    for (int i = 0; i < BUILTIN_COUNT; i++)
        if (str_equal_c(name, table[i].name))
            return &table[i];
    return NULL;
}

bool is_given(const Call *call, int i)
{
    return call->argument[i].kind != VALUE_NONE;
}

bool tensor_argument(Lowering *l, const Call *call, int i, NodeId *out)
{
    return need_tensor(l, &call->argument[i], call->argument_span[i],
                       "the argument", out);
}

bool f32_argument(Lowering *l, const Call *call, int i, NodeId *out)
{
    if (!tensor_argument(l, call, i, out))
        return false;
    if (graph_node(l->graph, *out)->type.dtype == DTYPE_F32)
        return true;
    Diagnostic *d =
        complain(l, call->argument_span[i], needs_f32, call->builtin->name);
    explain(l, d, call->argument[i].span, "the i32 tensor comes from here");
    return false;
}

bool shape_argument(Lowering *l, const Call *call, int i, Shape *out)
{
    return need_shape(l, &call->argument[i], call->argument_span[i], out);
}

static bool number_argument(Lowering *l, const Call *call, int i,
                            double standard, double *out)
{
    *out = standard;
    return !is_given(call, i) ||
           need_number(l, &call->argument[i], call->argument_span[i],
                       "the argument", out);
}

/* -- elementwise ------------------------------------------------------------------- */

static bool fold_map(const char *name, double x, double *out)
{
    if (strcmp(name, "exp") == 0)
        *out = exp(x);
    else if (strcmp(name, "log") == 0)
        *out = log(x);
    else if (strcmp(name, "tanh") == 0)
        *out = tanh(x);
    else if (strcmp(name, "sqrt") == 0)
        *out = sqrt(x);
    else if (strcmp(name, "rsqrt") == 0)
        *out = 1 / sqrt(x);
    else if (strcmp(name, "sin") == 0)
        *out = sin(x);
    else if (strcmp(name, "cos") == 0)
        *out = cos(x);
    else if (strcmp(name, "abs") == 0)
        *out = fabs(x);
    else if (strcmp(name, "sign") == 0)
        *out = (x > 0) - (x < 0);
    else if (strcmp(name, "floor") == 0)
        *out = floor(x);
    else
        return false;
    return true;
}

Value builtin_map(Lowering *l, const Call *call)
{
    const Value *x = &call->argument[0];
    double folded;
    if (is_number(x) &&
        fold_map(call->builtin->name, value_number(x), &folded)) {
        if (isfinite(folded))
            return value_real(call->span, folded);
        complain(l, call->span, arithmetic_overflow, call->builtin->name);
        return poison(call->span);
    }
    Op op = OP_NONE;
    bool known = op_parse(str_from(call->builtin->name), &op);
    NodeId node;
    if (!known || !tensor_argument(l, call, 0, &node))
        return poison(call->span);
    if (op_has(op, TRAIT_F32) && !f32_argument(l, call, 0, &node))
        return poison(call->span);
    return append_unary(l, call->span, op, node);
}

static Value extreme(Lowering *l, const Call *call, Op op)
{
    const Value *a = &call->argument[0], *b = &call->argument[1];
    if (is_number(a) && is_number(b)) {
        bool first = (value_number(a) > value_number(b)) == (op == OP_MAX);
        return first ? *a : *b;
    }
    for (int i = 0; i < 2; i++) {
        NodeId unused;
        if (!is_number(&call->argument[i]) &&
            !tensor_argument(l, call, i, &unused))
            return poison(call->span);
    }
    NodeId x[2];
    if (!unify(l, call->span, a, b, x))
        return poison(call->span);
    return append_binary(l, call->span, op, x[0], x[1]);
}

Value builtin_maximum(Lowering *l, const Call *call)
{
    return extreme(l, call, OP_MAX);
}

Value builtin_minimum(Lowering *l, const Call *call)
{
    return extreme(l, call, OP_MIN);
}

Value builtin_select(Lowering *l, const Call *call)
{
    Value choice[2] = {call->argument[1], call->argument[2]};
    NodeId condition, x[2];
    if (!f32_argument(l, call, 0, &condition))
        return poison(call->span);
    bool numbers = is_number(&choice[0]) && is_number(&choice[1]);
    for (int i = 0; i < 2; i++)
        if ((numbers || !is_number(&choice[i])) &&
            !tensor_argument(l, call, i + 1, &choice[i].as.node))
            return poison(call->span);
        else if (numbers)
            choice[i].kind = VALUE_TENSOR;
    if (!unify(l, call->span, &choice[0], &choice[1], x))
        return poison(call->span);
    /* the condition and the choices to one shape */
    Value c = value_node(call->argument[0].span, condition);
    Value chosen = value_node(call->argument[1].span, x[0]);
    Type type = *value_type(l, &chosen);
    Value shaped = chosen;
    if (type.dtype != DTYPE_F32)
        shaped = append(l, call->span, OP_CONSTANT, NULL, 0, (Attr){0},
                        (Type){DTYPE_F32, type.shape});
    NodeId both[2];
    if (is_poison(&shaped) || !unify(l, call->span, &c, &shaped, both))
        return poison(call->span);
    Shape shape = graph_node(l->graph, both[0])->type.shape;
    Value y = append_stretch(l, call->span, x[0], shape);
    Value z = append_stretch(l, call->span, x[1], shape);
    if (is_poison(&y) || is_poison(&z))
        return poison(call->span);
    return append(l, call->span, OP_SELECT,
                  (NodeId[]){both[0], y.as.node, z.as.node}, 3, (Attr){0},
                  (Type){0});
}

static Value convert(Lowering *l, const Call *call, DType to, Op op)
{
    NodeId x;
    if (!tensor_argument(l, call, 0, &x))
        return poison(call->span);
    if (graph_node(l->graph, x)->type.dtype == to)
        return value_node(call->span, x);
    return append_unary(l, call->span, op, x);
}

Value builtin_f32(Lowering *l, const Call *call)
{
    return convert(l, call, DTYPE_F32, OP_TO_F32);
}

Value builtin_i32(Lowering *l, const Call *call)
{
    return convert(l, call, DTYPE_I32, OP_TO_I32);
}

/* -- over the last dimension --------------------------------------------------------- */

static Value standardize(Lowering *l, const Call *call, Op op)
{
    NodeId x;
    double epsilon;
    if (!f32_argument(l, call, 0, &x) ||
        !number_argument(l, call, 1, 1e-5, &epsilon))
        return poison(call->span);
    if (epsilon <= 0) {
        complain(l, call->argument_span[1], out_of_range, "epsilon", epsilon,
                 "greater than 0");
        return poison(call->span);
    }
    return append(l, call->span, op, &x, 1, (Attr){.epsilon = {epsilon}},
                  (Type){0});
}

Value builtin_standardize(Lowering *l, const Call *call)
{
    return standardize(l, call, OP_LAYERNORM);
}

Value builtin_rms_standardize(Lowering *l, const Call *call)
{
    return standardize(l, call, OP_RMSNORM);
}

Value builtin_cross_entropy(Lowering *l, const Call *call)
{
    NodeId x[2];
    if (!f32_argument(l, call, 0, &x[0]) || !tensor_argument(l, call, 1, &x[1]))
        return poison(call->span);
    Type logits = graph_node(l->graph, x[0])->type;
    Type targets = graph_node(l->graph, x[1])->type;
    Type wanted = {DTYPE_I32, logits.shape};
    if (wanted.shape.rank)
        wanted.shape.extent[--wanted.shape.rank] = 0;
    if (logits.shape.rank == 0 || !type_equal(&wanted, &targets)) {
        Str got = type_print(l->arena, &targets);
        Str given = type_print(l->arena, &logits);
        Str need = type_print(l->arena, &wanted);
        Diagnostic *d = complain(l, call->argument_span[1], targets_unfit,
                                 STR_ARG(got), STR_ARG(given), STR_ARG(need));
        explain(l, d, call->argument[0].span, "the logits come from here");
        explain(l, d, call->argument[1].span, "the targets come from here");
        return poison(call->span);
    }
    return append_binary(l, call->span, OP_CROSS_ENTROPY, x[0], x[1]);
}

Value builtin_gather(Lowering *l, const Call *call)
{
    NodeId x[2];
    if (!tensor_argument(l, call, 0, &x[0]) ||
        !tensor_argument(l, call, 1, &x[1]))
        return poison(call->span);
    if (graph_node(l->graph, x[1])->type.dtype != DTYPE_I32) {
        complain(l, call->argument_span[1], index_not_i32);
        return poison(call->span);
    }
    return append_binary(l, call->span, OP_GATHER, x[0], x[1]);
}

/* -- made of nothing -------------------------------------------------------------------- */

Value builtin_iota(Lowering *l, const Call *call)
{
    Shape shape;
    int64_t dim = 0;
    if (!shape_argument(l, call, 0, &shape) ||
        (is_given(call, 1) &&
         !need_int(l, &call->argument[1], call->argument_span[1], "a dimension",
                   &dim)))
        return poison(call->span);
    if (!dim_inside(l, call->argument_span[1], shape.rank, &dim))
        return poison(call->span);
    return append_iota(l, call->span, shape, (int32_t)dim);
}

Value builtin_full(Lowering *l, const Call *call)
{
    Shape shape;
    double value;
    if (!shape_argument(l, call, 0, &shape) ||
        !number_argument(l, call, 1, 0, &value))
        return poison(call->span);
    return append(l, call->span, OP_CONSTANT, NULL, 0,
                  (Attr){.constant = {value}}, (Type){DTYPE_F32, shape});
}

static Value random_of(Lowering *l, const Call *call, Distribution distribution)
{
    Shape shape;
    if (!shape_argument(l, call, 0, &shape))
        return poison(call->span);
    NodeId counters[2];
    if (!append_counters(l->graph, shape, origin_here(l, call->span, "counter"),
                         counters)) {
        complain(l, call->span, tensor_too_large);
        return poison(call->span);
    }
    Attr attr = {.random = {.distribution = distribution, .by_step = true}};
    Value v = append(l, call->span, OP_RANDOM, counters, 2, attr, (Type){0});
    if (is_poison(&v))
        return v;
    /* the stream is the node's own path, which is unique */
    Node *node = graph_node(l->graph, v.as.node);
    node->attr.random.stream = (uint32_t)str_hash(node->path);
    return v;
}

Value builtin_random_uniform(Lowering *l, const Call *call)
{
    return random_of(l, call, DISTRIBUTION_UNIFORM);
}

Value builtin_random_normal(Lowering *l, const Call *call)
{
    return random_of(l, call, DISTRIBUTION_NORMAL);
}

Value builtin_step(Lowering *l, const Call *call)
{
    return append(l, call->span, OP_SCALAR, NULL, 0,
                  (Attr){.scalar = {SCALAR_STEP}}, (Type){.dtype = DTYPE_I32});
}

/* -- first values -------------------------------------------------------------------------- */

static Value initializer(const Call *call, Initializer initializer)
{
    Value v = {.kind = VALUE_INITIALIZER, .span = call->span};
    v.as.initializer = initializer;
    return v;
}

Value builtin_constant(Lowering *l, const Call *call)
{
    double value;
    if (!number_argument(l, call, 0, 0, &value))
        return poison(call->span);
    return initializer(call, (Initializer){.a = value});
}

Value builtin_uniform(Lowering *l, const Call *call)
{
    double low, high;
    if (!number_argument(l, call, 0, 0, &low) ||
        !number_argument(l, call, 1, 1, &high))
        return poison(call->span);
    return initializer(call,
                       (Initializer){true, DISTRIBUTION_UNIFORM, low, high});
}

Value builtin_normal(Lowering *l, const Call *call)
{
    double mean, deviation;
    if (!number_argument(l, call, 0, 0, &mean) ||
        !number_argument(l, call, 1, 1, &deviation))
        return poison(call->span);
    return initializer(
        call, (Initializer){true, DISTRIBUTION_NORMAL, mean, deviation});
}

/* -- at compile time -------------------------------------------------------------------------- */

Value builtin_shape(Lowering *l, const Call *call)
{
    NodeId x;
    if (!tensor_argument(l, call, 0, &x))
        return poison(call->span);
    const Shape *shape = &graph_node(l->graph, x)->type.shape;
    Value extents[RANK_MAX];
    for (int32_t i = 0; i < shape->rank; i++)
        extents[i] = value_int(call->span, shape->extent[i]);
    return value_tuple(l, call->span, extents, shape->rank);
}

static bool tuple_argument(Lowering *l, const Call *call, const Value **out)
{
    *out = &call->argument[0];
    if ((*out)->kind == VALUE_TUPLE)
        return true;
    Str got = value_describe(l, *out);
    complain(l, call->argument_span[0], wrong_value, "the argument", "a tuple",
             STR_ARG(got));
    return false;
}

Value builtin_length(Lowering *l, const Call *call)
{
    const Value *tuple;
    if (!tuple_argument(l, call, &tuple))
        return poison(call->span);
    return value_int(call->span, tuple->as.tuple.count);
}

Value builtin_product(Lowering *l, const Call *call)
{
    const Value *tuple;
    if (!tuple_argument(l, call, &tuple))
        return poison(call->span);
    int64_t product = 1, factor;
    for (int64_t i = 0; i < tuple->as.tuple.count; i++) {
        if (!need_int(l, &tuple->as.tuple.items[i], call->argument_span[0],
                      "a factor", &factor))
            return poison(call->span);
        if (mul_i64(product, factor, &product))
            continue;
        complain(l, call->span, arithmetic_overflow, "product");
        return poison(call->span);
    }
    return value_int(call->span, product);
}

Value builtin_pair(Lowering *l, const Call *call)
{
    int64_t pair[2];
    if (!pair_argument(l, call, 0, 1, pair))
        return poison(call->span);
    Value items[2] = {value_int(call->span, pair[0]),
                      value_int(call->span, pair[1])};
    return value_tuple(l, call->span, items, 2);
}

Value builtin_require(Lowering *l, const Call *call)
{
    bool holds;
    Str message;
    if (!need_bool(l, &call->argument[0], call->argument_span[0],
                   "the condition", &holds) ||
        !need_string(l, &call->argument[1], call->argument_span[1],
                     "the message", &message))
        return poison(call->span);
    if (holds)
        return (Value){.kind = VALUE_NONE, .span = call->span};
    complain(l, call->span, requirement_fails, STR_ARG(message));
    if (l->frame->caller) { /* the rest of the function relies on it */
        l->frame->returned = true;
        l->frame->result = poison(call->span);
    }
    return poison(call->span);
}
