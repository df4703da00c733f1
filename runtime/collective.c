/* Collectives by all-to-all, folding in rank order, and all-gather. */
#include "runtime/collective.h"

#include "support/checked.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* One half of the staging area per member of a large group still holds some
 * elements; small enough to stay in the cache. */
enum { STAGING_BYTES = 1 << 20, ELEMENT_BYTES = 4 };

/* -- folding -------------------------------------------------------------- */

#define FOLD_LOOP(Type, expression)         \
    do {                                    \
        Type *x = to;                       \
        const Type *y = from;               \
        for (int64_t i = 0; i < count; i++) \
            x[i] = (expression);            \
    } while (0)

/* to[i] = to[i] (op) from[i]; the two do not overlap. */
static void fold(DType dtype, ReduceOp operator, void * restrict to,
                 const void *restrict from, int64_t count)
{
    bool is_float = dtype == DTYPE_F32;
    switch (operator) {
    case REDUCE_SUM:
        if (is_float)
            FOLD_LOOP(float, x[i] + y[i]);
        else
            FOLD_LOOP(uint32_t, x[i] + y[i]);
        break;
    case REDUCE_MAX:
        if (is_float)
            FOLD_LOOP(float, x[i] > y[i] ? x[i] : y[i]);
        else
            FOLD_LOOP(int32_t, x[i] > y[i] ? x[i] : y[i]);
        break;
    case REDUCE_MIN:
        if (is_float)
            FOLD_LOOP(float, x[i] < y[i] ? x[i] : y[i]);
        else
            FOLD_LOOP(int32_t, x[i] < y[i] ? x[i] : y[i]);
        break;
    }
}

/* What one collective works with. */
typedef struct Reduction {
    Collectives *c;
    int32_t group;
    int64_t members;
    DType dtype;
    ReduceOp operator;
} Reduction;

static char *lower_half(const Collectives *c)
{
    return c->staging;
}
static char *upper_half(const Collectives *c)
{
    return c->staging + c->staging_bytes;
}

/* Folds the members' rows of `part` elements each in the upper half into its
 * first row, in rank order. */
static void fold_rows(const Reduction *r, int64_t part)
{
    char *rows = upper_half(r->c);
    for (int64_t i = 1; i < r->members; i++)
        fold(r->dtype, r->operator, rows, rows + i * part * ELEMENT_BYTES,
             part);
}

/* Elements of one member's part of a chunk. */
static int64_t part_max(const Reduction *r)
{
    return r->c->staging_bytes / ELEMENT_BYTES / r->members;
}

/* Folds all members' `count` elements at `from` into `to`, in chunks of
 * members x part elements; member i folds the i-th part. */
static Status all_reduce(const Reduction *r, const char *from, char *to,
                         int64_t count)
{
    Collectives *c = r->c;
    const CommunicatorInterface *move = c->communicator->interface;
    for (int64_t done = 0; done < count;) {
        int64_t left = count - done;
        int64_t part = min_i64(part_max(r), ceil_div_i64(left, r->members));
        int64_t length = min_i64(left, part * r->members);
        int64_t chunk_bytes = length * ELEMENT_BYTES;
        int64_t part_bytes = part * ELEMENT_BYTES;
        const char *source = from + done * ELEMENT_BYTES;
        char *target = to + done * ELEMENT_BYTES;
        char *lower = lower_half(c), *upper = upper_half(c);
        bool is_whole = length == part * r->members;
        if (!is_whole) { /* the last chunk: pad to equal parts */
            memset(lower, 0, (size_t)(part_bytes * r->members));
            memcpy(lower, source, (size_t)chunk_bytes);
            source = lower;
        }
        TRY(move->all_to_all(c->communicator, r->group, source, upper,
                             part_bytes));
        fold_rows(r, part);
        TRY(move->all_gather(c->communicator, r->group, upper,
                             is_whole ? target : lower, part_bytes));
        if (!is_whole)
            memcpy(target, lower, (size_t)chunk_bytes);
        done += length;
    }
    return status_ok();
}

/* Row i of every member's [members, count] goes to member i, which folds the
 * rows it gets. */
static Status reduce_scatter(const Reduction *r, const char *from, char *to,
                             int64_t count)
{
    Collectives *c = r->c;
    const CommunicatorInterface *move = c->communicator->interface;
    for (int64_t done = 0; done < count;) {
        int64_t part = min_i64(part_max(r), count - done);
        int64_t part_bytes = part * ELEMENT_BYTES;
        for (int64_t i = 0; i < r->members; i++)
            memcpy(lower_half(c) + i * part_bytes,
                   from + (i * count + done) * ELEMENT_BYTES,
                   (size_t)part_bytes);
        TRY(move->all_to_all(c->communicator, r->group, lower_half(c),
                             upper_half(c), part_bytes));
        fold_rows(r, part);
        memcpy(to + done * ELEMENT_BYTES, upper_half(c), (size_t)part_bytes);
        done += part;
    }
    return status_ok();
}

/* Exchanges with the device whose coordinates on the two axes of `axes` are
 * swapped. */
