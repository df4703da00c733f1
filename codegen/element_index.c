/* Index elements: ops whose element is an operand's element at another index,
 * or a constant. */
#include "codegen/element.h"
#include "support/checked.h"

#include <assert.h>
#include <stddef.h>

void shape_strides(const Shape *shape, int64_t *strides)
{
    int64_t stride = 1;
    for (int32_t i = shape->rank; i-- > 0;) {
        strides[i] = stride;
        stride *= shape->extent[i];
    }
}

Index view_offset(Emitter *e, Index at, int32_t rank, const int64_t *extents,
                  const int64_t *strides)
{
    /* neighbours that are contiguous in the viewed array are one dimension */
    int64_t extent[RANK_MAX] = {0}, stride[RANK_MAX] = {0};
    int32_t n = 0;
    for (int32_t i = 0; i < rank; i++) {
        if (extents[i] == 1)
            continue;
        if (n > 0 && stride[n - 1] == strides[i] * extents[i]) {
            extent[n - 1] *= extents[i];
            stride[n - 1] = strides[i];
        } else {
            extent[n] = extents[i];
            stride[n++] = strides[i];
        }
    }
    Index component[RANK_MAX];
    index_split(e, at, n, extent, component);
    Index offset = index_constant(0);
    for (int32_t i = 0; i < n; i++)
        offset = index_add(offset, index_scale(component[i], stride[i]));
    return offset;
}

/* The value where the test holds, a fill elsewhere. */
static Element where(Emitter *e, Element test, Element x, LLVMValueRef fill)
{
    if (!test.value)
        return x;
    Scope *scope = scope_inner(test.scope, x.scope);
    scope_enter(e, scope);
    return (Element){build_select(&e->build, test.value, x.value, fill), scope};
}

static Element both(Emitter *e, Element a, Element b)
{
    if (!a.value)
        return b;
    if (!b.value)
        return a;
    Scope *scope = scope_inner(a.scope, b.scope);
    scope_enter(e, scope);
    return (Element){LLVMBuildAnd(e->build.builder, a.value, b.value, ""),
                     scope};
}

static LLVMValueRef zero_of(const Emitter *e, DType dtype)
{
    return dtype == DTYPE_F32 ? build_f32(&e->build, 0)
                              : build_i32(&e->build, 0);
}

/* An extent before, of and after dimension `dim`. */
static void around(const Shape *shape, int32_t dim, int64_t extents[3])
{
    extents[0] = extents[2] = 1;
    for (int32_t i = 0; i < shape->rank; i++)
        extents[i < dim ? 0 : 2] *= i == dim ? 1 : shape->extent[i];
    extents[1] = shape->extent[dim];
}

Element element_iota(Emitter *e, const Node *node, Index at)
{
    int64_t extents[3];
    Index component[3];
    around(&node->type.shape, node->attr.iota.dim, extents);
    index_split(e, at, 3, extents, component);
    LLVMValueRef value = index_value(e, &component[1]);
    Scope *scope = index_scope(e, &component[1]);
    scope_enter(e, scope);
    return (Element){LLVMBuildTrunc(e->build.builder, value, e->build.i32, ""),
                     scope};
}

/* Broadcast, transpose and slice are strided views of their operand. */
Element element_view(Emitter *e, const Node *node, Index at)
{
    const Shape *to = &node->type.shape;
    const Shape *from = &graph_operand(e->body->graph, node, 0)->type.shape;
    int64_t from_stride[RANK_MAX], stride[RANK_MAX] = {0}, low = 0;
    shape_strides(from, from_stride);
    for (int32_t i = 0; i < from->rank; i++) {
        if (node->op == OP_BROADCAST) {
            stride[node->attr.broadcast.dims[i]] = from_stride[i];
        } else if (node->op == OP_TRANSPOSE) {
            stride[i] = from_stride[node->attr.permute.dims[i]];
        } else {
            stride[i] = from_stride[i];
            low += node->attr.window.low[i] * from_stride[i];
        }
    }
    Index offset = view_offset(e, at, to->rank, to->extent, stride);
    return element(e, node->operands[0],
                   index_add(offset, index_constant(low)));
}

/* A padded dimension and the unpadded ones inside it. */
typedef struct Padding {
    int64_t extent, from_extent, low, from_stride;
} Padding;

static int32_t paddings_of(const Shape *to, const Shape *from,
                           const WindowAttr *window, Padding *out)
{
    int64_t strides[RANK_MAX];
    int32_t n = 0;
    shape_strides(from, strides);
    for (int32_t i = 0; i < to->rank; i++) {
        bool padded = to->extent[i] != from->extent[i];
        if (n > 0 && !padded) {
            out[n - 1].extent *= to->extent[i];
            out[n - 1].from_extent *= to->extent[i];
            out[n - 1].low *= to->extent[i];
            out[n - 1].from_stride = strides[i];
        } else {
            out[n++] = (Padding){to->extent[i], from->extent[i], window->low[i],
                                 strides[i]};
        }
    }
    return n;
}

Element element_pad(Emitter *e, const Node *node, Index at)
{
    const Shape *from = &graph_operand(e->body->graph, node, 0)->type.shape;
    Padding padding[RANK_MAX];
    int32_t n =
        paddings_of(&node->type.shape, from, &node->attr.window, padding);
    int64_t extents[RANK_MAX];
    Index component[RANK_MAX], offset = index_constant(0);
    for (int32_t i = 0; i < n; i++)
        extents[i] = padding[i].extent;
    index_split(e, at, n, extents, component);
    Element test = {NULL, e->top};
    for (int32_t i = 0; i < n; i++) {
        Index inside;
        Index shifted =
            index_add(component[i], index_constant(-padding[i].low));
        test =
            both(e, test,
                 index_in_range(e, shifted, padding[i].from_extent, &inside));
        offset = index_add(offset, index_scale(inside, padding[i].from_stride));
    }
    return where(e, test, element(e, node->operands[0], offset),
                 zero_of(e, node->type.dtype));
}

