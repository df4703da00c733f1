/* Infer: the result type of an op from its operands' types and attribute.
 *
 * This is the definition of what is legal: the front end asks before it
 * appends, graph_append asserts, the verifier and the textual parser ask
 * again.  One function a rule of ir/ops.def.  Attributes may come from a
 * damaged text, so every number in them is checked before it is used.
 */
#include "ir/rule.h"
#include "support/checked.h"

#include <math.h>
#include <string.h>

typedef struct Inference {
    Op op;
    const Attr *attr;
    const Type *operands;
    int32_t n_operands;
    Type *type; /* wanted on entry, the result's on return */
} Inference;

static bool result_is(const Inference *in, DType dtype, const Shape *shape)
{
    *in->type = (Type){dtype, *shape};
    return type_valid(in->type);
}

/* -- leaves ---------------------------------------------------------------- */

static bool constant_fits(const Inference *in)
{
    double value = in->attr->constant.value;
    if (in->type->dtype == DTYPE_F32)
        return true;
    return value == floor(value) && value >= INT32_MIN && value <= INT32_MAX;
}

static bool iota_fits(const Inference *in)
{
    int32_t dim = in->attr->iota.dim;
    return in->type->dtype == DTYPE_I32 && dim >= 0 &&
           dim < in->type->shape.rank &&
           in->type->shape.extent[dim] <= INT32_MAX;
}

/* A leaf's type is given; what the attribute and the op say must fit it. */
static bool infer_leaf(const Inference *in)
{
    if (!type_valid(in->type))
        return false;
    bool is_index = in->type->dtype == DTYPE_I32 && in->type->shape.rank == 0;
    switch (in->op) {
    case OP_CONSTANT: return constant_fits(in);
    case OP_IOTA: return iota_fits(in);
    case OP_SCALAR: return is_index;
    case OP_SHARD_START: return is_index && in->attr->shard.extent >= 1;
    default: return true;
    }
}

/* -- elementwise ----------------------------------------------------------- */

static bool operands_equal(const Inference *in)
{
    for (int32_t i = 1; i < in->n_operands; i++) {
        if (!type_equal(&in->operands[i], &in->operands[0]))
            return false;
    }
    return true;
}

static bool infer_map(const Inference *in)
{
    *in->type = in->operands[0];
    return operands_equal(in);
}

static bool infer_compare(const Inference *in)
{
    return operands_equal(in) &&
           result_is(in, DTYPE_F32, &in->operands[0].shape);
}

/* Only from i32: the conversion has no derivative. */
static bool infer_to_f32(const Inference *in)
{
    return in->operands[0].dtype == DTYPE_I32 &&
           result_is(in, DTYPE_F32, &in->operands[0].shape);
}

static bool infer_to_i32(const Inference *in)
{
    return result_is(in, DTYPE_I32, &in->operands[0].shape);
}

static bool infer_select(const Inference *in)
{
    const Type *x = in->operands;
    *in->type = x[1];
    return x[0].dtype == DTYPE_F32 && shape_equal(&x[0].shape, &x[1].shape) &&
           type_equal(&x[1], &x[2]);
}

static bool infer_random(const Inference *in)
{
    return in->operands[0].dtype == DTYPE_I32 && operands_equal(in) &&
           result_is(in, DTYPE_F32, &in->operands[0].shape);
}

/* -- moving data ----------------------------------------------------------- */

/* The wanted type has every operand dimension at its place, in order. */
static bool infer_broadcast(const Inference *in)
{
    const Type *x = &in->operands[0];
    const int32_t *dims = in->attr->broadcast.dims;
    if (!type_valid(in->type) || in->type->dtype != x->dtype)
        return false;
    for (int32_t i = 0; i < RANK_MAX; i++) {
        if (i >= x->shape.rank) {
            if (dims[i] != 0)
                return false;
            continue;
        }
        int32_t after = i == 0 ? -1 : dims[i - 1];
        if (dims[i] <= after || dims[i] >= in->type->shape.rank ||
            in->type->shape.extent[dims[i]] != x->shape.extent[i])
            return false;
    }
    return true;
}

static bool infer_reshape(const Inference *in)
{
    const Type *x = &in->operands[0];
    return type_valid(in->type) && in->type->dtype == x->dtype &&
           shape_count(&in->type->shape) == shape_count(&x->shape);
}

