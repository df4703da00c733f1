/* Synthetic training steps: layers of two products and a sum, over several
 * microbatches, backward, and an update.
 *
 * A choice lays each tensor out over a mesh of two axes: an axis cuts one of
 * its dimensions or none.  Edges price the way from the layout that is there to
 * the one that is wanted; functions of one tensor keep its layout, all else is
 * forbidden.  Weights are read by every microbatch, forward and backward, and
 * live all the time: they are the hubs.  One mask is read by every layer.
 */
#include "generate.h"

enum { AXES = 2, CHOICES_MAX = 64 };

static const int64_t AXIS_DEVICES[AXES] = {4, 2};

/* By choice: the dimension (1, 2, ...) that each axis cuts; 0: none. */
typedef struct Layouts {
    int8_t dimension[CHOICES_MAX][AXES];
} Layouts;

typedef struct Tensor {
    int32_t node, n_choices;
    int64_t bytes;
    Layouts layout;
} Tensor;

typedef struct Layer {
    Tensor weight[2], gradient[2];
    Tensor input, norm, hidden, active; /* of the present microbatch */
} Layer;

typedef struct Step {
    Draft *draft;
    uint64_t seed, counter;
    int64_t time;
    Tensor mask;
} Step;

static int64_t shards(const int8_t *layout)
{
    int64_t n = 1;
    for (int axis = 0; axis < AXES; axis++)
        n *= layout[axis] ? AXIS_DEVICES[axis] : 1;
    return n;
}

/* What moves when a tensor of `bytes` goes from one layout to another. */
static int64_t reshard_cost(int64_t bytes, const int8_t *from, const int8_t *to)
{
    int64_t cost = 0;
    for (int axis = 0; axis < AXES; axis++) {
        if (from[axis] == to[axis] || from[axis] == 0)
            continue;
        int64_t part = bytes / shards(from) * (1 + axis);
        cost += to[axis] == 0 ? part * (AXIS_DEVICES[axis] - 1) : part;
    }
    return cost;
}

/* All layouts of `rank` dimensions; a few are missing, as where an extent
 * does not divide. Choice 0 is whole. */
static int32_t draw_layouts(Step *s, int rank, Layouts *layout)
{
    int32_t n = 0;
    for (int a = 0; a <= rank; a++)
        for (int b = 0; b <= rank; b++) {
            if (n > 0 && draft_draw(s->seed, &s->counter, 8) == 0)
                continue;
            layout->dimension[n][0] = (int8_t)a;
            layout->dimension[n][1] = (int8_t)b;
            n++;
        }
    return n;
}

/* A tensor alive from now until it is last read; `work` is divided among those
 * that share it, `moved` is paid for each axis that cuts dimension `summed`. */
static Tensor add_tensor(Step *s, int32_t n_choices, const Layouts *layout,
                         const Layouts *own, int64_t bytes, int64_t work,
                         int summed)
{
    Tensor t = {.n_choices = n_choices, .bytes = bytes, .layout = *own};
    int64_t *cost = arena_new(s->draft->arena, int64_t, n_choices);
    int64_t *usage = arena_new(s->draft->arena, int64_t, n_choices);
    for (int32_t i = 0; i < n_choices; i++) {
        const int8_t *d = layout->dimension[i];
        cost[i] = work / shards(d);
        usage[i] = bytes / shards(own->dimension[i]);
        for (int axis = 0; summed && axis < AXES; axis++)
            if (d[axis] == summed)
                cost[i] += usage[i] * 2 * (1 + axis);
    }
    t.node = draft_node(s->draft, n_choices, cost, usage, s->time, s->time + 1);
    s->time++;
    return t;
}

/* `reader` wants, by its choice, the layout `wanted` of `t`. */
static void read_tensor(Step *s, const Tensor *t, const Tensor *reader,
                        const Layouts *wanted, bool only_same)
{
    int64_t *table = arena_new(s->draft->arena, int64_t,
                               (int64_t)t->n_choices * reader->n_choices);
    for (int32_t i = 0; i < t->n_choices; i++)
        for (int32_t j = 0; j < reader->n_choices; j++) {
            int64_t cost =
                reshard_cost(t->bytes, t->layout.dimension[i],
                             wanted->dimension[j]) +
                reshard_cost(1, wanted->dimension[j], t->layout.dimension[i]);
            table[(int64_t)i * reader->n_choices + j] =
                only_same && cost > 0 ? CHOICE_FORBIDDEN : cost;
        }
    draft_edge(s->draft, t->node, reader->node, table);
    draft_extend(s->draft, t->node, s->time);
}

/* A function of one tensor, layout by layout. */
static Tensor add_map(Step *s, const Tensor *t)
{
    Tensor map = add_tensor(s, t->n_choices, &t->layout, &t->layout, t->bytes,
                            t->bytes / 16, 0);
    read_tensor(s, t, &map, &map.layout, true);
    return map;
}

