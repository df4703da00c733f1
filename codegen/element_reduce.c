/* Reduce elements: one element of a sum, maximum, argmax, fold or scatter.
 *
 * A reduction runs in the scope of its own index, so one that several
 * elements of an inner loop share is computed before that loop.
 */
#include "codegen/element.h"
#include "support/checked.h"

#include <assert.h>
#include <math.h>

/* One term of a reduction at `points`, an index a dimension reduced. */
typedef Element TermFunction(Emitter *e, const void *state,
                             const Index *points);

typedef struct Reduction {
    Op op; /* OP_SUM, OP_REDUCE_MAX, OP_ARGMAX */
    DType dtype;
    int32_t node; /* names the ranges */
    int32_t n;    /* dimensions reduced */
    int64_t extents[RANK_MAX];
    TermFunction *term;
    const void *state;
} Reduction;

enum {
    UNROLLED_TERMS_MAX = 9,
    /* longer ranges are summed in blocks of about this many terms, which
     * bounds the rounding error of f32 sums */
    SUM_BLOCK_TERMS = 4096,
};

int32_t reduction_range(int32_t node, int32_t i)
{
    return node * RANK_MAX + i + 1;
}

LLVMValueRef reduction_identity(const Emitter *e, Op op, DType dtype)
{
    const Build *b = &e->build;
    if (op == OP_SUM)
        return dtype == DTYPE_F32 ? build_f32(b, 0) : build_i32(b, 0);
    return dtype == DTYPE_F32 ? build_f32(b, -HUGE_VAL)
                              : build_i32(b, INT32_MIN);
}

LLVMValueRef reduction_combine(const Emitter *e, Op op, DType dtype,
                               LLVMValueRef sum, LLVMValueRef term)
{
    const Build *b = &e->build;
    if (op == OP_SUM)
        return dtype == DTYPE_F32 ? build_reassociable_add(b, sum, term)
                                  : LLVMBuildAdd(b->builder, sum, term, "");
    return dtype == DTYPE_F32 ? build_maximum(b, sum, term)
                              : build_intrinsic2(b, "llvm.smax", sum, term);
}

/* -- one more term -------------------------------------------------------- */

/* The state of a running reduction: the value, and for argmax where it was. */
typedef struct Running {
    LLVMValueRef value[CARRIED_MAX];
} Running;

static int32_t n_carried(const Reduction *r)
{
    return r->op == OP_ARGMAX ? 2 : 1;
}

static Running reduction_start(const Emitter *e, const Reduction *r)
{
    return (Running){
        {reduction_identity(e, r->op, r->dtype), build_i32(&e->build, 0)}};
}

/* Adds the term at `points` to `sum`, in `scope`. */
static Running add_term(Emitter *e, Scope *scope, const Reduction *r,
                        Running sum, const Index *points)
{
    const Build *b = &e->build;
    Element term = r->term(e, r->state, points);
    if (r->op != OP_ARGMAX) {
        scope_enter(e, scope);
        sum.value[0] =
            reduction_combine(e, r->op, r->dtype, sum.value[0], term.value);
        return sum;
    }
    LLVMValueRef place = index_value(e, &points[0]);
    scope_enter(e, scope);
    LLVMValueRef above =
        r->dtype == DTYPE_F32
            ? build_fcmp(b, LLVMRealOGT, term.value, sum.value[0])
            : build_icmp(b, LLVMIntSGT, term.value, sum.value[0]);
    place = LLVMBuildTrunc(b->builder, place, b->i32, "");
    sum.value[0] = build_select(b, above, term.value, sum.value[0]);
    sum.value[1] = build_select(b, above, place, sum.value[1]);
    return sum;
}

/* -- loops over the terms ------------------------------------------------- */

static int64_t n_terms(const Reduction *r)
{
    int64_t n = 1;
    for (int32_t i = 0; i < r->n; i++)
        n *= r->extents[i];
    return n;
}

static Running reduce_unrolled(Emitter *e, Scope *scope, const Reduction *r)
{
    Running sum = reduction_start(e, r);
    for (int64_t k = 0; k < n_terms(r); k++) {
        Index points[RANK_MAX];
        int64_t rest = k;
        for (int32_t i = r->n; i-- > 0;) {
            points[i] = index_constant(rest % r->extents[i]);
            rest /= r->extents[i];
        }
        sum = add_term(e, scope, r, sum, points);
    }
    return sum;
}

/* Splits a long range that nothing else has split: shapes come first. */
static void ask_sum_blocks(Emitter *e, int32_t range, int64_t extent)
{
    if (extent <= 2 * SUM_BLOCK_TERMS || range_is_split(e, range))
        return;
    for (int64_t unit = SUM_BLOCK_TERMS; unit >= SUM_BLOCK_TERMS / 8; unit--)
        if (extent % unit == 0) {
            range_ask_split(e, range, extent, unit);
            return;
        }
}

