/* Random op: draws attribute and operand types by the op's rule, then values
 * by its domain. */
#include "tests/numeric/random_op.h"

#include "ir/rule.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { OPERANDS_DRAWN_MAX = 4, ELEMENTS_SMOOTH_MAX = 48 };

/* An instance being drawn. */
typedef struct Draw {
    Random *random;
    Op op;
    bool smooth;
    LogicalMesh mesh;
    Attr attr;
    int32_t n_operands;
    Type operands[OPERANDS_DRAWN_MAX];
    Type type; /* the result's, where the rule needs it */
} Draw;

static int64_t between(Draw *d, int64_t low, int64_t high)
{
    return random_between(d->random, low, high);
}

static bool chance(Draw *d, int64_t percent)
{
    return random_chance(d->random, percent);
}

static int64_t extent(Draw *d)
{
    return between(d, 1, d->smooth ? 3 : 5);
}

static Shape shape(Draw *d, int32_t rank_least, int32_t rank_most)
{
    Shape s = {.rank = (int32_t)between(d, rank_least, rank_most)};
    for (int32_t i = 0; i < s.rank; i++)
        s.extent[i] = extent(d);
    return s;
}

static DType any_dtype(Draw *d)
{
    return !d->smooth && chance(d, 30) ? DTYPE_I32 : DTYPE_F32;
}

/* The dtype an op with one dtype takes. */
static DType own_dtype(Draw *d)
{
    return op_has(d->op, TRAIT_F32) ? DTYPE_F32 : any_dtype(d);
}

static void add_operand(Draw *d, DType dtype, Shape s)
{
    d->operands[d->n_operands++] = (Type){dtype, s};
}

/* -- rules: one function for each, by the column of ir/ops.def ------------- */

static void draw_leaf(Draw *d)
{
    d->type = (Type){any_dtype(d), shape(d, 0, 4)};
    if (d->op == OP_INPUT)
        d->type.shape = shape(d, 1, 4);
    if (d->op == OP_CONSTANT)
        d->attr.constant.value = d->type.dtype == DTYPE_I32
                                     ? (double)between(d, -9, 9)
                                     : random_real(d->random, -2, 2);
    if (d->op == OP_SCALAR || d->op == OP_SHARD_START)
        d->type = (Type){DTYPE_I32, {0}};
    if (d->op == OP_SCALAR)
        d->attr.scalar.kind = chance(d, 50) ? SCALAR_STEP : SCALAR_SAMPLE_COUNT;
    if (d->op == OP_IOTA) {
        d->type = (Type){DTYPE_I32, shape(d, 1, 4)};
        d->attr.iota.dim = (int32_t)between(d, 0, d->type.shape.rank - 1);
    }
}

static void draw_map(Draw *d)
{
    Type type = {own_dtype(d), shape(d, 0, 4)};
    for (int32_t i = 0; i < op_info(d->op)->n_operands; i++)
        add_operand(d, type.dtype, type.shape);
}

static void draw_compare(Draw *d)
{
    draw_map(d);
}
static void draw_to_i32(Draw *d)
{
    draw_map(d);
}

static void draw_to_f32(Draw *d)
{
    add_operand(d, DTYPE_I32, shape(d, 0, 4));
}

static void draw_select(Draw *d)
{
    Type type = {any_dtype(d), shape(d, 0, 4)};
    add_operand(d, DTYPE_F32, type.shape);
    add_operand(d, type.dtype, type.shape);
    add_operand(d, type.dtype, type.shape);
}

static void draw_random(Draw *d)
{
    Shape s = shape(d, 0, 3);
    add_operand(d, DTYPE_I32, s);
    add_operand(d, DTYPE_I32, s);
    d->attr.random =
        (RandomAttr){chance(d, 50) ? DISTRIBUTION_UNIFORM : DISTRIBUTION_NORMAL,
                     random_word(d->random), chance(d, 50)};
}

static void draw_broadcast(Draw *d)
{
    Shape to = shape(d, 0, 4), from = {0};
    for (int32_t i = 0; i < to.rank; i++) {
        if (chance(d, 50)) {
            d->attr.broadcast.dims[from.rank] = i;
            from.extent[from.rank++] = to.extent[i];
        }
    }
    add_operand(d, any_dtype(d), from);
    d->type = (Type){d->operands[0].dtype, to};
}

