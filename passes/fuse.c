/* Fuse: one sweep from the results up.
 *
 * When a node is visited all its readers have their kernels, so its own place
 * follows: stored, inside its one reader, or inside each.
 */
#include "passes/fuse.h"

#include "passes/contraction.h"
#include "passes/fusible.h"

#include <assert.h>
#include <string.h>

enum {
    /* Leaves room for the result, accumulation and workspace. */
    KERNEL_OPERANDS_MAX = INSTRUCTION_BUFFERS_MAX - 4,
    KERNEL_NODES_MAX = 256,
};

typedef struct Roots {
    VECTOR(int32_t) list;
} Roots;

typedef struct KernelSize {
    int32_t nodes, operands;
} KernelSize;

typedef struct Fuser {
    const LocalGraph *local;
    const Graph *graph;
    Arena *arena;
    bool *live;
    bool *stored;   /* somebody needs it in a buffer */
    bool *repeated; /* inside a kernel it would be computed many times */
    bool *by_rows;  /* readers take its rows in order, each row once a pass */
    FusibleWork work;
    Roots *readers;   /* by node: the kernels that read it */
    Roots *homes;     /* by node: the kernels that compute it */
    KernelSize *size; /* by root */
    Fusion *out;
} Fuser;

static const Node *node_at(const Fuser *f, int32_t i)
{
    return graph_node(f->graph, (NodeId){i});
}

static SegmentKind segment_at(const Fuser *f, int32_t i)
{
    return f->local->segments.data[i];
}

/* -- what an op is to fusion ----------------------------------------------- */

/* Its value comes from a buffer that something else than a kernel fills. */
static bool is_given(Op op)
{
    return op == OP_INPUT || op == OP_VARIABLE || op == OP_RECEIVE ||
           op_has(op, TRAIT_COLLECTIVE) || op_has(op, TRAIT_WORLD);
}

/* -- contractions look through transposes ---------------------------------- */

/* The node that a contraction's operand is a strided view of. */
static NodeId view_source(const Graph *graph, NodeId x, View *view)
{
    int32_t order[RANK_MAX];
    const Node *node = graph_node(graph, x);
    for (int32_t d = 0; d < node->type.shape.rank; d++)
        order[d] = d;
    while (node->op == OP_TRANSPOSE) {
        for (int32_t d = 0; d < node->type.shape.rank; d++)
            order[d] = node->attr.permute.dims[order[d]];
        x = node->operands[0];
        node = graph_node(graph, x);
    }
    View dense = view_dense(&node->type.shape);
    *view = view_permute(&dense, order);
    return x;
}

/* The operands of OP_DOT node `i` with as many transposes folded as a call
 * allows; its dense operands always have one. */
static DotCall fold_transposes(const Graph *graph, int32_t i, NodeId sources[2])
{
    const Node *node = graph_node(graph, (NodeId){i});
    View folded[2], plain[2];
    NodeId source[2];
    DotCall call;
    for (int k = 0; k < 2; k++) {
        source[k] = view_source(graph, node->operands[k], &folded[k]);
        plain[k] = view_dense(&graph_operand(graph, node, k)->type.shape);
    }
    for (int keep = 0; keep < 4; keep++) {
        const View *left = keep & 2 ? &plain[0] : &folded[0];
        const View *right = keep & 1 ? &plain[1] : &folded[1];
        sources[0] = keep & 2 ? node->operands[0] : source[0];
        sources[1] = keep & 1 ? node->operands[1] : source[1];
        if (dot_call(&node->attr.dot, left, right, &node->type.shape, &call))
            return call;
    }
    assert(!"the partitioner writes contractions that have a call");
    return call;
}

DotCall fused_dot_call(const Graph *graph, NodeId id)
{
    NodeId sources[2];
    return fold_transposes(graph, id.index, sources);
}

/* -- the sweep ------------------------------------------------------------- */

static void store(Fuser *f, NodeId id)
{
    f->live[id.index] = f->stored[id.index] = true;
}

static void store_results(Fuser *f)
{
    const LocalGraph *local = f->local;
    /* What is sent is received, read or not. */
    for (int32_t i = 1; i < f->graph->nodes.count; i++)
        if (node_at(f, i)->op == OP_RECEIVE)
            store(f, (NodeId){i});
    for (int64_t i = 0; i < local->sends.count; i++)
        store(f, local->sends.data[i].value);
    for (int64_t i = 0; i < local->world_sums.count; i++)
        store(f, local->world_sums.data[i].node);
    for (int64_t i = 0; i < local->writes.count; i++)
        store(f, local->writes.data[i].value);
    for (int64_t i = 0; i < local->outputs.count; i++)
        store(f, local->outputs.data[i].value);
}

