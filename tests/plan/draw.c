/* Draw: see the header. */
#include "draw.h"

#include "support/philox.h"

enum { LAYERS_MAX = 3 };

int64_t draw(Draw *d, int64_t n)
{
    return philox(11, d->counter++, 0, d->number, 0).word[0] % (uint32_t)n;
}

/* -- graphs ---------------------------------------------------------------- */

#define SHAPE(...) \
    ((Shape){sizeof((int64_t[]){__VA_ARGS__}) / 8, {__VA_ARGS__}})

typedef struct Sketch {
    Draw *d;
    Arena *arena;
    Graph *graph;
    int64_t batch, width;
    int32_t n_layers, n_operations;
    NodeId weights[LAYERS_MAX];    /* that the layer owns; none */
    NodeId values[LAYERS_MAX + 1]; /* the input, then each layer's result */
} Sketch;

static NodeOrigin origin_of(Region region, int32_t layer, const char *path)
{
    return (NodeOrigin){
        .region = region, .layer = layer, .path = str_from(path)};
}

static NodeId new_weight(Sketch *s, int32_t layer)
{
    NodeOrigin at = origin_of(REGION_FORWARD, layer,
                              str_format(s->arena, "w%d", layer).data);
    Variable variable = {.name = at.path,
                         .type = {DTYPE_F32, SHAPE(s->width, s->width)},
                         .kind = VARIABLE_PARAMETER,
                         .of = -1,
                         .group = -1};
    int32_t index = graph_add_variable(s->graph, variable, at);
    return s->weights[layer] = s->graph->variables.data[index].node;
}

/* One of a layer's operations on the samples. */
static NodeId forward_operation(Sketch *s, int32_t layer, NodeId x)
{
    NodeOrigin at = origin_of(REGION_FORWARD, layer, "h");
    int64_t kind = draw(s->d, 8);
    s->n_operations++;
    if (kind < 4 && !node_is(s->weights[layer]))
        return graph_dot(s->graph, x, new_weight(s, layer), "nk,kj->nj", at);
    if (kind == 4 && node_is(s->weights[0])) /* tied */
        return graph_dot(s->graph, x, s->weights[0], "nk,kj->nj", at);
    if (kind == 5)
        return graph_binary(s->graph, OP_ADD, x,
                            s->values[draw(s->d, layer + 1)], at);
    return graph_unary(s->graph, kind & 1 ? OP_TANH : OP_NEG, x, at);
}

static void add_loss(Sketch *s)
{
    NodeId sum =
        graph_reduce(s->graph, OP_SUM, s->values[s->n_layers], 3,
                     origin_of(REGION_FORWARD, s->n_layers - 1, "sum"));
    NodeId loss = graph_append(s->graph, OP_WORLD_SUM, &sum, 1, (Attr){0},
                               origin_of(REGION_FORWARD, LAYER_NONE, "loss"));
    graph_add_output(s->graph,
                     (Output){OUTPUT_LOSS, STR("loss"), loss, -1, {0}});
    s->n_operations += 2;
}

/* A product of the layer's samples with later ones, and an update with it. */
static void add_update(Sketch *s, int32_t layer)
{
    Graph *g = s->graph;
    NodeId weight = s->weights[layer];
    NodeId with = s->values[layer + 1 + draw(s->d, s->n_layers - layer)];
    NodeId gradient = graph_dot(g, s->values[layer], with, "nk,nj->kj",
                                origin_of(REGION_BACKWARD, layer, "gradient"));
    NodeId update = graph_binary(g, OP_SUB, weight, gradient,
                                 origin_of(REGION_UPDATE, layer, "update"));
    int32_t variable = graph_node(g, weight)->attr.variable.variable;
    graph_add_output(g,
                     (Output){OUTPUT_UPDATE, STR("w"), update, variable, {0}});
    s->n_operations += 2;
}

/* The backward region's own way: samples that go from a layer to the one
 * before, and out of the graph. */
