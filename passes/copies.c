/* Copies: nodes that make a resharded value something to share.
 *
 * A strategy network prices resharding on edges, once for each reader.  Where
 * several readers could share one resharded value, and where a value crosses
 * from one layer to another and so perhaps between stages, a `copy` stands for
 * it (docs/architecture.md, 3.4):
 *
 *   base      one for a value and a layer that reads it: in another layer than
 *             the value's it is where the value arrives (a further layer reads
 *             the base of the layer before, so a value visits a stage once);
 *             in its own layer it is the hoisted form of a per-step value,
 *             such as a parameter, that is read in every microbatch
 *   regional  one for a region in which several nodes read the value or base
 *
 * A copy whose sharding equals its operand's is no copy at all.
 */
#include "ir/rule.h"
#include "passes/pass.h"

#include <string.h>

/* Readers of one value in one layer. */
typedef struct Readers {
    int32_t layer;
    int32_t count[3][2]; /* [region][1: in every microbatch] */
    NodeId base;         /* in the new graph; none: the value itself */
    NodeId regional[3][2];
} Readers;

typedef struct ReadersList {
    VECTOR(Readers) list;
    NodeId arrived; /* the base that the next layer reads */
} ReadersList;

typedef struct Copies {
    const Graph *from;
    Graph *to;
    Arena *scratch;
    const uint8_t *time;
    NodeId *map;
    ReadersList *readers; /* by node of `from` */
} Copies;

static bool every_microbatch(const Copies *c, NodeId id)
{
    return c->time[id.index] != ASSIGN_NONE;
}

/* Values that every stage has or makes for itself need no copies.  Nor does a
 * broadcast within its layer: readers compute it from the narrow value, and
 * what they want of it they cut out, in each microbatch. */
static bool is_copied(const Copies *c, NodeId value, NodeId reader)
{
    const Node *from = graph_node(c->from, value);
    const Node *to = graph_node(c->from, reader);
    if (from->layer == LAYER_NONE || to->layer == LAYER_NONE)
        return false;
    return from->layer != to->layer || from->op != OP_BROADCAST;
}

static Readers *readers_in(Copies *c, NodeId value, int32_t layer)
{
    ReadersList *of = &c->readers[value.index];
    for (int64_t i = 0; i < of->list.count; i++)
        if (of->list.data[i].layer == layer)
            return &of->list.data[i];
    Readers *readers = vector_push(c->scratch, &of->list);
    readers->layer = layer;
    return readers;
}

static void count_readers(Copies *c)
{
    for (int32_t i = 1; i < c->from->nodes.count; i++) {
        const Node *node = graph_node(c->from, (NodeId){i});
        for (int32_t k = 0; k < node->n_operands; k++) {
            if (!is_copied(c, node->operands[k], (NodeId){i}))
                continue;
            Readers *readers = readers_in(c, node->operands[k], node->layer);
            readers->count[node->region][every_microbatch(c, (NodeId){i})]++;
        }
    }
}

static int32_t readers_in_microbatches(const Readers *readers)
{
    return readers->count[REGION_FORWARD][1] +
           readers->count[REGION_BACKWARD][1];
}

static NodeId append_copy(Copies *c, NodeId of, NodeId reader, Region region,
                          const char *suffix)
{
    const Node *node = graph_node(c->from, reader);
    NodeOrigin origin = node_origin(c->to, of, suffix);
    origin.region = region;
    origin.layer = node->layer;
    if (region == REGION_FORWARD)
        origin.forward = (NodeId){0};
    else
        origin.forward = c->map[node->forward.index];
    return graph_append(c->to, OP_COPY, &of, 1, (Attr){0}, origin);
}

/* Where a layer gets a value of another layer: from the copy that arrived
 * last, as long as that lies on the way; gradients go from later layers to
 * earlier ones, all else from earlier to later. */
static NodeId source_for(const Copies *c, NodeId value, NodeId reader)
{
    NodeId arrived = c->readers[value.index].arrived;
    const Node *node = graph_node(c->from, reader);
    if (!node_is(arrived))
        return c->map[value.index];
    int32_t at = graph_node(c->to, arrived)->layer;
    bool on_the_way =
        node->region == REGION_FORWARD ? at <= node->layer : at >= node->layer;
    return on_the_way ? arrived : c->map[value.index];
}

