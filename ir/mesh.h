/* Mesh: the physical cluster of a `.mesh` file, and blocks of it.
 *
 * A cluster is a list of host groups; the hosts of a group are equal.  Each
 * host has `devices` devices of one type, linked by the group's inner link;
 * hosts of a group are linked by its outer link, groups by the cluster's.
 * Devices are numbered by group, then host, then device: a rank is a device.
 */
#ifndef DNNC_IR_MESH_H
#define DNNC_IR_MESH_H

#include "ir/sharding.h"
#include "support/diagnostic.h"
#include "support/vector.h"

typedef struct Link {
    double latency_seconds;
    double bandwidth_bytes_per_second; /* of one device (inner link) or one
                                          host (outer link), one direction */
} Link;

typedef struct DeviceType {
    Str name;
    Str target; /* "x86-64-v3", "x86-64-v4", "native", "sm_90", ... */
    int64_t memory_bytes;
    int64_t reserve_bytes; /* what libraries take beside the arena */
    double flops[DTYPE_COUNT]; /* per second, by dtype */
    double memory_bandwidth_bytes_per_second;
    double kernel_latency_seconds; /* cost of starting one kernel */
    Span span;
} DeviceType;

typedef struct HostGroup {
    Str name;
    int32_t device_type; /* mesh->device_types */
    int64_t n_hosts;
    int64_t devices_per_host;
    Link inner, outer;
    Span span;
} HostGroup;

typedef struct Mesh {
    Str name;
    VECTOR(DeviceType) device_types;
    VECTOR(HostGroup) groups;
    Link between; /* among groups */
} Mesh;

/* A block of one group: n_hosts whole or partial hosts, devices_per_host
 * devices of each, beginning at (host, device). */
typedef struct Submesh {
    int32_t group;
    int64_t host, device;
    int64_t n_hosts, devices_per_host;
} Submesh;

int64_t cluster_devices(const Mesh *mesh);
int64_t submesh_devices(const Submesh *submesh);
/* Rank (device of the cluster) of the submesh's device `i`, 0-based, hosts
 * major: the order in which logical meshes enumerate devices. */
int64_t submesh_rank(const Mesh *mesh, const Submesh *submesh, int64_t i);
const DeviceType *submesh_device_type(const Mesh *mesh,
                                      const Submesh *submesh);

/* The logical mesh of `submesh` with device axes of the given sizes (their
 * product is submesh_devices).  The last axis runs fastest over devices; each
 * axis gets the latency and bandwidth of the worst link a ring over it
 * crosses, the bandwidth of an outer link divided by the number of rings that
 * share it. */
LogicalMesh mesh_logical(const Mesh *mesh, const Submesh *submesh,
                         int64_t n_microbatches, int32_t n_axes,
                         const int64_t *sizes);

#endif
