/* Submeshes: see the header. */
#include "passes/submesh.h"

#include <assert.h>

static void add_shape(SubmeshOption *option, int64_t x, int64_t y)
{
    assert(option->n_shapes < LOGICAL_SHAPES_MAX);
    LogicalShape *shape = &option->shape[option->n_shapes++];
    if (y > 1)
        *shape = (LogicalShape){2, {x, y}};
    else
        *shape = (LogicalShape){x > 1, {x}};
}

/* One axis, or two: all ordered pairs across hosts, where the axes differ in
 * speed; the larger first within a host, where they do not. */
static void add_shapes(SubmeshOption *option)
{
    int64_t devices = option->n_hosts * option->devices_per_host;
    add_shape(option, devices, 1);
    for (int64_t y = 2; y * 2 <= devices; y++) {
        int64_t x = devices / y;
        bool distinct = option->n_hosts > 1 || x >= y;
        if (devices % y == 0 && distinct &&
            option->n_shapes < LOGICAL_SHAPES_MAX)
            add_shape(option, x, y);
    }
}

static bool is_power_of_two(int64_t n)
{
    return (n & (n - 1)) == 0;
}

int32_t submesh_options(const Mesh *mesh, Arena *arena, SubmeshOption **out)
{
    VECTOR(SubmeshOption) options = {0};
    for (int32_t g = 0; g < mesh->groups.count; g++) {
        const HostGroup *group = &mesh->groups.data[g];
        for (int64_t d = 1; d <= group->devices_per_host; d++)
            if (group->devices_per_host % d == 0)
                *vector_push(arena, &options) = (SubmeshOption){
                    .group = g, .n_hosts = 1, .devices_per_host = d};
        for (int64_t h = 2; h <= group->n_hosts; h++)
            if (is_power_of_two(h) || group->n_hosts % h == 0)
                *vector_push(arena, &options) = (SubmeshOption){
                    .group = g,
                    .n_hosts = h,
                    .devices_per_host = group->devices_per_host};
    }
    for (int64_t i = 0; i < options.count; i++)
        add_shapes(&options.data[i]);
    *out = options.data;
    return (int32_t)options.count;
}

StageDevices submesh_takes(const SubmeshOption *option)
{
    StageDevices devices = {0};
    devices.count[option->group] =
        (int32_t)(option->n_hosts * option->devices_per_host);
    return devices;
}

StageDevices submesh_cluster(const Mesh *mesh)
{
    StageDevices devices = {0};
    assert(mesh->groups.count <= STAGE_GROUPS_MAX);
    for (int64_t g = 0; g < mesh->groups.count; g++)
        devices.count[g] = (int32_t)(mesh->groups.data[g].n_hosts *
                                     mesh->groups.data[g].devices_per_host);
    return devices;
}

bool submesh_place(const Mesh *mesh, const SubmeshOption *option,
                   const StageDevices *left, Submesh *out)
{
    const HostGroup *group = &mesh->groups.data[option->group];
    int64_t first =
        group->n_hosts * group->devices_per_host - left->count[option->group];
    *out = (Submesh){option->group, first / group->devices_per_host,
                     first % group->devices_per_host, option->n_hosts,
                     option->devices_per_host};
    return out->device + option->devices_per_host <= group->devices_per_host;
}

void submesh_neighbours(const Mesh *mesh, const Submesh *submesh,
                        Neighbour *before, Neighbour *after)
{
    const HostGroup *group = &mesh->groups.data[submesh->group];
    int64_t end = submesh->device + submesh->devices_per_host;
    *before = submesh->device > 0 ? NEIGHBOUR_INSIDE
              : submesh->host > 0 ? NEIGHBOUR_OUTSIDE
                                  : NEIGHBOUR_BEYOND;
    *after = end < group->devices_per_host ? NEIGHBOUR_INSIDE
             : submesh->host + submesh->n_hosts < group->n_hosts
                 ? NEIGHBOUR_OUTSIDE
                 : NEIGHBOUR_BEYOND;
}

Link submesh_link(const Mesh *mesh, const SubmeshOption *option,
                  Neighbour neighbour)
{
    const HostGroup *group = &mesh->groups.data[option->group];
    if (neighbour == NEIGHBOUR_INSIDE)
        return group->inner;
    bool beyond = neighbour == NEIGHBOUR_BEYOND && mesh->groups.count > 1;
    Link link = beyond ? mesh->between : group->outer;
    if (link.bandwidth_bytes_per_second <= 0)
        link = group->inner; /* one host: there is no other link */
    link.bandwidth_bytes_per_second /= (double)option->devices_per_host;
    return link;
}