static bool infer_transpose(const Inference *in)
{
    const Shape *x = &in->operands[0].shape;
    const int32_t *dims = in->attr->permute.dims;
    Shape shape = {.rank = x->rank};
    uint32_t seen = 0;
    for (int32_t i = 0; i < RANK_MAX; i++) {
        if (i >= x->rank) {
            if (dims[i] != 0)
                return false;
            continue;
        }
        if (dims[i] < 0 || dims[i] >= x->rank || (seen & (1u << dims[i])))
            return false;
        seen |= 1u << dims[i];
        shape.extent[i] = x->extent[dims[i]];
    }
    return result_is(in, in->operands[0].dtype, &shape);
}

/* Slice cuts what pad adds: `sign` is -1 or 1. */
static bool infer_window(const Inference *in, int64_t sign)
{
    Shape shape = in->operands[0].shape;
    const WindowAttr *window = &in->attr->window;
    for (int32_t i = 0; i < RANK_MAX; i++) {
        int64_t low = window->low[i], high = window->high[i], both;
        if (low < 0 || high < 0 || !add_i64(low, high, &both))
            return false;
        if (i >= shape.rank
                ? both != 0
                : !add_i64(shape.extent[i], sign * both, &shape.extent[i]))
            return false;
    }
    return result_is(in, in->operands[0].dtype, &shape);
}

static bool infer_slice(const Inference *in)
{
    return infer_window(in, -1);
}
static bool infer_pad(const Inference *in)
{
    return infer_window(in, 1);
}

/* -- windows over images --------------------------------------------------- */

/* Output height and width of the attribute's windows over its input. */
static bool spatial_output(const SpatialAttr *s, int64_t output[2])
{
    for (int i = 0; i < 2; i++) {
        int64_t padded;
        if (s->kernel[i] < 1 || s->stride[i] < 1 || s->padding[i] < 0 ||
            s->input[i] < 1 || !mul_i64(s->padding[i], 2, &padded) ||
            !add_i64(padded, s->input[i], &padded) || padded < s->kernel[i])
            return false;
        output[i] = (padded - s->kernel[i]) / s->stride[i] + 1;
    }
    return true;
}

static bool dims_are(const Shape *shape, int32_t first, const int64_t pair[2])
{
    return shape->extent[first] == pair[0] &&
           shape->extent[first + 1] == pair[1];
}

/* A fill of 0 or -inf keeps unfold linear over partial sums. */
static bool infer_unfold(const Inference *in)
{
    const SpatialAttr *s = &in->attr->spatial;
    const Shape *x = &in->operands[0].shape;
    int64_t out[2];
    if (x->rank != 4 || !spatial_output(s, out) || !dims_are(x, 2, s->input) ||
        !(s->fill == 0 || s->fill == -HUGE_VAL))
        return false;
    Shape shape = {6,
                   {x->extent[0], x->extent[1], out[0], out[1], s->kernel[0],
                    s->kernel[1]}};
    return result_is(in, DTYPE_F32, &shape);
}

static bool infer_fold(const Inference *in)
{
    const SpatialAttr *s = &in->attr->spatial;
    const Shape *x = &in->operands[0].shape;
    int64_t out[2];
    if (x->rank != 6 || !spatial_output(s, out) || !dims_are(x, 2, out) ||
        !dims_are(x, 4, s->kernel))
        return false;
    Shape shape = {4, {x->extent[0], x->extent[1], s->input[0], s->input[1]}};
    return result_is(in, DTYPE_F32, &shape);
}

static bool infer_conv2d(const Inference *in)
{
    const SpatialAttr *s = &in->attr->spatial;
    const Shape *x = &in->operands[0].shape, *w = &in->operands[1].shape;
    int64_t out[2];
    if (x->rank != 4 || w->rank != 4 || !spatial_output(s, out) ||
        !dims_are(x, 2, s->input) || !dims_are(w, 2, s->kernel) ||
        x->extent[1] != w->extent[1])
        return false;
    Shape shape = {4, {x->extent[0], w->extent[0], out[0], out[1]}};
    return result_is(in, DTYPE_F32, &shape);
}

static bool infer_conv2d_gradient_input(const Inference *in)
{
    const SpatialAttr *s = &in->attr->spatial;
    const Shape *dy = &in->operands[0].shape, *w = &in->operands[1].shape;
    int64_t out[2];
    if (dy->rank != 4 || w->rank != 4 || !spatial_output(s, out) ||
        !dims_are(dy, 2, out) || !dims_are(w, 2, s->kernel) ||
        dy->extent[1] != w->extent[0])
        return false;
    Shape shape = {4, {dy->extent[0], w->extent[1], s->input[0], s->input[1]}};
    return result_is(in, DTYPE_F32, &shape);
}

