/* Op: the rows of ir/ops.def as an array, their names, attribute equality. */
#include "ir/op.h"

#include <assert.h>
#include <string.h>

#define LINEAR(a, b, c) {a, b, c}

static const OpInfo OPS[OP_COUNT] = {
    [OP_NONE] = {.text = "none"},
#define OP(NAME, text, operands, attr, rule, gradient, work, linear, traits) \
    [OP_##NAME] = {text, operands, ATTR_##attr, work, linear, traits},
#include "ir/ops.def"
#undef OP
};

const OpInfo *op_info(Op op)
{
    assert(op < OP_COUNT);
    return &OPS[op];
}

bool op_parse(Str text, Op *out)
{
    for (int32_t i = OP_NONE + 1; i < OP_COUNT; i++) {
        if (str_equal_c(text, OPS[i].text)) {
            *out = (Op)i;
            return true;
        }
    }
    return false;
}

static bool number_equal(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

static bool random_equal(const RandomAttr *a, const RandomAttr *b)
{
    return a->distribution == b->distribution && a->stream == b->stream &&
           a->by_step == b->by_step;
}

static bool spatial_equal(const SpatialAttr *a, const SpatialAttr *b)
{
    for (int i = 0; i < 2; i++) {
        if (a->kernel[i] != b->kernel[i] || a->stride[i] != b->stride[i] ||
            a->padding[i] != b->padding[i] || a->input[i] != b->input[i])
            return false;
    }
    return number_equal(a->fill, b->fill);
}

static bool dot_equal(const DotAttr *a, const DotAttr *b)
{
    return strcmp(a->left, b->left) == 0 && strcmp(a->right, b->right) == 0 &&
           strcmp(a->result, b->result) == 0;
}

static bool shard_equal(const ShardAttr *a, const ShardAttr *b)
{
    return a->dim == b->dim && a->axes == b->axes &&
           a->outer_axes == b->outer_axes && a->extent == b->extent;
}

static bool collective_equal(const CollectiveAttr *a, const CollectiveAttr *b)
{
    ReduceOp x = a->operator, y = b->operator;
    return a->axes == b->axes && x == y;
}

bool attr_equal(Op op, const Attr *a, const Attr *b)
{
    switch (op_info(op)->attr) {
    case ATTR_none:
    case ATTR_shape: return true;
    case ATTR_input: return a->input.input == b->input.input;
    case ATTR_variable: return a->variable.variable == b->variable.variable;
    case ATTR_constant:
        return number_equal(a->constant.value, b->constant.value);
    case ATTR_iota: return a->iota.dim == b->iota.dim;
    case ATTR_scalar: return a->scalar.kind == b->scalar.kind;
    case ATTR_random: return random_equal(&a->random, &b->random);
    case ATTR_broadcast:
        return memcmp(&a->broadcast, &b->broadcast, sizeof(a->broadcast)) == 0;
    case ATTR_permute:
        return memcmp(&a->permute, &b->permute, sizeof(a->permute)) == 0;
    case ATTR_window:
        return memcmp(&a->window, &b->window, sizeof(a->window)) == 0;
    case ATTR_spatial: return spatial_equal(&a->spatial, &b->spatial);
    case ATTR_reduce: return a->reduce.dims == b->reduce.dims;
    case ATTR_dot: return dot_equal(&a->dot, &b->dot);
    case ATTR_scatter: return a->scatter.rows == b->scatter.rows;
    case ATTR_epsilon:
        return number_equal(a->epsilon.epsilon, b->epsilon.epsilon);
    case ATTR_shard: return shard_equal(&a->shard, &b->shard);
    case ATTR_collective:
        return collective_equal(&a->collective, &b->collective);
    case ATTR_transfer: return a->transfer.transfer == b->transfer.transfer;
    }
    return false;
}
