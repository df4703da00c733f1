/* Graph: building graphs by appending nodes, and copying them. */
#include "ir/graph.h"

#include "ir/rule.h"

#include <assert.h>
#include <string.h>

Graph *graph_new(Arena *arena, Str name)
{
    Graph *graph = arena_new(arena, Graph, 1);
    graph->arena = arena;
    graph->name = str_copy(arena, name);
    vector_push(arena, &graph->nodes); /* none */
    return graph;
}

/* `wanted`, or the first of "wanted#2", "wanted#3", ... that is free. */
static Str path_unique(Graph *graph, Str wanted)
{
    if (!map_find(&graph->paths, wanted))
        return str_copy(graph->arena, wanted);
    int64_t *count =
        map_insert(graph->arena, &graph->duplicates, wanted, 1, NULL);
    Str path;
    do {
        path = str_format(graph->arena, "%.*s#%lld", STR_ARG(wanted),
                          (long long)++*count);
    } while (map_find(&graph->paths, path));
    return path;
}

static Type infer(const Graph *graph, Op op, const NodeId *operands,
                  int32_t n_operands, const Attr *attr, Type wanted)
{
    Arena scratch = *graph->arena;
    Type *types = arena_new(&scratch, Type, n_operands);
    for (int32_t i = 0; i < n_operands; i++) {
        assert(operands[i].index > 0 && operands[i].index < graph->nodes.count);
        types[i] = graph_node(graph, operands[i])->type;
    }
    bool legal = rule_infer(op, attr, types, n_operands, &wanted);
    assert(legal && "operands do not fit the op");
    (void)legal;
    return wanted;
}

static NodeId *own(Graph *graph, const NodeId *operands, int32_t n)
{
    NodeId *copy = arena_new(graph->arena, NodeId, n);
    for (int32_t i = 0; i < n; i++)
        copy[i] = operands[i];
    return copy;
}

/* `operands` are the node's to keep. */
static NodeId append(Graph *graph, Op op, NodeId *operands, int32_t n_operands,
                     const Attr *attr, Type type, NodeOrigin origin)
{
    NodeId id = {(int32_t)graph->nodes.count};
    Str wanted =
        origin.path.length > 0 ? origin.path : str_from(op_info(op)->text);
    Str path = path_unique(graph, wanted);
    map_insert(graph->arena, &graph->paths, path, id.index, NULL);
    *vector_push(graph->arena, &graph->nodes) = (Node){
        .op = op,
        .type = infer(graph, op, operands, n_operands, attr, type),
        .operands = operands,
        .n_operands = n_operands,
        .attr = *attr,
        .region = origin.region,
        .layer = origin.layer,
        .forward = origin.forward,
        .span = origin.span,
        .path = path,
    };
    if (op == OP_VARIABLE) {
        assert(attr->variable.variable < graph->variables.count);
        graph->variables.data[attr->variable.variable].node = id;
    }
    return id;
}

NodeId graph_append(Graph *graph, Op op, const NodeId *operands,
                    int32_t n_operands, Attr attr, NodeOrigin origin)
{
    return append(graph, op, own(graph, operands, n_operands), n_operands,
                  &attr, (Type){0}, origin);
}

NodeId graph_append_typed(Graph *graph, Op op, const NodeId *operands,
                          int32_t n_operands, Attr attr, Type type,
                          NodeOrigin origin)
{
    NodeId id = append(graph, op, own(graph, operands, n_operands), n_operands,
                       &attr, type, origin);
    assert(type_equal(&graph_node(graph, id)->type, &type));
    return id;
}

NodeId graph_unary(Graph *g, Op op, NodeId x, NodeOrigin origin)
{
    return graph_append(g, op, &x, 1, (Attr){0}, origin);
}

NodeId graph_binary(Graph *g, Op op, NodeId x, NodeId y, NodeOrigin origin)
{
    return graph_append(g, op, (NodeId[]){x, y}, 2, (Attr){0}, origin);
}

NodeId graph_select(Graph *g, NodeId condition, NodeId x, NodeId y,
                    NodeOrigin origin)
{
    return graph_append(g, OP_SELECT, (NodeId[]){condition, x, y}, 3, (Attr){0},
                        origin);
}

NodeId graph_constant(Graph *g, double value, Type type, NodeOrigin origin)
{
    return graph_append_typed(g, OP_CONSTANT, NULL, 0,
                              (Attr){.constant = {value}}, type, origin);
}

NodeId graph_iota(Graph *g, int32_t dim, Shape shape, NodeOrigin origin)
{
    return graph_append_typed(g, OP_IOTA, NULL, 0, (Attr){.iota = {dim}},
                              (Type){DTYPE_I32, shape}, origin);
}

NodeId graph_broadcast(Graph *g, NodeId x, const int32_t *dims, Shape shape,
                       NodeOrigin origin)
{
    const Node *node = graph_node(g, x);
    Attr attr = {0};
    for (int32_t i = 0; i < node->type.shape.rank; i++)
        attr.broadcast.dims[i] = dims[i];
    return graph_append_typed(g, OP_BROADCAST, &x, 1, attr,
                              (Type){node->type.dtype, shape}, origin);
}