/* a + b in any layout. */
static Tensor add_sum(Step *s, const Tensor *a, const Tensor *b)
{
    Layouts layout = {0};
    int32_t n = draw_layouts(s, 3, &layout);
    Tensor sum = add_tensor(s, n, &layout, &layout, a->bytes, a->bytes / 16, 0);
    read_tensor(s, a, &sum, &layout, false);
    read_tensor(s, b, &sum, &layout, false);
    return sum;
}

/* from[d] = the dimension that d of the product is in an operand; 0: none. */
static Layouts map_layouts(const Layouts *product, int32_t n, const int8_t *to)
{
    Layouts out = {0};
    for (int32_t i = 0; i < n; i++)
        for (int axis = 0; axis < AXES; axis++)
            out.dimension[i][axis] = to[product->dimension[i][axis]];
    return out;
}

/* A product's dimensions: 1 rows, 2 columns, 3 summed; 4 a batch. */
static Tensor add_product(Step *s, const Tensor *a, const Tensor *b,
                          int64_t bytes, int64_t work)
{
    static const int8_t LEFT[] = {0, 1, 0, 2, 3}, RIGHT[] = {0, 0, 2, 1, 0};
    static const int8_t RESULT[] = {0, 1, 2, 0, 3};
    Layouts product = {0};
    int32_t n = draw_layouts(s, 4, &product);
    Layouts result = map_layouts(&product, n, RESULT);
    Tensor t = add_tensor(s, n, &product, &result, bytes, work, 3);
    Layouts left = map_layouts(&product, n, LEFT);
    Layouts right = map_layouts(&product, n, RIGHT);
    read_tensor(s, a, &t, &left, false);
    read_tensor(s, b, &t, &right, false);
    return t;
}

static int64_t draw_bytes(Step *s, int64_t least)
{
    return least * (4 + draft_draw(s->seed, &s->counter, 13));
}

static Tensor add_leaf(Step *s, int rank, int64_t bytes)
{
    Layouts layout = {0};
    int32_t n = draw_layouts(s, rank, &layout);
    return add_tensor(s, n, &layout, &layout, bytes, 0, 0);
}

static Tensor forward(Step *s, Layer *layer, Tensor x)
{
    layer->input = x;
    layer->norm = add_map(s, &x);
    layer->hidden = add_product(s, &layer->norm, &layer->weight[0], x.bytes * 2,
                                x.bytes * 40);
    layer->active = add_map(s, &layer->hidden);
    Tensor out = add_product(s, &layer->active, &layer->weight[1], x.bytes,
                             x.bytes * 40);
    Tensor masked = add_sum(s, &out, &s->mask);
    return add_sum(s, &masked, &x);
}

static void accumulate(Step *s, Layer *layer, int which, const Tensor *left,
                       const Tensor *right, bool first)
{
    Tensor term = add_product(s, left, right, layer->weight[which].bytes,
                              left->bytes * 40);
    layer->gradient[which] =
        first ? term : add_sum(s, &term, &layer->gradient[which]);
}

static Tensor backward(Step *s, Layer *layer, Tensor g, bool first)
{
    Tensor through =
        add_product(s, &g, &layer->weight[1], g.bytes * 2, g.bytes * 40);
    accumulate(s, layer, 1, &layer->active, &g, first);
    Tensor slope = add_map(s, &layer->hidden);
    Tensor local = add_sum(s, &through, &slope);
    accumulate(s, layer, 0, &layer->norm, &local, first);
    Tensor back =
        add_product(s, &local, &layer->weight[0], g.bytes, g.bytes * 40);
    return add_sum(s, &back, &g);
}

static void update(Step *s, Layer *layer)
{
    for (int which = 0; which < 2; which++) {
        const Tensor *weight = &layer->weight[which];
        Tensor moment = add_map(s, weight);
        Tensor next = add_map(s, weight);
        read_tensor(s, &moment, &next, &next.layout, false);
        read_tensor(s, &layer->gradient[which], &next, &next.layout, false);
    }
}

void draft_step(Draft *draft, uint64_t seed, int64_t n_nodes, int64_t reuse)
{
    Step s = {.draft = draft, .seed = seed};
    int64_t n_layers = n_nodes / (15 * reuse + 4) + 1;
    Layer *layers = arena_new(draft->arena, Layer, n_layers);
    int64_t bytes = draw_bytes(&s, 4096);
    s.mask = add_leaf(&s, 2, bytes / 4);
    for (int64_t l = 0; l < n_layers; l++)
        for (int which = 0; which < 2; which++)
            layers[l].weight[which] =
                add_leaf(&s, 2, draw_bytes(&s, bytes / 4));
    for (int64_t r = 0; r < reuse; r++) {
        Tensor x = add_leaf(&s, 3, bytes);
        for (int64_t l = 0; l < n_layers; l++)
            x = forward(&s, &layers[l], x);
        for (int64_t l = n_layers - 1; l >= 0; l--)
            x = backward(&s, &layers[l], x, r == 0);
    }
    for (int64_t l = 0; l < n_layers; l++)
        update(&s, &layers[l]);
}
