/* Nest: the loops over a kernel's result on a CPU.
 *
 * Three shapes of nest, by what the kernel's root is:
 *   pointwise  each result element is computed and stored, in order
 *   columns    a sum or maximum over outer dimensions: rows of terms are
 *              added to rows of the result, so that loads stay contiguous
 *   scatter    each update is added to the row of the result it names
 * What an element is, element.c says; another target replaces this file.
 */
#include "codegen/element.h"

#include <assert.h>
#include <stddef.h>

/* -- the result ----------------------------------------------------------- */

typedef struct Nest {
    NodeId value;       /* what is stored or, when accumulating, added */
    LLVMValueRef first; /* accumulating: i1, the running fold starts anew */
    Op fold;            /* accumulating: OP_SUM or OP_REDUCE_MAX */
    DType dtype;
    int64_t count; /* elements of the result */
} Nest;

static LLVMTypeRef element_type(const Emitter *e, DType dtype)
{
    return dtype == DTYPE_F32 ? e->build.f32 : e->build.i32;
}

/* The address of a result element, in `scope`. */
static LLVMValueRef result_place(Emitter *e, const Nest *nest, Scope *scope,
                                 const Index *at)
{
    LLVMValueRef offset = index_value(e, at);
    scope_enter(e, scope);
    return LLVMBuildInBoundsGEP2(e->build.builder, element_type(e, nest->dtype),
                                 e->result, &offset, 1, "");
}

static LLVMValueRef load_result(const Emitter *e, const Nest *nest,
                                LLVMValueRef place)
{
    return LLVMBuildLoad2(e->build.builder, element_type(e, nest->dtype), place,
                          "");
}

/* How a nest adds terms to what the result holds. */
static Op folded_by(Op op)
{
    return op == OP_REDUCE_MAX ? op : OP_SUM;
}

static LLVMValueRef identity_of(const Emitter *e, const Nest *nest, Op op)
{
    return reduction_identity(e, folded_by(op), nest->dtype);
}

/* What a running sum or maximum holds before this kernel adds to it. */
static LLVMValueRef held_before(const Emitter *e, const Nest *nest,
                                LLVMValueRef place)
{
    return build_select(&e->build, nest->first,
                        identity_of(e, nest, nest->fold),
                        load_result(e, nest, place));
}

/* -- pointwise ------------------------------------------------------------- */

static void nest_pointwise(Emitter *e, const Nest *nest)
{
    const Build *b = &e->build;
    Range range = range_open(e, e->top, RANGE_ROOT, nest->count, 0, NULL);
    LLVMValueRef value = element(e, nest->value, range.index).value;
    LLVMValueRef place = result_place(e, nest, range.scope, &range.index);
    if (nest->first)
        value = nest->fold == OP_SUM
                    ? build_fadd(b, held_before(e, nest, place), value)
                    : reduction_combine(e, nest->fold, nest->dtype,
                                        held_before(e, nest, place), value);
    LLVMBuildStore(b->builder, value, place);
    range_close(e, &range, NULL);
}

/* -- columns --------------------------------------------------------------- */

enum {
    ROWS_AT_ONCE = 4, /* added up before the result is touched */
    COLUMN_TERMS_MIN = 10,
};

/* Every element of the result becomes the identity or, when accumulating,
 * keeps what it holds. */
static void start_result(Emitter *e, const Nest *nest, LLVMValueRef identity,
                         Scope *scope, Index base, int64_t extent, int32_t name)
{
    Range range = range_open(e, scope, name, extent, 0, NULL);
    Index at = index_add(base, range.index);
    LLVMValueRef place = result_place(e, nest, range.scope, &at);
    LLVMValueRef value = nest->first ? held_before(e, nest, place) : identity;
    LLVMBuildStore(e->build.builder, value, place);
    range_close(e, &range, NULL);
}

/* How many rows of the innermost reduced dimension are taken at once. */
static int64_t rows_at_once(const ReduceDims *d)
{
    int64_t rows = d->reduced_extent[d->n_reduced - 1];
    return rows % ROWS_AT_ONCE == 0 ? ROWS_AT_ONCE : 1;
}

/* result[base + column] += the terms of `rows` rows beginning at `at`. */
static void add_rows(Emitter *e, const Nest *nest, const Node *node,
                     const ReduceDims *d, Scope *scope, Index base, Index at)
{
    Op op = node->op;
    int64_t stride = d->reduced_stride[d->n_reduced - 1];
    int32_t last = d->n_kept - 1;
    Range column = range_open(e, scope, reduction_range(0, 0),
                              d->kept_extent[last], 0, NULL);
    Index from = index_add(at, column.index);
    Index to = index_add(base, column.index);
    LLVMValueRef sum = NULL;
    for (int64_t row = 0; row < rows_at_once(d); row++) {
        Element term = element(e, node->operands[0],
                               index_add(from, index_constant(row * stride)));
        scope_enter(e, column.scope);
        sum = sum ? reduction_combine(e, op, nest->dtype, sum, term.value)
                  : term.value;
    }
    LLVMValueRef place = result_place(e, nest, column.scope, &to);
    sum =
        reduction_combine(e, op, nest->dtype, load_result(e, nest, place), sum);
    LLVMBuildStore(e->build.builder, sum, place);
    range_close(e, &column, NULL);
}