static void add_backward(Sketch *s)
{
    int32_t layer = (int32_t)draw(s->d, s->n_layers);
    NodeId x = s->values[layer + 1 + draw(s->d, s->n_layers - layer)];
    NodeId back = graph_binary(s->graph, OP_MUL, x, s->values[layer],
                               origin_of(REGION_BACKWARD, layer, "back"));
    graph_add_output(s->graph,
                     (Output){OUTPUT_VALUE, STR("back"), back, -1, {0}});
    s->n_operations++;
}

Graph *draw_graph(Draw *d, Arena *arena)
{
    static const int64_t BATCHES[] = {4, 6, 8}, WIDTHS[] = {4, 6, 16, 64};
    Sketch s = {
        .d = d,
        .arena = arena,
        .graph = graph_new(arena, STR("draw")),
        .batch = BATCHES[draw(d, 3)],
        .width = WIDTHS[draw(d, 4)],
        .n_layers = (int32_t[]){1, 2, 2, 2, 3, 3, 3, 3}[draw(d, 8)],
    };
    graph_add_input(s.graph, STR("x"),
                    (Type){DTYPE_F32, SHAPE(s.batch, s.width)},
                    origin_of(REGION_FORWARD, LAYER_NONE, "x"), &s.values[0]);
    for (int32_t l = 0; l < s.n_layers; l++) {
        NodeId x = forward_operation(&s, l, s.values[l]);
        if (s.n_layers < LAYERS_MAX && draw(d, 2))
            x = forward_operation(&s, l, x);
        s.values[l + 1] = x;
    }
    add_loss(&s);
    for (int32_t l = s.n_layers - 1; l >= 0; l--)
        if (node_is(s.weights[l]) && s.n_operations + 2 <= DRAW_OPERATIONS_MAX)
            add_update(&s, l);
    if (s.n_operations < DRAW_OPERATIONS_MAX && draw(d, 2))
        add_backward(&s);
    return s.graph;
}

/* -- clusters -------------------------------------------------------------- */

/* One of 1, 3.2, 10, 32, ... times `least`. */
static double draw_scale(Draw *d, double least, int64_t n)
{
    double value = least;
    for (int64_t i = draw(d, n); i > 0; i--)
        value *= 3.2;
    return value;
}

static Link draw_link(Draw *d, double least)
{
    return (Link){(double)draw(d, 30) * 1e-7, draw_scale(d, least, 6)};
}

static void add_group(Draw *d, Arena *arena, Mesh *mesh, int64_t n_hosts,
                      int64_t devices_per_host)
{
    *vector_push(arena, &mesh->groups) = (HostGroup){
        .name = STR("h"),
        .device_type = (int32_t)mesh->device_types.count,
        .n_hosts = n_hosts,
        .devices_per_host = devices_per_host,
        .inner = draw_link(d, 3e5),
        .outer = draw_link(d, 1e5),
    };
    *vector_push(arena, &mesh->device_types) = (DeviceType){
        .name = STR("cpu"),
        .memory_bytes = (int64_t)1 << 40,
        .flops = {draw_scale(d, 1e5, 4), 1e6},
        .memory_bandwidth_bytes_per_second = draw_scale(d, 3e6, 6),
        .kernel_latency_seconds = (double)draw(d, 10) * 1e-7,
    };
}

Mesh draw_mesh(Draw *d, Arena *arena)
{
    static const int64_t SHAPES[][4] = {
        {1, 1, 0, 0}, {1, 2, 0, 0}, {2, 1, 0, 0}, {1, 3, 0, 0},
        {3, 1, 0, 0}, {4, 1, 0, 0}, {1, 4, 0, 0}, {2, 2, 0, 0},
        {1, 1, 1, 1}, {1, 2, 1, 1}, {1, 1, 2, 1}, {1, 2, 1, 2},
        {2, 1, 1, 2}, {1, 3, 1, 1}, {1, 1, 1, 1}, {1, 2, 1, 2},
    };
    const int64_t *shape = SHAPES[draw(d, sizeof SHAPES / sizeof *SHAPES)];
    Mesh mesh = {.name = STR("draw"), .between = draw_link(d, 1e5)};
    for (int g = 0; g < 4 && shape[g]; g += 2)
        add_group(d, arena, &mesh, shape[g], shape[g + 1]);
    return mesh;
}
