/* Elements: what the emitters of one kind of op offer to element.c. */
#ifndef DNNC_CODEGEN_ELEMENT_H
#define DNNC_CODEGEN_ELEMENT_H

#include "codegen/emitter.h"

/* -- element_map.c: one result element from operand elements -------------- */

LLVMValueRef map_value(Emitter *e, const Node *node,
                       const LLVMValueRef *operands);
/* A field of the running kernel's KernelContext; i64, in the top scope. */
LLVMValueRef context_field(Emitter *e, int64_t offset);

/* -- element_index.c: index arithmetic ------------------------------------ */

/* A strided view: dimension i has extents[i] steps of strides[i] elements.
 * The offset in the viewed array of the element at offset `at` of the view. */
Index view_offset(Emitter *e, Index at, int32_t rank, const int64_t *extents,
                  const int64_t *strides);
/* Row-major strides of a shape. */
void shape_strides(const Shape *shape, int64_t *strides);

Element element_iota(Emitter *e, const Node *node, Index at);
Element element_view(Emitter *e, const Node *node, Index at);
Element element_pad(Emitter *e, const Node *node, Index at);
Element element_unfold(Emitter *e, const Node *node, Index at);
Element element_shard_start(Emitter *e, const Node *node);
Element element_shard_slice(Emitter *e, const Node *node, Index at);
Element element_gather(Emitter *e, const Node *node, Index at);

/* -- element_reduce.c: one result element from many ----------------------- */

/* What an empty reduction gives, and one more term. */
LLVMValueRef reduction_identity(const Emitter *e, Op op, DType dtype);
LLVMValueRef reduction_combine(const Emitter *e, Op op, DType dtype,
                               LLVMValueRef sum, LLVMValueRef term);
/* The range of a node's i-th reduced dimension. */
int32_t reduction_range(int32_t node, int32_t i);

/* The dimensions of a reduction's operand, neighbours of one kind merged and
 * those of extent 1 left out. */
typedef struct ReduceDims {
    int32_t n_kept, n_reduced;
    int64_t kept_extent[RANK_MAX], kept_stride[RANK_MAX];
    int64_t reduced_extent[RANK_MAX], reduced_stride[RANK_MAX];
} ReduceDims;
ReduceDims reduce_dims(const Shape *operand, uint32_t reduced);

/* -- row.c: terms kept for later --------------------------------------------- */

/* Counts uses and work; before the first element. */
void rows_init(Emitter *e);
/* Whether the terms of a reduction are worth keeping. */
bool row_pays(const Emitter *e, NodeId term, int64_t extent, int64_t stride);
/* Storage for them. */
LLVMValueRef row_new(Emitter *e, NodeId term, int64_t extent);
void row_store(Emitter *e, NodeId term, LLVMValueRef row, const Index *at,
               LLVMValueRef value);
/* The row is complete and holds elements [base, base + extent) of `term`,
 * while `scope` is open. */
void row_keep(Emitter *e, Scope *scope, NodeId term, LLVMValueRef storage,
              const Index *base, int64_t extent);
/* The element from a row, when one holds it. */
bool row_find(Emitter *e, NodeId node, const Index *at, Element *out);

Element element_reduce(Emitter *e, NodeId id, Index at);
Element element_fold(Emitter *e, NodeId id, Index at);
Element element_scatter_add(Emitter *e, NodeId id, Index at);

#endif
