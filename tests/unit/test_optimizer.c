/* Unit tests of passes/optimizer.c and passes/learning_rate.c: 30 steps in the
 * interpreter against the optimizers' formulas in double.
 *
 * The model is one whose gradients are known by hand: the mean over the batch
 * of (x . w + b - y)^2 / 2. */
#include "passes/pass.h"
#include "tests/arena.h"
#include "tests/oracle/trainer.h"

#include <math.h>

enum { N = 4, D = 3, STEPS = 30, W = 0, B = 1 };

static Diagnostics diagnostics;

static int set_up(void **state)
{
    int result = arena_set_up(state);
    diagnostics = diagnostics_new(&arena);
    return result;
}

static NodeOrigin at(const char *path)
{
    return (NodeOrigin){.layer = LAYER_NONE, .path = str_from(path)};
}

static NodeId add_parameter(Graph *g, const char *name, Shape shape,
                            int32_t group)
{
    Variable variable = {.name = str_from(name),
                         .type = {DTYPE_F32, shape},
                         .kind = VARIABLE_PARAMETER,
                         .of = -1,
                         .group = group};
    int32_t index = graph_add_variable(g, variable, at(name));
    return g->variables.data[index].node;
}

/* w is in group 0 when there is one, b outside. */
static Graph *model(const Training *training)
{
    Graph *g = graph_new(&arena, STR("line"));
    NodeId x, y;
    graph_add_input(g, STR("x"), (Type){DTYPE_F32, {2, {N, D}}}, at("x"), &x);
    graph_add_input(g, STR("y"), (Type){DTYPE_F32, {1, {N}}}, at("y"), &y);
    NodeId w = add_parameter(g, "w", (Shape){1, {D}},
                             training->groups.count > 0 ? 0 : -1);
    NodeId b = add_parameter(g, "b", (Shape){0}, -1);
    NodeId line = graph_dot(g, x, w, "nd,d->n", at("line"));
    NodeId shift = graph_splat(g, b, (Shape){1, {N}}, at("shift"));
    line = graph_binary(g, OP_ADD, line, shift, at("shifted"));
    NodeId error = graph_binary(g, OP_SUB, line, y, at("error"));
    NodeId square = graph_binary(g, OP_MUL, error, error, at("square"));
    NodeId sum = graph_reduce(g, OP_SUM, square, 1, at("sum"));
    NodeId share = graph_constant(g, 0.5 / (double)N,
                                  (Type){.dtype = DTYPE_F32}, at("share"));
    NodeId mean = graph_binary(g, OP_MUL, sum, share, at("mean"));
    NodeId loss =
        graph_append(g, OP_WORLD_SUM, &mean, 1, (Attr){0}, at("loss"));
    graph_add_output(g, (Output){.kind = OUTPUT_LOSS,
                                 .name = STR("loss"),
                                 .node = loss,
                                 .variable = -1});
    return g;
}

static Graph *prepared(const Training *training)
{
    Graph *g = model(training);
    PassOptions options = {.training = training, .diagnostics = &diagnostics};
    GraphForm form = FORM_MODEL;
    g = pass_run_by_name(STR("expand,differentiate,optimizer,simplify"), g,
                         &form, &options, &arena, scratch);
    assert_non_null(g);
    return g;
}

/* -- the reference --------------------------------------------------------- */

typedef struct Reference {
    double x[D + 1], m[D + 1], v[D + 1]; /* w, then b */
} Reference;

static const float DATA_X[N * D] = {0.5F, -1, 2,    1.5F,  0.25F, -0.5F,
                                    -1,   1,  0.5F, 0.75F, 2,     -1.5F};
static const float DATA_Y[N] = {1, -2, 0.5F, 3};

