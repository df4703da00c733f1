/* Every op of the table, forward: the interpreter against a closed form.
 *
 * The closed forms pull: given the place of one result element, they say what
 * it is, in double.  The interpreter pushes along loops; the two share no
 * code but tensors.
 */
#include "ir/graph_text.h"
#include "ir/verify.h"
#include "tests/arena.h"
#include "tests/numeric/random_op.h"

#include <math.h>
#include <string.h>

enum { INSTANCES = 60 };

/* -- elements -------------------------------------------------------------- */

/* One element of `t`; 0 outside. */
static double at(Tensor t, const int64_t *index)
{
    int64_t offset = 0;
    for (int32_t d = 0; d < t.type.shape.rank; d++) {
        int64_t n = t.type.shape.extent[d];
        if (index[d] < 0 || index[d] >= n)
            return 0;
        offset = offset * n + index[d];
    }
    return t.type.dtype == DTYPE_I32 ? (double)tensor_i32(t)[offset]
                                     : (double)tensor_f32(t)[offset];
}

/* The index of element i of a shape. */
static void unravel(const Shape *shape, int64_t i, int64_t *index)
{
    for (int32_t d = shape->rank - 1; d >= 0; d--) {
        index[d] = i % shape->extent[d];
        i /= shape->extent[d];
    }
}

static int64_t ravel(const Shape *shape, const int64_t *index)
{
    int64_t offset = 0;
    for (int32_t d = 0; d < shape->rank; d++)
        offset = offset * shape->extent[d] + index[d];
    return offset;
}

/* What is being asked: element `index` of the node's value. */
typedef struct Query {
    const Node *node;
    const Attr *attr;
    const Tensor *x; /* operands */
    const Environment *environment;
    const int64_t *index;
} Query;

/* -- closed forms ---------------------------------------------------------- */

static double wrap_i32(const Query *q, double value)
{
    return q->node->type.dtype == DTYPE_I32 ? (double)(int32_t)(int64_t)value
                                            : value;
}

static double quotient(const Query *q, double x, double y)
{
    if (q->node->type.dtype == DTYPE_F32)
        return x / y;
    return y == 0 ? 0 : trunc(x / y);
}

static double remainder_of(const Query *q, double x, double y)
{
    if (q->node->type.dtype == DTYPE_I32 && y == 0)
        return 0;
    return x - y * trunc(x / y);
}

static double random_value(const Query *q)
{
    const RandomAttr *a = &q->attr->random;
    const KernelContext *context = &q->environment->context;
    uint32_t high = (uint32_t)(int32_t)at(q->x[0], q->index);
    uint32_t low = (uint32_t)(int32_t)at(q->x[1], q->index);
    uint32_t step = a->by_step ? (uint32_t)context->step : 0;
    PhiloxWords w = philox(context->seed, low, high, a->stream, step);
    double u0 = w.word[0] / 256 / 16777216.0;
    double u1 = w.word[1] / 256 / 16777216.0;
    if (a->distribution == DISTRIBUTION_UNIFORM)
        return u0;
    return sqrt(-2 * log1p(-u0)) * sin(M_PI / 2 - 2 * M_PI * u1);
}

static double broadcast_value(const Query *q)
{
    int64_t from[RANK_MAX] = {0};
    for (int32_t d = 0; d < q->x[0].type.shape.rank; d++)
        from[d] = q->index[q->attr->broadcast.dims[d]];
    return at(q->x[0], from);
}

static double reshape_value(const Query *q)
{
    int64_t from[RANK_MAX] = {0};
    unravel(&q->x[0].type.shape, ravel(&q->node->type.shape, q->index), from);
    return at(q->x[0], from);
}

static double transpose_value(const Query *q)
{
    int64_t from[RANK_MAX] = {0};
    for (int32_t d = 0; d < q->node->type.shape.rank; d++)
        from[q->attr->permute.dims[d]] = q->index[d];
    return at(q->x[0], from);
}

static double window_value(const Query *q, int64_t sign)
{
    int64_t from[RANK_MAX] = {0};
    for (int32_t d = 0; d < q->node->type.shape.rank; d++)
        from[d] = q->index[d] + sign * q->attr->window.low[d];
    return at(q->x[0], from);
}

/* The input row (or column) that place `o` of a window reads at tap `k`. */
static int64_t tap(const SpatialAttr *s, int i, int64_t o, int64_t k)
{
    return o * s->stride[i] + k - s->padding[i];
}

