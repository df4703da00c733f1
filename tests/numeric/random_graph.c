/* Random graph: a pool of values grows by random steps. */
#include "tests/numeric/random_graph.h"

#include "tests/numeric/random_op.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
    ROWS_MAX = 64, /* inputs, variables */
    RANK_DRAWN_MAX = 4,
    SAMPLE_ELEMENTS_MAX = 400, /* of one sample of a value */
    TOKENS = 11,               /* rows of an embedding */
    ATTEMPTS_MAX = 100,
};
/* A value larger than this is squashed by tanh. */
static const double MAGNITUDE_MAX = 4;

typedef struct Value {
    NodeId node;
    int32_t sample; /* which dimension is the sample */
    bool used;
} Value;

typedef struct Builder {
    Random *random;
    const RandomModelOptions *options;
    bool train;
    Graph *graph;
    Arena *arena;
    VECTOR(Value) pool;
    VECTOR(Tensor) values; /* of the nodes so far, evaluated eagerly */
    Tensor inputs[ROWS_MAX], variables[ROWS_MAX];
    int32_t step;  /* names the paths: "step3.tanh" */
    NodeId tokens; /* the input of token numbers, once there is one */
} Builder;

/* -- small words ----------------------------------------------------------- */

static int64_t between(Builder *b, int64_t low, int64_t high)
{
    return random_between(b->random, low, high);
}

static bool chance(Builder *b, int64_t percent)
{
    return random_chance(b->random, percent);
}

/* Even, odd, prime, and two that devices split with little padding: 9 over
 * two, 15 over two, four, or two times two. */
static int64_t extent(Builder *b)
{
    static const int64_t extents[] = {2, 3, 4, 5, 6, 8, 8, 9, 15, 15};
    return extents[between(b, 0, 9)];
}

static const Type *type_of(const Builder *b, NodeId id)
{
    return &graph_node(b->graph, id)->type;
}

static NodeOrigin at(const Builder *b, const char *name)
{
    return (NodeOrigin){.layer = LAYER_NONE,
                        .path =
                            str_format(b->arena, "step%d.%s", b->step, name)};
}

static NodeId unary(const Builder *b, Op op, NodeId x)
{
    return graph_unary(b->graph, op, x, at(b, op_info(op)->text));
}

static NodeId binary(const Builder *b, Op op, NodeId x, NodeId y)
{
    return graph_binary(b->graph, op, x, y, at(b, op_info(op)->text));
}

static NodeId filled(const Builder *b, double value, NodeId like)
{
    return graph_constant(b->graph, value, *type_of(b, like),
                          at(b, "constant"));
}

static NodeId scaled(const Builder *b, NodeId x, double factor)
{
    return binary(b, OP_MUL, x, filled(b, factor, x));
}

/* x^2 + c, which is safe under log, sqrt and division. */
static NodeId positive(const Builder *b, NodeId x, double c)
{
    return binary(b, OP_ADD, binary(b, OP_MUL, x, x), filled(b, c, x));
}

/* -- leaves ---------------------------------------------------------------- */

static NodeId variable(Builder *b, VariableKind kind, Shape shape, double scale)
{
    Type type = {DTYPE_F32, shape};
    int32_t n = (int32_t)b->graph->variables.count;
    assert(n < ROWS_MAX);
    Str name = str_format(b->arena, "%s%d",
                          kind == VARIABLE_STATE ? "state" : "parameter", n);
    Variable row = {
        .name = name, .kind = kind, .type = type, .of = -1, .group = -1};
    graph_add_variable(b->graph, row,
                       (NodeOrigin){.layer = LAYER_NONE, .path = name});
    Tensor value = random_tensor(b->random, type, b->arena);
    for (int64_t i = 0; i < shape_count(&shape); i++)
        tensor_f32(value)[i] *= (float)scale;
    b->variables[n] = value;
    return b->graph->variables.data[n].node;
}