static Running reduce_in_loops(Emitter *e, Scope *scope, const Reduction *r)
{
    Range range[RANK_MAX];
    Index points[RANK_MAX];
    Running sum = reduction_start(e, r);
    for (int32_t i = 0; i < r->n; i++) {
        range[i] = range_open(e, scope, reduction_range(r->node, i),
                              r->extents[i], n_carried(r), sum.value);
        scope = range[i].scope;
        points[i] = range[i].index;
        for (int32_t k = 0; k < n_carried(r); k++)
            sum.value[k] = range[i].carried[k];
    }
    sum = add_term(e, scope, r, sum, points);
    for (int32_t i = r->n; i-- > 0;) {
        range_close(e, &range[i], sum.value);
        ask_sum_blocks(e, reduction_range(r->node, i), r->extents[i]);
    }
    return sum;
}

/* Runs the reduction in `scope`. */
static Element reduction_emit(Emitter *e, Scope *scope, const Reduction *r)
{
    Running sum = n_terms(r) <= UNROLLED_TERMS_MAX
                      ? reduce_unrolled(e, scope, r)
                      : reduce_in_loops(e, scope, r);
    return (Element){sum.value[r->op == OP_ARGMAX ? 1 : 0], scope};
}

/* -- sums and maxima over dimensions -------------------------------------- */

static void dims_add(int32_t *n, int64_t *extents, int64_t *strides,
                     bool follows, int64_t extent, int64_t stride)
{
    if (follows) {
        extents[*n - 1] *= extent;
        strides[*n - 1] = stride;
    } else {
        extents[*n] = extent;
        strides[(*n)++] = stride;
    }
}

ReduceDims reduce_dims(const Shape *operand, uint32_t reduced)
{
    ReduceDims d = {0};
    int64_t strides[RANK_MAX];
    int last = -1; /* the kind of the dimension before: 1 reduced, 0 kept */
    shape_strides(operand, strides);
    for (int32_t i = 0; i < operand->rank; i++) {
        int kind = reduced >> i & 1;
        if (operand->extent[i] == 1)
            continue;
        if (kind)
            dims_add(&d.n_reduced, d.reduced_extent, d.reduced_stride,
                     last == 1, operand->extent[i], strides[i]);
        else
            dims_add(&d.n_kept, d.kept_extent, d.kept_stride, last == 0,
                     operand->extent[i], strides[i]);
        last = kind;
    }
    return d;
}

typedef struct ReduceState {
    NodeId operand;
    Index base; /* of the kept dimensions */
    ReduceDims dims;
    LLVMValueRef row; /* where terms are kept; NULL: nowhere */
} ReduceState;

static Element reduce_term(Emitter *e, const void *state, const Index *points)
{
    const ReduceState *s = state;
    Index at = s->base;
    for (int32_t i = 0; i < s->dims.n_reduced; i++)
        at = index_add(at, index_scale(points[i], s->dims.reduced_stride[i]));
    Element term = element(e, s->operand, at);
    if (s->row)
        row_store(e, s->operand, s->row, &points[0], term.value);
    return term;
}

Element element_reduce(Emitter *e, NodeId id, Index at)
{
    const Node *node = graph_node(e->body->graph, id);
    const Type *type = &graph_operand(e->body->graph, node, 0)->type;
    ReduceState state = {
        .operand = node->operands[0],
        .dims = reduce_dims(&type->shape, node->attr.reduce.dims),
    };
    state.base = view_offset(e, at, state.dims.n_kept, state.dims.kept_extent,
                             state.dims.kept_stride);
    Reduction r = {.op = node->op,
                   .dtype = type->dtype,
                   .node = id.index,
                   .n = state.dims.n_reduced,
                   .term = reduce_term,
                   .state = &state};
    for (int32_t i = 0; i < r.n; i++)
        r.extents[i] = state.dims.reduced_extent[i];
    if (r.op == OP_ARGMAX && r.n == 0)
        return (Element){build_i32(&e->build, 0), e->top};
    Scope *scope = index_scope(e, &state.base);
    if (r.n == 1 && n_terms(&r) > UNROLLED_TERMS_MAX &&
        row_pays(e, state.operand, r.extents[0], state.dims.reduced_stride[0]))
        state.row = row_new(e, state.operand, r.extents[0]);
    Element sum = reduction_emit(e, scope, &r);
    if (state.row)
        row_keep(e, scope, state.operand, state.row, &state.base, r.extents[0]);
    return sum;
}

/* -- fold ------------------------------------------------------------------ */

