/* Compose: what the composite ops mean.
 *
 * Exponentials are shifted by the maximum, which keeps them in range and
 * cancels in the result.  So the shift's derivative is zero in exact
 * arithmetic: stop_gradient says so, and saves a pass over the data.
 */
#include "ir/compose.h"

#include <assert.h>
#include <math.h>

typedef struct Composition {
    Graph *graph;
    NodeOrigin origin;
} Composition;

/* The origin of a part: the composite's, its path extended. */
static NodeOrigin part(const Composition *c, const char *suffix)
{
    NodeOrigin origin = c->origin;
    origin.path =
        str_format(c->graph->arena, "%.*s.%s", STR_ARG(c->origin.path), suffix);
    return origin;
}

static const Type *type_of(const Composition *c, NodeId id)
{
    return &graph_node(c->graph, id)->type;
}

static NodeId filled(const Composition *c, double value, NodeId like,
                     const char *suffix)
{
    return graph_constant(c->graph, value, *type_of(c, like), part(c, suffix));
}

static NodeId fold_last(const Composition *c, Op op, NodeId x,
                        const char *suffix)
{
    int32_t last = type_of(c, x)->shape.rank - 1;
    return graph_reduce(c->graph, op, x, 1u << last, part(c, suffix));
}

/* A row value repeated along a new last dimension of `like`. */
static NodeId along_last(const Composition *c, NodeId row, NodeId like,
                         const char *suffix)
{
    int32_t dims[RANK_MAX] = {0, 1, 2, 3, 4, 5, 6, 7};
    return graph_broadcast(c->graph, row, dims, type_of(c, like)->shape,
                           part(c, suffix));
}

static NodeId mean_last(const Composition *c, NodeId x, const char *suffix)
{
    const Shape *shape = &type_of(c, x)->shape;
    double n = (double)shape->extent[shape->rank - 1];
    NodeId sum = fold_last(c, OP_SUM, x, suffix);
    NodeId share = filled(c, 1 / n, sum, suffix);
    return graph_binary(c->graph, OP_MUL, sum, share, part(c, suffix));
}

/* x - max x, over the last dimension. */
static NodeId shifted(const Composition *c, NodeId x)
{
    NodeId most = fold_last(c, OP_REDUCE_MAX, x, "max");
    NodeId shift =
        graph_unary(c->graph, OP_STOP_GRADIENT, most, part(c, "shift"));
    return graph_binary(c->graph, OP_SUB, x, along_last(c, shift, x, "shifts"),
                        part(c, "shifted"));
}

static NodeId softmax(const Composition *c, NodeId x)
{
    NodeId power = graph_unary(c->graph, OP_EXP, shifted(c, x), part(c, "exp"));
    NodeId sum = fold_last(c, OP_SUM, power, "sum");
    return graph_binary(c->graph, OP_DIV, power, along_last(c, sum, x, "sums"),
                        c->origin);
}

/* x * rsqrt(mean(x^2) + epsilon). */
static NodeId normalized(const Composition *c, NodeId x, double epsilon)
{
    Graph *g = c->graph;
    NodeId square = graph_binary(g, OP_MUL, x, x, part(c, "square"));
    NodeId mean = mean_last(c, square, "variance");
    NodeId safe = graph_binary(
        g, OP_ADD, mean, filled(c, epsilon, mean, "epsilon"), part(c, "safe"));
    NodeId scale = graph_unary(g, OP_RSQRT, safe, part(c, "rsqrt"));
    return graph_binary(g, OP_MUL, x, along_last(c, scale, x, "scale"),
                        c->origin);
}

/* The variance is the biased one: divided by n. */
static NodeId layernorm(const Composition *c, NodeId x, double epsilon)
{
    NodeId mean = mean_last(c, x, "mean");
    NodeId centered =
        graph_binary(c->graph, OP_SUB, x, along_last(c, mean, x, "means"),
                     part(c, "centered"));
    return normalized(c, centered, epsilon);
}

/* log(sum(exp(x))) - x[target].  The target's element is picked by comparing
 * with iota, not by an index: so it works on a split vocabulary.  A target
 * outside picks 0 of the shifted logits. */
static NodeId cross_entropy(const Composition *c, NodeId logits, NodeId targets)
{
    Graph *g = c->graph;
    const Shape shape = type_of(c, logits)->shape;
    NodeId x = shifted(c, logits);
    NodeId power = graph_unary(g, OP_EXP, x, part(c, "exp"));
    NodeId total = fold_last(c, OP_SUM, power, "sum");
    NodeId log_total = graph_unary(g, OP_LOG, total, part(c, "log"));
    NodeId iota = graph_iota(g, shape.rank - 1, shape, part(c, "iota"));
    NodeId hit =
        graph_binary(g, OP_EQ, iota, along_last(c, targets, logits, "targets"),
                     part(c, "hit"));
    NodeId picked =
        graph_select(g, hit, x, filled(c, 0, x, "zero"), part(c, "picked"));
    NodeId at_target = fold_last(c, OP_SUM, picked, "at_target");
    return graph_binary(g, OP_SUB, log_total, at_target, c->origin);
}

/* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): Hendrycks and Gimpel,
 * "Gaussian error linear units", 2016. */
static NodeId gelu(const Composition *c, NodeId x)
{
    Graph *g = c->graph;
    NodeId square = graph_binary(g, OP_MUL, x, x, part(c, "square"));
    NodeId bend =
        graph_binary(g, OP_MUL, square, filled(c, 0.044715, x, "coefficient"),
                     part(c, "bend"));
    NodeId one = filled(c, 1, x, "one");
    NodeId slope = graph_binary(g, OP_ADD, bend, one, part(c, "slope"));
    NodeId inner = graph_binary(g, OP_MUL, x, slope, part(c, "inner"));
    NodeId scaled =
        graph_binary(g, OP_MUL, inner, filled(c, sqrt(2 / M_PI), x, "root"),
                     part(c, "scaled"));
    NodeId tanh = graph_unary(g, OP_TANH, scaled, part(c, "tanh"));
    NodeId gate = graph_binary(g, OP_ADD, tanh, one, part(c, "gate"));
    NodeId half = graph_binary(g, OP_MUL, x, filled(c, 0.5, x, "half"),
                               part(c, "halved"));
    return graph_binary(g, OP_MUL, half, gate, c->origin);
}

NodeId compose(Graph *to, Op op, const Attr *attr, const NodeId *operands,
               NodeOrigin origin)
{
    Composition c = {to, origin};
    switch (op) {
    case OP_SOFTMAX: return softmax(&c, operands[0]);
    case OP_LAYERNORM: return layernorm(&c, operands[0], attr->epsilon.epsilon);
    case OP_RMSNORM: return normalized(&c, operands[0], attr->epsilon.epsilon);
    case OP_CROSS_ENTROPY: return cross_entropy(&c, operands[0], operands[1]);
    case OP_GELU: return gelu(&c, operands[0]);
    default: assert(!"a composite"); return (NodeId){0};
    }
}
