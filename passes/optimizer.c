/* Optimizer: from gradients to the parameters' next values.
 *
 * The formulas are those of torch.optim (SGD, Adam, AdamW) and of
 * torch.nn.utils.clip_grad_norm_, operation by operation, so that 20 steps
 * agree with PyTorch's.  With g the gradient, x the parameter, t = 1, 2, ...
 * the step, r the learning rate, d the decay:
 *
 *   clip   g = g min(1, clip_norm / (norm + 1e-6)), norm over all parameters
 *   sgd    g = g + d x;  v = momentum v + g;  x = x - r v
 *          Nesterov: x = x - r (g + momentum v)
 *   adam   g = g + d x (adamw: x = x - r d x);
 *          m = m + (1 - beta1) (g - m);  v = beta2 v + (1 - beta2) g g
 *          x = x - r / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + epsilon)
 *
 * The norm is one world_sum over a sum of squares per parameter, so a
 * parameter counts once wherever its copies live.  State starts at zero; it is
 * appended to the variable table of train here and of eval and init by adopt.
 *
 * Needs FORM_GRADIENT; takes the OUTPUT_GRADIENTs away and gives OUTPUT_UPDATEs
 * for every parameter (a frozen one keeps its value).
 */
#include "passes/formula.h"
#include "passes/pass.h"
#include "passes/learning_rate.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>

enum { STATES_MAX = 2 };

/* torch.nn.utils.clip_grad_norm_'s guard against a norm of zero. */
static const double CLIP_EPSILON = 1e-6;

static const Type SCALAR = {.dtype = DTYPE_F32};

typedef struct Optimizer {
    Graph *to;
    const Training *training;
    NodeId learning_rate; /* f32 scalar */
    NodeId clip;          /* f32 scalar <= 1, or none */
    NodeId step_size;     /* adam: learning rate / (1 - beta1^t), f32 scalar */
    NodeId unbias;        /* adam: 1 / sqrt(1 - beta2^t), f32 scalar */
} Optimizer;

/* One parameter being updated. */
typedef struct Target {
    Formula formula;
    int32_t variable;
    NodeId x, gradient;
    double decay, rate_scale;
} Target;

static NodeOrigin origin_of(const Training *training, const char *path)
{
    return (NodeOrigin){
        REGION_UPDATE, LAYER_NONE, {0}, training->span, str_from(path)};
}

static const ParameterGroup *group_of(const Training *training,
                                      const Variable *variable)
{
    return variable->group < 0 ? NULL : &training->groups.data[variable->group];
}

static bool is_frozen(const Training *training, const Variable *variable)
{
    const ParameterGroup *group = group_of(training, variable);
    return group && group->frozen;
}

static NodeOrigin parameter_origin(Graph *to, NodeId x, const char *suffix)
{
    NodeOrigin origin = node_origin(to, x, suffix);
    origin.region = REGION_UPDATE;
    origin.forward = x;
    return origin;
}

/* -- clipping -------------------------------------------------------------- */

static NodeId square_sum(Graph *to, const Output *gradient)
{
    const Variable *variable = &to->variables.data[gradient->variable];
    NodeOrigin origin = parameter_origin(to, variable->node, "gradient.square");
    NodeId square =
        graph_binary(to, OP_MUL, gradient->node, gradient->node, origin);
    uint32_t all = (1u << variable->type.shape.rank) - 1;
    return all ? graph_reduce(to, OP_SUM, square, all, origin) : square;
}

/* Squares that are added up in parts on several devices may come to a hair
 * below 0. */
static NodeId root_of_squares(const Formula *f, NodeId sum)
{
    return formula_unary(f, OP_SQRT,
                         formula_binary(f, OP_MAX, sum, formula_number(f, 0)));
}

/* min(1, clip_norm / (norm + 1e-6)) over the parameters that are trained. */
static NodeId clip_factor(Graph *to, const Training *training,
                          const Output *gradients, int64_t n_gradients,
                          Arena scratch)
{
    NodeId *squares = arena_new(&scratch, NodeId, n_gradients);
    int32_t n = 0;
    for (int64_t i = 0; i < n_gradients; i++) {
        if (!is_frozen(training, &to->variables.data[gradients[i].variable]))
            squares[n++] = square_sum(to, &gradients[i]);
    }
    if (n == 0)
        return (NodeId){0};
    NodeOrigin origin = origin_of(training, "gradient_norm");
    Formula f = {to, SCALAR, origin_of(training, "clip")};
    NodeId sum = graph_append(to, OP_WORLD_SUM, squares, n, (Attr){0}, origin);
    NodeId norm = root_of_squares(&f, sum);
    NodeId guarded = formula_offset(&f, norm, CLIP_EPSILON);
    NodeId limit = formula_number(&f, training->clip_norm);
    NodeId ratio = formula_div(&f, limit, guarded);
    return formula_binary(&f, OP_MIN, ratio, formula_number(&f, 1));
}