static bool is_written(const Fuser *f, int32_t i)
{
    for (int64_t k = 0; k < f->local->writes.count; k++)
        if (f->local->writes.data[k].value.index == i)
            return true;
    return false;
}

static bool has_root(const Roots *roots, int32_t root)
{
    for (int64_t i = 0; i < roots->list.count; i++)
        if (roots->list.data[i] == root)
            return true;
    return false;
}

static void add_root(Fuser *f, Roots *roots, int32_t root)
{
    *vector_push(f->arena, &roots->list) = root;
}

/* Kernel `root` reads node `i`, as an operand for now. */
static void add_reader(Fuser *f, int32_t i, int32_t root)
{
    if (has_root(&f->readers[i], root))
        return;
    add_root(f, &f->readers[i], root);
    f->size[root].operands++;
}

static bool has_room(const Fuser *f, int32_t i)
{
    for (int64_t r = 0; r < f->readers[i].list.count; r++) {
        const KernelSize *size = &f->size[f->readers[i].list.data[r]];
        if (size->operands - 1 + node_at(f, i)->n_operands >
                KERNEL_OPERANDS_MAX ||
            size->nodes == KERNEL_NODES_MAX)
            return false;
    }
    return true;
}

static bool is_root(const Fuser *f, int32_t i)
{
    const Node *node = node_at(f, i);
    if (f->stored[i] || fusible_is_root(node->op))
        return true;
    if (op_has(node->op, TRAIT_REDUCE) &&
        !(fusible_folds_rows(f->graph, node) && f->by_rows[i]))
        return true;
    if (!fusible_may_be_repeated(&f->work, f->graph, (NodeId){i}) &&
        (f->readers[i].list.count > 1 || f->repeated[i]))
        return true;
    return !has_room(f, i);
}

static void move_in(Fuser *f, int32_t i)
{
    f->homes[i] = f->readers[i];
    for (int64_t r = 0; r < f->homes[i].list.count; r++) {
        KernelSize *size = &f->size[f->homes[i].list.data[r]];
        size->operands--;
        size->nodes++;
    }
}

static void read_operand(Fuser *f, int32_t reader, int32_t k, bool is_inside)
{
    const Node *node = node_at(f, reader);
    int32_t operand = node->operands[k].index;
    SegmentKind own = segment_at(f, operand);
    f->live[operand] = true;
    f->stored[operand] |= fusible_reads_buffer(node->op, k);
    bool rows = fusible_keeps_rows(f->graph, node) &&
                (!is_inside || f->by_rows[reader]);
    f->by_rows[operand] &= rows;
    f->repeated[operand] |= (fusible_repeats(f->graph, node) && !rows) ||
                            (is_inside && f->repeated[reader]);
    /* A given value has no home: its reader is a segment's instruction. */
    if (is_given(node->op))
        f->stored[operand] |= segment_at(f, reader) != own;
    for (int64_t h = 0; h < f->homes[reader].list.count; h++) {
        int32_t root = f->homes[reader].list.data[h];
        add_reader(f, operand, root);
        f->stored[operand] |=
            segment_at(f, root) != own &&
            !fusible_is_view(&f->work, f->graph, (NodeId){operand});
    }
}

/* A contraction reads what its operands are views of. */
static void read_views(Fuser *f, int32_t i)
{
    NodeId sources[2];
    fold_transposes(f->graph, i, sources);
    for (int k = 0; k < 2; k++)
        store(f, sources[k]);
}

static void visit(Fuser *f, int32_t i)
{
    const Node *node = node_at(f, i);
    if (node->op == OP_RESHAPE && f->stored[i] && !is_written(f, i)) {
        store(f, node->operands[0]); /* the same bytes */
        return;
    }
    bool given = is_given(node->op), root = given || is_root(f, i);
    f->stored[i] = root;
    if (root && !given)
        add_root(f, &f->homes[i], i);
    else if (!root)
        move_in(f, i);
    if (node->op == OP_DOT) {
        read_views(f, i);
        return;
    }
    for (int32_t k = 0; k < node->n_operands; k++)
        read_operand(f, i, k, !root);
}

/* -- bodies ---------------------------------------------------------------- */

static void add_operand(Fuser *f, KernelBody *body, NodeId id)
{
    for (int64_t i = 0; i < body->operands.count; i++)
        if (body->operands.data[i].index == id.index)
            return;
    *vector_push(f->arena, &body->operands) = id;
}