/* What a layer reads of a value: its own base where there is to be one. */
static NodeId base_for(Copies *c, NodeId value, NodeId reader, Readers *readers)
{
    if (node_is(readers->base))
        return readers->base;
    const Node *node = graph_node(c->from, value);
    ReadersList *of = &c->readers[value.index];
    NodeId last = source_for(c, value, reader);
    readers->base = c->map[value.index];
    if (readers->layer != node->layer) {
        Region region = graph_node(c->from, reader)->region;
        readers->base = append_copy(c, last, reader, region, "copy");
        of->arrived = readers->base;
    } else if (!every_microbatch(c, value) && node->region == REGION_FORWARD &&
               readers_in_microbatches(readers) > 0) {
        readers->base =
            append_copy(c, c->map[value.index], reader, REGION_FORWARD, "copy");
    }
    return readers->base;
}

/* A per-step value that nodes of every microbatch read was copied as their
 * base; its other readers, the update's, take the value itself. */
static bool reads_base(const Copies *c, NodeId value, NodeId reader)
{
    const Node *node = graph_node(c->from, reader);
    return node->layer != graph_node(c->from, value)->layer ||
           every_microbatch(c, reader);
}

/* Several readers share a copy; not of a per-step value in every microbatch,
 * which would need a value that is both. */
static bool shares_regional(const Copies *c, NodeId value, NodeId reader,
                            const Readers *readers)
{
    bool often = every_microbatch(c, reader);
    Region region = graph_node(c->from, reader)->region;
    if (readers->count[region][often] < 2)
        return false;
    return often ? every_microbatch(c, value)
                 : region == REGION_UPDATE || !every_microbatch(c, value);
}

static NodeId copy_for(Copies *c, NodeId value, NodeId reader)
{
    static const char *const SUFFIXES[] = {"forward", "backward", "update"};
    const Node *node = graph_node(c->from, reader);
    if (!is_copied(c, value, reader))
        return c->map[value.index];
    Readers *readers = readers_in(c, value, node->layer);
    NodeId read = reads_base(c, value, reader)
                      ? base_for(c, value, reader, readers)
                      : c->map[value.index];
    if (!shares_regional(c, value, reader, readers))
        return read;
    NodeId *regional =
        &readers->regional[node->region][every_microbatch(c, reader)];
    if (!node_is(*regional))
        *regional =
            append_copy(c, read, reader, node->region, SUFFIXES[node->region]);
    return *regional;
}

/* The node with each operand replaced by what it is to read. */
static void clone_reading_copies(Copies *c, NodeId id)
{
    const Node *node = graph_node(c->from, id);
    NodeId *reads = arena_new(c->scratch, NodeId, node->n_operands);
    NodeId *values = arena_new(c->scratch, NodeId, node->n_operands);
    for (int32_t k = 0; k < node->n_operands; k++)
        reads[k] = copy_for(c, node->operands[k], id);
    for (int32_t k = 0; k < node->n_operands; k++) {
        values[k] = c->map[node->operands[k].index];
        c->map[node->operands[k].index] = reads[k];
    }
    c->map[id.index] = graph_clone(c->to, c->from, id, c->map);
    for (int32_t k = node->n_operands - 1; k >= 0; k--)
        c->map[node->operands[k].index] = values[k];
}

/* Which nodes run in every microbatch does not depend on how many there are:
 * the least count that divides the batch tells, or one. */
static const uint8_t *microbatch_times(const Graph *graph, Arena *arena)
{
    Diagnostics ignored = diagnostics_new(arena);
    int64_t batch = 1;
    uint8_t *time;
    if (graph->inputs.count)
        batch = graph->inputs.data[0].type.shape.extent[0];
    for (int64_t count = 2; count <= batch; count++)
        if (batch % count == 0 &&
            rule_microbatch(graph, count, arena, &time, &ignored))
            return time;
    rule_microbatch(graph, 1, arena, &time, &ignored);
    return time;
}

Graph *pass_copies(const Graph *from, const PassOptions *options, Arena *perm,
                   Arena scratch)
{
    (void)options;
    Copies c = {
        .from = from,
        .to = graph_like(perm, from, from->name),
        .scratch = &scratch,
        .time = microbatch_times(from, &scratch),
        .map = arena_new(&scratch, NodeId, from->nodes.count),
        .readers = arena_new(&scratch, ReadersList, from->nodes.count),
    };
    count_readers(&c);
    for (int32_t i = 1; i < from->nodes.count; i++)
        clone_reading_copies(&c, (NodeId){i});
    graph_clone_outputs(c.to, from, c.map);
    return c.to;
}