/* -- state ----------------------------------------------------------------- */

/* The parameter's new state variable `name`; its OP_VARIABLE node. */
static NodeId state_append(const Target *t, const char *name)
{
    Graph *to = t->formula.graph;
    NodeOrigin origin = parameter_origin(to, t->x, name);
    int32_t index = graph_add_variable(to,
                                       (Variable){
                                           .type = t->formula.type,
                                           .kind = VARIABLE_OPTIMIZER,
                                           .of = t->variable,
                                           .group = -1,
                                           .span = origin.span,
                                       },
                                       origin);
    Variable *variable = &to->variables.data[index];
    variable->name = graph_node(to, variable->node)->path;
    return variable->node;
}

static void update_append(Graph *to, NodeId variable_node, NodeId value)
{
    int32_t index = graph_node(to, variable_node)->attr.variable.variable;
    const Variable *variable = &to->variables.data[index];
    graph_add_output(to, (Output){OUTPUT_UPDATE, variable->name, value, index,
                                  variable->span});
}

/* -- the rules ------------------------------------------------------------- */

/* x - rate direction, under the path "<parameter>.update". */
static NodeId descend(const Target *t, NodeId rate, NodeId direction)
{
    const Formula *f = &t->formula;
    Formula scalar = {f->graph, SCALAR, f->origin};
    if (t->rate_scale != 1)
        rate = formula_scale(&scalar, rate, t->rate_scale);
    NodeId move = formula_mul(f, formula_splat(f, rate), direction);
    NodeId variable = f->graph->variables.data[t->variable].node;
    return graph_binary(f->graph, OP_SUB, t->x, move,
                        parameter_origin(f->graph, variable, "update"));
}

static NodeId add_decay(const Target *t, NodeId gradient)
{
    const Formula *f = &t->formula;
    if (t->decay == 0)
        return gradient;
    return formula_add(f, gradient, formula_scale(f, t->x, t->decay));
}

static void update_sgd(const Optimizer *o, const Target *t)
{
    const Formula *f = &t->formula;
    double momentum = o->training->momentum;
    NodeId direction = add_decay(t, t->gradient);
    if (momentum != 0) {
        NodeId velocity = state_append(t, "momentum");
        NodeId next =
            formula_add(f, formula_scale(f, velocity, momentum), direction);
        direction =
            o->training->nesterov
                ? formula_add(f, direction, formula_scale(f, next, momentum))
                : next;
        update_append(o->to, velocity, next);
    }
    update_append(o->to, t->x, descend(t, o->learning_rate, direction));
}

/* x (1 - rate decay) */
static NodeId decoupled_decay(const Optimizer *o, const Target *t)
{
    const Formula *f = &t->formula;
    Formula scalar = {f->graph, SCALAR, f->origin};
    NodeId lost =
        formula_scale(&scalar, o->learning_rate, t->rate_scale * t->decay);
    NodeId kept = formula_sub(&scalar, formula_number(&scalar, 1), lost);
    return formula_mul(f, t->x, formula_splat(f, kept));
}

static void update_adam(const Optimizer *o, Target t)
{
    const Formula *f = &t.formula;
    const Training *training = o->training;
    NodeId x = t.x, g = t.gradient;
    if (training->optimizer == OPTIMIZER_ADAM)
        g = add_decay(&t, g);
    else if (t.decay != 0)
        t.x = decoupled_decay(o, &t);
    Target state = t;
    state.x = x;
    NodeId m = state_append(&state, "first_moment");
    NodeId v = state_append(&state, "second_moment");
    NodeId m_next = formula_add(
        f, m, formula_scale(f, formula_sub(f, g, m), 1 - training->beta1));
    NodeId square = formula_mul(f, g, g);
    NodeId new_part = formula_scale(f, square, 1 - training->beta2);
    NodeId v_next =
        formula_add(f, new_part, formula_scale(f, v, training->beta2));
    NodeId unbias = formula_splat(f, o->unbias);
    NodeId deviation = formula_mul(f, unbias, root_of_squares(f, v_next));
    NodeId guarded = formula_offset(f, deviation, training->epsilon);
    NodeId direction = formula_div(f, m_next, guarded);
    update_append(o->to, m, m_next);
    update_append(o->to, v, v_next);
    update_append(o->to, x, descend(&t, o->step_size, direction));
}

