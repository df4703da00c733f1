/* Host: see the header. */
#include "tests/oracle/host.h"

Mesh host_of(int64_t devices, Arena *arena)
{
    Mesh mesh = {.name = STR("host")};
    Link link = {1e-6, 1e10};
    DeviceType *type = vector_push(arena, &mesh.device_types);
    *type = (DeviceType){.name = STR("device"),
                         .target = STR("native"),
                         .memory_bytes = (int64_t)1 << 30,
                         .memory_bandwidth_bytes_per_second = 1e10,
                         .kernel_latency_seconds = 1e-6};
    type->flops[DTYPE_F32] = type->flops[DTYPE_I32] = 1e10;
    *vector_push(arena, &mesh.groups) = (HostGroup){.name = STR("hosts"),
                                                    .n_hosts = 1,
                                                    .devices_per_host = devices,
                                                    .inner = link,
                                                    .outer = link};
    mesh.between = link;
    return mesh;
}
