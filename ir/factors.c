/* Factors: the index rule of every op, one function a rule of ir/ops.def.
 *
 * This is where an op says which loops it has and in which dimensions they
 * occur.  Strategies, shardings, communication, local shapes and work follow
 * in ir/rule.c.
 */
#include "ir/rule.h"

#include <assert.h>
#include <string.h>

typedef struct RuleBuilder {
    const Graph *graph;
    const Node *node;
    Rule *rule;
} RuleBuilder;

static const Shape *operand_shape(const RuleBuilder *b, int i)
{
    return &graph_operand(b->graph, b->node, i)->type.shape;
}

static const Shape *result_shape(const RuleBuilder *b)
{
    return &b->node->type.shape;
}

static int8_t add_factor(RuleBuilder *b, FactorKind kind, int64_t extent)
{
    Rule *rule = b->rule;
    assert(rule->n_factors < FACTORS_MAX);
    Factor *factor = &rule->factor[rule->n_factors];
    *factor = (Factor){.kind = kind, .extent = extent};
    factor->name[0] = (char)('a' + rule->n_factors);
    return (int8_t)rule->n_factors++;
}

/* A dimension that is one new factor; an extent of 1 needs none. */
static DimRule new_dim(RuleBuilder *b, FactorKind kind, int64_t extent)
{
    if (extent == 1)
        return (DimRule){0};
    return (DimRule){1, {add_factor(b, kind, extent)}};
}

/* The same, for a dimension whose index follows from other loops. */
static DimRule derived_dim(RuleBuilder *b, FactorKind kind, int64_t extent)
{
    DimRule dim = new_dim(b, kind, extent);
    if (dim.n)
        b->rule->factor[dim.factor[0]].derived = true;
    return dim;
}

static void append_factor(DimRule *dim, int8_t factor)
{
    dim->factor[dim->n++] = factor;
}

/* -- leaves and elementwise ops -------------------------------------------- */

static void factors_leaf(RuleBuilder *b)
{
    const Shape *shape = result_shape(b);
    for (int d = 0; d < shape->rank; d++)
        b->rule->result[d] = new_dim(b, FACTOR_PARALLEL, shape->extent[d]);
}

static void factors_map(RuleBuilder *b)
{
    factors_leaf(b);
    for (int i = 0; i < b->node->n_operands; i++)
        memcpy(b->rule->operand[i], b->rule->result, sizeof b->rule->result);
}

#define factors_to_f32  factors_map
#define factors_to_i32  factors_map
#define factors_compare factors_map
#define factors_select  factors_map
#define factors_random  factors_map

/* Loops parallel but for the last dimension, which is kept whole. */
static void factors_softmax(RuleBuilder *b)
{
    factors_map(b);
    DimRule last = b->rule->result[result_shape(b)->rank - 1];
    if (last.n)
        b->rule->factor[last.factor[0]].kind = FACTOR_WHOLE;
}

static void factors_cross_entropy(RuleBuilder *b)
{
    factors_leaf(b);
    size_t bytes = sizeof b->rule->result;
    memcpy(b->rule->operand[0], b->rule->result, bytes);
    memcpy(b->rule->operand[1], b->rule->result, bytes);
    int last = operand_shape(b, 0)->rank - 1;
    b->rule->operand[0][last] =
        new_dim(b, FACTOR_WHOLE, operand_shape(b, 0)->extent[last]);
}

/* -- moving data ----------------------------------------------------------- */

static void factors_broadcast(RuleBuilder *b)
{
    factors_leaf(b);
    for (int d = 0; d < operand_shape(b, 0)->rank; d++)
        b->rule->operand[0][d] =
            b->rule->result[b->node->attr.broadcast.dims[d]];
}

static void factors_transpose(RuleBuilder *b)
{
    factors_leaf(b);
    for (int d = 0; d < result_shape(b)->rank; d++)
        b->rule->operand[0][b->node->attr.permute.dims[d]] = b->rule->result[d];
}

/* Dimensions with a window have loops of different extents on both sides. */
static void factors_slice(RuleBuilder *b)
{
    const Shape *from = operand_shape(b, 0), *to = result_shape(b);
    const WindowAttr *window = &b->node->attr.window;
    for (int d = 0; d < to->rank; d++) {
        bool cut = window->low[d] != 0 || window->high[d] != 0;
        FactorKind kind = cut ? FACTOR_WHOLE : FACTOR_PARALLEL;
        b->rule->result[d] = new_dim(b, kind, to->extent[d]);
        b->rule->operand[0][d] =
            cut ? derived_dim(b, FACTOR_WHOLE, from->extent[d])
                : b->rule->result[d];
    }
}
#define factors_pad factors_slice

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* One side of a reshape, read from the major dimension on. */
typedef struct ReshapeSide {
    const Shape *shape;
    DimRule *dims;
    int dim;
    int64_t rest; /* of shape->extent[dim], not yet in a factor */
} ReshapeSide;