static bool infer_conv2d_gradient_filter(const Inference *in)
{
    const SpatialAttr *s = &in->attr->spatial;
    const Shape *x = &in->operands[0].shape, *dy = &in->operands[1].shape;
    int64_t out[2];
    if (x->rank != 4 || dy->rank != 4 || !spatial_output(s, out) ||
        !dims_are(x, 2, s->input) || !dims_are(dy, 2, out) ||
        x->extent[0] != dy->extent[0])
        return false;
    Shape shape = {4,
                   {dy->extent[1], x->extent[1], s->kernel[0], s->kernel[1]}};
    return result_is(in, DTYPE_F32, &shape);
}

/* -- reductions and contractions ------------------------------------------- */

static bool reduced_shape(const Inference *in, Shape *shape)
{
    const Shape *x = &in->operands[0].shape;
    uint32_t dims = in->attr->reduce.dims;
    if (dims == 0 || dims >> x->rank)
        return false;
    *shape = (Shape){0};
    for (int32_t i = 0; i < x->rank; i++) {
        if (!(dims & (1u << i)))
            shape->extent[shape->rank++] = x->extent[i];
    }
    return true;
}

static bool infer_reduce(const Inference *in)
{
    Shape shape;
    return reduced_shape(in, &shape) &&
           result_is(in, in->operands[0].dtype, &shape);
}

static bool infer_argmax(const Inference *in)
{
    Shape shape;
    uint32_t dims = in->attr->reduce.dims;
    return reduced_shape(in, &shape) && (dims & (dims - 1)) == 0 &&
           in->operands[0].shape.extent[__builtin_ctz(dims)] <= INT32_MAX &&
           result_is(in, DTYPE_I32, &shape);
}

/* One distinct lower-case letter per dimension. */
static bool labels_fit(const char *labels, int32_t rank)
{
    uint32_t seen = 0;
    int32_t n = 0;
    for (; n <= RANK_MAX && labels[n] != 0; n++) {
        if (labels[n] < 'a' || labels[n] > 'z')
            return false;
        uint32_t bit = 1u << (labels[n] - 'a');
        if (n == RANK_MAX || (seen & bit))
            return false;
        seen |= bit;
    }
    return n == rank;
}

/* Extent of `label` in an operand; 0 when it does not occur. */
static int64_t label_extent(const char *labels, const Shape *shape, char label)
{
    const char *found = strchr(labels, label);
    return found ? shape->extent[found - labels] : 0;
}

/* Labels of `a` agree with `b`, and occur there or in the result. */
static bool labels_agree(const char *a, const Shape *a_shape, const char *b,
                         const Shape *b_shape, const char *result)
{
    for (int32_t i = 0; i < a_shape->rank; i++) {
        int64_t other = label_extent(b, b_shape, a[i]);
        if (other != 0 && other != a_shape->extent[i])
            return false;
        if (other == 0 && !strchr(result, a[i]))
            return false;
    }
    return true;
}

static bool infer_dot(const Inference *in)
{
    const DotAttr *dot = &in->attr->dot;
    const Shape *x = &in->operands[0].shape, *y = &in->operands[1].shape;
    if (!labels_fit(dot->left, x->rank) || !labels_fit(dot->right, y->rank))
        return false;
    Shape shape = {.rank = (int32_t)strnlen(dot->result, RANK_MAX + 1)};
    if (!labels_fit(dot->result, shape.rank) ||
        !labels_agree(dot->left, x, dot->right, y, dot->result) ||
        !labels_agree(dot->right, y, dot->left, x, dot->result))
        return false;
    for (int32_t i = 0; i < shape.rank; i++) {
        int64_t left = label_extent(dot->left, x, dot->result[i]);
        int64_t right = label_extent(dot->right, y, dot->result[i]);
        shape.extent[i] = max_i64(left, right);
    }
    return result_is(in, DTYPE_F32, &shape);
}

/* -- indexed --------------------------------------------------------------- */

/* Appends dimensions [first, rank) of `from`; false beyond RANK_MAX. */
static bool shape_extend(Shape *shape, const Shape *from, int32_t first)
{
    for (int32_t i = first; i < from->rank; i++) {
        if (shape->rank == RANK_MAX)
            return false;
        shape->extent[shape->rank++] = from->extent[i];
    }
    return true;
}