static double unfold_value(const Query *q)
{
    const SpatialAttr *s = &q->attr->spatial;
    const int64_t *i = q->index;
    int64_t h = tap(s, 0, i[2], i[4]), w = tap(s, 1, i[3], i[5]);
    if (h < 0 || w < 0 || h >= s->input[0] || w >= s->input[1])
        return s->fill;
    return at(q->x[0], (int64_t[]){i[0], i[1], h, w});
}

static double fold_value(const Query *q)
{
    const SpatialAttr *s = &q->attr->spatial;
    const Shape *shape = &q->x[0].type.shape;
    double sum = 0;
    for (int64_t i = 0; i < shape_count(shape); i++) {
        int64_t u[RANK_MAX];
        unravel(shape, i, u);
        if (u[0] == q->index[0] && u[1] == q->index[1] &&
            tap(s, 0, u[2], u[4]) == q->index[2] &&
            tap(s, 1, u[3], u[5]) == q->index[3])
            sum += at(q->x[0], u);
    }
    return sum;
}

/* Elements of the operand whose kept dimensions are the query's, in order. */
static int64_t folded_elements(const Query *q, double *values)
{
    const Shape *shape = &q->x[0].type.shape;
    int64_t n = 0;
    for (int64_t i = 0; i < shape_count(shape); i++) {
        int64_t u[RANK_MAX];
        bool same = true;
        unravel(shape, i, u);
        for (int32_t d = 0, k = 0; d < shape->rank; d++) {
            if (!(q->attr->reduce.dims >> d & 1))
                same = same && u[d] == q->index[k++];
        }
        if (same)
            values[n++] = at(q->x[0], u);
    }
    return n;
}

static double reduce_value(const Query *q)
{
    double values[625], sum = 0, most = -HUGE_VAL;
    int64_t n = folded_elements(q, values), argmost = n;
    for (int64_t i = n - 1; i >= 0; i--) {
        sum += values[i];
        argmost = values[i] >= most ? i : argmost;
        most = fmax(most, values[i]);
    }
    if (q->node->op == OP_ARGMAX)
        return (double)argmost;
    return q->node->op == OP_SUM ? sum : most;
}

/* Sums over every assignment of all 26 labels that occur. */
static double dot_value(const Query *q)
{
    const DotAttr *a = &q->attr->dot;
    const Shape *left = &q->x[0].type.shape, *right = &q->x[1].type.shape;
    double sum = 0;
    for (int64_t i = 0; i < shape_count(left); i++) {
        for (int64_t k = 0; k < shape_count(right); k++) {
            int64_t u[RANK_MAX], v[RANK_MAX];
            bool meet = true;
            unravel(left, i, u);
            unravel(right, k, v);
            for (int32_t d = 0; d < left->rank; d++) {
                const char *p = strchr(a->right, a->left[d]);
                const char *r = strchr(a->result, a->left[d]);
                meet = meet && (!p || v[p - a->right] == u[d]) &&
                       (!r || q->index[r - a->result] == u[d]);
            }
            for (int32_t d = 0; d < right->rank; d++) {
                const char *r = strchr(a->result, a->right[d]);
                meet = meet && (!r || q->index[r - a->result] == v[d]);
            }
            if (meet)
                sum += at(q->x[0], u) * at(q->x[1], v);
        }
    }
    return sum;
}

static double conv2d_value(const Query *q)
{
    const SpatialAttr *s = &q->attr->spatial;
    const Shape *w = &q->x[1].type.shape;
    double sum = 0;
    for (int64_t i = 0; i < shape_count(w); i++) {
        int64_t f[RANK_MAX];
        unravel(w, i, f);
        int64_t from[] = {q->index[0], f[1], tap(s, 0, q->index[2], f[2]),
                          tap(s, 1, q->index[3], f[3])};
        if (f[0] == q->index[1])
            sum += at(q->x[0], from) * at(q->x[1], f);
    }
    return sum;
}

/* Every output place and tap that read this input element. */
static double conv2d_gradient_input_value(const Query *q)
{
    const SpatialAttr *s = &q->attr->spatial;
    const Shape *dy = &q->x[0].type.shape;
    double sum = 0;
    for (int64_t i = 0; i < shape_count(dy); i++) {
        int64_t o[RANK_MAX];
        unravel(dy, i, o);
        int64_t f[] = {o[1], q->index[1], q->index[2] - tap(s, 0, o[2], 0),
                       q->index[3] - tap(s, 1, o[3], 0)};
        if (o[0] == q->index[0])
            sum += at(q->x[0], o) * at(q->x[1], f);
    }
    return sum;
}

