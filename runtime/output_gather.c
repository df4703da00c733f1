/* Keeping blocks, then moving rectangles of them to one rank. */
#include "runtime/output_gather.h"

#include "runtime/rectangle.h"
#include "support/checked.h"

#include <stdlib.h>
#include <string.h>

enum { OUTPUT_TAG = 32765, ELEMENT_BYTES = 4 };

static const ProgramOutput *output_of(const OutputGather *g)
{
    return &g->worker->program->outputs.data[g->output];
}

static const ProgramStage *stage_of(const OutputGather *g)
{
    return &g->worker->program->stages.data[output_of(g)->stage];
}

Status output_gather_init(OutputGather *g, Worker *worker, int32_t output,
                          int64_t reporter)
{
    *g = (OutputGather){
        .worker = worker, .output = output, .reporter = reporter};
    const ProgramOutput *o = output_of(g);
    bool is_owner = worker->stage && worker->stage_index == o->stage;
    g->block =
        sharding_local_shape(&stage_of(g)->mesh, &o->type.shape, &o->sharding);
    g->block_bytes = shape_count(&g->block) * ELEMENT_BYTES;
    g->message = calloc(1, (size_t)g->block_bytes);
    if (is_owner)
        g->kept = calloc((size_t)worker->program->n_microbatches,
                         (size_t)g->block_bytes);
    if (g->message && (g->kept || !is_owner))
        return status_ok();
    output_gather_deinit(g);
    return status_error(STATUS_ENVIRONMENT, "out of memory");
}

void output_gather_deinit(OutputGather *g)
{
    free(g->message);
    free(g->kept);
    g->message = g->kept = NULL;
}

static Status take(void *context, int32_t output, int64_t microbatch,
                   const char *address)
{
    OutputGather *g = context;
    if (output != g->output)
        return status_ok();
    return g->worker->device.interface->read(
        &g->worker->device, g->kept + microbatch * g->block_bytes, address,
        g->block_bytes);
}

OutputSink output_gather_sink(OutputGather *g)
{
    return (OutputSink){.take = take, .context = g};
}

/* What one device contributes: a rectangle of the output, where it lies in the
 * device's block and where in the wanted rectangle. */
typedef struct Share {
    int64_t length[RANK_MAX], in_block[RANK_MAX], in_wanted[RANK_MAX];
} Share;

/* False when the device has nothing of it, or a lower one has the same. */
static bool share_of(const OutputGather *g, int64_t device, int64_t microbatch,
                     const int64_t *begin, const int64_t *length, Share *out)
{
    const ProgramOutput *o = output_of(g);
    const LogicalMesh *mesh = &stage_of(g)->mesh;
    int64_t coordinate[MESH_AXES_MAX] = {0};
    mesh_coordinates(mesh, device, coordinate);
    uint8_t split = sharding_split_axes(&o->sharding);
    for (int axis = 1; axis < mesh->n_axes; axis++)
        if (!(split >> axis & 1) && coordinate[axis] != 0)
            return false;
    if (!(split & AXIS_MASK_TIME) && microbatch != 0)
        return false;
    coordinate[AXIS_MICROBATCH] = microbatch;
    for (int32_t d = 0; d < o->type.shape.rank; d++) {
        int64_t first, count;
        sharding_local_range(mesh, o->type.shape.extent[d], o->sharding.axes[d],
                             coordinate, &first, &count);
        int64_t from = max_i64(first, begin[d]);
        int64_t to = min_i64(first + count, begin[d] + length[d]);
        if (from >= to)
            return false;
        out->length[d] = to - from;
        out->in_block[d] = from - first;
        out->in_wanted[d] = from - begin[d];
    }
    return true;
}

static Status send_share(OutputGather *g, int64_t bytes)
{
    Communicator *c = g->worker->communicator;
    int32_t request;
    TRY(c->interface->send(c, g->reporter, OUTPUT_TAG, g->message, bytes,
                           &request));
    return c->interface->wait(c, &request);
}

static Status receive_share(OutputGather *g, int64_t from, int64_t bytes)
{
    Communicator *c = g->worker->communicator;
    int32_t request;
    TRY(c->interface->receive(c, from, OUTPUT_TAG, g->message, bytes,
                              &request));
    return c->interface->wait(c, &request);
}

/* Moves one device's share into `out` on the reporter. */
static Status move_share(OutputGather *g, int64_t device, int64_t microbatch,
                         const Share *share, const Shape *wanted, void *out)
{
    int64_t rank = stage_of(g)->ranks[device];
    int64_t here = g->worker->communicator->rank;
    int64_t bytes =
        rectangle_count(wanted->rank, share->length) * ELEMENT_BYTES;
    if (here == rank)
        rectangle_pack(share->length,
                       (RectanglePlace){&g->block, share->in_block},
                       g->kept + microbatch * g->block_bytes, g->message);
    if (here == rank && rank != g->reporter)
        TRY(send_share(g, bytes));
    if (here != g->reporter)
        return status_ok();
    if (rank != g->reporter)
        TRY(receive_share(g, rank, bytes));
    rectangle_unpack(share->length, (RectanglePlace){wanted, share->in_wanted},
                     g->message, out);
    return status_ok();
}

Status output_gather_collect(OutputGather *g, const int64_t *begin,
                             const int64_t *length, void *out)
{
    Shape wanted = {.rank = output_of(g)->type.shape.rank};
    memcpy(wanted.extent, length, (size_t)wanted.rank * sizeof(int64_t));
    int64_t devices = mesh_devices(&stage_of(g)->mesh);
    for (int64_t m = 0; m < g->worker->program->n_microbatches; m++)
        for (int64_t d = 0; d < devices; d++) {
            Share share = {0};
            if (share_of(g, d, m, begin, length, &share))
                TRY(move_share(g, d, m, &share, &wanted, out));
        }
    return status_ok();
}
