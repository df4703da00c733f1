/* Virtual communication: collectives, transfers and world sums as copies
 * between the devices' memories. */
#include "ir/cluster_interpret.h"

#include <assert.h>
#include <string.h>

/* -- collectives ----------------------------------------------------------- */

/* The device at position `index` of the group of `device` over `axes`. */
static int64_t group_member(const LogicalMesh *mesh, uint8_t axes,
                            int64_t device, int64_t index)
{
    int64_t at[MESH_AXES_MAX] = {0};
    mesh_coordinates(mesh, device, at);
    for (int32_t axis = mesh->n_axes - 1; axis > 0; axis--)
        if (axes >> axis & 1) {
            at[axis] = index % mesh->axis[axis].size;
            index /= mesh->axis[axis].size;
        }
    return mesh_device(mesh, at);
}

static int64_t own_index(const LogicalMesh *mesh, uint8_t axes, int64_t device)
{
    int64_t at[MESH_AXES_MAX] = {0};
    mesh_coordinates(mesh, device, at);
    return mesh_group_index(mesh, axes, at);
}

/* Whose value a device gets when two axes exchange their coordinates. */
static int64_t exchange_peer(const LogicalMesh *mesh, uint8_t axes,
                             int64_t device)
{
    int64_t at[MESH_AXES_MAX] = {0};
    mesh_coordinates(mesh, device, at);
    int32_t a = __builtin_ctz(axes), b = 31 - __builtin_clz(axes);
    int64_t swapped = at[a];
    at[a] = at[b];
    at[b] = swapped;
    return mesh_device(mesh, at);
}

float reduce_f32(ReduceOp operator, float x, float y)
{
    switch (operator) {
    case REDUCE_SUM: return x + y;
    case REDUCE_MAX: return x > y ? x : y;
    case REDUCE_MIN: return x < y ? x : y;
    }
    return x;
}

/* to[i] = the members' from[i], in the order of the group. */
static void reduce_members(float *to, char *const *sources, int64_t offset,
                           const int64_t *members, int64_t n_members,
                           int64_t count, ReduceOp operator)
{
    for (int64_t i = 0; i < count; i++)
        for (int64_t m = 0; m < n_members; m++) {
            const float *from =
                (const float *)(void *)(sources[members[m]] + offset);
            to[i] = m == 0 ? from[i] : reduce_f32(operator, to[i], from[i]);
        }
}

/* What `device` gets; sources[d] is a copy of what device d gives. */
static void collect(const VirtualStage *stage, const Instruction *in,
                    int64_t device, char *const *sources, int64_t source_bytes,
                    char *to, Arena scratch)
{
    const LogicalMesh *mesh = &stage->stage->mesh;
    uint8_t axes = in->collective_attr.axes;
    int64_t p = mesh_axes_size(mesh, axes);
    int64_t own = own_index(mesh, axes, device), row = source_bytes / p;
    int64_t *members = arena_new(&scratch, int64_t, p);
    for (int64_t m = 0; m < p; m++)
        members[m] = group_member(mesh, axes, device, m);
    switch (in->collective) {
    case OP_ALL_REDUCE:
        reduce_members((float *)(void *)to, sources, 0, members, p,
                       source_bytes / 4, in->collective_attr.operator);
        break;
    case OP_REDUCE_SCATTER:
        reduce_members((float *)(void *)to, sources, own * row, members, p,
                       row / 4, in->collective_attr.operator);
        break;
    case OP_ALL_GATHER:
        for (int64_t m = 0; m < p; m++)
            memcpy(to + m * source_bytes, sources[members[m]],
                   (size_t)source_bytes);
        break;
    case OP_ALL_TO_ALL:
        for (int64_t m = 0; m < p; m++)
            memcpy(to + m * row, sources[members[m]] + own * row, (size_t)row);
        break;
    case OP_PERMUTE:
        memcpy(to, sources[exchange_peer(mesh, axes, device)],
               (size_t)source_bytes);
        break;
    default: assert(!"not a collective");
    }
}

void virtual_collective(VirtualStage *stage, const Instruction *in,
                        int64_t microbatch, Arena scratch)
{
    const Buffer *source = &stage->stage->buffers.data[in->buffers[0]];
    int64_t bytes = type_bytes(&source->type);
    char **sources = arena_new(&scratch, char *, stage->n_devices);
    for (int64_t d = 0; d < stage->n_devices; d++) {
        sources[d] = arena_alloc(&scratch, bytes, 1, 64);
        memcpy(sources[d], virtual_bytes(stage, d, in->buffers[0], microbatch),
               (size_t)bytes);
    }
    for (int64_t d = 0; d < stage->n_devices; d++)
        collect(stage, in, d, sources, bytes,
                virtual_bytes(stage, d, in->buffers[1], microbatch), scratch);
}

/* -- blocks ---------------------------------------------------------------- */

