/* Storage: see the header. */
#include "passes/storage.h"

#include "passes/layer.h"
#include "passes/stored.h"

#include <stddef.h>

static bool is_time_partial(const Graph *graph, NodeId id, uint8_t time)
{
    if (time == ASSIGN_NONE)
        return false;
    if (time >= ASSIGN_LINEAR)
        return true;
    Rule rule = rule_of(graph, id);
    int8_t factor = (int8_t)(time - ASSIGN_FACTOR);
    for (int d = 0; d < RANK_MAX; d++)
        for (int i = 0; i < rule.result[d].n; i++)
            if (rule.result[d].factor[i] == factor)
                return false;
    return true;
}

typedef struct Sweep {
    const Graph *graph;
    NodeStorage *nodes;
    bool *partial; /* over microbatches */
    bool *late;    /* made of finished sums, or known to all stages */
    bool *early;   /* per step, read in microbatches */
} Sweep;

/* What accumulated values and world sums lead to runs after the last
 * microbatch. */
static void follow_operands(Sweep *s, NodeId id)
{
    const Node *node = graph_node(s->graph, id);
    s->late[id.index] = op_has(node->op, TRAIT_WORLD);
    for (int32_t k = 0; k < node->n_operands; k++) {
        int32_t operand = node->operands[k].index;
        bool finished = s->partial[operand] && !s->partial[id.index];
        s->late[id.index] |= s->late[operand] || finished;
        s->nodes[operand].accumulated |= finished;
    }
}

static void follow_readers(Sweep *s, NodeId id)
{
    const Node *node = graph_node(s->graph, id);
    bool before = !s->late[id.index] && node->region != REGION_UPDATE &&
                  (s->nodes[id.index].microbatch || s->early[id.index]);
    for (int32_t k = 0; k < node->n_operands; k++)
        s->early[node->operands[k].index] |= before;
}

static StepPart part_of(const Sweep *s, int32_t i, int64_t n_microbatches)
{
    const Node *node = graph_node(s->graph, (NodeId){i});
    if (node->region == REGION_UPDATE || s->late[i])
        return PART_UPDATE;
    if (n_microbatches == 1 || s->nodes[i].microbatch)
        return node->region == REGION_FORWARD ? PART_FORWARD : PART_BACKWARD;
    return node->region == REGION_FORWARD || s->early[i] ? PART_BEGIN
                                                         : PART_UPDATE;
}

NodeStorage *storage_of(const Graph *graph, int64_t n_microbatches,
                        Arena *arena, Diagnostics *diagnostics)
{
    int64_t count = graph->nodes.count;
    NodeStorage *nodes = arena_new(arena, NodeStorage, count);
    Arena scratch = *arena;
    uint8_t *time;
    if (!rule_microbatch(graph, n_microbatches, &scratch, &time, diagnostics))
        return NULL;
    Sweep s = {
        .graph = graph,
        .nodes = nodes,
        .partial = arena_new(&scratch, bool, count),
        .late = arena_new(&scratch, bool, count),
        .early = arena_new(&scratch, bool, count),
    };
    bool *is_free = arena_new(&scratch, bool, count);
    for (int32_t i = 1; i < count; i++) {
        const Node *node = graph_node(graph, (NodeId){i});
        is_free[i] = layer_is_free(graph, node, is_free);
        nodes[i].free = is_free[i] && node->op != OP_INPUT;
        nodes[i].time = time[i];
        nodes[i].microbatch = time[i] != ASSIGN_NONE;
        s.partial[i] = is_time_partial(graph, (NodeId){i}, time[i]);
        follow_operands(&s, (NodeId){i});
    }
    for (int32_t i = (int32_t)count - 1; i > 0; i--)
        follow_readers(&s, (NodeId){i});
    for (int32_t i = 1; i < count; i++)
        nodes[i].part = part_of(&s, i, n_microbatches);
    stored_mark(graph, nodes, scratch);
    return nodes;
}
