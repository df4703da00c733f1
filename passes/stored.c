/* Stored: see the header. */
#include "passes/stored.h"

#include "passes/fusible.h"

typedef struct Roots {
    VECTOR(int32_t) list;
} Roots;

typedef struct Sweep {
    const Graph *graph;
    const NodeStorage *nodes;
    Arena *arena;
    FusibleWork work;
    bool *stored;   /* somebody needs it in a buffer */
    bool *kept;     /* for another part of the step, or another layer */
    bool *repeated; /* inside a kernel it would be computed many times */
    bool *by_rows;  /* readers take its rows in order */
    Roots *readers; /* by node: the kernels that read it */
    Roots *homes;   /* by node: the kernels that compute it */
} Sweep;

static const Node *node_at(const Sweep *s, int32_t i)
{
    return graph_node(s->graph, (NodeId){i});
}

static bool is_arrival(const Sweep *s, const Node *node)
{
    return node->op == OP_COPY &&
           graph_operand(s->graph, node, 0)->layer != node->layer;
}

/* What a reader reads when copies within its layer are aliases. */
static int32_t source_of(const Sweep *s, NodeId id)
{
    const Node *node = graph_node(s->graph, id);
    while (node->op == OP_COPY && !is_arrival(s, node)) {
        id = node->operands[0];
        node = graph_node(s->graph, id);
    }
    return id.index;
}

/* Its value comes from a buffer that something else than a kernel fills. */
static bool is_given(const Sweep *s, const Node *node)
{
    return node->op == OP_INPUT || node->op == OP_VARIABLE ||
           op_has(node->op, TRAIT_WORLD) || is_arrival(s, node);
}

static bool is_root(const Sweep *s, int32_t i)
{
    const Node *node = node_at(s, i);
    if (s->stored[i] || s->nodes[i].accumulated || fusible_is_root(node->op))
        return true;
    if (op_has(node->op, TRAIT_REDUCE) &&
        !(fusible_folds_rows(s->graph, node) && s->by_rows[i]))
        return true;
    return !fusible_may_be_repeated(&s->work, s->graph, (NodeId){i}) &&
           (s->readers[i].list.count > 1 || s->repeated[i]);
}

static void add_root(Sweep *s, Roots *roots, int32_t root)
{
    for (int64_t i = 0; i < roots->list.count; i++)
        if (roots->list.data[i] == root)
            return;
    *vector_push(s->arena, &roots->list) = root;
}

/* Kernels end where the layer or the part of the step does. */
static bool is_apart(const Sweep *s, int32_t root, int32_t operand)
{
    return s->nodes[root].part != s->nodes[operand].part ||
           node_at(s, root)->layer != node_at(s, operand)->layer;
}

/* The same elements in another shape: kept for another part of the step it is
 * the buffer of what it is made of, unless that is sharded otherwise; so it
 * counts in its place. */
static bool is_rearranged(const Node *node)
{
    return node->op == OP_RESHAPE || node->op == OP_TRANSPOSE;
}

static bool is_needed(const Sweep *s, int32_t root, int32_t operand)
{
    return is_apart(s, root, operand) &&
           (is_rearranged(node_at(s, operand)) ||
            !fusible_is_view(&s->work, s->graph, (NodeId){operand}));
}

static void read_operand(Sweep *s, int32_t reader, int32_t k, bool is_inside)
{
    const Node *node = node_at(s, reader);
    int32_t operand = source_of(s, node->operands[k]);
    bool rows = fusible_keeps_rows(s->graph, node) &&
                (!is_inside || s->by_rows[reader]);
    s->by_rows[operand] &= rows;
    s->repeated[operand] |= (fusible_repeats(s->graph, node) && !rows) ||
                            (is_inside && s->repeated[reader]);
    s->stored[operand] |=
        fusible_reads_buffer(node->op, k) || is_given(s, node);
    for (int64_t h = 0; h < s->homes[reader].list.count; h++) {
        int32_t root = s->homes[reader].list.data[h];
        add_root(s, &s->readers[operand], root);
        s->kept[operand] |= is_needed(s, root, operand);
        s->stored[operand] |= s->kept[operand];
    }
}

static void visit(Sweep *s, int32_t i)
{
    const Node *node = node_at(s, i);
    if (node->op == OP_COPY && !is_arrival(s, node))
        return;
    if (node->op == OP_RESHAPE && s->stored[i] && !s->kept[i] &&
        !s->nodes[i].accumulated) {
        s->stored[source_of(s, node->operands[0])] = true; /* the same bytes */
        s->stored[i] = false;
        return;
    }
    bool given = is_given(s, node), root = given || is_root(s, i);
    s->stored[i] = root;
    if (root && !given)
        add_root(s, &s->homes[i], i);
    else if (!root)
        s->homes[i] = s->readers[i];
    for (int32_t k = 0; k < node->n_operands; k++)
        read_operand(s, i, k, !root);
}

void stored_mark(const Graph *graph, NodeStorage *nodes, Arena scratch)
{
    int64_t count = graph->nodes.count;
    Sweep s = {
        .graph = graph,
        .nodes = nodes,
        .arena = &scratch,
        .work = fusible_work(graph, &scratch),
        .stored = arena_new(&scratch, bool, count),
        .kept = arena_new(&scratch, bool, count),
        .repeated = arena_new(&scratch, bool, count),
        .by_rows = arena_new(&scratch, bool, count),
        .readers = arena_new(&scratch, Roots, count),
        .homes = arena_new(&scratch, Roots, count),
    };
    for (int32_t i = 1; i < count; i++)
        s.by_rows[i] = true;
    for (int64_t i = 0; i < graph->outputs.count; i++)
        s.stored[source_of(&s, graph->outputs.data[i].node)] = true;
    for (int32_t i = (int32_t)count - 1; i > 0; i--)
        visit(&s, i);
    for (int32_t i = 1; i < count; i++)
        nodes[i].stored =
            !nodes[i].free && (s.stored[i] || node_at(&s, i)->op == OP_COPY);
}