/* A library takes its two operands in order, even when they are one. */
static void library_body(Fuser *f, KernelBody *body)
{
    const Node *node = graph_node(f->graph, body->root);
    NodeId sources[2] = {{0}, {0}};
    if (node->op == OP_DOT)
        fold_transposes(f->graph, body->root.index, sources);
    for (int k = 0; k < 2; k++) {
        NodeId id = node->operands[k], source = sources[k];
        *vector_push(f->arena, &body->operands) = node_is(source) ? source : id;
        int64_t first = body->nodes.count;
        while (node_is(source) && id.index != source.index) {
            *vector_push(f->arena, &body->nodes) = id;
            id = graph_node(f->graph, id)->operands[0];
        }
        for (int64_t i = first, j = body->nodes.count - 1; i < j; i++, j--) {
            NodeId swapped = body->nodes.data[i];
            body->nodes.data[i] = body->nodes.data[j];
            body->nodes.data[j] = swapped;
        }
    }
    *vector_push(f->arena, &body->nodes) = body->root;
}

static KernelBody *body_of(Fuser *f, int32_t root)
{
    return &f->out->kernels.data[f->out->kernel_of[root]];
}

static void add_node(Fuser *f, KernelBody *body, int32_t i)
{
    const Node *node = node_at(f, i);
    for (int32_t k = 0; k < node->n_operands; k++)
        if (!has_root(&f->homes[node->operands[k].index], body->root.index))
            add_operand(f, body, node->operands[k]);
    *vector_push(f->arena, &body->nodes) = (NodeId){i};
}

static void make_bodies(Fuser *f)
{
    int64_t count = f->graph->nodes.count;
    for (int32_t i = 1; i < count; i++) {
        f->out->kernel_of[i] = -1;
        if (!f->live[i] || !has_root(&f->homes[i], i))
            continue;
        f->out->kernel_of[i] = (int32_t)f->out->kernels.count;
        KernelBody *body = vector_push(f->arena, &f->out->kernels);
        *body = (KernelBody){.graph = f->graph,
                             .root = {i},
                             .accumulates = node_at(f, i)->op == OP_ACCUMULATE};
        if (op_has(node_at(f, i)->op, TRAIT_CONTRACTION))
            library_body(f, body);
    }
    for (int32_t i = 1; i < count; i++) {
        if (!f->live[i] || op_has(node_at(f, i)->op, TRAIT_CONTRACTION))
            continue;
        for (int64_t h = 0; h < f->homes[i].list.count; h++)
            add_node(f, body_of(f, f->homes[i].list.data[h]), i);
    }
}

static void resolve_storage(Fuser *f)
{
    for (int32_t i = 1; i < f->graph->nodes.count; i++) {
        const Node *node = node_at(f, i);
        if (!f->live[i] || !f->stored[i])
            continue;
        bool alias = node->op == OP_RESHAPE && f->out->kernel_of[i] < 0;
        f->out->storage[i] =
            alias ? f->out->storage[node->operands[0].index] : (NodeId){i};
    }
}

Fusion fuse(const LocalGraph *local, Arena *arena)
{
    int64_t count = local->graph->nodes.count;
    Fusion fusion = {
        .storage = arena_new(arena, NodeId, count),
        .live = arena_new(arena, bool, count),
        .kernel_of = arena_new(arena, int32_t, count),
    };
    Fuser f = {
        .local = local,
        .graph = local->graph,
        .arena = arena,
        .live = fusion.live,
        .stored = arena_new(arena, bool, count),
        .repeated = arena_new(arena, bool, count),
        .by_rows = arena_new(arena, bool, count),
        .work = fusible_work(local->graph, arena),
        .readers = arena_new(arena, Roots, count),
        .homes = arena_new(arena, Roots, count),
        .size = arena_new(arena, KernelSize, count),
        .out = &fusion,
    };
    for (int32_t i = 1; i < count; i++)
        f.by_rows[i] = true;
    store_results(&f);
    for (int32_t i = (int32_t)count - 1; i > 0; i--)
        if (f.live[i])
            visit(&f, i);
    make_bodies(&f);
    resolve_storage(&f);
    return fusion;
}

Str fusion_print(const LocalGraph *local, const Fusion *fusion, Arena *arena)
{
    Text text = text_new(arena);
    for (int64_t k = 0; k < fusion->kernels.count; k++) {
        const KernelBody *body = &fusion->kernels.data[k];
        const Node *root = graph_node(local->graph, body->root);
        text_format(&text, "%s \"%.*s\" <-",
                    segment_name(local->segments.data[body->root.index]),
                    STR_ARG(root->path));
        for (int64_t i = 0; i < body->operands.count; i++)
            text_format(
                &text, "%s \"%.*s\"", i ? "," : "",
                STR_ARG(
                    graph_node(local->graph, body->operands.data[i])->path));
        text_append(&text, STR(":"));
        for (int64_t i = 0; i < body->nodes.count; i++)
            text_format(
                &text, " %s",
                op_info(graph_node(local->graph, body->nodes.data[i])->op)
                    ->text);
        text_append(&text, STR("\n"));
    }
    return text_str(&text);
}