/* The rows: one loop for each reduced dimension. */
static void reduce_rows(Emitter *e, const Nest *nest, const Node *node,
                        const ReduceDims *d, Scope *scope, Index base, Index at)
{
    Range range[RANK_MAX];
    for (int32_t i = 0; i < d->n_reduced; i++) {
        int64_t step = i + 1 < d->n_reduced ? 1 : rows_at_once(d);
        range[i] = range_open(e, scope, reduction_range(nest->value.index, i),
                              d->reduced_extent[i] / step, 0, NULL);
        at = index_add(
            at, index_scale(range[i].index, d->reduced_stride[i] * step));
        scope = range[i].scope;
    }
    add_rows(e, nest, node, d, scope, base, at);
    for (int32_t i = d->n_reduced; i-- > 0;)
        range_close(e, &range[i], NULL);
}

static void nest_columns(Emitter *e, const Nest *nest, const Node *node,
                         const ReduceDims *d)
{
    Range outer[RANK_MAX];
    Scope *scope = e->top;
    int32_t last = d->n_kept - 1;
    Index base = index_constant(0), at = index_constant(0);
    for (int32_t i = 0; i < last; i++) {
        outer[i] = range_open(e, scope, reduction_range(0, 1 + i),
                              d->kept_extent[i], 0, NULL);
        base = index_add(index_scale(base, d->kept_extent[i]), outer[i].index);
        at = index_add(at, index_scale(outer[i].index, d->kept_stride[i]));
        scope = outer[i].scope;
    }
    base = index_scale(base, d->kept_extent[last]);
    start_result(e, nest, identity_of(e, nest, node->op), scope, base,
                 d->kept_extent[last], reduction_range(0, 0));
    reduce_rows(e, nest, node, d, scope, base, at);
    for (int32_t i = last; i-- > 0;)
        range_close(e, &outer[i], NULL);
}

/* A sum or maximum whose innermost dimension is kept and that has enough
 * terms to be worth passing over the result. */
static bool is_columns(const Emitter *e, const Node *node, ReduceDims *d)
{
    if (node->op != OP_SUM && node->op != OP_REDUCE_MAX)
        return false;
    const Shape *from = &graph_operand(e->body->graph, node, 0)->type.shape;
    *d = reduce_dims(from, node->attr.reduce.dims);
    int64_t terms = shape_count(from) / shape_count(&node->type.shape);
    return d->n_kept > 0 && d->n_reduced > 0 &&
           d->kept_stride[d->n_kept - 1] == 1 && terms >= COLUMN_TERMS_MIN;
}

/* -- scatter --------------------------------------------------------------- */

/* Adds one row of updates; a row outside the table is dropped by adding
 * zeros to row 0. */
static void add_update_row(Emitter *e, const Nest *nest, const Node *node,
                           Scope *scope, Index update, int64_t row_length)
{
    const Build *b = &e->build;
    int64_t rows = node->attr.scatter.rows;
    Element index = element(e, node->operands[0], update);
    scope_enter(e, index.scope);
    LLVMValueRef wide = LLVMBuildSExt(b->builder, index.value, b->i64, "");
    LLVMValueRef known = build_icmp(b, LLVMIntULT, wide, build_i64(b, rows));
    LLVMValueRef safe = build_select(b, known, wide, build_i64(b, 0));
    Index row = index_computed(e, safe, index.scope, rows);
    Range column =
        range_open(e, scope, reduction_range(0, 1), row_length, 0, NULL);
    Index from = index_add(index_scale(update, row_length), column.index);
    Index to = index_add(index_scale(row, row_length), column.index);
    LLVMValueRef term = element(e, node->operands[1], from).value;
    LLVMValueRef place = result_place(e, nest, column.scope, &to);
    term = build_select(b, known, term, build_f32(b, 0));
    term = build_fadd(b, load_result(e, nest, place), term);
    LLVMBuildStore(b->builder, term, place);
    range_close(e, &column, NULL);
}

static void nest_scatter(Emitter *e, const Nest *nest, const Node *node)
{
    const Node *indices = graph_operand(e->body->graph, node, 0);
    int64_t row_length = nest->count / node->attr.scatter.rows;
    start_result(e, nest, identity_of(e, nest, OP_SUM), e->top,
                 index_constant(0), nest->count, reduction_range(0, 0));
    Range update = range_open(e, e->top, RANGE_ROOT,
                              shape_count(&indices->type.shape), 0, NULL);
    add_update_row(e, nest, node, update.scope, update.index, row_length);
    range_close(e, &update, NULL);
}

/* -------------------------------------------------------------------------- */

static LLVMValueRef is_first_microbatch(Emitter *e)
{
    int64_t field = (int64_t)offsetof(KernelContext, coordinate) +
                    AXIS_MICROBATCH * (int64_t)sizeof(int64_t);
    LLVMValueRef microbatch = context_field(e, field);
    return build_icmp(&e->build, LLVMIntEQ, microbatch,
                      build_i64(&e->build, 0));
}

void kernel_nest(Emitter *e)
{
    const Graph *graph = e->body->graph;
    const Node *root = graph_node(graph, e->body->root);
    Nest nest = {.value = e->body->root,
                 .dtype = root->type.dtype,
                 .count = shape_count(&root->type.shape)};
    if (e->body->accumulates) {
        assert(root->op == OP_ACCUMULATE &&
               root->attr.collective.operator!= REDUCE_MIN);
        nest.value = root->operands[0];
        nest.first = is_first_microbatch(e);
        nest.fold = root->attr.collective.operator== REDUCE_SUM ? OP_SUM
                                                                : OP_REDUCE_MAX;
    }
    const Node *node = graph_node(graph, nest.value);
    bool computed = e->operand_of[nest.value.index] == 0;
    ReduceDims dims;
    bool folds = !nest.first || nest.fold == folded_by(node->op);
    if (computed && folds && is_columns(e, node, &dims))
        nest_columns(e, &nest, node, &dims);
    else if (computed && folds && node->op == OP_SCATTER_ADD)
        nest_scatter(e, &nest, node);
    else
        nest_pointwise(e, &nest);
}
