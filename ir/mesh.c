/* Mesh: devices and links of a cluster, and logical meshes over its blocks. */
#include "ir/mesh.h"

#include "support/checked.h"

#include <assert.h>

int64_t cluster_devices(const Mesh *mesh)
{
    int64_t devices = 0;
    for (int64_t i = 0; i < mesh->groups.count; i++) {
        const HostGroup *group = &mesh->groups.data[i];
        devices += group->n_hosts * group->devices_per_host;
    }
    return devices;
}

int64_t submesh_devices(const Submesh *submesh)
{
    return submesh->n_hosts * submesh->devices_per_host;
}

int64_t submesh_rank(const Mesh *mesh, const Submesh *submesh, int64_t i)
{
    int64_t rank = 0;
    for (int32_t g = 0; g < submesh->group; g++)
        rank += mesh->groups.data[g].n_hosts *
                mesh->groups.data[g].devices_per_host;
    int64_t host = submesh->host + i / submesh->devices_per_host;
    int64_t device = submesh->device + i % submesh->devices_per_host;
    return rank + host * mesh->groups.data[submesh->group].devices_per_host +
           device;
}

const DeviceType *submesh_device_type(const Mesh *mesh, const Submesh *submesh)
{
    return &mesh->device_types
                .data[mesh->groups.data[submesh->group].device_type];
}

static double min_double(double a, double b)
{
    return a < b ? a : b;
}
static double max_double(double a, double b)
{
    return a > b ? a : b;
}

/* Members of a ring are `stride` apart in the order of devices; rings that
 * touch a host begin at different offsets below the stride. */
typedef struct Rings {
    int64_t size, stride;
} Rings;

/* How many rings with a member on host `host` of the submesh also have one on
 * another host. */
static int64_t rings_through(const Submesh *submesh, Rings rings, int64_t host)
{
    int64_t per_host = submesh->devices_per_host;
    int64_t span = rings.size * rings.stride, crossing = 0;
    int64_t first = host * per_host;
    for (int64_t device = first; device < first + per_host; device++) {
        int64_t base = device / span * span + device % rings.stride;
        bool first_here = device == base || device - rings.stride < first;
        bool leaves = base < first || base + (rings.size - 1) * rings.stride >=
                                          first + per_host;
        crossing += first_here && leaves;
    }
    return crossing;
}

static Link ring_link(const Mesh *mesh, const Submesh *submesh, Rings rings)
{
    const HostGroup *group = &mesh->groups.data[submesh->group];
    int64_t crossing = 0;
    for (int64_t host = 0; host < submesh->n_hosts; host++)
        crossing = max_i64(crossing, rings_through(submesh, rings, host));
    if (crossing == 0)
        return group->inner;
    Link link = {
        group->outer.latency_seconds,
        group->outer.bandwidth_bytes_per_second / (double)crossing,
    };
    if (rings.stride >= submesh->devices_per_host)
        return link; /* every hop leaves the host */
    return (Link){
        max_double(link.latency_seconds, group->inner.latency_seconds),
        min_double(link.bandwidth_bytes_per_second,
                   group->inner.bandwidth_bytes_per_second),
    };
}

LogicalMesh mesh_logical(const Mesh *mesh, const Submesh *submesh,
                         int64_t n_microbatches, int32_t n_axes,
                         const int64_t *sizes)
{
    static const char *const NAMES[] = {"x", "y", "z"};
    LogicalMesh logical = {.n_axes = n_axes + 1};
    logical.axis[AXIS_MICROBATCH] =
        (LogicalAxis){.name = STR("microbatch"), .size = n_microbatches};
    assert(n_axes < MESH_AXES_MAX);
    int64_t stride = 1;
    for (int32_t i = n_axes - 1; i >= 0; i--) {
        Link link = ring_link(mesh, submesh, (Rings){sizes[i], stride});
        logical.axis[i + 1] = (LogicalAxis){
            str_from(NAMES[i]),
            sizes[i],
            link.latency_seconds,
            link.bandwidth_bytes_per_second,
        };
        stride *= sizes[i];
    }
    assert(stride == submesh_devices(submesh));
    return logical;
}
