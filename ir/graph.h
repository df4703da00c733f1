/* Graph: a model as an array of nodes in topological order.
 *
 * Operands precede users, always, so a pass is a loop.  A pass reads one graph
 * and appends to a new one through graph_append; nothing is changed in place.
 * Node 0 is "none": a zeroed NodeId is absent.
 *
 * Every node keeps where it came from: a source span for diagnostics and a
 * *path*, unique in the graph ("block.3.up.dot"), by which plans name it.
 */
#ifndef DNNC_IR_GRAPH_H
#define DNNC_IR_GRAPH_H

#include "ir/op.h"
#include "support/diagnostic.h"
#include "support/map.h"
#include "support/vector.h"

typedef struct NodeId {
    int32_t index; /* into graph->nodes; 0 is none */
} NodeId;

/* When a node runs within a training step. */
typedef enum Region {
    REGION_FORWARD,
    REGION_BACKWARD,
    REGION_UPDATE, /* once a step, after the last backward */
} Region;

enum {
    LAYER_NONE = -1, /* computed wherever it is needed, on every stage */
};

typedef struct Node {
    Op op;
    Type type;
    NodeId *operands;
    int32_t n_operands;
    Attr attr;
    Region region;
    int32_t layer;  /* set by passes/cluster.c; LAYER_NONE before */
    NodeId forward; /* backward nodes: the forward node this one belongs to;
                       update nodes: their variable's node, or none when they
                       belong to no single variable (schedule, clip norm) */
    Span span;
    Str path;
} Node;

/* How the samples of an input are stored in the data (see docs/data.md). */
typedef struct Input {
    Str name;
    Type type;        /* dimension 0 is the sample (global batch) */
    int32_t shift_of; /* targets: this input is input `shift_of` read `shift`
                         elements later in the stream; -1: its own data */
    int64_t shift;
    Span span;
} Input;

/* What a variable holds before step 0: the value of a node of the graph
 * `init` with the same name (see GraphSet), full logical shape. */
typedef struct Variable {
    Str name; /* "block.0.up.weight" */
    Type type;
    VariableKind kind;
    NodeId node;   /* its OP_VARIABLE node */
    int32_t of;    /* optimizer state: the parameter it belongs to; else -1 */
    int32_t group; /* parameter group (weight decay, ...), -1 outside */
    Span span;
} Variable;

typedef struct Output {
    OutputKind kind;
    Str name;
    NodeId node;
    int32_t variable; /* OUTPUT_UPDATE, _INIT, _GRADIENT; else -1 */
    Span span;
} Output;

typedef struct Graph {
    Arena *arena;
    Str name;
    VECTOR(Node) nodes; /* nodes.data[0] is none */
    VECTOR(Input) inputs;
    VECTOR(Variable) variables;
    VECTOR(Output) outputs;
    Map paths;      /* path -> node index */
    Map duplicates; /* path -> how many nodes wanted it, when several did */
} Graph;

/* What graph_append fills in beside op, operands and attribute. */
typedef struct NodeOrigin {
    Region region;
    int32_t layer;
    NodeId forward;
    Span span;
    Str path; /* made unique by graph_append ("x", "x#2", ...) */
} NodeOrigin;

Graph *graph_new(Arena *arena, Str name);
static inline Node *graph_node(const Graph *graph, NodeId id)
{
    return &graph->nodes.data[id.index];
}
static inline bool node_is(NodeId id)
{
    return id.index != 0;
}
static inline Node *graph_operand(const Graph *graph, const Node *node, int i)
{
    return graph_node(graph, node->operands[i]);
}

/* Appends a node whose result type follows from its operands (ir/rule.h).
 * Asserts that the operands are legal: the front end has diagnosed the user's
 * mistakes before.  Leaves give their type through graph_append_typed, and so
 * do ops whose rule needs it (broadcast, reshape, shard_slice, all_gather):
 * `type` is the result's.  An empty path stands for the op's name.  A
 * variable's node is entered in its table row. */
