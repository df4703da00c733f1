/* Cost: see the header. */
#include "passes/cost.h"

#include <math.h>

static int64_t nanoseconds(double seconds)
{
    return llround(seconds * 1e9);
}

/* What the node's kernel reads and writes: nothing where it is folded into its
 * reader's. */
static double moved_bytes(const Graph *graph, const Node *node,
                          const NodeStorage *storage, const LogicalMesh *mesh,
                          const Sharding *operands, const Sharding *result)
{
    if (!storage->stored || op_has(node->op, TRAIT_LEAF) ||
        node->op == OP_COPY || node->op == OP_RESHAPE)
        return 0;
    double bytes = (double)sharding_local_bytes(mesh, &node->type, result);
    if (storage->accumulated)
        bytes *= 2; /* the running sum is read, too */
    for (int32_t k = 0; k < node->n_operands; k++)
        bytes += (double)sharding_local_bytes(
            mesh, &graph_operand(graph, node, k)->type, &operands[k]);
    return bytes;
}

int64_t cost_node(const Graph *graph, NodeId id, const Rule *rule,
                  const NodeStorage *storage, const LogicalMesh *mesh,
                  const DeviceType *device, const Strategy *strategy,
                  const Sharding *operands, const Sharding *result)
{
    const Node *node = graph_node(graph, id);
    double bytes = moved_bytes(graph, node, storage, mesh, operands, result);
    double flops = rule_flops(graph, id, rule, mesh, strategy);
    double seconds = fmax(flops / device->flops[DTYPE_F32],
                          bytes / device->memory_bandwidth_bytes_per_second);
    return nanoseconds(seconds +
                       (bytes > 0 ? device->kernel_latency_seconds : 0));
}

int64_t cost_transfer(const Link *link, int64_t bytes)
{
    return nanoseconds(link->latency_seconds +
                       (double)bytes / link->bandwidth_bytes_per_second);
}