/* Neighbours merged, or an extent with a factor 2 or 3 split, or a 1 added. */
static void draw_reshape(Draw *d)
{
    Shape from = shape(d, 1, 4), to = {0};
    for (int32_t i = 0; i < from.rank; i++) {
        int64_t n = from.extent[i], part = n % 2 == 0 ? 2 : n;
        if (to.rank > 0 && chance(d, 40)) {
            to.extent[to.rank - 1] *= n;
        } else if (chance(d, 40)) {
            to.extent[to.rank++] = chance(d, 50) ? part : n / part;
            to.extent[to.rank] = n / to.extent[to.rank - 1];
            to.rank++;
        } else {
            to.extent[to.rank++] = n;
        }
    }
    add_operand(d, any_dtype(d), from);
    d->type = (Type){d->operands[0].dtype, to};
}

static void draw_transpose(Draw *d)
{
    Shape s = shape(d, 1, 4);
    int32_t *dims = d->attr.permute.dims;
    for (int32_t i = 0; i < s.rank; i++) {
        int32_t k = (int32_t)between(d, 0, i);
        dims[i] = dims[k];
        dims[k] = i;
    }
    add_operand(d, any_dtype(d), s);
}

static void draw_slice(Draw *d)
{
    Shape s = shape(d, 1, 4);
    WindowAttr *window = &d->attr.window;
    for (int32_t i = 0; i < s.rank; i++) {
        window->low[i] = between(d, 0, s.extent[i] - 1);
        window->high[i] = between(d, 0, s.extent[i] - 1 - window->low[i]);
    }
    add_operand(d, any_dtype(d), s);
}

static void draw_pad(Draw *d)
{
    Shape s = shape(d, 1, 3);
    for (int32_t i = 0; i < s.rank; i++) {
        d->attr.window.low[i] = between(d, 0, 2);
        d->attr.window.high[i] = between(d, 0, 2);
    }
    add_operand(d, any_dtype(d), s);
}

/* Windows that fit, and their number of places in `output`. */
static void draw_spatial(Draw *d, int64_t output[2])
{
    SpatialAttr *s = &d->attr.spatial;
    for (int i = 0; i < 2; i++) {
        s->kernel[i] = between(d, 1, 3);
        s->stride[i] = between(d, 1, 2);
        s->padding[i] = between(d, 0, s->kernel[i] - 1);
        s->input[i] = between(d, s->kernel[i], 4);
        output[i] =
            (s->input[i] + 2 * s->padding[i] - s->kernel[i]) / s->stride[i] + 1;
    }
}

static Shape image(int64_t n, int64_t channels, const int64_t *size)
{
    return (Shape){4, {n, channels, size[0], size[1]}};
}

static void draw_unfold(Draw *d)
{
    int64_t out[2];
    draw_spatial(d, out);
    if (!d->smooth && chance(d, 30))
        d->attr.spatial.fill = -HUGE_VAL;
    add_operand(
        d, DTYPE_F32,
        image(between(d, 1, 2), between(d, 1, 2), d->attr.spatial.input));
}

static void draw_fold(Draw *d)
{
    int64_t out[2];
    draw_spatial(d, out);
    const int64_t *kernel = d->attr.spatial.kernel;
    add_operand(d, DTYPE_F32,
                (Shape){6,
                        {between(d, 1, 2), between(d, 1, 2), out[0], out[1],
                         kernel[0], kernel[1]}});
}

static void draw_reduce(Draw *d)
{
    Shape s = shape(d, 1, 4);
    d->attr.reduce.dims = (uint32_t)between(d, 1, (1 << s.rank) - 1);
    add_operand(d, own_dtype(d), s);
}

static void draw_argmax(Draw *d)
{
    Shape s = shape(d, 1, 4);
    d->attr.reduce.dims = 1u << between(d, 0, s.rank - 1);
    add_operand(d, own_dtype(d), s);
}

/* Up to four labels, each in left only, right only, both, or all three. */
static void draw_dot(Draw *d)
{
    DotAttr *dot = &d->attr.dot;
    Shape left = {0}, right = {0};
    int32_t n = 0, n_labels = (int32_t)between(d, 1, 4);
    for (char label = 'a'; label < 'a' + n_labels; label++) {
        int64_t size = extent(d), in = between(d, 0, 3);
        if (in != 1) {
            dot->left[left.rank] = label;
            left.extent[left.rank++] = size;
        }
        if (in != 0) {
            dot->right[right.rank] = label;
            right.extent[right.rank++] = size;
        }
        if (in != 2) { /* at a random place of the result */
            int64_t k = between(d, 0, n);
            dot->result[n++] = dot->result[k];
            dot->result[k] = label;
        }
    }
    add_operand(d, DTYPE_F32, left);
    add_operand(d, DTYPE_F32, right);
}