static double conv2d_gradient_filter_value(const Query *q)
{
    const SpatialAttr *s = &q->attr->spatial;
    const Shape *dy = &q->x[1].type.shape;
    double sum = 0;
    for (int64_t i = 0; i < shape_count(dy); i++) {
        int64_t o[RANK_MAX];
        unravel(dy, i, o);
        int64_t from[] = {o[0], q->index[1], tap(s, 0, o[2], q->index[2]),
                          tap(s, 1, o[3], q->index[3])};
        if (o[1] == q->index[0])
            sum += at(q->x[0], from) * at(q->x[1], o);
    }
    return sum;
}

static double gather_value(const Query *q)
{
    int32_t rank = q->x[1].type.shape.rank;
    int64_t from[RANK_MAX] = {(int64_t)at(q->x[1], q->index)};
    for (int32_t d = 1; d < q->x[0].type.shape.rank; d++)
        from[d] = q->index[rank + d - 1];
    return at(q->x[0], from);
}

static double scatter_add_value(const Query *q)
{
    const Shape *shape = &q->x[1].type.shape;
    int32_t rank = q->x[0].type.shape.rank;
    double sum = 0;
    for (int64_t i = 0; i < shape_count(shape); i++) {
        int64_t u[RANK_MAX];
        unravel(shape, i, u);
        bool here = at(q->x[0], u) == (double)q->index[0];
        for (int32_t d = rank; d < shape->rank; d++)
            here = here && u[d] == q->index[d - rank + 1];
        sum += here ? at(q->x[1], u) : 0;
    }
    return sum;
}

static double world_sum_value(const Query *q)
{
    double sum = 0;
    for (int32_t i = 0; i < q->node->n_operands; i++)
        sum += at(q->x[i], NULL);
    return sum;
}

/* Sums of f(x) over the row of the query's element. */
static double row_sum(const Query *q, double (*f)(double, double),
                      double argument)
{
    int64_t from[RANK_MAX] = {0}, last = q->x[0].type.shape.rank - 1;
    for (int64_t d = 0; d < last; d++)
        from[d] = q->index[d];
    double sum = 0;
    for (; from[last] < q->x[0].type.shape.extent[last]; from[last]++)
        sum += f(at(q->x[0], from), argument);
    return sum;
}

static double power(double x, double c)
{
    return exp(x + c);
}
static double shifted(double x, double c)
{
    return x - c;
}
static double squared(double x, double c)
{
    return (x - c) * (x - c);
}