/* A parameter of this shape that there is already (tied), or a new one. */
static NodeId weight(Builder *b, Shape shape, double scale)
{
    bool tie = chance(b, 50);
    for (int64_t i = 0; i < b->graph->variables.count && tie; i++) {
        const Variable *row = &b->graph->variables.data[i];
        if (row->kind == VARIABLE_PARAMETER &&
            shape_equal(&row->type.shape, &shape))
            return row->node;
    }
    return variable(b, VARIABLE_PARAMETER, shape, scale);
}

/* An input; i32 ones hold numbers in [0, below). */
static NodeId input(Builder *b, Type type, int64_t below)
{
    int32_t n = (int32_t)b->graph->inputs.count;
    assert(n < ROWS_MAX);
    Str name = str_format(b->arena, "input%d", n);
    Tensor value = random_tensor(b->random, type, b->arena);
    for (int64_t i = 0; type.dtype == DTYPE_I32 && i < shape_count(&type.shape);
         i++)
        tensor_i32(value)[i] = (int32_t)between(b, 0, below - 1);
    b->inputs[n] = value;
    NodeId node;
    graph_add_input(b->graph, name, type,
                    (NodeOrigin){.layer = LAYER_NONE, .path = name}, &node);
    return node;
}

/* -- the pool -------------------------------------------------------------- */

/* The largest absolute value of a node, after evaluating what is new. */
static double magnitude(Builder *b, NodeId id)
{
    Environment environment = {.inputs = b->inputs, .variables = b->variables};
    for (int64_t i = b->values.count; i < b->graph->nodes.count; i++) {
        Tensor operands[8];
        const Node *node = &b->graph->nodes.data[i];
        for (int32_t k = 0; k < node->n_operands; k++)
            operands[k] = b->values.data[node->operands[k].index];
        Tensor *value = vector_push(b->arena, &b->values);
        if (i > 0)
            *value = node_interpret(b->graph, (NodeId){(int32_t)i}, operands,
                                    &environment, b->arena);
    }
    Tensor value = b->values.data[id.index];
    double most = 0;
    for (int64_t i = 0; i < shape_count(&value.type.shape); i++)
        most = fmax(most, fabs((double)tensor_f32(value)[i]));
    return most;
}

static void add(Builder *b, NodeId node, int32_t sample)
{
    if (magnitude(b, node) > MAGNITUDE_MAX)
        node = unary(b, OP_TANH, node);
    *vector_push(b->arena, &b->pool) = (Value){node, sample, false};
}

/* Mostly the newest, so that the graph is deep. */
static Value *pick(Builder *b)
{
    int64_t last = b->pool.count - 1;
    return &b->pool.data[chance(b, 60) ? last : between(b, 0, last)];
}

/* A dimension of the value other than the sample; -1: it has none. */
static int32_t pick_dim(Builder *b, const Value *v)
{
    int32_t rank = type_of(b, v->node)->shape.rank;
    if (rank < 2)
        return -1;
    int32_t dim = (int32_t)between(b, 0, rank - 2);
    return dim >= v->sample ? dim + 1 : dim;
}

static bool too_large(const Builder *b, const Shape *shape)
{
    return shape_count(shape) / b->options->batch > SAMPLE_ELEMENTS_MAX ||
           shape->rank > RANK_DRAWN_MAX;
}

/* -- steps: each adds one value, or returns false where it does not apply --- */

static bool step_unary(Builder *b)
{
    static const Op ops[] = {OP_TANH, OP_SIN, OP_COS, OP_NEG,
                             OP_ABS,  OP_ABS, OP_GELU};
    Value *v = pick(b);
    v->used = true;
    add(b, unary(b, ops[between(b, 0, 6)], v->node), v->sample);
    return true;
}

static bool step_guarded(Builder *b)
{
    static const Op ops[] = {OP_SQRT, OP_RSQRT, OP_LOG, OP_EXP};
    Value *v = pick(b);
    Op op = ops[between(b, 0, 3)];
    NodeId y = positive(b, v->node, 0.5);
    if (op == OP_EXP)
        y = unary(b, OP_NEG, y);
    v->used = true;
    add(b, unary(b, op, y), v->sample);
    return true;
}

