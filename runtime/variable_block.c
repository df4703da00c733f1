/* Where a device's block of a variable lies, and hashing it. */
#include "runtime/variable_block.h"

#include "support/checked.h"

#include <string.h>

static bool is_first_replica(const LogicalMesh *mesh, const Sharding *sharding,
                             const int64_t *coordinate)
{
    uint8_t split = sharding_split_axes(sharding);
    for (int axis = 1; axis < mesh->n_axes; axis++)
        if (!(split >> axis & 1) && coordinate[axis] != 0)
            return false;
    return true;
}

VariableBlock variable_block(Worker *w, int32_t variable)
{
    const ProgramVariable *v = &w->program->variables.data[variable];
    VariableBlock block = {0};
    if (!w->stage || v->stage != w->stage_index)
        return block;
    const LogicalMesh *mesh = &w->stage->mesh;
    int64_t coordinate[MESH_AXES_MAX] = {0};
    mesh_coordinates(mesh, w->device_index, coordinate);
    block.is_here = true;
    block.is_first = is_first_replica(mesh, &v->sharding, coordinate);
    for (int32_t d = 0; d < v->type.shape.rank; d++)
        sharding_local_range(mesh, v->type.shape.extent[d], v->sharding.axes[d],
                             coordinate, &block.begin[d], &block.length[d]);
    block.stored = sharding_local_shape(mesh, &v->type.shape, &v->sharding);
    block.address = device_address(&w->device, v->buffer, 0);
    return block;
}

/* The finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

uint64_t digest_elements(const void *elements, int64_t at, int64_t count)
{
    const char *next = elements;
    uint64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, next + i * 4, sizeof(bits));
        uint64_t position = (uint64_t)(at + i) * UINT64_C(0x9e3779b97f4a7c15);
        sum += mix(position ^ mix(bits + UINT64_C(1)));
    }
    return sum;
}

/* Hashing a block run by run. */
typedef struct Digest {
    Worker *worker;
    const VariableBlock *block;
    uint64_t sum;
} Digest;

static Status digest_run(void *context, int64_t at, int64_t stored_at,
                         int64_t count)
{
    Digest *d = context;
    enum { CHUNK = 4096 };
    char chunk[CHUNK * 4];
    for (int64_t done = 0; done < count; done += CHUNK) {
        int64_t n = min_i64(CHUNK, count - done);
        TRY(d->worker->device.interface->read(
            &d->worker->device, chunk,
            d->block->address + (stored_at + done) * 4, n * 4));
        d->sum += digest_elements(chunk, at + done, n);
    }
    return status_ok();
}

Status variable_block_digest(Worker *w, int32_t variable, uint64_t *out)
{
    const ProgramVariable *v = &w->program->variables.data[variable];
    VariableBlock block = variable_block(w, variable);
    Digest digest = {.worker = w, .block = &block};
    if (block.is_here)
        TRY(rectangle_runs(
            block.length, (RectanglePlace){&v->type.shape, block.begin},
            (RectanglePlace){&block.stored, NULL}, digest_run, &digest));
    *out = digest.sum;
    return status_ok();
}