BlockView block_view(char *data, const Type *type, const LogicalMesh *mesh,
                     const Sharding *sharding, const int64_t *coordinates)
{
    BlockView view = {.data = data,
                      .shape =
                          sharding_local_shape(mesh, &type->shape, sharding)};
    int64_t length;
    for (int32_t d = 0; d < type->shape.rank; d++)
        sharding_local_range(mesh, type->shape.extent[d], sharding->axes[d],
                             coordinates, &view.start[d], &length);
    return view;
}

static char *element(const BlockView *view, const int64_t *at, int64_t bytes)
{
    int64_t offset = 0;
    for (int32_t d = 0; d < view->shape.rank; d++)
        offset = offset * view->shape.extent[d] + at[d] - view->start[d];
    return view->data + offset * bytes;
}

void block_copy(const BlockView *to, const BlockView *from,
                const int64_t *begin, const int64_t *length,
                int64_t element_bytes)
{
    int32_t rank = to->shape.rank;
    int64_t at[RANK_MAX] = {0};
    for (int32_t d = 0; d < rank; d++) {
        at[d] = begin[d];
        if (length[d] == 0)
            return;
    }
    for (;;) {
        memcpy(element(to, at, element_bytes), element(from, at, element_bytes),
               (size_t)element_bytes);
        int32_t d = rank - 1;
        while (d >= 0 && ++at[d] == begin[d] + length[d]) {
            at[d] = begin[d];
            d--;
        }
        if (d < 0)
            return;
    }
}

void virtual_transfer(const VirtualCluster *cluster, const Instruction *send,
                      const Instruction *receive, int64_t microbatch)
{
    const Transfer *t = &cluster->program->transfers.data[send->transfer];
    const VirtualStage *from = &cluster->stages[t->from_stage];
    const VirtualStage *to = &cluster->stages[t->to_stage];
    Arena scratch = *cluster->arena;
    TransferPiece *pieces;
    int64_t n = program_transfer_pieces(cluster->program, send->transfer,
                                        microbatch, &scratch, &pieces);
    for (int64_t i = 0; i < n; i++) {
        const TransferPiece *p = &pieces[i];
        int64_t at[MESH_AXES_MAX];
        virtual_coordinates(from, p->from_device, microbatch, at);
        BlockView source = block_view(
            virtual_bytes(from, p->from_device, send->buffers[0], microbatch),
            &t->type, &from->stage->mesh, &t->from, at);
        virtual_coordinates(to, p->to_device, microbatch, at);
        BlockView target = block_view(
            virtual_bytes(to, p->to_device, receive->buffers[0], microbatch),
            &t->type, &to->stage->mesh, &t->to, at);
        block_copy(&target, &source, p->begin, p->length,
                   dtype_bytes(t->type.dtype));
    }
}

/* -- world sums ------------------------------------------------------------ */

/* A device adds its scalar when it is the first along every axis over which
 * the term is not partial. */
static bool contributes(const VirtualStage *stage, int64_t device,
                        uint8_t partial)
{
    int64_t at[MESH_AXES_MAX] = {0};
    mesh_coordinates(&stage->stage->mesh, device, at);
    for (int32_t axis = 1; axis < stage->stage->mesh.n_axes; axis++)
        if (!(partial >> axis & 1) && at[axis] != 0)
            return false;
    return true;
}

static const Instruction *standing_at(const VirtualStage *stage)
{
    const Task *task = &stage->tasks[stage->task];
    return &stage->stage->segments[task->segment]
                .instructions.data[stage->instruction];
}

void virtual_world_sum(const VirtualCluster *cluster, int32_t world_sum)
{
    const WorldSum *sum = &cluster->program->world_sums.data[world_sum];
    double total = 0;
    int32_t term_of_stage = 0;
    for (int64_t t = 0; t < sum->terms.count; t++) {
        const WorldSumTerm *term = &sum->terms.data[t];
        const VirtualStage *stage = &cluster->stages[term->stage];
        bool same = t > 0 && sum->terms.data[t - 1].stage == term->stage;
        term_of_stage = same ? term_of_stage + 1 : 0;
        int32_t buffer = standing_at(stage)->buffers[term_of_stage];
        for (int64_t d = 0; d < stage->n_devices; d++)
            if (contributes(stage, d, term->partial)) {
                float value;
                memcpy(&value, virtual_bytes(stage, d, buffer, 0),
                       sizeof value);
                total += (double)value;
            }
    }
    float result = (float)total;
    for (int64_t s = 0; s < cluster->program->stages.count; s++) {
        const VirtualStage *stage = &cluster->stages[s];
        const Instruction *in = standing_at(stage);
        for (int64_t d = 0; d < stage->n_devices; d++)
            memcpy(virtual_bytes(stage, d, in->buffers[in->n_buffers - 1], 0),
                   &result, sizeof result);
    }
}