/* Another value of the same shape and sample dimension, or the same one. */
static Value *pick_like(Builder *b, const Value *v)
{
    const Shape *shape = &type_of(b, v->node)->shape;
    int64_t n = b->pool.count, first = between(b, 0, n - 1);
    for (int64_t i = 0; i < n; i++) {
        Value *other = &b->pool.data[(first + i) % n];
        if (other != v && other->sample == v->sample &&
            shape_equal(&type_of(b, other->node)->shape, shape))
            return other;
    }
    return NULL;
}

static bool step_binary(Builder *b)
{
    static const Op ops[] = {OP_ADD, OP_SUB, OP_MUL, OP_MAX,
                             OP_MIN, OP_DIV, OP_POW, OP_LT};
    Value *v = pick(b), *w = pick_like(b, v);
    Op op = ops[between(b, 0, 7)];
    NodeId x = v->node;
    NodeId y = w ? w->node : unary(b, OP_COS, x), result;
    if (op == OP_DIV)
        result = binary(b, OP_DIV, x, positive(b, y, 1));
    else if (op == OP_POW)
        result = binary(b, OP_POW, positive(b, x, 0.5), unary(b, OP_TANH, y));
    else if (op == OP_LT)
        result = graph_select(b->graph, binary(b, OP_LT, x, y),
                              unary(b, OP_NEG, x), y, at(b, "select"));
    else
        result = binary(b, op, x, y);
    v->used = true;
    if (w)
        w->used = true;
    add(b, result, v->sample);
    return true;
}

/* Plus or times a parameter over some of the other dimensions. */
static bool step_bias(Builder *b)
{
    Value *v = pick(b);
    Shape whole = type_of(b, v->node)->shape, shape = {0};
    int32_t dims[RANK_MAX] = {0};
    for (int32_t d = 0; d < whole.rank; d++) {
        if (d != v->sample && chance(b, 60)) {
            dims[shape.rank] = d;
            shape.extent[shape.rank++] = whole.extent[d];
        }
    }
    NodeId bias = graph_broadcast(b->graph, weight(b, shape, 0.5), dims, whole,
                                  at(b, "bias"));
    v->used = true;
    add(b, binary(b, chance(b, 70) ? OP_ADD : OP_MUL, v->node, bias),
        v->sample);
    return true;
}

/* Labels a, b, ... for the value's dimensions. */
static void label(char *labels, int32_t rank, char first)
{
    for (int32_t d = 0; d < rank; d++)
        labels[d] = (char)(first + d);
}

/* A dimension contracted with a weight [k, j] or [j, k]. */
static bool step_linear(Builder *b)
{
    Value *v = pick(b);
    int32_t dim = pick_dim(b, v);
    if (dim < 0)
        return false;
    Shape x = type_of(b, v->node)->shape, result = x;
    int64_t k = x.extent[dim], j = extent(b);
    result.extent[dim] = j;
    if (too_large(b, &result))
        return false;
    bool turned = chance(b, 40);
    NodeId w = weight(b, turned ? (Shape){2, {j, k}} : (Shape){2, {k, j}},
                      0.8 / sqrt((double)k));
    DotAttr dot = {.right = {turned ? 'z' : (char)('a' + dim),
                             turned ? (char)('a' + dim) : 'z'}};
    label(dot.left, x.rank, 'a');
    label(dot.result, x.rank, 'a');
    dot.result[dim] = 'z';
    v->used = true;
    add(b,
        graph_append(b->graph, OP_DOT, (NodeId[]){v->node, w}, 2,
                     (Attr){.dot = dot}, at(b, "dot")),
        v->sample);
    return true;
}

/* Two values contracted over a dimension each, sample by sample, as attention
 * does. */