static void draw_convolution(Draw *d, Shape *x, Shape *w, Shape *y)
{
    int64_t out[2], n = between(d, 1, 2), c = between(d, 1, 2);
    int64_t o = between(d, 1, 3);
    draw_spatial(d, out);
    *x = image(n, c, d->attr.spatial.input);
    *w = image(o, c, d->attr.spatial.kernel);
    *y = image(n, o, out);
}

static void draw_conv2d(Draw *d)
{
    Shape x, w, y;
    draw_convolution(d, &x, &w, &y);
    add_operand(d, DTYPE_F32, x);
    add_operand(d, DTYPE_F32, w);
}

static void draw_conv2d_gradient_input(Draw *d)
{
    Shape x, w, y;
    draw_convolution(d, &x, &w, &y);
    add_operand(d, DTYPE_F32, y);
    add_operand(d, DTYPE_F32, w);
}

static void draw_conv2d_gradient_filter(Draw *d)
{
    Shape x, w, y;
    draw_convolution(d, &x, &w, &y);
    add_operand(d, DTYPE_F32, x);
    add_operand(d, DTYPE_F32, y);
}

static void draw_gather(Draw *d)
{
    add_operand(d, any_dtype(d), shape(d, 1, 3));
    add_operand(d, DTYPE_I32, shape(d, 0, 2));
}

static void draw_scatter_add(Draw *d)
{
    Shape index = shape(d, 0, 2), rest = shape(d, 0, 2), updates = index;
    for (int32_t i = 0; i < rest.rank; i++)
        updates.extent[updates.rank++] = rest.extent[i];
    d->attr.scatter.rows = extent(d);
    add_operand(d, DTYPE_I32, index);
    add_operand(d, DTYPE_F32, updates);
}

static void draw_world_sum(Draw *d)
{
    for (int64_t n = between(d, 1, OPERANDS_DRAWN_MAX); n > 0; n--)
        add_operand(d, DTYPE_F32, (Shape){0});
}

static void draw_softmax(Draw *d)
{
    if (op_info(d->op)->attr == ATTR_epsilon)
        d->attr.epsilon.epsilon = random_real(d->random, 1e-3, 0.1);
    add_operand(d, DTYPE_F32, shape(d, 1, 3));
}

static void draw_cross_entropy(Draw *d)
{
    Shape logits = shape(d, 1, 3), targets = logits;
    targets.extent[--targets.rank] = 0;
    add_operand(d, DTYPE_F32, logits);
    add_operand(d, DTYPE_I32, targets);
}

static void draw_shard_slice(Draw *d)
{
    const ShardAttr *shard = &d->attr.shard;
    Shape s = shape(d, 1, 3), block = s;
    int32_t dim = (int32_t)between(d, 0, s.rank - 1);
    d->attr.shard.dim = dim;
    s.extent[dim] = sharding_block(&d->mesh, shard->extent, shard->outer_axes);
    block.extent[dim] = sharding_block(&d->mesh, shard->extent,
                                       shard->outer_axes | shard->axes);
    add_operand(d, any_dtype(d), s);
    d->type = (Type){d->operands[0].dtype, block};
}

static void draw_all_gather(Draw *d)
{
    Shape s = shape(d, 0, 3);
    add_operand(d, any_dtype(d), s);
    d->type.dtype = d->operands[0].dtype;
    d->type.shape = (Shape){1, {extent(d)}};
    for (int32_t i = 0; i < s.rank; i++)
        d->type.shape.extent[d->type.shape.rank++] = s.extent[i];
}

static void draw_reduce_scatter(Draw *d)
{
    add_operand(d, any_dtype(d), shape(d, 1, 4));
}

typedef void DrawFunction(Draw *d);

