/* Contraction: an einsum as one batched matrix product, where its strides
 * allow. */
#ifndef DNNC_PASSES_CONTRACTION_H
#define DNNC_PASSES_CONTRACTION_H

#include "ir/graph.h"
#include "ir/program.h"

/* A value as a library sees it: extents and strides (in elements). */
typedef struct View {
    Shape shape;
    int64_t stride[RANK_MAX];
} View;

View view_dense(const Shape *shape);
/* The view whose dimension i is `view`'s dimension dims[i]. */
View view_permute(const View *view, const int32_t *dims);

/* The call for `dot` on two views with a dense result; false when no call has
 * these strides (see DotCall). */
bool dot_call(const DotAttr *dot, const View *left, const View *right,
              const Shape *result, DotCall *out);

/* The same contraction with labels in the order batch, rows, columns: its
 * dense operands always have a call. */
DotAttr dot_canonical(const DotAttr *dot);
/* dims[i]: where the i-th label of `to` stands in `from`. */
void label_order(const char *from, const char *to, int32_t *dims);

/* The call of an OP_CONV2D* node with operands and result of its (local)
 * shapes. */
ConvolutionCall convolution_call(const Graph *graph, NodeId id);

#endif