static bool step_pair(Builder *b)
{
    Value *v = pick(b), *w = pick(b);
    int32_t i = pick_dim(b, v), k = pick_dim(b, w);
    if (i < 0 || k < 0)
        return false;
    Shape x = type_of(b, v->node)->shape, y = type_of(b, w->node)->shape;
    if (x.extent[i] != y.extent[k])
        return false;
    DotAttr dot = {.result = "n"};
    Shape result = {1, {b->options->batch}};
    label(dot.left, x.rank, 'a');
    label(dot.right, y.rank, 'o');
    dot.left[v->sample] = dot.right[w->sample] = 'n';
    dot.left[i] = dot.right[k] = 'z';
    for (int32_t d = 0; d < x.rank + y.rank; d++) {
        char c = d < x.rank ? dot.left[d] : dot.right[d - x.rank];
        if (c == 'n' || c == 'z')
            continue;
        if (result.rank == RANK_DRAWN_MAX)
            return false;
        dot.result[result.rank] = c;
        result.extent[result.rank++] =
            d < x.rank ? x.extent[d] : y.extent[d - x.rank];
    }
    if (too_large(b, &result))
        return false;
    v->used = w->used = true;
    NodeId product =
        graph_append(b->graph, OP_DOT, (NodeId[]){v->node, w->node}, 2,
                     (Attr){.dot = dot}, at(b, "dot"));
    add(b, scaled(b, product, 1 / sqrt((double)x.extent[i])), 0);
    return true;
}

/* Two neighbours [i, k] become [k, i]: where neither extent divides the other
 * the dimensions have no factors in common. */
static bool step_regroup(Builder *b)
{
    Value *v = pick(b);
    int32_t dim = pick_dim(b, v);
    if (dim < 1 || dim - 1 == v->sample)
        return false;
    Shape to = type_of(b, v->node)->shape;
    int64_t i = to.extent[dim - 1], k = to.extent[dim];
    if (i == k)
        return false;
    to.extent[dim - 1] = k;
    to.extent[dim] = i;
    v->used = true;
    add(b, graph_reshape(b->graph, v->node, to, at(b, "regroup")), v->sample);
    return true;
}

/* Splits an even dimension, or merges a dimension into the one before. */
static bool step_reshape(Builder *b)
{
    Value *v = pick(b);
    int32_t dim = pick_dim(b, v);
    if (dim < 0)
        return false;
    Shape x = type_of(b, v->node)->shape, to = {0};
    bool merge = dim > 0 && dim - 1 != v->sample && chance(b, 50);
    bool split = !merge && x.extent[dim] % 2 == 0 && x.rank < RANK_DRAWN_MAX;
    int32_t sample = v->sample;
    if (!merge && !split)
        return false;
    for (int32_t d = 0; d < x.rank; d++) {
        if (d == dim && merge) {
            to.extent[to.rank - 1] *= x.extent[d];
        } else if (d == dim) {
            to.extent[to.rank++] = chance(b, 50) ? 2 : x.extent[d] / 2;
            to.extent[to.rank] = x.extent[d] / to.extent[to.rank - 1];
            to.rank++;
        } else {
            to.extent[to.rank++] = x.extent[d];
        }
    }
    if (v->sample > dim)
        sample += merge ? -1 : 1;
    v->used = true;
    add(b, graph_reshape(b->graph, v->node, to, at(b, "reshape")), sample);
    return true;
}

static bool step_transpose(Builder *b)
{
    Value *v = pick(b);
    int32_t dims[RANK_MAX] = {0}, sample = 0;
    int32_t rank = type_of(b, v->node)->shape.rank;
    if (rank < 2)
        return false;
    for (int32_t d = 0; d < rank; d++) {
        int32_t k = (int32_t)between(b, 0, d);
        dims[d] = dims[k];
        dims[k] = d;
    }
    for (int32_t d = 0; d < rank; d++) {
        if (dims[d] == v->sample)
            sample = d;
    }
    v->used = true;
    add(b, graph_transpose(b->graph, v->node, dims, at(b, "transpose")),
        sample);
    return true;
}

