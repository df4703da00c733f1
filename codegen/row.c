/* Rows: dear elements that a reduction computed, kept for those who come
 * after it.
 *
 * softmax is exp(x - max) / sum(exp(x - max)): the sum's loop evaluates the
 * exponentials of a row, the loop over the result needs them again.  Where
 * the term of a reduction over contiguous elements costs much and is used
 * elsewhere too, its loop stores the terms in a row on the stack, and
 * elements of that row are loaded from then on, as long as the scope lasts in
 * which the row was computed.
 */
#include "codegen/element.h"
#include "support/checked.h"

enum {
    ROW_ELEMENTS_MAX = 8192, /* of 4 bytes: fits the first-level cache */
    ROWS_MAX = 4,
    ROW_WORK_MIN_FLOPS = 16, /* dearer than a store and a load */
};

static int64_t work_of(const Emitter *e, const Node *node)
{
    int64_t work = op_info(node->op)->work_flops;
    for (int32_t i = 0; i < node->n_operands; i++)
        work += e->work[node->operands[i].index];
    return min_i64(work, INT32_MAX);
}

void rows_init(Emitter *e)
{
    const Graph *graph = e->body->graph;
    e->uses = arena_new(e->arena, int32_t, graph->nodes.count);
    e->work = arena_new(e->arena, int32_t, graph->nodes.count);
    e->folds = arena_new(e->arena, int32_t, graph->nodes.count);
    for (int64_t i = 0; i < e->body->nodes.count; i++) {
        NodeId id = e->body->nodes.data[i];
        const Node *node = graph_node(graph, id);
        bool reduces = op_has(node->op, TRAIT_REDUCE) || node->op == OP_ARGMAX;
        int32_t folds = 0;
        for (int32_t k = 0; k < node->n_operands; k++) {
            int32_t operand = node->operands[k].index;
            e->uses[operand]++;
            folds = folds > e->folds[operand] ? folds : e->folds[operand];
        }
        e->folds[id.index] = folds + reduces;
        /* a reduction or a repeated value is computed outside the loop */
        bool outside = reduces || node->op == OP_BROADCAST;
        e->work[id.index] = outside ? 0 : (int32_t)work_of(e, node);
    }
}

bool row_pays(const Emitter *e, NodeId term, int64_t extent, int64_t stride)
{
    return stride == 1 && extent <= ROW_ELEMENTS_MAX && e->n_rows < ROWS_MAX &&
           e->uses[term.index] > 1 && e->work[term.index] >= ROW_WORK_MIN_FLOPS;
}

static LLVMTypeRef row_type(const Emitter *e, NodeId node)
{
    const Build *b = &e->build;
    bool is_f32 = graph_node(e->body->graph, node)->type.dtype == DTYPE_F32;
    return is_f32 ? b->f32 : b->i32;
}

LLVMValueRef row_new(Emitter *e, NodeId term, int64_t extent)
{
    const Build *b = &e->build;
    LLVMBasicBlockRef entry = LLVMGetEntryBasicBlock(e->function);
    LLVMValueRef first = LLVMGetFirstInstruction(entry);
    LLVMPositionBuilder(b->builder, entry, first);
    LLVMValueRef row = LLVMBuildAlloca(
        b->builder, LLVMArrayType2(row_type(e, term), (uint64_t)extent), "row");
    LLVMSetAlignment(row, 64);
    e->n_rows++;
    return row;
}

static LLVMValueRef row_place(Emitter *e, NodeId node, LLVMValueRef row,
                              const Index *at, Scope *scope)
{
    LLVMValueRef offset = index_value(e, at);
    scope_enter(e, scope);
    return LLVMBuildInBoundsGEP2(e->build.builder, row_type(e, node), row,
                                 &offset, 1, "");
}

void row_store(Emitter *e, NodeId term, LLVMValueRef row, const Index *at,
               LLVMValueRef value)
{
    Scope *scope = index_scope(e, at);
    LLVMValueRef place = row_place(e, term, row, at, scope);
    LLVMBuildStore(e->build.builder, value, place);
}

void row_keep(Emitter *e, Scope *scope, NodeId term, LLVMValueRef storage,
              const Index *base, int64_t extent)
{
    *vector_push(e->arena, &scope->rows) =
        (Row){term.index, *base, extent, storage};
}

/* Whether `at` lies in the row; its place there. */
static bool row_holds(const Emitter *e, const Row *row, NodeId node,
                      const Index *at, Index *place)
{
    if (row->node != node.index)
        return false;
    int64_t low, high;
    *place = index_add(*at, index_scale(row->base, -1));
    index_bounds(e, place, &low, &high);
    return low >= 0 && high < row->extent;
}

bool row_find(Emitter *e, NodeId node, const Index *at, Element *out)
{
    for (const Scope *s = index_scope(e, at); s; s = s->parent) {
        for (int64_t i = 0; i < s->rows.count; i++) {
            Index place;
            const Row *row = &s->rows.data[i];
            if (!row_holds(e, row, node, at, &place))
                continue;
            Scope *scope = index_scope(e, at);
            LLVMValueRef address =
                row_place(e, node, row->storage, &place, scope);
            out->value = LLVMBuildLoad2(e->build.builder, row_type(e, node),
                                        address, "");
            out->scope = scope;
            return true;
        }
    }
    return false;
}
