/* Timing: see the header. */
#include "timing.h"

#include "passes/storage.h"

#include <stddef.h>

/* Whether axis 0 leaves a partial sum: it splits a factor that the result does
 * not have, or it makes the result partial as a whole. */
static bool is_partial(const Graph *graph, NodeId id, uint8_t time)
{
    if (time == ASSIGN_NONE || time >= ASSIGN_LINEAR)
        return time != ASSIGN_NONE;
    Rule rule = rule_of(graph, id);
    bool occurs = false;
    for (int d = 0; d < graph_node(graph, id)->type.shape.rank; d++)
        for (int i = 0; i < rule.result[d].n; i++)
            occurs |= rule.result[d].factor[i] == time - ASSIGN_FACTOR;
    return !occurs;
}

static bool is_free(const Graph *graph, const Node *node, const Timing *timing)
{
    if (node->op == OP_WORLD_SUM)
        return true;
    if (op_has(node->op, TRAIT_LEAF))
        return node->op != OP_VARIABLE && node->op != OP_INPUT;
    for (int32_t k = 0; k < node->n_operands; k++)
        if (!timing[node->operands[k].index].free)
            return false;
    (void)graph;
    return true;
}

/* Known only when the last microbatch is done. */
static bool *find_late(const Graph *graph, const bool *partial, Arena *arena)
{
    bool *late = arena_new(arena, bool, graph->nodes.count);
    for (int32_t i = 1; i < graph->nodes.count; i++) {
        const Node *node = graph_node(graph, (NodeId){i});
        late[i] = node->op == OP_WORLD_SUM;
        for (int32_t k = 0; k < node->n_operands; k++) {
            int32_t u = node->operands[k].index;
            late[i] |= late[u] || (partial[u] && !partial[i]);
        }
    }
    return late;
}

/* Wanted, directly or not, by what runs once a microbatch. */
static bool *find_wanted(const Graph *graph, const Timing *timing,
                         const bool *late, Arena *arena)
{
    bool *wanted = arena_new(arena, bool, graph->nodes.count);
    for (int32_t i = (int32_t)graph->nodes.count - 1; i > 0; i--) {
        const Node *node = graph_node(graph, (NodeId){i});
        bool wants = (timing[i].often || wanted[i]) && !late[i] &&
                     node->region != REGION_UPDATE;
        for (int32_t k = 0; wants && k < node->n_operands; k++)
            wanted[node->operands[k].index] = true;
    }
    return wanted;
}

static Moment moment_of(const Node *node, const Timing *timing, bool late,
                        bool wanted, int64_t n_microbatches)
{
    bool forward = node->region == REGION_FORWARD;
    if (late || node->region == REGION_UPDATE)
        return MOMENT_UPDATE;
    if (timing->often || n_microbatches == 1)
        return forward ? MOMENT_FORWARD : MOMENT_BACKWARD;
    return forward || wanted ? MOMENT_BEGIN : MOMENT_UPDATE;
}

/* -- the whole ------------------------------------------------------------- */

Timing *timing_of(const Graph *graph, int64_t n_microbatches, Arena *arena)
{
    Diagnostics ignored = diagnostics_new(arena);
    int64_t count = graph->nodes.count;
    Timing *timing = arena_new(arena, Timing, count);
    const NodeStorage *storage =
        storage_of(graph, n_microbatches, arena, &ignored);
    bool *partial = arena_new(arena, bool, count);
    uint8_t *time;
    if (!rule_microbatch(graph, n_microbatches, arena, &time, &ignored))
        return NULL;
    for (int32_t i = 1; i < count; i++) {
        const Node *node = graph_node(graph, (NodeId){i});
        timing[i].time = time[i];
        timing[i].often = time[i] != ASSIGN_NONE;
        timing[i].free = is_free(graph, node, timing);
        partial[i] = is_partial(graph, (NodeId){i}, time[i]);
        for (int32_t k = 0; k < node->n_operands; k++)
            timing[node->operands[k].index].summed |=
                partial[node->operands[k].index] && !partial[i];
    }
    bool *late = find_late(graph, partial, arena);
    bool *wanted = find_wanted(graph, timing, late, arena);
    for (int32_t i = 1; i < count; i++)
        timing[i].moment = moment_of(graph_node(graph, (NodeId){i}), &timing[i],
                                     late[i], wanted[i], n_microbatches);
    for (int32_t i = 1; i < count; i++)
        timing[i].kept = storage[i].stored;
    return timing;
}