static void gradient(const Reference *r, double g[D + 1])
{
    for (int i = 0; i <= D; i++)
        g[i] = 0;
    for (int n = 0; n < N; n++) {
        double error = r->x[D] - (double)DATA_Y[n];
        for (int i = 0; i < D; i++)
            error += (double)DATA_X[n * D + i] * r->x[i];
        for (int i = 0; i < D; i++)
            g[i] += error * (double)DATA_X[n * D + i] / (double)N;
        g[D] += error / (double)N;
    }
}

static void clip(double g[D + 1], double limit, bool w_is_frozen)
{
    double square = 0;
    for (int i = w_is_frozen ? D : 0; i <= D; i++)
        square += g[i] * g[i];
    double factor = fmin(1, limit / (sqrt(square) + 1e-6));
    for (int i = 0; i <= D; i++)
        g[i] *= factor;
}

static double rate_at(const Schedule *s, int64_t t)
{
    double warm = fmin(1, (double)(t + 1) / (double)s->warmup);
    double done = (double)(t - s->warmup) / (double)(s->total - s->warmup);
    done = fmin(1, done);
    switch (s->kind) {
    case SCHEDULE_CONSTANT: return s->peak;
    case SCHEDULE_WARMUP: return s->peak * warm;
    case SCHEDULE_WARMUP_COSINE:
        return t < s->warmup ? s->peak * warm
                             : s->final + (s->peak - s->final) * 0.5 *
                                              (1 + cos(M_PI * done));
    case SCHEDULE_WARMUP_LINEAR:
        return t < s->warmup ? s->peak * warm
                             : s->final + (s->peak - s->final) * (1 - done);
    case SCHEDULE_STEPS:
        return s->peak * pow(s->factor, floor((double)t / (double)s->every));
    }
    return (double)NAN;
}

static void reference_element(Reference *r, int i, double g, double rate,
                              double decay, const Training *o, int64_t t)
{
    if (o->optimizer != OPTIMIZER_ADAMW)
        g += decay * r->x[i];
    if (o->optimizer == OPTIMIZER_SGD) {
        r->m[i] = o->momentum * r->m[i] + g;
        r->x[i] -= rate * (o->nesterov ? g + o->momentum * r->m[i] : r->m[i]);
        return;
    }
    if (o->optimizer == OPTIMIZER_ADAMW)
        r->x[i] *= 1 - rate * decay;
    r->m[i] = o->beta1 * r->m[i] + (1 - o->beta1) * g;
    r->v[i] = o->beta2 * r->v[i] + (1 - o->beta2) * g * g;
    double m = r->m[i] / (1 - pow(o->beta1, (double)t + 1));
    double v = r->v[i] / (1 - pow(o->beta2, (double)t + 1));
    r->x[i] -= rate * m / (sqrt(v) + o->epsilon);
}

static void reference_step(Reference *r, const Training *o, int64_t t)
{
    const ParameterGroup *group = o->groups.count > 0 ? o->groups.data : NULL;
    bool is_frozen = group && group->frozen;
    double g[D + 1];
    gradient(r, g);
    if (o->clip_norm > 0)
        clip(g, o->clip_norm, is_frozen);
    double rate = rate_at(&o->learning_rate, t);
    for (int i = is_frozen ? D : 0; i <= D; i++) {
        bool in_group = group && i < D;
        reference_element(r, i, g[i],
                          rate * (in_group ? group->learning_rate_scale : 1),
                          in_group ? group->decay : o->decay, o, t);
    }
}

/* -- the comparison -------------------------------------------------------- */

static void compare(const Training *training)
{
    GraphSet set = {.train = prepared(training)};
    Trainer trainer;
    trainer_init(&trainer, &set, 1, &arena, scratch);
    Reference r = {{0.3, -0.2, 0.1, 0.05}, {0}, {0}};
    float *w = tensor_f32(trainer.variables[W]);
    float *b = tensor_f32(trainer.variables[B]);
    for (int i = 0; i < D; i++)
        w[i] = (float)r.x[i];
    *b = (float)r.x[D];
    Tensor inputs[2] = {{{DTYPE_F32, {2, {N, D}}}, (void *)(uintptr_t)DATA_X},
                        {{DTYPE_F32, {1, {N}}}, (void *)(uintptr_t)DATA_Y}};
    for (int64_t t = 0; t < STEPS; t++) {
        trainer_step(&trainer, inputs, scratch);
        reference_step(&r, training, t);
        for (int i = 0; i < D; i++)
            assert_float_equal(w[i], (float)r.x[i], 3e-6F);
        assert_float_equal(*b, (float)r.x[D], 3e-6F);
    }
}

