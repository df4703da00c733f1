/* Attributes as text: one description of each arm that both writes and reads,
 * so that the two cannot differ. */
#include "ir/ir_text.h"

#include <string.h>

enum { MARK_LENGTH_MAX = 15 };

/* A word or mark; the spaces around it are the writer's only. */
static void mark(const AttrText *t, const char *written)
{
    if (t->out) {
        text_append(t->out, str_from(written));
        return;
    }
    char token[MARK_LENGTH_MAX + 1];
    size_t spaces = strspn(written, " ");
    size_t length = strcspn(written + spaces, " ");
    memcpy(token, written + spaces, length);
    token[length] = 0;
    read_token(t->in, token);
}

static void integer(const AttrText *t, int64_t *value)
{
    if (t->out)
        text_format(t->out, "%lld", (long long)*value);
    else
        *value = read_integer(t->in);
}

/* An integer field of a narrower type, at most `most`. */
static int64_t bounded(const AttrText *t, int64_t value, int64_t most)
{
    int64_t begin = t->in ? t->in->at : 0;
    integer(t, &value);
    if (t->in && !t->in->failed && (value < 0 || value > most)) {
        reader_fail(t->in, begin, ir_number);
        return 0;
    }
    return value;
}

static void number(const AttrText *t, double *value)
{
    if (t->out)
        text_number(t->out, *value);
    else
        *value = read_number(t->in);
}

static void index_field(const AttrText *t, int32_t *value)
{
    *value = (int32_t)bounded(t, *value, INT32_MAX);
}

/* One of `names`. */
static int32_t choice(const AttrText *t, int32_t value,
                      const char *const *names, int32_t n)
{
    if (t->out) {
        text_append(t->out, str_from(names[value]));
        return value;
    }
    for (int32_t i = 0; i < n; i++) {
        if (read_if(t->in, names[i]))
            return i;
    }
    read_token(t->in, names[0]);
    return 0;
}

/* A word that is there or not. */
static bool option(const AttrText *t, bool value, const char *word)
{
    if (t->in)
        return read_if(t->in, word);
    if (value)
        text_format(t->out, " %s", word);
    return value;
}

/* -- arms ------------------------------------------------------------------ */

static void scalar_text(const AttrText *t, ScalarAttr *a)
{
    static const char *const names[] = {"step", "sample_count"};
    a->kind = (ScalarKind)choice(t, (int32_t)a->kind, names, 2);
}

static void random_text(const AttrText *t, RandomAttr *a)
{
    static const char *const names[] = {"uniform", "normal"};
    a->distribution =
        (Distribution)choice(t, (int32_t)a->distribution, names, 2);
    mark(t, " stream ");
    a->stream = (uint32_t)bounded(t, a->stream, UINT32_MAX);
    a->by_step = option(t, a->by_step, "by_step");
}

/* One number for each operand dimension. */
static void dims_text(const AttrText *t, int32_t *dims)
{
    for (int32_t i = 0; i < t->rank; i++) {
        if (i > 0)
            mark(t, ", ");
        index_field(t, &dims[i]);
    }
}

/* low:high for each dimension. */
static void window_text(const AttrText *t, WindowAttr *a)
{
    for (int32_t i = 0; i < t->rank; i++) {
        if (i > 0)
            mark(t, ", ");
        integer(t, &a->low[i]);
        mark(t, ":");
        integer(t, &a->high[i]);
    }
}

static void pair_text(const AttrText *t, const char *written, int64_t *pair)
{
    mark(t, written);
    integer(t, &pair[0]);
    mark(t, ", ");
    integer(t, &pair[1]);
}

static void spatial_text(const AttrText *t, SpatialAttr *a)
{
    pair_text(t, "kernel ", a->kernel);
    pair_text(t, " stride ", a->stride);
    pair_text(t, " padding ", a->padding);
    pair_text(t, " input ", a->input);
    mark(t, " fill ");
    number(t, &a->fill);
}