typedef struct FoldState {
    NodeId operand;
    const SpatialAttr *spatial;
    const int64_t *from; /* [N,C,OH,OW,KH,KW] */
    Index plane;         /* n * C + c */
    Index window[2];     /* last window that reaches here */
    Index phase[2];      /* place in that window, < stride */
} FoldState;

static Element zero_unless(Emitter *e, Element test, Element x)
{
    if (!test.value)
        return x;
    Scope *scope = scope_inner(test.scope, x.scope);
    scope_enter(e, scope);
    return (Element){
        build_select(&e->build, test.value, x.value, build_f32(&e->build, 0)),
        scope};
}

/* The j-th last window over a place: window - j at phase + j * stride. */
static Element fold_term(Emitter *e, const void *state, const Index *points)
{
    const FoldState *s = state;
    Index output[2], kernel[2];
    Element tests[4];
    for (int32_t i = 0; i < 2; i++) {
        Index place = index_add(s->phase[i],
                                index_scale(points[i], s->spatial->stride[i]));
        Index window = index_add(s->window[i], index_scale(points[i], -1));
        tests[2 * i] =
            index_in_range(e, place, s->spatial->kernel[i], &kernel[i]);
        tests[2 * i + 1] =
            index_in_range(e, window, s->from[2 + i], &output[i]);
    }
    Index at = s->plane;
    at = index_add(index_scale(at, s->from[2]), output[0]);
    at = index_add(index_scale(at, s->from[3]), output[1]);
    at = index_add(index_scale(at, s->from[4]), kernel[0]);
    at = index_add(index_scale(at, s->from[5]), kernel[1]);
    Element x = element(e, s->operand, at);
    for (int32_t i = 0; i < 4; i++)
        x = zero_unless(e, tests[i], x);
    return x;
}

Element element_fold(Emitter *e, NodeId id, Index at)
{
    const Node *node = graph_node(e->body->graph, id);
    const SpatialAttr *s = &node->attr.spatial;
    const int64_t *to = node->type.shape.extent;
    FoldState state = {
        .operand = node->operands[0],
        .spatial = s,
        .from = graph_operand(e->body->graph, node, 0)->type.shape.extent,
    };
    int64_t extents[] = {to[0] * to[1], to[2], to[3]};
    Index component[3];
    index_split(e, at, 3, extents, component);
    state.plane = component[0];
    Reduction r = {.op = OP_SUM,
                   .dtype = DTYPE_F32,
                   .node = id.index,
                   .n = 2,
                   .term = fold_term,
                   .state = &state};
    for (int32_t i = 0; i < 2; i++) {
        Index place =
            index_add(component[1 + i], index_constant(s->padding[i]));
        index_divide(e, place, s->stride[i], &state.window[i], &state.phase[i]);
        r.extents[i] = ceil_div_i64(s->kernel[i], s->stride[i]);
    }
    return reduction_emit(e, index_scope(e, &at), &r);
}

/* -- scatter_add ----------------------------------------------------------- */

/* As an element it is the sum of the updates whose index names its row.  (As
 * a kernel's result it is a nest of its own, see nest.c.) */
typedef struct ScatterState {
    NodeId indices, updates;
    Index row, column;
    int64_t row_length;
} ScatterState;

static Element scatter_term(Emitter *e, const void *state, const Index *points)
{
    const ScatterState *s = state;
    const Build *b = &e->build;
    Element index = element(e, s->indices, points[0]);
    Element update =
        element(e, s->updates,
                index_add(index_scale(points[0], s->row_length), s->column));
    LLVMValueRef row = index_value(e, &s->row);
    Scope *scope = scope_inner(index.scope, index_scope(e, &s->row));
    scope_enter(e, scope);
    LLVMValueRef wide = LLVMBuildSExt(b->builder, index.value, b->i64, "");
    Element here = {build_icmp(b, LLVMIntEQ, wide, row), scope};
    return zero_unless(e, here, update);
}

Element element_scatter_add(Emitter *e, NodeId id, Index at)
{
    const Graph *graph = e->body->graph;
    const Node *node = graph_node(graph, id);
    int64_t rows = node->attr.scatter.rows;
    ScatterState state = {
        .indices = node->operands[0],
        .updates = node->operands[1],
        .row_length = shape_count(&node->type.shape) / rows,
    };
    index_divide(e, at, state.row_length, &state.row, &state.column);
    const Node *indices = graph_operand(graph, node, 0);
    Reduction r = {.op = OP_SUM,
                   .dtype = DTYPE_F32,
                   .node = id.index,
                   .n = 1,
                   .extents = {shape_count(&indices->type.shape)},
                   .term = scatter_term,
                   .state = &state};
    return reduction_emit(e, index_scope(e, &at), &r);
}
