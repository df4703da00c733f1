/* Cost: what computing and moving take, in nanoseconds.
 *
 * Compute is a roofline: the larger of operations over the device's rate and
 * of bytes over its memory bandwidth.  Values that fusion will fold into their
 * readers move no bytes, and pure index arithmetic costs nothing.  All prices
 * are whole nanoseconds, so that sums are exact and ties are ties.
 */
#ifndef DNNC_PASSES_COST_H
#define DNNC_PASSES_COST_H

#include "ir/mesh.h"
#include "ir/rule.h"
#include "passes/storage.h"

/* Blocks take memory, and are sent, in multiples of this. */
enum { COST_BLOCK_ALIGNMENT = 64 };

/* One run of a node on one device under a strategy with these shardings. */
int64_t cost_node(const Graph *graph, NodeId id, const Rule *rule,
                  const NodeStorage *storage, const LogicalMesh *mesh,
                  const DeviceType *device, const Strategy *strategy,
                  const Sharding *operands, const Sharding *result);

/* A block of `bytes` over a link. */
int64_t cost_transfer(const Link *link, int64_t bytes);

#endif
