/* Contraction: labels become the three loops of a matrix product and the
 * batch loops around it.
 *
 * Labels of one class (batch; rows m of the left; columns n of the right;
 * contracted k) whose strides nest in every value that has them are one loop.
 * Of what is left, one m and one n with suitable strides are the product's;
 * further ones become batch loops that one operand does not move along.
 */
#include "passes/contraction.h"

#include <assert.h>
#include <string.h>

enum { LEFT, RIGHT, RESULT, SIDES };

typedef struct Loop {
    int64_t extent;
    int64_t stride[SIDES]; /* 0 where the value has no such dimension */
} Loop;

typedef struct Loops {
    Loop loop[2 * RANK_MAX];
    int32_t n;
} Loops;

View view_dense(const Shape *shape)
{
    View view = {.shape = *shape};
    int64_t stride = 1;
    for (int32_t d = shape->rank - 1; d >= 0; d--) {
        view.stride[d] = stride;
        stride *= shape->extent[d];
    }
    return view;
}

View view_permute(const View *view, const int32_t *dims)
{
    View permuted = {.shape.rank = view->shape.rank};
    for (int32_t d = 0; d < view->shape.rank; d++) {
        permuted.shape.extent[d] = view->shape.extent[dims[d]];
        permuted.stride[d] = view->stride[dims[d]];
    }
    return permuted;
}

static int32_t label_at(const char *labels, char label)
{
    const char *found = strchr(labels, label);
    return found ? (int32_t)(found - labels) : -1;
}

void label_order(const char *from, const char *to, int32_t *dims)
{
    for (int32_t i = 0; to[i]; i++)
        dims[i] = label_at(from, to[i]);
}

static bool nests(const Loop *outer, const Loop *inner)
{
    for (int side = 0; side < SIDES; side++)
        if (outer->stride[side] != inner->extent * inner->stride[side])
            return false;
    return true;
}

/* Appends a loop, or widens the last one. */
static void add_loop(Loops *loops, Loop loop)
{
    Loop *last = loops->n ? &loops->loop[loops->n - 1] : NULL;
    if (loop.extent == 1)
        return;
    if (last && nests(last, &loop)) {
        loop.extent *= last->extent;
        *last = loop;
    } else {
        loops->loop[loops->n++] = loop;
    }
}

typedef struct Classes {
    Loops batch, m, n, k;
} Classes;

/* The loops of the labels that `order` (the result's, then the left's) lists,
 * by class. */
static Classes classify(const DotAttr *dot, const View *left, const View *right,
                        const View *result)
{
    Classes classes = {0};
    const View *views[SIDES] = {left, right, result};
    const char *labels[SIDES] = {dot->left, dot->right, dot->result};
    char order[2 * RANK_MAX + 1] = {0};
    int32_t count = 0;
    for (const char *l = dot->result; *l; l++)
        order[count++] = *l;
    for (const char *l = dot->left; *l; l++)
        if (!strchr(dot->result, *l))
            order[count++] = *l;
    for (int32_t i = 0; i < count; i++) {
        Loop loop = {.extent = 1};
        bool has[SIDES] = {false};
        for (int side = 0; side < SIDES; side++) {
            int32_t at = label_at(labels[side], order[i]);
            has[side] = at >= 0;
            if (at < 0)
                continue;
            loop.extent = views[side]->shape.extent[at];
            loop.stride[side] = views[side]->stride[at];
        }
        add_loop(!has[RESULT]              ? &classes.k
                 : has[LEFT] && has[RIGHT] ? &classes.batch
                 : has[LEFT]               ? &classes.m
                                           : &classes.n,
                 loop);
    }
    return classes;
}

/* Takes the loop to be the product's row or column: a loop along which the
 * result, else the operand, is contiguous; else the longest. */
static Loop take_loop(Loops *loops, int operand)
{
    int32_t best = 0;
    for (int32_t i = 1; i < loops->n; i++) {
        const Loop *a = &loops->loop[i], *b = &loops->loop[best];
        bool a_result = a->stride[RESULT] == 1,
             b_result = b->stride[RESULT] == 1;
        bool a_operand = a->stride[operand] == 1,
             b_operand = b->stride[operand] == 1;
        if (a_result != b_result     ? a_result
            : a_operand != b_operand ? a_operand
                                     : a->extent > b->extent)
            best = i;
    }
    if (loops->n == 0)
        return (Loop){.extent = 1};
    Loop taken = loops->loop[best];
    memmove(&loops->loop[best], &loops->loop[best + 1],
            (size_t)(--loops->n - best) * sizeof(Loop));
    return taken;
}