/* To the next dimension with something left; false at the end. */
static bool side_advance(ReshapeSide *side)
{
    while (side->rest == 1 && side->dim + 1 < side->shape->rank)
        side->rest = side->shape->extent[++side->dim];
    return side->rest > 1;
}

static void side_take(ReshapeSide *side, int8_t factor, int64_t extent)
{
    append_factor(&side->dims[side->dim], factor);
    side->rest /= extent;
}

/* The rest of this side's dimension, which interleaves with the other side's
 * and so may not be split; returns its extent. */
static int64_t side_take_whole(RuleBuilder *b, ReshapeSide *side)
{
    int64_t extent = side->rest;
    side_take(side, add_factor(b, FACTOR_WHOLE, extent), extent);
    return extent;
}

/* Dimensions whose boundaries do not nest ([6,4] -> [4,6] after the common
 * factor 2) up to where both sides meet again. */
static void take_interleaved(RuleBuilder *b, ReshapeSide *from, ReshapeSide *to)
{
    int64_t left = side_take_whole(b, from), right = side_take_whole(b, to);
    while (left != right) {
        ReshapeSide *behind = left < right ? from : to;
        bool more = side_advance(behind);
        assert(more);
        (void)more;
        *(left < right ? &left : &right) *= side_take_whole(b, behind);
    }
}

static void factors_reshape(RuleBuilder *b)
{
    ReshapeSide from = {operand_shape(b, 0), b->rule->operand[0], -1, 1};
    ReshapeSide to = {result_shape(b), b->rule->result, -1, 1};
    while (side_advance(&from) && side_advance(&to)) {
        int64_t common = gcd(from.rest, to.rest);
        if (common > 1) {
            int8_t factor = add_factor(b, FACTOR_PARALLEL, common);
            side_take(&from, factor, common);
            side_take(&to, factor, common);
        }
        if (from.rest > 1 && to.rest > 1)
            take_interleaved(b, &from, &to);
    }
}

/* -- reductions ------------------------------------------------------------ */

static void reduce_dims(RuleBuilder *b, FactorKind folded)
{
    const Shape *from = operand_shape(b, 0);
    int to = 0;
    for (int d = 0; d < from->rank; d++) {
        bool folds = b->node->attr.reduce.dims >> d & 1;
        DimRule dim =
            new_dim(b, folds ? folded : FACTOR_PARALLEL, from->extent[d]);
        b->rule->operand[0][d] = dim;
        if (!folds)
            b->rule->result[to++] = dim;
    }
}

static void factors_reduce(RuleBuilder *b)
{
    reduce_dims(b, FACTOR_SUM);
    if (b->node->op == OP_REDUCE_MAX)
        b->rule->sum_operator = REDUCE_MAX;
}

static void factors_argmax(RuleBuilder *b)
{
    reduce_dims(b, FACTOR_WHOLE);
}

/* -- contractions and convolutions ----------------------------------------- */

static int8_t factor_labelled(RuleBuilder *b, char label, FactorKind kind,
                              int64_t extent)
{
    for (int32_t f = 0; f < b->rule->n_factors; f++)
        if (b->rule->factor[f].name[0] == label)
            return (int8_t)f;
    int8_t factor = add_factor(b, kind, extent);
    b->rule->factor[factor].name[0] = label;
    return factor;
}

static void label_dims(RuleBuilder *b, const char *labels, const Shape *shape,
                       DimRule *dims)
{
    for (int d = 0; d < shape->rank; d++) {
        bool kept = strchr(b->node->attr.dot.result, labels[d]) != NULL;
        if (shape->extent[d] > 1)
            append_factor(&dims[d],
                          factor_labelled(b, labels[d],
                                          kept ? FACTOR_PARALLEL : FACTOR_SUM,
                                          shape->extent[d]));
    }
}

static void factors_dot(RuleBuilder *b)
{
    const DotAttr *dot = &b->node->attr.dot;
    label_dims(b, dot->left, operand_shape(b, 0), b->rule->operand[0]);
    label_dims(b, dot->right, operand_shape(b, 1), b->rule->operand[1]);
    label_dims(b, dot->result, result_shape(b), b->rule->result);
}

/* The loops of a convolution: x[n,c,h,w], f[o,c,kh,kw], y[n,o,oh,ow], where a
 * pixel (h,w) follows from (oh,ow) and (kh,kw). */
typedef struct ConvolutionDims {
    DimRule x[4], filter[4], y[4];
} ConvolutionDims;

static ConvolutionDims convolution_dims(RuleBuilder *b, const Shape *x,
                                        const Shape *filter, const Shape *y,
                                        const FactorKind kind_noc[3])
{
    DimRule n = new_dim(b, kind_noc[0], x->extent[0]);
    DimRule o = new_dim(b, kind_noc[1], y->extent[1]);
    DimRule c = new_dim(b, kind_noc[2], x->extent[1]);
    ConvolutionDims dims = {{n, c}, {o, c}, {n, o}};
    for (int d = 2; d < 4; d++) {
        dims.x[d] = derived_dim(b, FACTOR_WHOLE, x->extent[d]);
        dims.filter[d] = new_dim(b, FACTOR_WHOLE, filter->extent[d]);
        dims.y[d] = new_dim(b, FACTOR_WHOLE, y->extent[d]);
    }
    return dims;
}

