/* Simplify: folds constants, applies algebra, merges equal nodes, drops dead
 * ones.
 *
 * One walk builds a new graph through simplify_build, which never appends a
 * node that a rule can replace or that is there already (hash-consing by
 * structure: op, type, operands, attribute; commutative operands in order).
 * A rule looks only at operands, which are in simplest form when it looks; so
 * one walk suffices, and simplifying twice changes nothing.  A second walk
 * keeps what an output needs.
 *
 * A node that survives keeps its path; one that was merged or replaced by an
 * existing value loses it.  Inputs and variables always survive: they are
 * tables shared with the model's other graphs.
 */
#include "passes/simplify.h"

#include "passes/layer.h"
#include "passes/pass.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

const Node *draft_operand(const Simplifier *s, const Draft *draft, int32_t i)
{
    return graph_node(s->to, draft->operands[i]);
}

bool draft_constant(const Simplifier *s, const Draft *draft, int32_t i,
                    double *value)
{
    const Node *node = draft_operand(s, draft, i);
    *value = node->attr.constant.value;
    return node->op == OP_CONSTANT;
}

/* -- equal nodes ----------------------------------------------------------- */

enum { KEY_FIXED = 3 + RANK_MAX };

static void sort_pair(int64_t *pair)
{
    if (pair[0] > pair[1]) {
        int64_t first = pair[0];
        pair[0] = pair[1];
        pair[1] = first;
    }
}

/* Everything that makes a node what it is but for the attribute. */
static Str key_of(const Simplifier *s, const Draft *draft)
{
    int64_t n = KEY_FIXED + draft->n_operands;
    int64_t *words = arena_new(s->scratch, int64_t, n);
    words[0] = draft->op;
    words[1] = draft->type.dtype;
    words[2] = draft->type.shape.rank;
    for (int32_t i = 0; i < RANK_MAX; i++)
        words[3 + i] = draft->type.shape.extent[i];
    for (int32_t i = 0; i < draft->n_operands; i++)
        words[KEY_FIXED + i] = draft->operands[i].index;
    if (op_has(draft->op, TRAIT_COMMUTATIVE))
        sort_pair(words + KEY_FIXED);
    return (Str){(const char *)words, n * (int64_t)sizeof *words};
}

/* Whether the draft may become the equal node `id`.  Data flows from layer to
 * layer forward, then backward: a node must not move to a layer from which its
 * value would have to flow the other way.  Layers are not known yet, but their
 * order is that of the forward nodes.  What is computed everywhere may always
 * be shared. */
static bool may_share(const Simplifier *s, NodeId id, const Draft *draft)
{
    const Node *node = graph_node(s->to, id);
    if (s->is_free.data[id.index])
        return true;
    switch (draft->origin.region) {
    case REGION_FORWARD: return true;
    case REGION_BACKWARD:
        return node->region == REGION_FORWARD
                   ? id.index <= draft->origin.forward.index
                   : node->forward.index >= draft->origin.forward.index;
    case REGION_UPDATE:
        return node->region == REGION_UPDATE &&
               node->forward.index == draft->origin.forward.index;
    }
    return false;
}

static void note_node(Simplifier *s, NodeId id, int32_t earlier)
{
    while (s->earlier.count <= id.index) {
        vector_push(s->scratch, &s->earlier);
        vector_push(s->scratch, &s->is_free);
    }
    s->earlier.data[id.index] = earlier;
    s->is_free.data[id.index] =
        layer_is_free(s->to, graph_node(s->to, id), s->is_free.data);
}

/* The node of this key and attribute, appended unless it exists. */
static NodeId intern(Simplifier *s, const Draft *draft)
{
    Str key = key_of(s, draft);
    int64_t *latest = map_insert(s->scratch, &s->keys, key, 0, NULL);
    for (int32_t i = (int32_t)*latest; i != 0; i = s->earlier.data[i]) {
        const Node *node = graph_node(s->to, (NodeId){i});
        if (attr_equal(draft->op, &node->attr, &draft->attr) &&
            may_share(s, (NodeId){i}, draft))
            return (NodeId){i};
    }
    NodeId id =
        graph_append_typed(s->to, draft->op, draft->operands, draft->n_operands,
                           draft->attr, draft->type, draft->origin);
    note_node(s, id, (int32_t)*latest);
    *latest = id.index;
    return id;
}

NodeId simplify_build(Simplifier *s, const Draft *draft)
{
    NodeId id = simplify_constants(s, draft);
    if (!node_is(id))
        id = simplify_arithmetic(s, draft);
    if (!node_is(id))
        id = simplify_movement(s, draft);
    return node_is(id) ? id : intern(s, draft);
}

/* -- the two walks --------------------------------------------------------- */

static NodeId rebuild(Simplifier *s, const Graph *from, NodeId id,
                      const NodeId *map)
{
    const Node *node = graph_node(from, id);
    Draft draft = {
        .op = node->op,
        .operands = arena_new(s->scratch, NodeId, node->n_operands),
        .n_operands = node->n_operands,
        .attr = node->attr,
        .type = node->type,
        .origin = node_origin(from, id, ""),
    };
    draft.origin.forward = map[node->forward.index];
    for (int32_t i = 0; i < node->n_operands; i++)
        draft.operands[i] = map[node->operands[i].index];
    return simplify_build(s, &draft);
}

static bool *find_live(const Graph *graph, Arena *arena)
{
    bool *live = arena_new(arena, bool, graph->nodes.count);
    for (int64_t i = 0; i < graph->outputs.count; i++)
        live[graph->outputs.data[i].node.index] = true;
    for (int64_t i = graph->nodes.count - 1; i > 0; i--) {
        const Node *node = &graph->nodes.data[i];
        live[i] |= node->op == OP_INPUT || node->op == OP_VARIABLE;
        for (int32_t k = 0; live[i] && k < node->n_operands; k++)
            live[node->operands[k].index] = true;
    }
    return live;
}

/* A dead forward node may still be named by the backward nodes it left behind:
 * they come to belong to its operand. */
static NodeId heir_of(const Node *dead, const NodeId *map)
{
    return dead->n_operands > 0 ? map[dead->operands[0].index] : (NodeId){0};
}

static Graph *keep_live(const Graph *from, Arena *perm, Arena scratch)
{
    Graph *to = graph_like(perm, from, from->name);
    NodeId *map = arena_new(&scratch, NodeId, from->nodes.count);
    bool *live = find_live(from, &scratch);
    for (int32_t i = 1; i < from->nodes.count; i++) {
        NodeId id = {i};
        map[i] = live[i] ? graph_clone(to, from, id, map)
                         : heir_of(graph_node(from, id), map);
    }
    graph_clone_outputs(to, from, map);
    return to;
}

Graph *pass_simplify(const Graph *from, const PassOptions *options, Arena *perm,
                     Arena scratch)
{
    (void)options;
    Arena building = arena_split(&scratch);
    Simplifier s = {.to = graph_like(&building, from, from->name),
                    .scratch = &scratch};
    NodeId *map = arena_new(&scratch, NodeId, from->nodes.count);
    for (int32_t i = 1; i < from->nodes.count; i++)
        map[i] = rebuild(&s, from, (NodeId){i}, map);
    graph_clone_outputs(s.to, from, map);
    return keep_live(s.to, perm, scratch);
}