static bool step_reduce(Builder *b)
{
    Value *v = pick(b);
    int32_t dim = pick_dim(b, v);
    if (dim < 0)
        return false;
    double n = (double)type_of(b, v->node)->shape.extent[dim];
    bool mean = chance(b, 60);
    NodeId y = graph_reduce(b->graph, mean ? OP_SUM : OP_REDUCE_MAX, v->node,
                            1u << dim, at(b, "reduce"));
    v->used = true;
    add(b, mean ? scaled(b, y, 1 / n) : y, v->sample - (v->sample > dim));
    return true;
}

static bool step_normalize(Builder *b)
{
    static const Op ops[] = {OP_SOFTMAX, OP_LAYERNORM, OP_RMSNORM};
    Value *v = pick(b);
    int32_t rank = type_of(b, v->node)->shape.rank;
    if (v->sample == rank - 1)
        return false;
    Op op = ops[between(b, 0, 2)];
    Attr attr = {0};
    if (op != OP_SOFTMAX)
        attr.epsilon.epsilon = 0.1;
    v->used = true;
    add(b,
        graph_append(b->graph, op, &v->node, 1, attr, at(b, op_info(op)->text)),
        v->sample);
    return true;
}

static bool step_window(Builder *b)
{
    Value *v = pick(b);
    int32_t dim = pick_dim(b, v);
    if (dim < 0)
        return false;
    Op op = chance(b, 50) ? OP_SLICE : OP_PAD;
    Attr attr = {0};
    int64_t cut = type_of(b, v->node)->shape.extent[dim] > 2;
    attr.window.low[dim] = op == OP_PAD ? between(b, 0, 2) : cut;
    attr.window.high[dim] = op == OP_PAD ? between(b, 0, 2) : 0;
    v->used = true;
    add(b,
        graph_append(b->graph, op, &v->node, 1, attr, at(b, op_info(op)->text)),
        v->sample);
    return true;
}

/* Rows of an embedding, chosen by the token input. */
static bool step_gather(Builder *b)
{
    if (!node_is(b->tokens)) {
        Shape shape = {2, {b->options->batch, extent(b)}};
        b->tokens = input(b, (Type){DTYPE_I32, shape}, TOKENS);
    }
    NodeId table = weight(b, (Shape){2, {TOKENS, extent(b)}}, 0.5);
    add(b, graph_binary(b->graph, OP_GATHER, table, b->tokens, at(b, "gather")),
        0);
    return true;
}

/* Element numbers of a shape as the counters of `random`. */
static NodeId counters(Graph *g, Shape shape, NodeOrigin origin)
{
    int64_t stride = 1;
    Type type = {DTYPE_I32, shape};
    NodeId sum = graph_constant(g, 0, type, origin);
    for (int32_t d = shape.rank - 1; d >= 0; d--) {
        NodeId step = graph_constant(g, (double)stride, type, origin);
        NodeId iota = graph_iota(g, d, shape, origin);
        NodeId place = graph_binary(g, OP_MUL, iota, step, origin);
        sum = graph_binary(g, OP_ADD, sum, place, origin);
        stride *= shape.extent[d];
    }
    return sum;
}

static NodeId random_numbers(Graph *g, Shape shape, RandomAttr attr,
                             NodeOrigin origin)
{
    NodeId low = counters(g, shape, origin);
    NodeId high = graph_constant(g, 0, (Type){DTYPE_I32, shape}, origin);
    return graph_append(g, OP_RANDOM, (NodeId[]){high, low}, 2,
                        (Attr){.random = attr}, origin);
}

/* A quarter of the elements are zero, the others grow by 4/3; in eval
 * nothing happens. */
static bool step_dropout(Builder *b)
{
    if (!b->options->dropout)
        return false;
    Value *v = pick(b);
    v->used = true;
    NodeId y = v->node;
    if (b->train) {
        NodeOrigin origin = at(b, "dropout");
        RandomAttr attr = {DISTRIBUTION_UNIFORM,
                           (uint32_t)str_hash(origin.path), true};
        NodeId u = random_numbers(b->graph, type_of(b, y)->shape, attr, origin);
        NodeId keep = binary(b, OP_LT, u, filled(b, 0.75, u));
        y = graph_select(b->graph, keep, scaled(b, y, 4.0 / 3), filled(b, 0, y),
                         at(b, "kept"));
    }
    add(b, y, v->sample);
    return true;
}