/* The dimensions whose bits are set, in order. */
static void reduce_text(const AttrText *t, ReduceAttr *a)
{
    uint32_t left = a->dims;
    bool more = true;
    a->dims = 0;
    while (more) {
        int32_t dim = t->out && left ? __builtin_ctz(left) : 0;
        dim = (int32_t)bounded(t, dim, RANK_MAX - 1);
        a->dims |= 1u << dim;
        left &= ~(1u << dim);
        more = t->out ? left != 0 : read_if(t->in, ",");
        if (more && t->out)
            mark(t, ", ");
    }
}

static void labels_text(const AttrText *t, char *labels)
{
    if (t->out) {
        text_append(t->out, str_from(labels));
        return;
    }
    int64_t begin = t->in->at;
    Str word = read_word(t->in);
    if (word.length > RANK_MAX) {
        reader_fail(t->in, begin, ir_expected, "at most 8 labels");
        return;
    }
    for (int64_t i = 0; i <= RANK_MAX; i++)
        labels[i] = i < word.length ? word.data[i] : '\0';
}

static void dot_text(const AttrText *t, DotAttr *a)
{
    labels_text(t, a->left);
    mark(t, ",");
    labels_text(t, a->right);
    mark(t, "->");
    labels_text(t, a->result);
}

static void shard_text(const AttrText *t, ShardAttr *a)
{
    mark(t, "dim ");
    index_field(t, &a->dim);
    mark(t, " axes ");
    a->axes = (uint8_t)bounded(t, a->axes, UINT8_MAX);
    mark(t, " outer ");
    a->outer_axes = (uint8_t)bounded(t, a->outer_axes, UINT8_MAX);
    mark(t, " extent ");
    integer(t, &a->extent);
}

static void collective_text(const AttrText *t, CollectiveAttr *a)
{
    static const char *const names[] = {"sum", "max", "min"};
    int32_t i = choice(t, (int32_t)a->operator, names, 3);
    mark(t, " axes ");
    uint8_t axes = (uint8_t)bounded(t, a->axes, UINT8_MAX);
    *a = (CollectiveAttr){axes, (ReduceOp)i};
}

static void fields(const AttrText *t, Op op, Attr *attr)
{
    switch (op_info(op)->attr) {
    case ATTR_none:
    case ATTR_shape: break;
    case ATTR_input: index_field(t, &attr->input.input); break;
    case ATTR_variable: index_field(t, &attr->variable.variable); break;
    case ATTR_constant: number(t, &attr->constant.value); break;
    case ATTR_iota: index_field(t, &attr->iota.dim); break;
    case ATTR_scalar: scalar_text(t, &attr->scalar); break;
    case ATTR_random: random_text(t, &attr->random); break;
    case ATTR_broadcast: dims_text(t, attr->broadcast.dims); break;
    case ATTR_permute: dims_text(t, attr->permute.dims); break;
    case ATTR_window: window_text(t, &attr->window); break;
    case ATTR_spatial: spatial_text(t, &attr->spatial); break;
    case ATTR_reduce: reduce_text(t, &attr->reduce); break;
    case ATTR_dot: dot_text(t, &attr->dot); break;
    case ATTR_scatter: integer(t, &attr->scatter.rows); break;
    case ATTR_epsilon: number(t, &attr->epsilon.epsilon); break;
    case ATTR_shard: shard_text(t, &attr->shard); break;
    case ATTR_collective: collective_text(t, &attr->collective); break;
    case ATTR_transfer: index_field(t, &attr->transfer.transfer); break;
    }
}

void attr_text(const AttrText *t, Op op, Attr *attr)
{
    AttrKind kind = op_info(op)->attr;
    if (kind == ATTR_none || kind == ATTR_shape)
        return;
    mark(t, " {");
    fields(t, op, attr);
    mark(t, "}");
}