static bool add_batches(DotCall *call, const Loops *loops)
{
    for (int32_t i = 0; i < loops->n; i++) {
        if (call->n_batch == DOT_BATCH_MAX)
            return false;
        int32_t b = call->n_batch++;
        call->batch[b] = loops->loop[i].extent;
        call->a_batch[b] = loops->loop[i].stride[LEFT];
        call->b_batch[b] = loops->loop[i].stride[RIGHT];
        call->c_batch[b] = loops->loop[i].stride[RESULT];
    }
    return true;
}

/* A matrix needs a unit stride; where a dimension has one step its stride is
 * free, and chosen so that the other one is a leading dimension. */
static bool unit_stride(int64_t *row, int64_t rows, int64_t *column,
                        int64_t columns)
{
    if (rows == 1 && columns == 1)
        *row = *column = 1;
    else if (columns == 1)
        *column = *row == 1 ? rows : 1;
    else if (rows == 1)
        *row = *column == 1 ? columns : 1;
    return *row == 1 || *column == 1;
}

bool dot_call(const DotAttr *dot, const View *left, const View *right,
              const Shape *result, DotCall *out)
{
    View dense = view_dense(result);
    Classes classes = classify(dot, left, right, &dense);
    Loop m = take_loop(&classes.m, LEFT), n = take_loop(&classes.n, RIGHT);
    Loop k = take_loop(&classes.k, LEFT);
    *out = (DotCall){
        .m = m.extent,
        .n = n.extent,
        .k = k.extent,
        .a_row = m.stride[LEFT],
        .a_column = k.stride[LEFT],
        .b_row = k.stride[RIGHT],
        .b_column = n.stride[RIGHT],
        .c_row = m.stride[RESULT],
        .c_column = n.stride[RESULT],
    };
    return classes.k.n == 0 && add_batches(out, &classes.batch) &&
           add_batches(out, &classes.m) && add_batches(out, &classes.n) &&
           unit_stride(&out->a_row, out->m, &out->a_column, out->k) &&
           unit_stride(&out->b_row, out->k, &out->b_column, out->n) &&
           unit_stride(&out->c_row, out->m, &out->c_column, out->n);
}

static void append_label(char *labels, char label)
{
    labels[strlen(labels)] = label;
}

DotAttr dot_canonical(const DotAttr *dot)
{
    DotAttr canonical = {{0}, {0}, {0}};
    for (int pass = 0; pass < 3; pass++)
        for (const char *l = dot->result; *l; l++) {
            bool left = strchr(dot->left, *l), right = strchr(dot->right, *l);
            bool in_pass = pass == 0   ? left && right
                           : pass == 1 ? left && !right
                                       : right && !left;
            if (!in_pass)
                continue;
            append_label(canonical.result, *l);
            if (left)
                append_label(canonical.left, *l);
            if (right && pass == 0)
                append_label(canonical.right, *l);
        }
    for (const char *l = dot->left; *l; l++)
        if (!strchr(dot->result, *l)) {
            append_label(canonical.left, *l);
            append_label(canonical.right, *l);
        }
    for (const char *l = dot->result; *l; l++)
        if (!strchr(dot->left, *l))
            append_label(canonical.right, *l);
    return canonical;
}

static void set_convolution(ConvolutionCall *call, const Shape *x,
                            const Shape *filter, const Shape *y)
{
    call->batch = x->extent[0];
    call->channels_in = x->extent[1];
    call->channels_out = filter->extent[0];
    for (int i = 0; i < 2; i++) {
        call->input[i] = x->extent[2 + i];
        call->output[i] = y->extent[2 + i];
        call->kernel[i] = filter->extent[2 + i];
    }
}

ConvolutionCall convolution_call(const Graph *graph, NodeId id)
{
    const Node *node = graph_node(graph, id);
    const Shape *a = &graph_operand(graph, node, 0)->type.shape;
    const Shape *b = &graph_operand(graph, node, 1)->type.shape;
    const Shape *r = &node->type.shape;
    ConvolutionCall call = {0};
    switch (node->op) {
    case OP_CONV2D:
        call.kind = CONVOLUTION_FORWARD;
        set_convolution(&call, a, b, r);
        break;
    case OP_CONV2D_GRADIENT_INPUT:
        call.kind = CONVOLUTION_GRADIENT_INPUT;
        set_convolution(&call, r, b, a);
        break;
    default:
        assert(node->op == OP_CONV2D_GRADIENT_FILTER);
        call.kind = CONVOLUTION_GRADIENT_FILTER;
        set_convolution(&call, a, r, b);
        break;
    }
    for (int i = 0; i < 2; i++) {
        call.stride[i] = node->attr.spatial.stride[i];
        call.padding[i] = node->attr.spatial.padding[i];
    }
    return call;
}