/* The state's next value, from what it is and a statistic of the batch. */
static NodeId next_state(const Builder *b, int64_t kind, NodeId state,
                         NodeId statistic)
{
    switch (kind) {
    case 0:
        return binary(b, OP_ADD, scaled(b, state, 0.9),
                      scaled(b, statistic, 0.1));
    case 1: return binary(b, OP_MAX, state, statistic);
    case 2: return binary(b, OP_MUL, unary(b, OP_TANH, statistic), state);
    case 3: return unary(b, OP_SQRT, positive(b, statistic, 0.5));
    default: return statistic;
    }
}

/* A state that follows the mean or the maximum of a value over the samples,
 * and may itself be read. */
static bool step_state(Builder *b)
{
    if (!b->options->states || b->graph->variables.count == ROWS_MAX)
        return false;
    Value *v = pick(b);
    Shape x = type_of(b, v->node)->shape, shape = {0};
    bool whole = chance(b, 30), is_max = chance(b, 40), is_read = chance(b, 50);
    int64_t kind = between(b, 0, 4);
    uint32_t dims = whole ? (1u << x.rank) - 1 : 1u << v->sample;
    int32_t kept[RANK_MAX] = {0};
    for (int32_t d = 0; d < x.rank; d++)
        if (!(dims >> d & 1)) {
            kept[shape.rank] = d;
            shape.extent[shape.rank++] = x.extent[d];
        }
    NodeId state = variable(b, VARIABLE_STATE, shape, 0.4);
    if (b->train) {
        NodeId y = graph_reduce(b->graph, is_max ? OP_REDUCE_MAX : OP_SUM,
                                v->node, dims, at(b, "statistic"));
        double n = (double)(shape_count(&x) / shape_count(&shape));
        y = next_state(b, kind, state, is_max ? y : scaled(b, y, 1 / n));
        const Node *row = graph_node(b->graph, state);
        int32_t index = row->attr.variable.variable;
        graph_add_output(b->graph, (Output){.kind = OUTPUT_UPDATE,
                                            .name = row->path,
                                            .node = y,
                                            .variable = index});
    }
    if (is_read) {
        NodeId all = graph_broadcast(b->graph, state, kept, x, at(b, "state"));
        v->used = true;
        add(b, binary(b, OP_ADD, v->node, all), v->sample);
    }
    return true;
}

static bool is_image(const Builder *b, const Value *v)
{
    const Shape *shape = &type_of(b, v->node)->shape;
    return shape->rank == 4 && v->sample == 0 && shape->extent[2] >= 2 &&
           shape->extent[3] >= 2;
}

static SpatialAttr draw_spatial(Builder *b, const Shape *x, int64_t kernel)
{
    SpatialAttr s = {0};
    for (int i = 0; i < 2; i++) {
        s.kernel[i] = kernel;
        s.stride[i] = between(b, 1, 2);
        s.padding[i] = between(b, 0, kernel - 1);
        s.input[i] = x->extent[2 + i];
    }
    return s;
}

static bool step_convolution(Builder *b)
{
    Value *v = pick(b);
    if (!is_image(b, v))
        return false;
    Shape x = type_of(b, v->node)->shape;
    SpatialAttr s = draw_spatial(b, &x, between(b, 1, 2));
    int64_t channels = extent(b), taps = s.kernel[0] * s.kernel[1];
    Shape w = {4, {channels, x.extent[1], s.kernel[0], s.kernel[1]}};
    Shape bound = {4,
                   {x.extent[0], channels, x.extent[2] + 2, x.extent[3] + 2}};
    if (too_large(b, &bound))
        return false;
    NodeId filter = weight(b, w, 0.8 / sqrt((double)(x.extent[1] * taps)));
    v->used = true;
    add(b,
        graph_append(b->graph, OP_CONV2D, (NodeId[]){v->node, filter}, 2,
                     (Attr){.spatial = s}, at(b, "conv2d")),
        0);
    return true;
}

