/* Moving data: every result element is one operand element, or a fill. */
#include "ir/interpret_op.h"

#include <string.h>

static void element_copy(Tensor to, int64_t i, Tensor from, int64_t k)
{
    int64_t bytes = dtype_bytes(to.type.dtype);
    memcpy((char *)to.data + i * bytes, (char *)from.data + k * bytes,
           (size_t)bytes);
}

/* Where a result dimension reads the operand. */
typedef struct Origin {
    int32_t dim;    /* of the operand; -1: the element does not depend on it */
    int64_t offset; /* added to the result's index */
} Origin;

/* result[index] = operand[index[d] + offset at dim]; 0 outside. */
static void move(const Evaluation *e, const Origin *origin)
{
    const Shape *from = &e->operands[0].type.shape;
    const Shape *to = &e->result.type.shape;
    int64_t index[RANK_MAX] = {0}, i = 0;
    do {
        int64_t read[RANK_MAX] = {0};
        bool inside = true;
        for (int32_t d = 0; d < to->rank; d++) {
            int32_t dim = origin[d].dim;
            if (dim < 0)
                continue;
            read[dim] = index[d] + origin[d].offset;
            inside = inside && read[dim] >= 0 && read[dim] < from->extent[dim];
        }
        if (inside)
            element_copy(e->result, i, e->operands[0],
                         index_offset(from, read));
        i++;
    } while (index_next(to, index));
}

void evaluate_broadcast(const Evaluation *e)
{
    Origin origin[RANK_MAX];
    for (int32_t d = 0; d < RANK_MAX; d++)
        origin[d] = (Origin){-1, 0};
    for (int32_t d = 0; d < e->operands[0].type.shape.rank; d++)
        origin[e->node->attr.broadcast.dims[d]] = (Origin){d, 0};
    move(e, origin);
}

void evaluate_reshape(const Evaluation *e)
{
    memcpy(e->result.data, e->operands[0].data,
           (size_t)type_bytes(&e->result.type));
}

void evaluate_transpose(const Evaluation *e)
{
    Origin origin[RANK_MAX];
    for (int32_t d = 0; d < RANK_MAX; d++)
        origin[d] = (Origin){e->node->attr.permute.dims[d], 0};
    move(e, origin);
}

void evaluate_slice(const Evaluation *e)
{
    Origin origin[RANK_MAX];
    for (int32_t d = 0; d < RANK_MAX; d++)
        origin[d] = (Origin){d, e->node->attr.window.low[d]};
    move(e, origin);
}

void evaluate_pad(const Evaluation *e)
{
    Origin origin[RANK_MAX];
    for (int32_t d = 0; d < RANK_MAX; d++)
        origin[d] = (Origin){d, -e->node->attr.window.low[d]};
    move(e, origin);
}

/* This device's block, relative to the block that the outer axes gave. */
void evaluate_shard_slice(const Evaluation *e)
{
    const ShardAttr *shard = &e->node->attr.shard;
    const int64_t *at = e->environment->context.coordinate;
    int64_t start, outer, length;
    sharding_local_range(e->environment->mesh, shard->extent,
                         shard->axes | shard->outer_axes, at, &start, &length);
    sharding_local_range(e->environment->mesh, shard->extent, shard->outer_axes,
                         at, &outer, &length);
    Origin origin[RANK_MAX];
    for (int32_t d = 0; d < RANK_MAX; d++)
        origin[d] = (Origin){d, d == shard->dim ? start - outer : 0};
    move(e, origin);
}

/* [N,C,H,W] -> [N,C,OH,OW,KH,KW]; what lies in the padding reads the fill. */
void evaluate_unfold(const Evaluation *e)
{
    const SpatialAttr *s = &e->node->attr.spatial;
    const Shape *x = &e->operands[0].type.shape;
    const Shape *y = &e->result.type.shape;
    int64_t at[RANK_MAX] = {0}, i = 0;
    do {
        int64_t h = at[2] * s->stride[0] - s->padding[0] + at[4];
        int64_t w = at[3] * s->stride[1] - s->padding[1] + at[5];
        int64_t read[RANK_MAX] = {at[0], at[1], h, w};
        bool inside = h >= 0 && h < x->extent[2] && w >= 0 && w < x->extent[3];
        tensor_f32(e->result)[i++] =
            inside ? tensor_f32(e->operands[0])[index_offset(x, read)]
                   : (float)s->fill;
    } while (index_next(y, at));
}

/* An index outside the table gives a row of zeros. */
void evaluate_gather(const Evaluation *e)
{
    Tensor table = e->operands[0], index = e->operands[1];
    int64_t rows = table.type.shape.extent[0];
    int64_t row_bytes = type_bytes(&table.type) / rows;
    for (int64_t i = 0; i < shape_count(&index.type.shape); i++) {
        int64_t row = tensor_i32(index)[i];
        if (row >= 0 && row < rows)
            memcpy((char *)e->result.data + i * row_bytes,
                   (char *)table.data + row * row_bytes, (size_t)row_bytes);
    }
}