Element element_unfold(Emitter *e, const Node *node, Index at)
{
    const SpatialAttr *s = &node->attr.spatial;
    const int64_t *to = node->type.shape.extent;
    int64_t extents[] = {to[0] * to[1], to[2], to[3], to[4], to[5]};
    Index component[5];
    index_split(e, at, 5, extents, component);
    Index offset = component[0];
    Element test = {NULL, e->top};
    for (int32_t i = 0; i < 2; i++) {
        Index place = index_add(index_scale(component[1 + i], s->stride[i]),
                                component[3 + i]);
        Index inside;
        place = index_add(place, index_constant(-s->padding[i]));
        test = both(e, test, index_in_range(e, place, s->input[i], &inside));
        offset = index_add(index_scale(offset, s->input[i]), inside);
    }
    return where(e, test, element(e, node->operands[0], offset),
                 build_f32(&e->build, s->fill));
}

/* The first global index of the block that `axes` give this device, as
 * sharding_local_range defines it: blocks nest, lowest axis first. */
static LLVMValueRef block_start(Emitter *e, int64_t extent, uint8_t axes)
{
    const Build *b = &e->build;
    LLVMValueRef start = build_i64(b, 0);
    int64_t block = extent;
    for (int32_t axis = 0; axis < e->mesh->n_axes; axis++) {
        if (!(axes >> axis & 1))
            continue;
        block = ceil_div_i64(block, e->mesh->axis[axis].size);
        int64_t field = (int64_t)offsetof(KernelContext, coordinate) +
                        axis * (int64_t)sizeof(int64_t);
        LLVMValueRef skip = LLVMBuildMul(b->builder, context_field(e, field),
                                         build_i64(b, block), "");
        start = LLVMBuildAdd(b->builder, start, skip, "");
    }
    return start;
}

Element element_shard_start(Emitter *e, const Node *node)
{
    const ShardAttr *shard = &node->attr.shard;
    LLVMValueRef start =
        block_start(e, shard->extent, shard->axes | shard->outer_axes);
    scope_enter(e, e->top);
    return (Element){LLVMBuildTrunc(e->build.builder, start, e->build.i32, ""),
                     e->top};
}

/* Where this device's block begins within the operand.  Blocks that fit
 * evenly never reach beyond the end, which the variable's extent says. */
static Index slice_start(Emitter *e, const ShardAttr *shard, int64_t from,
                         int64_t to)
{
    LLVMValueRef whole =
        block_start(e, shard->extent, shard->axes | shard->outer_axes);
    LLVMValueRef outer = block_start(e, shard->extent, shard->outer_axes);
    scope_enter(e, e->top);
    LLVMValueRef start = LLVMBuildSub(e->build.builder, whole, outer, "");
    int64_t parts = 1;
    for (int32_t axis = 0; axis < e->mesh->n_axes; axis++)
        if (shard->axes >> axis & 1)
            parts *= e->mesh->axis[axis].size;
    int64_t most = (parts - 1) * to;
    return index_computed(e, start, e->top, max_i64(most, from - to) + 1);
}

Element element_shard_slice(Emitter *e, const Node *node, Index at)
{
    const Shape *from = &graph_operand(e->body->graph, node, 0)->type.shape;
    const ShardAttr *shard = &node->attr.shard;
    int64_t extents[3], from_extents[3];
    around(&node->type.shape, shard->dim, extents);
    around(from, shard->dim, from_extents);
    Index component[3], inside;
    index_split(e, at, 3, extents, component);
    Index start = slice_start(e, shard, from_extents[1], extents[1]);
    Element test = index_in_range(e, index_add(component[1], start),
                                  from_extents[1], &inside);
    Index offset =
        index_add(index_scale(component[0], from_extents[1]), inside);
    offset = index_add(index_scale(offset, extents[2]), component[2]);
    return where(e, test, element(e, node->operands[0], offset),
                 zero_of(e, node->type.dtype));
}

Element element_gather(Emitter *e, const Node *node, Index at)
{
    const Build *b = &e->build;
    const Graph *graph = e->body->graph;
    int64_t rows = graph_operand(graph, node, 0)->type.shape.extent[0];
    int64_t lookups = shape_count(&graph_operand(graph, node, 1)->type.shape);
    int64_t row = shape_count(&node->type.shape) / lookups;
    Index lookup, column, inside;
    index_divide(e, at, row, &lookup, &column);
    Element wanted = element(e, node->operands[1], lookup);
    scope_enter(e, wanted.scope);
    LLVMValueRef wide = LLVMBuildSExt(b->builder, wanted.value, b->i64, "");
    LLVMValueRef known = build_icmp(b, LLVMIntULT, wide, build_i64(b, rows));
    LLVMValueRef safe = build_select(b, known, wide, build_i64(b, 0));
    inside = index_computed(e, safe, wanted.scope, rows);
    Index offset = index_add(index_scale(inside, row), column);
    return where(e, (Element){known, wanted.scope},
                 element(e, node->operands[0], offset),
                 zero_of(e, node->type.dtype));
}