static DrawFunction *const DRAW[OP_COUNT] = {
#define OP(NAME, text, operands, attr, rule, gradient, work, linear, traits) \
    [OP_##NAME] = draw_##rule,
#include "ir/ops.def"
#undef OP
};

/* -- meshes ---------------------------------------------------------------- */

/* Microbatches and up to three device axes of sizes 1 to 4. */
static LogicalMesh draw_mesh(Random *random)
{
    static const Str names[MESH_AXES_MAX] = {
        {"microbatch", 10}, {"x", 1}, {"y", 1}, {"z", 1}};
    LogicalMesh mesh = {.n_axes = (int32_t)random_between(random, 2, 4)};
    for (int32_t i = 0; i < mesh.n_axes; i++)
        mesh.axis[i] = (LogicalAxis){.name = names[i],
                                     .size = random_between(random, 1, 4)};
    return mesh;
}

/* A set of axes cut in two: outer ones, then those of the op. */
static ShardAttr draw_shard(Draw *d)
{
    int64_t axes = between(d, 1, (1 << d->mesh.n_axes) - 1);
    int64_t outer = axes & ((1 << between(d, 0, d->mesh.n_axes - 1)) - 1);
    return (ShardAttr){.axes = (uint8_t)(axes & ~outer),
                       .outer_axes = (uint8_t)outer,
                       .extent = between(d, 1, 12)};
}

static KernelContext draw_context(Random *random, const LogicalMesh *mesh)
{
    KernelContext context = {.seed = (uint64_t)random_word(random) << 32 |
                                     random_word(random),
                             .step = random_between(random, 0, 100),
                             .sample_count = random_between(random, 1, 32)};
    for (int32_t i = 0; i < mesh->n_axes; i++)
        context.coordinate[i] =
            random_between(random, 0, mesh->axis[i].size - 1);
    return context;
}

/* -- values ---------------------------------------------------------------- */

Tensor random_tensor(Random *random, Type type, Arena *arena)
{
    Tensor t = tensor_new(arena, type);
    for (int64_t i = 0; i < shape_count(&type.shape); i++) {
        if (type.dtype == DTYPE_I32)
            tensor_i32(t)[i] = (int32_t)random_between(random, -3, 9);
        else
            tensor_f32(t)[i] = (float)random_real(random, -2, 2);
    }
    return t;
}

/* Distinct values in (-2, 2); operand k's lie between those of operand k-1. */
static void fill_distinct(Draw *d, Tensor t, int32_t operand)
{
    int64_t n = shape_count(&t.type.shape);
    double phase = (operand + 0.5) / (double)OPERANDS_DRAWN_MAX;
    for (int64_t i = 0; i < n; i++) {
        int64_t k = between(d, 0, i);
        tensor_f32(t)[i] = tensor_f32(t)[k];
        tensor_f32(t)[k] = (float)(-2 + 4 * ((double)i + phase) / (double)n);
    }
}

/* What the op needs of an operand's value to be defined, and smooth. */
static float in_domain(Draw *d, float value, int32_t operand)
{
    switch (d->op) {
    case OP_LOG:
    case OP_SQRT:
    case OP_RSQRT: return fabsf(value) + 0.2f;
    case OP_POW: return operand == 0 ? fabsf(value) + 0.3f : value;
    case OP_DIV:
    case OP_REM:
        return operand == 1 ? copysignf(fabsf(value) + 0.3f, value) : value;
    case OP_SELECT: return operand == 0 ? (float)between(d, 0, 1) : value;
    case OP_ABS:
    case OP_SIGN:
    case OP_FLOOR:
    case OP_TO_I32:
        return d->smooth ? floorf(value) + 0.1f + 0.8f * (value - floorf(value))
                         : value;
    default: return value;
    }
}

/* Not smooth: multiples of a quarter, so that zeros and ties come. */
static void fill_f32(Draw *d, Tensor t, int32_t operand)
{
    if (d->smooth) {
        fill_distinct(d, t, operand);
    } else {
        for (int64_t i = 0; i < shape_count(&t.type.shape); i++)
            tensor_f32(t)[i] = 0.25f * (float)between(d, -8, 8);
    }
    for (int64_t i = 0; i < shape_count(&t.type.shape); i++)
        tensor_f32(t)[i] = in_domain(d, tensor_f32(t)[i], operand);
}

/* How many rows an index operand chooses from; 0 when it is no index. */
static int64_t index_range(const Draw *d, int32_t operand)
{
    const Shape *first = &d->operands[0].shape;
    if (d->op == OP_GATHER && operand == 1)
        return first->extent[0];
    if (d->op == OP_SCATTER_ADD && operand == 0)
        return d->attr.scatter.rows;
    return d->op == OP_CROSS_ENTROPY ? first->extent[first->rank - 1] : 0;
}

static void fill_i32(Draw *d, Tensor t, int32_t operand)
{
    int64_t rows = index_range(d, operand), low = -9, high = 9;
    if (rows > 0) { /* a target outside is the data's mistake, not an index */
        int64_t beyond = d->smooth || d->op == OP_CROSS_ENTROPY ? 0 : 1;
        low = -beyond;
        high = rows - 1 + beyond;
    }
    for (int64_t i = 0; i < shape_count(&t.type.shape); i++)
        tensor_i32(t)[i] = (int32_t)between(d, low, high);
}

/* -------------------------------------------------------------------------- */

static bool small_enough(const Draw *d)
{
    for (int32_t i = 0; i < d->n_operands; i++) {
        if (d->smooth &&
            shape_count(&d->operands[i].shape) > ELEMENTS_SMOOTH_MAX)
            return false;
    }
    return true;
}

static Draw draw_instance(Random *random, Op op, bool smooth)
{
    Draw d;
    do {
        d = (Draw){.random = random,
                   .op = op,
                   .smooth = smooth,
                   .mesh = draw_mesh(random)};
        if (op_info(op)->attr == ATTR_shard)
            d.attr.shard = draw_shard(&d);
        if (op_info(op)->attr == ATTR_collective)
            d.attr.collective.axes = 1 << AXIS_MICROBATCH << 1;
        DRAW[op](&d);
    } while (!small_enough(&d));
    return d;
}

static NodeOrigin origin_of(Str path)
{
    return (NodeOrigin){.layer = LAYER_NONE, .path = path};
}

static NodeId add_variable(Graph *g, Str name, Type type)
{
    Variable row = {.name = name,
                    .type = type,
                    .kind = type.dtype == DTYPE_F32 ? VARIABLE_PARAMETER
                                                    : VARIABLE_STATE,
                    .of = -1,
                    .group = -1};
    int32_t index = graph_add_variable(g, row, origin_of(name));
    return g->variables.data[index].node;
}

static Tensor draw_value(Draw *d, int32_t operand, Arena *arena)
{
    Tensor value = tensor_new(arena, d->operands[operand]);
    if (value.type.dtype == DTYPE_I32)
        fill_i32(d, value, operand);
    else
        fill_f32(d, value, operand);
    return value;
}

/* The op's node; an input or variable is also given a value. */
static NodeId add_node(Draw *d, Graph *g, const NodeId *operands, Tensor *leaf,
                       Arena *arena)
{
    NodeOrigin origin = origin_of(str_from(op_info(d->op)->text));
    if (d->op == OP_INPUT || d->op == OP_VARIABLE)
        *leaf = random_tensor(d->random, d->type, arena);
    if (d->op == OP_VARIABLE)
        return add_variable(g, STR("variable"), d->type);
    if (d->op == OP_INPUT) {
        NodeId node;
        graph_add_input(g, STR("input"), d->type, origin, &node);
        return node;
    }
    Type type = d->type;
    bool legal = rule_infer(d->op, &d->attr, d->operands, d->n_operands, &type);
    assert(legal && "the instance is legal");
    (void)legal;
    return graph_append_typed(g, d->op, operands, d->n_operands, d->attr, type,
                              origin);
}

OpInstance random_op(Random *random, Op op, bool smooth, Arena *arena)
{
    Draw d = draw_instance(random, op, smooth);
    Graph *g = graph_new(arena, STR("instance"));
    LogicalMesh *mesh = arena_new(arena, LogicalMesh, 1);
    *mesh = d.mesh;
    Tensor *values = arena_new(arena, Tensor, OPERANDS_DRAWN_MAX + 1);
    NodeId operands[OPERANDS_DRAWN_MAX];
    for (int32_t i = 0; i < d.n_operands; i++) {
        values[i] = draw_value(&d, i, arena);
        operands[i] =
            add_variable(g, str_format(arena, "x%d", i), values[i].type);
    }
    NodeId node = add_node(&d, g, operands, &values[d.n_operands], arena);
    return (OpInstance){g,
                        node,
                        values,
                        {.inputs = values,
                         .variables = values,
                         .context = draw_context(random, mesh),
                         .mesh = mesh}};
}

bool op_is_evaluated(Op op)
{
    return !op_has(op, TRAIT_COLLECTIVE) && op != OP_ACCUMULATE &&
           op != OP_RECEIVE;
}