static void copy_dims(DimRule *to, const DimRule from[4])
{
    memcpy(to, from, 4 * sizeof *from);
}

static void factors_conv2d(RuleBuilder *b)
{
    ConvolutionDims dims = convolution_dims(
        b, operand_shape(b, 0), operand_shape(b, 1), result_shape(b),
        (FactorKind[]){FACTOR_PARALLEL, FACTOR_PARALLEL, FACTOR_SUM});
    copy_dims(b->rule->operand[0], dims.x);
    copy_dims(b->rule->operand[1], dims.filter);
    copy_dims(b->rule->result, dims.y);
}

static void factors_conv2d_gradient_input(RuleBuilder *b)
{
    ConvolutionDims dims = convolution_dims(
        b, result_shape(b), operand_shape(b, 1), operand_shape(b, 0),
        (FactorKind[]){FACTOR_PARALLEL, FACTOR_SUM, FACTOR_PARALLEL});
    copy_dims(b->rule->operand[0], dims.y);
    copy_dims(b->rule->operand[1], dims.filter);
    copy_dims(b->rule->result, dims.x);
}

static void factors_conv2d_gradient_filter(RuleBuilder *b)
{
    ConvolutionDims dims = convolution_dims(
        b, operand_shape(b, 0), result_shape(b), operand_shape(b, 1),
        (FactorKind[]){FACTOR_SUM, FACTOR_PARALLEL, FACTOR_PARALLEL});
    copy_dims(b->rule->operand[0], dims.x);
    copy_dims(b->rule->operand[1], dims.y);
    copy_dims(b->rule->result, dims.filter);
}

/* image[N,C,H,W] and windows[N,C,OH,OW,KH,KW]. */
static void window_dims(RuleBuilder *b, const Shape *image, DimRule *pixels,
                        const Shape *windows, DimRule *positions)
{
    for (int d = 0; d < windows->rank; d++)
        positions[d] = new_dim(b, d < 2 ? FACTOR_PARALLEL : FACTOR_WHOLE,
                               windows->extent[d]);
    for (int d = 0; d < image->rank; d++)
        pixels[d] = d < 2 ? positions[d]
                          : derived_dim(b, FACTOR_WHOLE, image->extent[d]);
}

static void factors_unfold(RuleBuilder *b)
{
    window_dims(b, operand_shape(b, 0), b->rule->operand[0], result_shape(b),
                b->rule->result);
}

static void factors_fold(RuleBuilder *b)
{
    window_dims(b, result_shape(b), b->rule->result, operand_shape(b, 0),
                b->rule->operand[0]);
}

/* -- indexed --------------------------------------------------------------- */

/* table[v, rows...], index[n...], looked[n..., rows...]: the loops of a
 * look-up and of its transpose, the scattered addition. */
static void indexed_dims(RuleBuilder *b, const Shape *table, const Shape *index,
                         FactorKind positions, DimRule *table_dims,
                         DimRule *index_dims, DimRule *looked_dims)
{
    table_dims[0] = derived_dim(b, FACTOR_INDEXED, table->extent[0]);
    for (int d = 0; d < index->rank; d++)
        looked_dims[d] = index_dims[d] =
            new_dim(b, positions, index->extent[d]);
    for (int d = 1; d < table->rank; d++)
        looked_dims[index->rank + d - 1] = table_dims[d] =
            new_dim(b, FACTOR_PARALLEL, table->extent[d]);
}

static void factors_gather(RuleBuilder *b)
{
    indexed_dims(b, operand_shape(b, 0), operand_shape(b, 1), FACTOR_PARALLEL,
                 b->rule->operand[0], b->rule->operand[1], b->rule->result);
}

static void factors_scatter_add(RuleBuilder *b)
{
    indexed_dims(b, result_shape(b), operand_shape(b, 0), FACTOR_SUM,
                 b->rule->result, b->rule->operand[0], b->rule->operand[1]);
}

/* Scalars: no loops. */
static void factors_world_sum(RuleBuilder *b)
{
    (void)b;
}

/* -- the table ------------------------------------------------------------- */

/* The local form is what rules lead to; it has none. */
#define factors_shard_slice    NULL
#define factors_all_gather     NULL
#define factors_reduce_scatter NULL

static void (*const FACTORS[OP_COUNT])(RuleBuilder *) = {
#define OP(NAME, text, operands, attr, rule, gradient, work, linear, traits) \
    [OP_##NAME] = factors_##rule,
#include "ir/ops.def"
#undef OP
};

Rule rule_of(const Graph *graph, NodeId id)
{
    const Node *node = graph_node(graph, id);
    assert(!op_has(node->op, TRAIT_LOCAL));
    Rule rule = {0};
    rule.n_operands =
        op_has(node->op, TRAIT_WORLD) ? 0 : (int32_t)node->n_operands;
    FACTORS[node->op](&(RuleBuilder){graph, node, &rule});
    return rule;
}