static bool infer_gather(const Inference *in)
{
    const Type *table = &in->operands[0], *index = &in->operands[1];
    Shape shape = index->shape;
    return table->shape.rank >= 1 && index->dtype == DTYPE_I32 &&
           table->shape.extent[0] <= INT32_MAX &&
           shape_extend(&shape, &table->shape, 1) &&
           result_is(in, table->dtype, &shape);
}

static bool infer_scatter_add(const Inference *in)
{
    const Type *index = &in->operands[0], *updates = &in->operands[1];
    int64_t rows = in->attr->scatter.rows;
    if (index->dtype != DTYPE_I32 || updates->dtype != DTYPE_F32 ||
        updates->shape.rank < index->shape.rank || rows < 1 || rows > INT32_MAX)
        return false;
    for (int32_t i = 0; i < index->shape.rank; i++) {
        if (updates->shape.extent[i] != index->shape.extent[i])
            return false;
    }
    Shape shape = {1, {rows}};
    return shape_extend(&shape, &updates->shape, index->shape.rank) &&
           result_is(in, DTYPE_F32, &shape);
}

/* -- the rest -------------------------------------------------------------- */

static bool infer_world_sum(const Inference *in)
{
    *in->type = (Type){.dtype = DTYPE_F32};
    return in->operands[0].shape.rank == 0 && operands_equal(in);
}

/* Over the last dimension. */
static bool infer_softmax(const Inference *in)
{
    *in->type = in->operands[0];
    return in->operands[0].shape.rank >= 1;
}

static bool infer_cross_entropy(const Inference *in)
{
    const Type *logits = &in->operands[0], *targets = &in->operands[1];
    Shape shape = logits->shape;
    if (shape.rank < 1 || logits->dtype != DTYPE_F32 ||
        targets->dtype != DTYPE_I32 || shape.extent[shape.rank - 1] > INT32_MAX)
        return false;
    shape.extent[--shape.rank] = 0;
    return shape_equal(&shape, &targets->shape) &&
           result_is(in, DTYPE_F32, &shape);
}

/* -- local form ------------------------------------------------------------ */

/* The wanted type is the operand's but for a shorter (or equal) block; how
 * long depends on the mesh, which the verifier of the local form knows. */
static bool infer_shard_slice(const Inference *in)
{
    const Type *x = &in->operands[0];
    const ShardAttr *shard = &in->attr->shard;
    if (!type_valid(in->type) || shard->dim < 0 ||
        shard->dim >= x->shape.rank || shard->extent < 1)
        return false;
    Type uncut = *in->type;
    if (uncut.shape.extent[shard->dim] > x->shape.extent[shard->dim])
        return false;
    uncut.shape.extent[shard->dim] = x->shape.extent[shard->dim];
    return type_equal(&uncut, x);
}

/* The wanted type is the operand's with one more, leading, dimension: the
 * group's size. */
static bool infer_all_gather(const Inference *in)
{
    const Type *x = &in->operands[0];
    if (!type_valid(in->type) || in->type->shape.rank < 1)
        return false;
    Type row = {in->type->dtype, {0}};
    shape_extend(&row.shape, &in->type->shape, 1);
    return type_equal(&row, x);
}

static bool infer_reduce_scatter(const Inference *in)
{
    const Type *x = &in->operands[0];
    Shape shape = {0};
    return x->shape.rank >= 1 && shape_extend(&shape, &x->shape, 1) &&
           result_is(in, x->dtype, &shape);
}

/* -------------------------------------------------------------------------- */

typedef bool InferFunction(const Inference *in);

static InferFunction *const INFER[OP_COUNT] = {
#define OP(NAME, text, operands, attr, rule, gradient, work, linear, traits) \
    [OP_##NAME] = infer_##rule,
#include "ir/ops.def"
#undef OP
};

bool rule_infer(Op op, const Attr *attr, const Type *operands,
                int32_t n_operands, Type *type)
{
    const OpInfo *info = op_info(op);
    if (op == OP_NONE ||
        (info->n_operands < 0 ? n_operands < 1
                              : n_operands != info->n_operands))
        return false;
    for (int32_t i = 0; i < n_operands; i++) {
        if (op_has(op, TRAIT_F32) && operands[i].dtype != DTYPE_F32)
            return false;
    }
    Inference in = {op, attr, operands, n_operands, type};
    return INFER[op](&in);
}
