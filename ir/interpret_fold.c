/* Sums and maxima: ops that fold many elements into one.  f32 sums are
 * carried in double and rounded once; i32 sums wrap. */
#include "ir/interpret_op.h"

#include <math.h>
#include <string.h>

/* Row-major strides of `shape`, in elements. */
static void strides_of(const Shape *shape, int64_t *stride)
{
    int64_t step = 1;
    for (int32_t d = shape->rank - 1; d >= 0; d--) {
        stride[d] = step;
        step *= shape->extent[d];
    }
}

static int64_t offset_by(int32_t rank, const int64_t *stride,
                         const int64_t *index)
{
    int64_t offset = 0;
    for (int32_t d = 0; d < rank; d++)
        offset += stride[d] * index[d];
    return offset;
}

/* -- reductions ------------------------------------------------------------ */

/* The folded dimensions of an operand as a shape with the operand's strides,
 * and the kept ones. */
typedef struct Folding {
    Shape folded, kept;
    int64_t folded_stride[RANK_MAX], kept_stride[RANK_MAX];
} Folding;

static Folding folding_of(const Evaluation *e)
{
    Folding f = {0};
    const Shape *x = &e->operands[0].type.shape;
    int64_t stride[RANK_MAX];
    strides_of(x, stride);
    for (int32_t d = 0; d < x->rank; d++) {
        bool folds = e->node->attr.reduce.dims & (1u << d);
        Shape *to = folds ? &f.folded : &f.kept;
        int64_t *to_stride = folds ? f.folded_stride : f.kept_stride;
        to_stride[to->rank] = stride[d];
        to->extent[to->rank++] = x->extent[d];
    }
    return f;
}

static double reduced_f32(Op op, const float *x, const Folding *f)
{
    double result = op == OP_SUM ? 0 : -HUGE_VAL;
    int64_t at[RANK_MAX] = {0};
    do {
        double v = (double)x[offset_by(f->folded.rank, f->folded_stride, at)];
        if (op == OP_SUM)
            result += v;
        else if (v > result || isnan(v))
            result = v; /* a NaN stays: nothing is greater */
    } while (index_next(&f->folded, at));
    return result;
}

static int32_t reduced_i32(Op op, const int32_t *x, const Folding *f)
{
    uint32_t sum = 0;
    int32_t most = INT32_MIN;
    int64_t at[RANK_MAX] = {0};
    do {
        int32_t v = x[offset_by(f->folded.rank, f->folded_stride, at)];
        sum += (uint32_t)v;
        most = v > most ? v : most;
    } while (index_next(&f->folded, at));
    return op == OP_SUM ? (int32_t)sum : most;
}

void evaluate_reduce(const Evaluation *e)
{
    Folding f = folding_of(e);
    Op op = e->node->op;
    Tensor x = e->operands[0], y = e->result;
    int64_t at[RANK_MAX] = {0}, i = 0;
    do {
        int64_t start = offset_by(f.kept.rank, f.kept_stride, at);
        if (y.type.dtype == DTYPE_I32)
            tensor_i32(y)[i] = reduced_i32(op, tensor_i32(x) + start, &f);
        else
            tensor_f32(y)[i] =
                (float)reduced_f32(op, tensor_f32(x) + start, &f);
        i++;
    } while (index_next(&f.kept, at));
}

static bool greater(Tensor t, int64_t a, int64_t b)
{
    return t.type.dtype == DTYPE_I32 ? tensor_i32(t)[a] > tensor_i32(t)[b]
                                     : tensor_f32(t)[a] > tensor_f32(t)[b];
}

/* The lowest index among equals; one after a NaN is never greater. */
void evaluate_argmax(const Evaluation *e)
{
    Folding f = folding_of(e);
    int64_t at[RANK_MAX] = {0}, i = 0;
    do {
        int64_t start = offset_by(f.kept.rank, f.kept_stride, at), best = 0;
        for (int64_t k = 1; k < f.folded.extent[0]; k++) {
            if (greater(e->operands[0], start + k * f.folded_stride[0],
                        start + best * f.folded_stride[0]))
                best = k;
        }
        tensor_i32(e->result)[i++] = (int32_t)best;
    } while (index_next(&f.kept, at));
}