/* The largest of each 2 x 2 window. */
static bool step_pool(Builder *b)
{
    Value *v = pick(b);
    if (!is_image(b, v))
        return false;
    SpatialAttr s = draw_spatial(b, &type_of(b, v->node)->shape, 2);
    s.fill = -HUGE_VAL;
    NodeId windows = graph_append(b->graph, OP_UNFOLD, &v->node, 1,
                                  (Attr){.spatial = s}, at(b, "unfold"));
    v->used = true;
    add(b,
        graph_reduce(b->graph, OP_REDUCE_MAX, windows, 1u << 4 | 1u << 5,
                     at(b, "pool")),
        0);
    return true;
}

typedef bool Step(Builder *b);

/* By weight: a step that is drawn more often stands more often. */
static Step *const STEPS[] = {
    step_unary,       step_unary,       step_unary,       step_guarded,
    step_binary,      step_binary,      step_bias,        step_bias,
    step_linear,      step_linear,      step_linear,      step_pair,
    step_pair,        step_reshape,     step_regroup,     step_reduce,
    step_transpose,   step_normalize,   step_normalize,   step_window,
    step_gather,      step_dropout,     step_dropout,     step_pool,
    step_pool,        step_pool,        step_convolution, step_convolution,
    step_convolution, step_convolution, step_convolution, step_convolution,
    step_state,       step_state,
};
enum { N_STEPS = sizeof(STEPS) / sizeof(STEPS[0]) };

/* -- loss, metric, output -------------------------------------------------- */

/* The mean over every dimension but the sample: [batch]. */
static NodeId sample_mean(const Builder *b, const Value *v)
{
    Shape shape = type_of(b, v->node)->shape;
    uint32_t dims = ((1u << shape.rank) - 1) & ~(1u << v->sample);
    if (dims == 0)
        return v->node;
    double n = (double)(shape_count(&shape) / b->options->batch);
    return scaled(
        b, graph_reduce(b->graph, OP_SUM, v->node, dims, at(b, "sum")), 1 / n);
}

/* Sum over the samples / batch, known to every device. */
static NodeId batch_mean(const Builder *b, NodeId x)
{
    NodeId sum = graph_reduce(b->graph, OP_SUM, x, 1, at(b, "total"));
    NodeId mean = scaled(b, sum, 1 / (double)b->options->batch);
    return graph_append(b->graph, OP_WORLD_SUM, &mean, 1, (Attr){0},
                        at(b, "mean"));
}

static void add_output(Builder *b, OutputKind kind, const char *name,
                       NodeId node)
{
    graph_add_output(b->graph, (Output){.kind = kind,
                                        .name = str_from(name),
                                        .node = node,
                                        .variable = -1});
}

/* Classes along the last dimension against a target input: cross entropy for
 * the loss, and how often the largest is right as a metric. */
static NodeId classification(Builder *b, const Value *v)
{
    Shape shape = type_of(b, v->node)->shape;
    int64_t classes = shape.extent[--shape.rank];
    shape.extent[shape.rank] = 0;
    NodeId target = input(b, (Type){DTYPE_I32, shape}, classes);
    NodeId loss = graph_binary(b->graph, OP_CROSS_ENTROPY, v->node, target,
                               at(b, "cross_entropy"));
    NodeId guess = graph_reduce(b->graph, OP_ARGMAX, v->node, 1u << shape.rank,
                                at(b, "argmax"));
    Value hits = {binary(b, OP_EQ, guess, target), 0, true};
    add_output(b, OUTPUT_METRIC, "accuracy",
               batch_mean(b, sample_mean(b, &hits)));
    return loss;
}