NodeId graph_reshape(Graph *g, NodeId x, Shape shape, NodeOrigin origin)
{
    Type type = {graph_node(g, x)->type.dtype, shape};
    return graph_append_typed(g, OP_RESHAPE, &x, 1, (Attr){0}, type, origin);
}

NodeId graph_transpose(Graph *g, NodeId x, const int32_t *dims,
                       NodeOrigin origin)
{
    Attr attr = {0};
    for (int32_t i = 0; i < graph_node(g, x)->type.shape.rank; i++)
        attr.permute.dims[i] = dims[i];
    return graph_append(g, OP_TRANSPOSE, &x, 1, attr, origin);
}

NodeId graph_reduce(Graph *g, Op op, NodeId x, uint32_t dims, NodeOrigin origin)
{
    assert(op == OP_SUM || op == OP_REDUCE_MAX || op == OP_ARGMAX);
    return graph_append(g, op, &x, 1, (Attr){.reduce = {dims}}, origin);
}

/* Copies the labels up to `end`; returns what follows it. */
static const char *take_labels(char *to, const char *from, const char *end)
{
    size_t length = strcspn(from, end);
    assert(length <= RANK_MAX);
    memcpy(to, from, length);
    return from + length + strlen(end);
}

NodeId graph_dot(Graph *g, NodeId x, NodeId y, const char *equation,
                 NodeOrigin origin)
{
    Attr attr = {0};
    const char *right = take_labels(attr.dot.left, equation, ",");
    const char *result = take_labels(attr.dot.right, right, "->");
    take_labels(attr.dot.result, result, "");
    return graph_append(g, OP_DOT, (NodeId[]){x, y}, 2, attr, origin);
}

NodeId graph_splat(Graph *g, NodeId scalar, Shape shape, NodeOrigin origin)
{
    const Shape *x = &graph_node(g, scalar)->type.shape;
    if (shape_equal(x, &shape))
        return scalar;
    int32_t dims[RANK_MAX] = {0};
    for (int32_t i = 0; i < x->rank; i++)
        dims[i] = shape.rank - x->rank + i;
    return graph_broadcast(g, scalar, dims, shape, origin);
}

int32_t graph_add_input(Graph *g, Str name, Type type, NodeOrigin origin,
                        NodeId *node)
{
    int32_t index = (int32_t)g->inputs.count;
    *vector_push(g->arena, &g->inputs) = (Input){
        .name = name, .type = type, .shift_of = -1, .span = origin.span};
    *node = graph_append_typed(g, OP_INPUT, NULL, 0, (Attr){.input = {index}},
                               type, origin);
    return index;
}

int32_t graph_add_variable(Graph *g, Variable variable, NodeOrigin origin)
{
    int32_t index = (int32_t)g->variables.count;
    *vector_push(g->arena, &g->variables) = variable;
    graph_append_typed(g, OP_VARIABLE, NULL, 0, (Attr){.variable = {index}},
                       variable.type, origin);
    return index;
}

int32_t graph_add_output(Graph *g, Output output)
{
    *vector_push(g->arena, &g->outputs) = output;
    return (int32_t)g->outputs.count - 1;
}

NodeOrigin node_origin(const Graph *g, NodeId id, const char *suffix)
{
    const Node *node = graph_node(g, id);
    Str path = node->path;
    if (suffix[0] != 0)
        path = str_format(g->arena, "%.*s.%s", STR_ARG(path), suffix);
    return (NodeOrigin){node->region, node->layer, node->forward, node->span,
                        path};
}

Graph *graph_like(Arena *arena, const Graph *from, Str name)
{
    Graph *graph = graph_new(arena, name);
    for (int64_t i = 0; i < from->inputs.count; i++)
        *vector_push(arena, &graph->inputs) = from->inputs.data[i];
    for (int64_t i = 0; i < from->variables.count; i++) {
        Variable *variable = vector_push(arena, &graph->variables);
        *variable = from->variables.data[i];
        variable->node = (NodeId){0};
    }
    return graph;
}

NodeId graph_clone(Graph *to, const Graph *from, NodeId id, const NodeId *map)
{
    const Node *node = graph_node(from, id);
    NodeId *operands = own(to, node->operands, node->n_operands);
    for (int32_t i = 0; i < node->n_operands; i++)
        operands[i] = map[operands[i].index];
    NodeOrigin origin = node_origin(from, id, "");
    origin.forward = map[node->forward.index];
    return append(to, node->op, operands, node->n_operands, &node->attr,
                  node->type, origin);
}

void graph_clone_outputs(Graph *to, const Graph *from, const NodeId *map)
{
    for (int64_t i = 0; i < from->outputs.count; i++) {
        Output output = from->outputs.data[i];
        output.node = map[output.node.index];
        graph_add_output(to, output);
    }
}

NodeId *graph_clone_all(Graph *to, const Graph *from, Op dropped, Arena *arena)
{
    NodeId *map = arena_new(arena, NodeId, from->nodes.count);
    for (int32_t i = 1; i < from->nodes.count; i++) {
        const Node *node = graph_node(from, (NodeId){i});
        map[i] = node->op == dropped ? map[node->operands[0].index]
                                     : graph_clone(to, from, (NodeId){i}, map);
    }
    graph_clone_outputs(to, from, map);
    return map;
}