void evaluate_world_sum(const Evaluation *e)
{
    double sum = 0;
    for (int32_t i = 0; i < e->node->n_operands; i++)
        sum += (double)tensor_f32(e->operands[i])[0];
    tensor_f32(e->result)[0] = (float)sum;
}

/* -- dot ------------------------------------------------------------------- */

/* A loop nest over labels, with each operand's stride for each. */
typedef struct Loops {
    Shape shape;
    int64_t left[RANK_MAX], right[RANK_MAX];
} Loops;

static int64_t label_stride(const char *labels, const int64_t *stride,
                            char label)
{
    const char *found = strchr(labels, label);
    return found ? stride[found - labels] : 0;
}

static void loops_add(Loops *loops, const DotAttr *dot, char label,
                      int64_t extent, const int64_t *left, const int64_t *right)
{
    int32_t d = loops->shape.rank++;
    loops->shape.extent[d] = extent;
    loops->left[d] = label_stride(dot->left, left, label);
    loops->right[d] = label_stride(dot->right, right, label);
}

static double inner_product(const Loops *k, const float *x, const float *y)
{
    double sum = 0;
    int64_t at[RANK_MAX] = {0};
    do {
        double left = (double)x[offset_by(k->shape.rank, k->left, at)];
        sum += left * (double)y[offset_by(k->shape.rank, k->right, at)];
    } while (index_next(&k->shape, at));
    return sum;
}

void evaluate_dot(const Evaluation *e)
{
    const DotAttr *dot = &e->node->attr.dot;
    const Shape *left = &e->operands[0].type.shape;
    const Shape *result = &e->result.type.shape;
    int64_t left_stride[RANK_MAX], right_stride[RANK_MAX];
    strides_of(left, left_stride);
    strides_of(&e->operands[1].type.shape, right_stride);
    Loops outer = {0}, inner = {0};
    for (int32_t d = 0; d < result->rank; d++)
        loops_add(&outer, dot, dot->result[d], result->extent[d], left_stride,
                  right_stride);
    for (int32_t d = 0; d < left->rank; d++) {
        if (!strchr(dot->result, dot->left[d]))
            loops_add(&inner, dot, dot->left[d], left->extent[d], left_stride,
                      right_stride);
    }
    int64_t at[RANK_MAX] = {0}, i = 0;
    do {
        const float *x = tensor_f32(e->operands[0]) +
                         offset_by(result->rank, outer.left, at);
        const float *y = tensor_f32(e->operands[1]) +
                         offset_by(result->rank, outer.right, at);
        tensor_f32(e->result)[i++] = (float)inner_product(&inner, x, y);
    } while (index_next(result, at));
}

/* -- convolutions ---------------------------------------------------------- */

/* One point of a convolution's loop nest and the elements it touches. */
typedef struct Point {
    int64_t x, w, y; /* offsets; x is -1 in the padding */
} Point;

typedef struct Convolution {
    const SpatialAttr *spatial;
    Shape loops; /* N, O, C, OH, OW, KH, KW */
    Shape x, w, y;
} Convolution;

static Convolution convolution_of(const Evaluation *e, const Shape *x,
                                  const Shape *w, const Shape *y)
{
    return (Convolution){
        .spatial = &e->node->attr.spatial,
        .loops = {7,
                  {x->extent[0], w->extent[0], w->extent[1], y->extent[2],
                   y->extent[3], w->extent[2], w->extent[3]}},
        .x = *x,
        .w = *w,
        .y = *y};
}

static Point point_at(const Convolution *c, const int64_t *at)
{
    const SpatialAttr *s = c->spatial;
    int64_t n = at[0], o = at[1], ci = at[2];
    int64_t h = at[3] * s->stride[0] - s->padding[0] + at[5];
    int64_t w = at[4] * s->stride[1] - s->padding[1] + at[6];
    bool inside = h >= 0 && h < c->x.extent[2] && w >= 0 && w < c->x.extent[3];
    return (Point){.x = inside ? index_offset(&c->x, (int64_t[]){n, ci, h, w})
                               : -1,
                   .w = index_offset(&c->w, (int64_t[]){o, ci, at[5], at[6]}),
                   .y = index_offset(&c->y, (int64_t[]){n, o, at[3], at[4]})};
}

