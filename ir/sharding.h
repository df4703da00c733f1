/* Sharding: how a value is spread over a logical mesh.
 *
 * A logical mesh has up to MESH_AXES_MAX axes.  Axis 0 is always the
 * *microbatch* axis, which is time: its "devices" are the microbatches of a
 * step, one after the other.  Axes 1.. are the device axes of a stage.
 *
 * An axis mask names a set of axes (bit i: axis i).  A dimension split over
 * several axes is split over the lowest axis first (major), then within each
 * block over the next: blocks nest.  The order of the axes of a dimension is
 * the mesh's own, so a sharding is a few bytes and equal ones are equal bytes.
 *
 * A value that is split on no axis and partial on none is replicated, and
 * replicated means bit-equal.  Partial: the value is the sum (max, min) of
 * what the members of the axis hold.  Partial on axis 0 is resolved by
 * accumulation over microbatches: a value is *per step* exactly when it is
 * neither split nor partial on axis 0.
 *
 * Uneven extents: n over p has blocks of ceil(n/p); the last may be short or
 * empty.  Storage and collectives use the full block.
 */
#ifndef DNNC_IR_SHARDING_H
#define DNNC_IR_SHARDING_H

#include "ir/op.h"
#include "ir/type.h"

enum {
    MESH_AXES_MAX = 4, /* microbatch and up to three device axes */
    AXIS_MICROBATCH = 0,
    AXIS_MASK_TIME = 1 << AXIS_MICROBATCH,
};

typedef struct LogicalAxis {
    Str name; /* "microbatch", then "x", "y", "z" */
    int64_t size;
    /* alpha-beta cost of a ring over this axis (0 for the microbatch axis) */
    double latency_seconds;
    double bandwidth_bytes_per_second;
} LogicalAxis;

typedef struct LogicalMesh {
    int32_t n_axes; /* >= 1 */
    LogicalAxis axis[MESH_AXES_MAX];
} LogicalMesh;

typedef struct Sharding {
    uint8_t axes[RANK_MAX]; /* mask per dimension */
    uint8_t partial;        /* mask */
    uint8_t operator;       /* ReduceOp of the partial axes; 0 when none */
} Sharding;

/* Devices of the mesh: the product of the device axes' sizes. */
int64_t mesh_devices(const LogicalMesh *mesh);
/* The product of the sizes of the axes in `mask`. */
int64_t mesh_axes_size(const LogicalMesh *mesh, uint8_t mask);
/* Whether the device axes have equal sizes. */
bool mesh_same_axes(const LogicalMesh *a, const LogicalMesh *b);
/* Device (linear, last axis fastest) <-> coordinates[MESH_AXES_MAX]; entry 0
 * (the microbatch) is left alone. */
void mesh_coordinates(const LogicalMesh *mesh, int64_t device,
                      int64_t *coordinates);
int64_t mesh_device(const LogicalMesh *mesh, const int64_t *coordinates);
/* Position within the group of devices that differ only in `mask`. */
int64_t mesh_group_index(const LogicalMesh *mesh, uint8_t mask,
                         const int64_t *coordinates);

bool sharding_equal(const Sharding *a, const Sharding *b);
uint8_t sharding_split_axes(const Sharding *s); /* union over dimensions */

/* Block length of a dimension of `extent` split over `mask`: nested ceil. */
int64_t sharding_block(const LogicalMesh *mesh, int64_t extent, uint8_t mask);
/* The one function that knows uneven extents.  The global indices
 * [*start, *start + *length) of a dimension that the holder of `coordinates`
 * has; *length <= block, 0 for an empty block. */
void sharding_local_range(const LogicalMesh *mesh, int64_t extent,
                          uint8_t mask, const int64_t *coordinates,
                          int64_t *start, int64_t *length);
/* Shape of every holder's storage: each dimension its block. */
Shape sharding_local_shape(const LogicalMesh *mesh, const Shape *shape,
                           const Sharding *s);
int64_t sharding_local_bytes(const LogicalMesh *mesh, const Type *type,
                             const Sharding *s);
/* Legal for this shape: no axis twice, microbatch splits even, padding at most
 * an eighth of each dimension (block * parts <= extent * 9 / 8), and only the
 * first axis of a dimension uneven: a block that is short is the last. */
bool sharding_fits(const LogicalMesh *mesh, const Shape *shape,
                   const Sharding *s);

/* "[x, -, y] partial(microbatch, sum)"; "-" is an unsplit dimension, "x*y"
 * two axes; parse is the inverse. */
Str sharding_print(Arena *arena, const LogicalMesh *mesh, int32_t rank,
                   const Sharding *s);
bool sharding_parse(Str text, const LogicalMesh *mesh, int32_t rank,
                    Sharding *out);

#endif
