/* Submeshes: the blocks of a cluster that stages may take, and the logical
 * meshes over them.  This is the space that the search covers, together with
 * the cuts between layers and the microbatch counts (docs/planner.md).
 *
 * A block is a divisor of a host's devices, or whole hosts: a power of two or a
 * divisor of the group's.  Stages take devices in the order of the pipeline
 * from the beginning of each group; a block may not straddle hosts.
 */
#ifndef DNNC_PASSES_SUBMESH_H
#define DNNC_PASSES_SUBMESH_H

#include "ir/mesh.h"
#include "solver/stage_dp.h"

enum { LOGICAL_SHAPES_MAX = 16 };

/* Sizes of device axes; their product is the block's devices. */
typedef struct LogicalShape {
    int32_t n_axes;
    int64_t size[MESH_AXES_MAX - 1];
} LogicalShape;

typedef struct SubmeshOption {
    int32_t group;
    int64_t n_hosts, devices_per_host;
    int32_t n_shapes;
    LogicalShape shape[LOGICAL_SHAPES_MAX];
} SubmeshOption;

/* All options of the cluster, smaller blocks first; returns how many. */
int32_t submesh_options(const Mesh *mesh, Arena *arena, SubmeshOption **out);
/* The devices an option takes, for the stage DP. */
StageDevices submesh_takes(const SubmeshOption *option);
/* The devices there are. */
StageDevices submesh_cluster(const Mesh *mesh);

/* What lies on the other side of a block's boundary: it decides the link over
 * which the stage receives. */
typedef enum Neighbour {
    NEIGHBOUR_INSIDE,  /* a device of the same host */
    NEIGHBOUR_OUTSIDE, /* another host of the group */
    NEIGHBOUR_BEYOND,  /* another group, or nothing */
    NEIGHBOUR_COUNT
} Neighbour;

/* The block of `option` when its group has `left` devices not yet taken; false
 * when it would straddle hosts. */
bool submesh_place(const Mesh *mesh, const SubmeshOption *option,
                   const StageDevices *left, Submesh *out);
void submesh_neighbours(const Mesh *mesh, const Submesh *submesh,
                        Neighbour *before, Neighbour *after);
/* The link as seen by one device of the block: its host's bandwidth is shared
 * by the block's devices on the host. */
Link submesh_link(const Mesh *mesh, const SubmeshOption *option,
                  Neighbour neighbour);

#endif