static Status permute(Collectives *c, uint8_t axes, const char *from, char *to,
                      int64_t bytes)
{
    const LogicalMesh *mesh = &c->stage->mesh;
    int first = __builtin_ctz(axes);
    int second = __builtin_ctz(axes & (axes - 1));
    int64_t swapped[MESH_AXES_MAX];
    memcpy(swapped, c->coordinate, sizeof(swapped));
    swapped[first] = c->coordinate[second];
    swapped[second] = c->coordinate[first];
    int64_t peer = c->stage->ranks[mesh_device(mesh, swapped)];
    if (peer == c->communicator->rank) {
        memmove(to, from, (size_t)bytes);
        return status_ok();
    }
    const CommunicatorInterface *move = c->communicator->interface;
    enum { PERMUTE_TAG = 32766 }; /* transfers have smaller tags */
    int32_t sent = REQUEST_NONE, received = REQUEST_NONE;
    TRY(move->receive(c->communicator, peer, PERMUTE_TAG, to, bytes,
                      &received));
    TRY(move->send(c->communicator, peer, PERMUTE_TAG, from, bytes, &sent));
    TRY(move->wait(c->communicator, &received));
    return move->wait(c->communicator, &sent);
}

Status collective_run(Collectives *c, const Instruction *instruction,
                      const Type *from_type, const char *from, char *to)
{
    const CollectiveAttr *attr = &instruction->collective_attr;
    const CommunicatorInterface *move = c->communicator->interface;
    int64_t members = mesh_axes_size(&c->stage->mesh, attr->axes);
    int64_t count = shape_count(&from_type->shape);
    int64_t bytes = count * ELEMENT_BYTES;
    if (members == 1) {
        if (from != to)
            memmove(to, from, (size_t)bytes);
        return status_ok();
    }
    Reduction r = {.c = c,
                   .group = c->groups[attr->axes],
                   .members = members,
                   .dtype = from_type->dtype,
                   .operator= attr->operator};
    switch (instruction->collective) {
    case OP_ALL_REDUCE: return all_reduce(&r, from, to, count);
    case OP_REDUCE_SCATTER:
        return reduce_scatter(&r, from, to, count / members);
    case OP_ALL_GATHER:
        return move->all_gather(c->communicator, r.group, from, to, bytes);
    case OP_ALL_TO_ALL:
        return move->all_to_all(c->communicator, r.group, from, to,
                                bytes / members);
    case OP_PERMUTE: return permute(c, attr->axes, from, to, bytes);
    default: break;
    }
    return status_error(STATUS_ENVIRONMENT, "'%s' is not a collective",
                        op_info(instruction->collective)->text);
}

/* -- groups --------------------------------------------------------------- */

/* Bit m: some instruction's group differs in the axes m. */
static uint32_t masks_used(const ProgramStage *stage)
{
    uint32_t used = 0;
    for (int s = 0; s < SEGMENT_COUNT; s++) {
        const Segment *segment = &stage->segments[s];
        for (int64_t i = 0; i < segment->instructions.count; i++) {
            const Instruction *in = &segment->instructions.data[i];
            if (in->kind == INSTRUCTION_COLLECTIVE &&
                in->collective != OP_PERMUTE)
                used |= 1u << in->collective_attr.axes;
        }
    }
    return used;
}

static Status make_group(Collectives *c, uint8_t mask)
{
    const LogicalMesh *mesh = &c->stage->mesh;
    int64_t members = mesh_axes_size(mesh, mask);
    int64_t *ranks = calloc((size_t)members, sizeof(int64_t));
    if (!ranks)
        return status_error(STATUS_ENVIRONMENT, "out of memory");
    for (int64_t d = 0; d < mesh_devices(mesh); d++) {
        int64_t coordinate[MESH_AXES_MAX] = {0};
        mesh_coordinates(mesh, d, coordinate);
        bool is_member = true;
        for (int axis = 1; axis < mesh->n_axes; axis++)
            is_member &=
                (mask >> axis & 1) || coordinate[axis] == c->coordinate[axis];
        if (is_member)
            ranks[mesh_group_index(mesh, mask, coordinate)] =
                c->stage->ranks[d];
    }
    Status status = c->communicator->interface->group(
        c->communicator, ranks, members, mask, &c->groups[mask]);
    free(ranks);
    return status;
}

Status collectives_init(Collectives *c, Communicator *communicator,
                        const ProgramStage *stage, int64_t device)
{
    *c = (Collectives){.communicator = communicator,
                       .stage = stage,
                       .staging_bytes = STAGING_BYTES};
    mesh_coordinates(&stage->mesh, device, c->coordinate);
    uint32_t used = masks_used(stage);
    for (uint8_t mask = 0; mask < 1 << MESH_AXES_MAX; mask++) {
        c->groups[mask] = -1;
        if ((used >> mask & 1) && mesh_axes_size(&stage->mesh, mask) > 1)
            TRY(make_group(c, mask));
    }
    c->staging = aligned_alloc(64, 2 * STAGING_BYTES);
    if (!c->staging)
        return status_error(STATUS_ENVIRONMENT, "out of memory");
    memset(c->staging, 0, 2 * STAGING_BYTES);
    return status_ok();
}

void collectives_deinit(Collectives *c)
{
    free(c->staging);
    *c = (Collectives){0};
}