static double composite_value(const Query *q)
{
    const Shape *shape = &q->x[0].type.shape;
    double n = (double)shape->extent[shape->rank - 1];
    double x = at(q->x[0], q->index), epsilon = q->attr->epsilon.epsilon;
    double mean = 0;
    switch (q->node->op) {
    case OP_SOFTMAX: return exp(x) / row_sum(q, power, 0);
    case OP_LAYERNORM: mean = row_sum(q, shifted, 0) / n; break;
    case OP_RMSNORM: break;
    case OP_GELU:
        return x / (1 + exp(-2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    default: fail_msg("%s is no composite", op_info(q->node->op)->text);
    }
    return (x - mean) / sqrt(row_sum(q, squared, mean) / n + epsilon);
}

static double cross_entropy_value(const Query *q)
{
    int64_t from[RANK_MAX] = {0}, last = q->x[0].type.shape.rank - 1;
    for (int64_t d = 0; d < last; d++)
        from[d] = q->index[d];
    from[last] = (int64_t)at(q->x[1], q->index);
    return log(row_sum(q, power, -at(q->x[0], from)));
}

/* Blocks nest: within each outer block, the next axis cuts again. */
static int64_t block_start(const Query *q, int32_t axes)
{
    const LogicalMesh *mesh = q->environment->mesh;
    int64_t start = 0, length = q->attr->shard.extent;
    for (int32_t a = 0; a < mesh->n_axes; a++) {
        if (!(axes >> a & 1))
            continue;
        int64_t parts = mesh->axis[a].size;
        length = (length + parts - 1) / parts;
        start += length * q->environment->context.coordinate[a];
    }
    return start;
}

static double shard_slice_value(const Query *q)
{
    const ShardAttr *s = &q->attr->shard;
    int64_t from[RANK_MAX] = {0};
    for (int32_t d = 0; d < q->node->type.shape.rank; d++)
        from[d] = q->index[d];
    from[s->dim] +=
        block_start(q, s->axes | s->outer_axes) - block_start(q, s->outer_axes);
    return at(q->x[0], from);
}

static double scalar_value(const Query *q)
{
    const KernelContext *context = &q->environment->context;
    return (double)(q->attr->scalar.kind == SCALAR_STEP
                        ? context->step
                        : context->sample_count);
}

static double leaf_value(const Query *q)
{
    return at(q->node->op == OP_INPUT
                  ? q->environment->inputs[q->attr->input.input]
                  : q->environment->variables[q->attr->variable.variable],
              q->index);
}

/* One element of any op that is evaluated; a row without a case does not
 * compile. */
static double expected(const Query *q)
{
    int32_t n = q->node->n_operands;
    double x = n > 0 ? at(q->x[0], q->index) : 0;
    double y = n > 1 ? at(q->x[1], q->index) : 0;
    switch (q->node->op) {
    case OP_INPUT:
    case OP_VARIABLE: return leaf_value(q);
    case OP_CONSTANT: return q->attr->constant.value;
    case OP_IOTA: return (double)q->index[q->attr->iota.dim];
    case OP_SCALAR: return scalar_value(q);
    case OP_COPY:
    case OP_STOP_GRADIENT: return x;
    case OP_NEG: return 0 - x;
    case OP_EXP: return pow(M_E, x);
    case OP_LOG: return log2(x) * M_LN2;
    case OP_TANH: return 1 - 2 / (exp(2 * x) + 1);
    case OP_SQRT: return pow(x, 0.5);
    case OP_RSQRT: return pow(x, -0.5);
    case OP_SIN: return cos(x - M_PI / 2);
    case OP_COS: return sin(x + M_PI / 2);
    case OP_ABS: return x < 0 ? 0 - x : x;
    case OP_SIGN: return x > 0 ? 1 : x < 0 ? -1 : 0;
    case OP_FLOOR: return x - fmod(fmod(x, 1) + 1, 1);
    case OP_TO_F32: return x;
    case OP_TO_I32: return trunc(x);
    case OP_ADD: return wrap_i32(q, x + y);
    case OP_SUB: return wrap_i32(q, x - y);
    case OP_MUL: return wrap_i32(q, x * y);
    case OP_DIV: return quotient(q, x, y);
    case OP_MAX: return (x + y + fabs(x - y)) / 2;
    case OP_MIN: return (x + y - fabs(x - y)) / 2;
    case OP_POW: return exp(y * log(x));
    case OP_REM: return remainder_of(q, x, y);
    case OP_EQ: return x == y;
    case OP_LT: return x < y;
    case OP_LE: return x <= y;
    case OP_SELECT: return at(q->x[x != 0 ? 1 : 2], q->index);
    case OP_RANDOM: return random_value(q);
    case OP_BROADCAST: return broadcast_value(q);
    case OP_RESHAPE: return reshape_value(q);
    case OP_TRANSPOSE: return transpose_value(q);
    case OP_SLICE: return window_value(q, 1);
    case OP_PAD: return window_value(q, -1);
    case OP_UNFOLD: return unfold_value(q);
    case OP_FOLD: return fold_value(q);
    case OP_SUM:
    case OP_REDUCE_MAX:
    case OP_ARGMAX: return reduce_value(q);
    case OP_DOT: return dot_value(q);
    case OP_CONV2D: return conv2d_value(q);
    case OP_CONV2D_GRADIENT_INPUT: return conv2d_gradient_input_value(q);
    case OP_CONV2D_GRADIENT_FILTER: return conv2d_gradient_filter_value(q);
    case OP_GATHER: return gather_value(q);
    case OP_SCATTER_ADD: return scatter_add_value(q);
    case OP_WORLD_SUM: return world_sum_value(q);
    case OP_SOFTMAX:
    case OP_LAYERNORM:
    case OP_RMSNORM:
    case OP_GELU: return composite_value(q);
    case OP_CROSS_ENTROPY: return cross_entropy_value(q);
    case OP_SHARD_START:
        return (double)block_start(q, q->attr->shard.axes |
                                          q->attr->shard.outer_axes);
    case OP_SHARD_SLICE: return shard_slice_value(q);
    case OP_NONE:
    case OP_ACCUMULATE:
    case OP_ALL_REDUCE:
    case OP_ALL_GATHER:
    case OP_REDUCE_SCATTER:
    case OP_ALL_TO_ALL:
    case OP_PERMUTE:
    case OP_RECEIVE:
    case OP_COUNT: break;
    }
    fail_msg("%s is not evaluated", op_info(q->node->op)->text);
    return 0;
}

/* -- tests ----------------------------------------------------------------- */

/* One rounding for most ops; a handful of them for composites, whose
 * cancelling sums are as large as 10. */
static double tolerance(Op op, double value)
{
    double scale = fmax(1, fabs(value));
    return scale * (op_has(op, TRAIT_COMPOSITE) ? 4e-6 : 1.2e-7);
}

static void assert_forward(const OpInstance *in, Tensor value)
{
    const Node *node = graph_node(in->graph, in->node);
    int64_t index[RANK_MAX] = {0};
    for (int64_t i = 0; i < shape_count(&node->type.shape); i++) {
        unravel(&node->type.shape, i, index);
        double want = expected(
            &(Query){node, &node->attr, in->operands, &in->environment, index});
        double got = at(value, index);
        bool equal =
            want == got || fabs(want - got) <= tolerance(node->op, want);
        if (!equal)
            fail_msg("element %d is %.9g, not %.9g, in\n%s", (int)i, got, want,
                     graph_print(&arena, in->graph).data);
    }
}

static void every_op_computes_its_closed_form(void **state)
{
    (void)state;
    Random random = {.seed = 1};
    for (int op = OP_NONE + 1; op < OP_COUNT; op++) {
        for (int k = 0; k < INSTANCES && op_is_evaluated((Op)op); k++) {
            Arena before = arena;
            OpInstance in = random_op(&random, (Op)op, k % 3 == 0, &arena);
            Tensor *values = arena_new(&arena, Tensor, in.graph->nodes.count);
            graph_interpret(in.graph, &in.environment, &arena, values);
            assert_forward(&in, values[in.node.index]);
            arena = before;
        }
    }
}

static Str reprinted(Str text)
{
    Diagnostics d = diagnostics_new(&arena);
    int32_t source = diagnostics_add_source(&d, STR("test.ir"), text);
    Graph *graph = graph_parse(&arena, source, &d);
    if (!graph)
        fail_msg("%s", diagnostics_print(&d, &arena).data);
    return graph_print(&arena, graph);
}

static void every_op_is_legal_and_round_trips(void **state)
{
    (void)state;
    Random random = {.seed = 2};
    for (int op = OP_NONE + 1; op < OP_COUNT; op++) {
        bool local = op_has((Op)op, TRAIT_LOCAL);
        for (int k = 0; k < INSTANCES; k++) {
            Arena before = arena;
            OpInstance in = random_op(&random, (Op)op, false, &arena);
            Str violation =
                graph_verify(in.graph, local ? FORM_LOCAL : FORM_MODEL, &arena);
            assert_string_equal(violation.data, "");
            Str text = graph_print(&arena, in.graph);
            assert_string_equal(reprinted(text).data, text.data);
            arena = before;
        }
    }
}

/* Mean, variance and fourth moment of 2^14 counters, within five standard
 * deviations of the estimate. */
static void normal_numbers_have_normal_moments(void **state)
{
    (void)state;
    enum { N = 1 << 14 };
    Graph *g = graph_new(&arena, STR("normal"));
    NodeOrigin origin = {.layer = LAYER_NONE};
    NodeId low = graph_iota(g, 0, (Shape){1, {N}}, origin);
    NodeId high = graph_constant(g, 7, graph_node(g, low)->type, origin);
    NodeId x =
        graph_append(g, OP_RANDOM, (NodeId[]){high, low}, 2,
                     (Attr){.random = {DISTRIBUTION_NORMAL, 3, false}}, origin);
    Tensor *values = arena_new(&arena, Tensor, g->nodes.count);
    graph_interpret(g, &(Environment){.context = {.seed = 5}}, &arena, values);
    double moment[5] = {0}, n = N;
    for (int i = 0; i < N; i++) {
        double v = (double)tensor_f32(values[x.index])[i];
        for (int m = 1; m <= 4; m++)
            moment[m] += pow(v, m) / n;
    }
    assert_true(fabs(moment[1]) < 5 * sqrt(1 / n));
    assert_true(fabs(moment[2] - 1) < 5 * sqrt(2 / n));
    assert_true(fabs(moment[4] - 3) < 5 * sqrt(96 / n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_computes_its_closed_form),
        cmocka_unit_test(every_op_is_legal_and_round_trips),
        cmocka_unit_test(normal_numbers_have_normal_moments),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