NodeId graph_append(Graph *graph, Op op, const NodeId *operands,
                    int32_t n_operands, Attr attr, NodeOrigin origin);
NodeId graph_append_typed(Graph *graph, Op op, const NodeId *operands,
                          int32_t n_operands, Attr attr, Type type,
                          NodeOrigin origin);

/* Shorthands; each is one graph_append. */
NodeId graph_unary(Graph *g, Op op, NodeId x, NodeOrigin origin);
NodeId graph_binary(Graph *g, Op op, NodeId x, NodeId y, NodeOrigin origin);
NodeId graph_select(Graph *g, NodeId condition, NodeId x, NodeId y,
                    NodeOrigin origin);
NodeId graph_constant(Graph *g, double value, Type type, NodeOrigin origin);
NodeId graph_iota(Graph *g, int32_t dim, Shape shape, NodeOrigin origin);
/* dims[i]: the result dimension of operand dimension i. */
NodeId graph_broadcast(Graph *g, NodeId x, const int32_t *dims, Shape shape,
                       NodeOrigin origin);
NodeId graph_reshape(Graph *g, NodeId x, Shape shape, NodeOrigin origin);
NodeId graph_transpose(Graph *g, NodeId x, const int32_t *dims,
                       NodeOrigin origin);
/* op is OP_SUM, OP_REDUCE_MAX or OP_ARGMAX; dims is a bit mask. */
NodeId graph_reduce(Graph *g, Op op, NodeId x, uint32_t dims,
                    NodeOrigin origin);
/* equation: "bik,bkj->bij". */
NodeId graph_dot(Graph *g, NodeId x, NodeId y, const char *equation,
                 NodeOrigin origin);
/* A scalar or lower-rank value repeated to `shape` along leading dims; a value
 * of that shape is returned as it is. */
NodeId graph_splat(Graph *g, NodeId scalar, Shape shape, NodeOrigin origin);

/* Table entries; each returns the entry's index.  graph_add_variable also
 * appends the OP_VARIABLE node, graph_add_input the OP_INPUT node (returned
 * through *node). */
int32_t graph_add_input(Graph *g, Str name, Type type, NodeOrigin origin,
                        NodeId *node);
int32_t graph_add_variable(Graph *g, Variable variable, NodeOrigin origin);
int32_t graph_add_output(Graph *g, Output output);

/* A node's origin (region, layer, forward node, span), for nodes derived from
 * it; `suffix` is appended to the path with a dot ("" keeps it). */
NodeOrigin node_origin(const Graph *g, NodeId id, const char *suffix);

/* Copies tables (inputs, variables) of `from`; nodes follow by graph_clone.
 * Until a variable's node is appended its row has none. */
Graph *graph_like(Arena *arena, const Graph *from, Str name);
/* Appends a copy of `id` with operands (and the forward node) mapped through
 * map[index]; leaves keep their table indices, and the path is kept where it
 * is free.  map has from->nodes.count entries. */
NodeId graph_clone(Graph *to, const Graph *from, NodeId id, const NodeId *map);
/* Clones all nodes and outputs in order, but those of op `dropped`, in whose
 * place their first operand stands (OP_NONE: all); the map, in `arena`. */
NodeId *graph_clone_all(Graph *to, const Graph *from, Op dropped,
                        Arena *arena);
/* Copies the outputs, mapping their nodes. */
void graph_clone_outputs(Graph *to, const Graph *from, const NodeId *map);

/* The graphs of one model: what the front end makes and the passes carry. */
typedef struct GraphSet {
    Graph *train; /* forward only when it leaves the front end */
    Graph *eval;  /* forward without dropout; metrics and outputs */
    Graph *init;  /* OUTPUT_INIT of every variable; no inputs */
    const int64_t *input_limits; /* by input: its values lie in [0, limit), any
                                    where that is 0; NULL: not yet known */
} GraphSet;

#endif