/* Adds up `a` times `b` into the result, each at its part of every point. */
static void convolve(const Evaluation *e, const Convolution *c,
                     int64_t (*place)(Point), int64_t (*a)(Point),
                     int64_t (*b)(Point))
{
    Arena scratch = e->scratch;
    int64_t n = shape_count(&e->result.type.shape);
    double *sums = arena_new(&scratch, double, n);
    int64_t at[RANK_MAX] = {0};
    do {
        Point p = point_at(c, at);
        if (p.x >= 0)
            sums[place(p)] += (double)tensor_f32(e->operands[0])[a(p)] *
                              (double)tensor_f32(e->operands[1])[b(p)];
    } while (index_next(&c->loops, at));
    for (int64_t i = 0; i < n; i++)
        tensor_f32(e->result)[i] = (float)sums[i];
}

static int64_t x_of(Point p)
{
    return p.x;
}
static int64_t w_of(Point p)
{
    return p.w;
}
static int64_t y_of(Point p)
{
    return p.y;
}

void evaluate_conv2d(const Evaluation *e)
{
    Convolution c =
        convolution_of(e, &e->operands[0].type.shape,
                       &e->operands[1].type.shape, &e->result.type.shape);
    convolve(e, &c, y_of, x_of, w_of);
}

void evaluate_conv2d_gradient_input(const Evaluation *e)
{
    Convolution c =
        convolution_of(e, &e->result.type.shape, &e->operands[1].type.shape,
                       &e->operands[0].type.shape);
    convolve(e, &c, x_of, y_of, w_of);
}

void evaluate_conv2d_gradient_filter(const Evaluation *e)
{
    Convolution c =
        convolution_of(e, &e->operands[0].type.shape, &e->result.type.shape,
                       &e->operands[1].type.shape);
    convolve(e, &c, w_of, x_of, y_of);
}

/* -- adding up at computed places ------------------------------------------ */

/* [N,C,OH,OW,KH,KW] -> [N,C,H,W]: what unfold read from the padding is
 * dropped, overlapping windows add up. */
void evaluate_fold(const Evaluation *e)
{
    const SpatialAttr *s = &e->node->attr.spatial;
    const Shape *x = &e->operands[0].type.shape;
    const Shape *y = &e->result.type.shape;
    Arena scratch = e->scratch;
    int64_t n = shape_count(y), i = 0;
    double *sums = arena_new(&scratch, double, n);
    int64_t at[RANK_MAX] = {0};
    do {
        int64_t h = at[2] * s->stride[0] - s->padding[0] + at[4];
        int64_t w = at[3] * s->stride[1] - s->padding[1] + at[5];
        int64_t to[RANK_MAX] = {at[0], at[1], h, w};
        if (h >= 0 && h < y->extent[2] && w >= 0 && w < y->extent[3])
            sums[index_offset(y, to)] += (double)tensor_f32(e->operands[0])[i];
        i++;
    } while (index_next(x, at));
    for (int64_t k = 0; k < n; k++)
        tensor_f32(e->result)[k] = (float)sums[k];
}

/* An index outside drops its update. */
void evaluate_scatter_add(const Evaluation *e)
{
    Tensor index = e->operands[0], updates = e->operands[1];
    Arena scratch = e->scratch;
    int64_t rows = e->result.type.shape.extent[0];
    int64_t n = shape_count(&e->result.type.shape), row_length = n / rows;
    double *sums = arena_new(&scratch, double, n);
    for (int64_t i = 0; i < shape_count(&index.type.shape); i++) {
        int64_t row = tensor_i32(index)[i];
        for (int64_t k = 0; k < row_length && row >= 0 && row < rows; k++)
            sums[row * row_length + k] +=
                (double)tensor_f32(updates)[i * row_length + k];
    }
    for (int64_t k = 0; k < n; k++)
        tensor_f32(e->result)[k] = (float)sums[k];
}