/* 1 - beta^(t + 1), t = 0, 1, ...: 2 h / (1 + h) with
 * h = tanh(-(t + 1) log(beta) / 2), which loses no digits for beta near 1,
 * where the subtraction in f32 would lose five. */
static NodeId bias_correction(const Formula *f, NodeId count, double beta)
{
    if (beta <= 0)
        return formula_number(f, 1);
    NodeId angle = formula_scale(f, count, -0.5 * log(beta));
    NodeId h = formula_unary(f, OP_TANH, angle);
    NodeId sum = formula_add(f, h, formula_number(f, 1));
    return formula_div(f, formula_scale(f, h, 2), sum);
}

/* What the updates of all parameters share. */
static void prepare_adam(Optimizer *o)
{
    const Training *training = o->training;
    Formula f = {o->to, SCALAR, origin_of(training, "adam")};
    NodeId step = graph_append_typed(o->to, OP_SCALAR, NULL, 0,
                                     (Attr){.scalar = {SCALAR_STEP}},
                                     (Type){.dtype = DTYPE_I32}, f.origin);
    NodeId count = formula_offset(&f, formula_unary(&f, OP_TO_F32, step), 1);
    o->step_size = formula_div(&f, o->learning_rate,
                               bias_correction(&f, count, training->beta1));
    NodeId variance = bias_correction(&f, count, training->beta2);
    o->unbias = formula_unary(&f, OP_RSQRT, variance);
}

static Target target_of(const Optimizer *o, const Output *gradient)
{
    const Variable *variable = &o->to->variables.data[gradient->variable];
    const ParameterGroup *group = group_of(o->training, variable);
    Target t = {
        .formula = {o->to, variable->type,
                    parameter_origin(o->to, variable->node, "step")},
        .variable = gradient->variable,
        .x = variable->node,
        .gradient = gradient->node,
        .decay = group ? group->decay : o->training->decay,
        .rate_scale = group ? group->learning_rate_scale : 1,
    };
    if (node_is(o->clip))
        t.gradient = formula_mul(&t.formula, t.gradient,
                                 formula_splat(&t.formula, o->clip));
    return t;
}

static void update_parameter(const Optimizer *o, const Output *gradient)
{
    const Variable *variable = &o->to->variables.data[gradient->variable];
    if (is_frozen(o->training, variable)) {
        update_append(o->to, variable->node, variable->node);
        return;
    }
    Target t = target_of(o, gradient);
    switch (o->training->optimizer) {
    case OPTIMIZER_SGD: update_sgd(o, &t); break;
    case OPTIMIZER_ADAM:
    case OPTIMIZER_ADAMW: update_adam(o, t); break;
    }
}

/* Copies the outputs but for the gradients, which go to `gradients`. */
static int64_t take_gradients(Graph *to, const Graph *from, const NodeId *map,
                              Output *gradients)
{
    int64_t n = 0;
    for (int64_t i = 0; i < from->outputs.count; i++) {
        Output output = from->outputs.data[i];
        output.node = map[output.node.index];
        if (output.kind == OUTPUT_GRADIENT)
            gradients[n++] = output;
        else
            graph_add_output(to, output);
    }
    return n;
}

Graph *pass_optimizer(const Graph *from, const PassOptions *options,
                      Arena *perm, Arena scratch)
{
    const Training *training = options->training;
    Graph *to = graph_like(perm, from, from->name);
    NodeId *map = arena_new(&scratch, NodeId, from->nodes.count);
    for (int32_t i = 1; i < from->nodes.count; i++)
        map[i] = graph_clone(to, from, (NodeId){i}, map);
    Output *gradients = arena_new(&scratch, Output, from->outputs.count);
    int64_t n = take_gradients(to, from, map, gradients);

    Optimizer o = {.to = to, .training = training};
    o.learning_rate = learning_rate_append(to, &training->learning_rate,
                                      origin_of(training, "learning_rate"));
    if (training->clip_norm > 0)
        o.clip = clip_factor(to, training, gradients, n, scratch);
    if (training->optimizer != OPTIMIZER_SGD)
        prepare_adam(&o);
    for (int64_t i = 0; i < n; i++)
        update_parameter(&o, &gradients[i]);
    return to;
}