static void finish(Builder *b)
{
    b->step++;
    Value last = b->pool.data[b->pool.count - 1];
    int32_t rank = type_of(b, last.node)->shape.rank;
    NodeId loss = {0};
    if (last.sample == 0)
        add_output(b, OUTPUT_VALUE, "prediction", last.node);
    if (last.sample == 0 && rank > 1 && chance(b, 60)) {
        Value term = {classification(b, &last), 0, true};
        b->pool.data[b->pool.count - 1].used = true;
        loss = sample_mean(b, &term);
    }
    for (int64_t i = 0; i < b->pool.count; i++) {
        if (b->pool.data[i].used)
            continue;
        NodeId term = sample_mean(b, &b->pool.data[i]);
        loss = node_is(loss) ? binary(b, OP_ADD, loss, term) : term;
    }
    add_output(b, OUTPUT_LOSS, "loss", batch_mean(b, loss));
}

/* -------------------------------------------------------------------------- */

static void start(Builder *b)
{
    static const int64_t channels[] = {1, 2, 3, 15};
    Shape shape = {2, {b->options->batch, extent(b)}};
    if (b->options->images)
        shape =
            (Shape){4, {b->options->batch, channels[between(b, 0, 3)], 4, 5}};
    else if (chance(b, 50))
        shape.extent[shape.rank++] = extent(b);
    add(b, input(b, (Type){DTYPE_F32, shape}, 0), 0);
    if (chance(b, 30))
        add(b, input(b, (Type){DTYPE_F32, shape}, 0), 0);
}

static void build(Builder *b)
{
    start(b);
    while (b->step < b->options->n_steps) {
        b->step++;
        int32_t attempts = 0;
        while (!STEPS[between(b, 0, N_STEPS - 1)](b)) {
            if (++attempts == ATTEMPTS_MAX)
                return;
        }
    }
}

static Builder builder_new(Random *random, const RandomModelOptions *options,
                           const char *name, Arena *arena)
{
    return (Builder){.random = random,
                     .options = options,
                     .graph = graph_new(arena, str_from(name)),
                     .arena = arena};
}

/* Each variable starts as normal numbers times 0.4. */
static Graph *init_graph(const Graph *train, Arena *arena)
{
    Graph *g = graph_like(arena, train, STR("init"));
    for (int32_t i = 0; i < g->variables.count; i++) {
        Variable row = g->variables.data[i];
        NodeOrigin origin = {
            .layer = LAYER_NONE,
            .path = str_format(arena, "%.*s.init", STR_ARG(row.name))};
        RandomAttr attr = {DISTRIBUTION_NORMAL, (uint32_t)str_hash(row.name),
                           false};
        NodeId x = random_numbers(g, row.type.shape, attr, origin);
        NodeId scale = graph_constant(g, 0.4, row.type, origin);
        graph_add_output(
            g, (Output){.kind = OUTPUT_INIT,
                        .name = row.name,
                        .node = graph_binary(g, OP_MUL, x, scale, origin),
                        .variable = i});
    }
    return g;
}

RandomModel random_model(Random *random, const RandomModelOptions *options,
                         Arena *arena)
{
    Random again = *random;
    Builder train = builder_new(random, options, "train", arena);
    Builder eval = builder_new(&again, options, "eval", arena);
    train.train = true;
    build(&train);
    finish(&train);
    build(&eval);
    finish(&eval);
    Tensor *inputs = arena_new(arena, Tensor, ROWS_MAX);
    memcpy(inputs, train.inputs, sizeof(train.inputs));
    Graph *init = init_graph(train.graph, arena);
    return (RandomModel){
        {.train = train.graph, .eval = eval.graph, .init = init}, inputs};
}

Tensor *random_model_variables(const RandomModel *model, uint64_t seed,
                               Arena *arena)
{
    const Graph *init = model->set.init;
    Environment environment = {.context = {.seed = seed}};
    Tensor *values = arena_new(arena, Tensor, init->nodes.count);
    Tensor *variables = arena_new(arena, Tensor, init->variables.count);
    graph_interpret(init, &environment, arena, values);
    for (int64_t i = 0; i < init->outputs.count; i++)
        variables[init->outputs.data[i].variable] =
            values[init->outputs.data[i].node.index];
    return variables;
}