static Training sgd(double rate)
{
    return (Training){.optimizer = OPTIMIZER_SGD,
                      .learning_rate = {SCHEDULE_CONSTANT, .peak = rate},
                      .batch = N};
}

static Training adam(OptimizerKind kind, double rate)
{
    return (Training){.optimizer = kind,
                      .beta1 = 0.9,
                      .beta2 = 0.999,
                      .epsilon = 1e-8,
                      .learning_rate = {SCHEDULE_CONSTANT, .peak = rate},
                      .batch = N};
}

static void test_sgd(void **state)
{
    (void)state;
    Training t = sgd(0.1);
    compare(&t);
    t.decay = 0.05;
    compare(&t);
}

static void test_momentum(void **state)
{
    (void)state;
    Training t = sgd(0.05);
    t.momentum = 0.9;
    compare(&t);
    t.nesterov = true;
    t.decay = 0.01;
    compare(&t);
}

static void test_adam(void **state)
{
    (void)state;
    Training t = adam(OPTIMIZER_ADAM, 0.02);
    compare(&t);
    t.decay = 0.1;
    compare(&t);
}

static void test_adamw(void **state)
{
    (void)state;
    Training t = adam(OPTIMIZER_ADAMW, 0.02);
    t.decay = 0.1;
    compare(&t);
}

/* Active in the first steps and not in the last: both arms of the minimum. */
static void test_clipping(void **state)
{
    (void)state;
    Training t = sgd(0.1);
    t.clip_norm = 0.5;
    compare(&t);
}

static void test_schedules(void **state)
{
    (void)state;
    Training t = sgd(0);
    Schedule schedules[] = {
        {SCHEDULE_WARMUP, .peak = 0.1, .warmup = 7},
        {SCHEDULE_WARMUP_COSINE, .peak = 0.1, .final = 0.01, .warmup = 5,
         .total = 22},
        {SCHEDULE_WARMUP_LINEAR, .peak = 0.1, .final = 0.02, .warmup = 5,
         .total = 22},
        {SCHEDULE_STEPS, .peak = 0.1, .factor = 0.5, .every = 8},
    };
    for (size_t i = 0; i < sizeof schedules / sizeof schedules[0]; i++) {
        t.learning_rate = schedules[i];
        compare(&t);
    }
}

static void test_groups(void **state)
{
    (void)state;
    ParameterGroup group = {
        .name = STR("g"), .learning_rate_scale = 0.5, .decay = 0.2};
    Training t = adam(OPTIMIZER_ADAMW, 0.02);
    t.decay = 0.01;
    *vector_push(&arena, &t.groups) = group;
    compare(&t);
}

/* A frozen parameter keeps its value, has no state, and is not in the norm. */
static void test_frozen(void **state)
{
    (void)state;
    Training t = sgd(0.1);
    t.momentum = 0.9;
    t.clip_norm = 0.2;
    *vector_push(&arena, &t.groups) =
        (ParameterGroup){.learning_rate_scale = 1, .frozen = true};
    compare(&t);
    assert_int_equal(prepared(&t)->variables.count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgd),      cmocka_unit_test(test_momentum),
        cmocka_unit_test(test_adam),     cmocka_unit_test(test_adamw),
        cmocka_unit_test(test_clipping), cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_groups),   cmocka_unit_test(test_frozen),
    };
    return cmocka_run_group_tests(tests, set_up, arena_tear_down);
}
