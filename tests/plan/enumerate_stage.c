/* Enumerate a stage: every choice of every node, depth first.
 *
 * A branch is left when the rest cannot fit at its least at some time, or
 * cannot cost less than the best so far.  Where that takes long, it starts
 * again with another reason to leave a branch: at any prices for a byte at each
 * time, what fits pays at most their sum x limit for its bytes (Everett 1963),
 * so all that it pays is below the best so far + that.  And of choices that
 * look alike to all later nodes only the cheapest are followed. */
#include "enumerate.h"
#include "mini_buckets.h"
#include "support/checked.h"
#include "support/map.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

enum {
    PATIENCE = 100000, /* choices looked at before the bytes get prices */
    ROUNDS_MAX = 8,   /* of changing these prices, one after the other */
    SEEN_MAX = 1000000,
};

/* Prices for the bytes at each time. */
typedef struct Toll {
    MiniBuckets rest;
    int64_t *paid[STAGE_NODES_MAX]; /* [choice] for its bytes */
    int64_t allowed;                /* what fits pays at most this */
    int64_t root;                   /* what fits costs at least this */
} Toll;

typedef struct Tree {
    const StageModel *model;
    MiniBuckets rest;
    /* [node][time]: usage of this and all later nodes */
    int64_t *least, *most;
    int32_t *choice;
    int64_t *usage; /* by time, of the choices made */
    int64_t limit, best;
    bool has_toll;
    Toll toll;
    Map seen; /* what later nodes see of the choices made -> least price */
    Arena *arena;
    int64_t *visits;
    int64_t patience; /* < 0: used up */
} Tree;

static int32_t choices_at(const Tree *tree, int32_t v)
{
    return tree->model->choices[v]->n;
}

static void bound_usage(Tree *tree, Arena *arena)
{
    const StageModel *model = tree->model;
    int32_t n = model->n;
    tree->least = arena_new(arena, int64_t, (n + 1) * n);
    tree->most = arena_new(arena, int64_t, (n + 1) * n);
    for (int32_t v = n - 1; v >= 0; v--)
        for (int32_t t = 0; t < n; t++) {
            int64_t least = INT64_MAX, most = 0;
            for (int32_t c = 0; c < model->choices[v]->n; c++) {
                least = min_i64(least, model->usage[v][c * n + t]);
                most = max_i64(most, model->usage[v][c * n + t]);
            }
            tree->least[v * n + t] = tree->least[(v + 1) * n + t] + least;
            tree->most[v * n + t] = tree->most[(v + 1) * n + t] + most;
        }
}

/* -- the order ------------------------------------------------------------- */

/* The node whose neighbours among those left have the fewest choices. */
static int32_t find_leaf(const StageModel *model, const bool *is_left,
                         bool near[][STAGE_NODES_MAX])
{
    int32_t best = -1;
    double least = 0;
    for (int32_t v = 0; v < model->n; v++) {
        double size = 1;
        for (int32_t u = 0; u < model->n; u++)
            if (is_left[u] && near[u][v])
                size *= model->choices[u]->n;
        if (is_left[v] && (best < 0 || size < least)) {
            best = v;
            least = size;
        }
    }
    return best;
}

/* order[i]: the node that comes i-th, so that those that come last have few
 * neighbours before them. */
static void find_order(const StageModel *model, int32_t *order)
{
    bool near[STAGE_NODES_MAX][STAGE_NODES_MAX] = {0};
    bool is_left[STAGE_NODES_MAX];
    for (int32_t v = 0; v < model->n; v++)
        for (int32_t u = 0; u < v; u++)
            near[u][v] = near[v][u] = model->pair[u][v] != NULL;
    memset(is_left, true, sizeof is_left);
    for (int32_t i = model->n - 1; i >= 0; i--) {
        int32_t v = find_leaf(model, is_left, near);
        is_left[v] = false;
        order[i] = v;
        for (int32_t a = 0; a < model->n; a++)
            for (int32_t b = 0; b < model->n; b++)
                near[a][b] |= a != b && near[a][v] && near[v][b];
    }
}

static int64_t *transposed(const int64_t *table, int32_t n_rows, int32_t n,
                           Arena *arena)
{
    int64_t *result = arena_new(arena, int64_t, (int64_t)n_rows *n);
    for (int32_t i = 0; i < n_rows; i++)
        for (int32_t k = 0; k < n; k++)
            result[k * n_rows + i] = table[i * n + k];
    return result;
}

/* The same model with its nodes in another order; times stay. */
static StageModel *reordered(const StageModel *model, Arena *arena)
{
    int32_t order[STAGE_NODES_MAX];
    StageModel *result = arena_new(arena, StageModel, 1);
    find_order(model, order);
    result->n = model->n;
    for (int32_t i = 0; i < model->n; i++) {
        int32_t v = order[i];
        result->id[i] = model->id[v];
        result->choices[i] = model->choices[v];
        result->price[i] = model->price[v];
        result->usage[i] = model->usage[v];
        for (int32_t k = 0; k < i; k++) {
            int32_t u = order[k];
            if (u < v)
                result->pair[k][i] = model->pair[u][v];
            else if (model->pair[v][u])
                result->pair[k][i] =
                    transposed(model->pair[v][u], model->choices[v]->n,
                               model->choices[u]->n, arena);
        }
    }
    return result;
}

/* -- prices for bytes ------------------------------------------------------ */

static int64_t paid_by(const StageModel *model, int32_t v, int32_t c,
                       const double *price)
{
    double paid = 0;
    for (int32_t t = 0; t < model->n; t++)
        paid += price[t] * (double)model->usage[v][c * model->n + t];
    return (int64_t)floor(paid);
}

static Toll toll_of(const StageModel *model, const double *price, int64_t limit,
                    Arena *arena)
{
    Toll toll = {0};
    double allowed = 0;
    int64_t *own[STAGE_NODES_MAX];
    for (int32_t t = 0; t < model->n; t++)
        allowed += price[t] * (double)limit;
    toll.allowed = (int64_t)ceil(allowed) + model->n;
    for (int32_t v = 0; v < model->n; v++) {
        int32_t n = model->choices[v]->n;
        toll.paid[v] = arena_new(arena, int64_t, n);
        own[v] = arena_new(arena, int64_t, n);
        for (int32_t c = 0; c < n; c++) {
            toll.paid[v][c] = paid_by(model, v, c, price);
            own[v][c] = min_i64(NEVER, model->price[v][c] + toll.paid[v][c]);
        }
    }
    toll.rest = mini_buckets_new(arena, model, own);
    toll.root = toll.rest.constant[0] - toll.allowed;
    return toll;
}

/* Tries another price at time t. */
static bool try_price(Tree *tree, double *price, int32_t t, double other,
                      Arena *arena)
{
    double before = price[t];
    Arena start = *arena;
    price[t] = other;
    Toll toll = toll_of(tree->model, price, tree->limit, arena);
    if (toll.root > tree->toll.root) {
        tree->toll = toll;
        return true;
    }
    price[t] = before;
    *arena = start;
    return false;
}

/* Prices under which the least that fits costs most: first one at one time,
 * then one after the other. */
static void set_toll(Tree *tree, Arena *arena)
{
    static const double FACTORS[] = {0, 0.5, 0.8, 1.25, 2};
    double price[STAGE_NODES_MAX] = {0}, unit = 0;
    tree->has_toll = true;
    tree->toll = toll_of(tree->model, price, tree->limit, arena);
    for (int32_t t = 0; t < tree->model->n; t++) {
        double alone[STAGE_NODES_MAX] = {0};
        for (double first = 1.0 / 64; first < 1e11; first *= 4)
            if (try_price(tree, alone, t, first, arena)) {
                memcpy(price, alone, sizeof price);
                unit = first;
            }
    }
    bool better = unit > 0;
    for (int32_t round = 0; round < ROUNDS_MAX && better; round++) {
        better = false;
        for (int32_t t = 0; t < tree->model->n; t++)
            for (size_t f = 0; f < sizeof FACTORS / sizeof *FACTORS; f++)
                better |= try_price(
                    tree, price, t,
                    FACTORS[f] * (price[t] > 0 ? price[t] : unit), arena);
    }
}

/* -- the enumeration ------------------------------------------------------- */

/* Adds `sign` times v's usage; whether the rest still may fit. */
static bool use(Tree *tree, int32_t v, int64_t sign)
{
    int32_t n = tree->model->n;
    const int64_t *usage = &tree->model->usage[v][tree->choice[v] * n];
    bool fits = true;
    for (int32_t t = 0; t < n; t++) {
        tree->usage[t] += sign * usage[t];
        fits &= tree->usage[t] + tree->least[(v + 1) * n + t] <= tree->limit;
    }
    return fits;
}

static bool is_too_dear(const Tree *tree, int32_t v, int64_t price)
{
    if (price + mini_buckets_rest(&tree->rest, v, tree->choice) >= tree->best)
        return true;
    if (!tree->has_toll)
        return false;
    int64_t paid = mini_buckets_rest(&tree->toll.rest, v, tree->choice);
    for (int32_t u = 0; u <= v; u++)
        paid += tree->toll.paid[u][tree->choice[u]];
    return price + paid >= tree->best + tree->toll.allowed;
}

/* Whether choices up to v that later nodes cannot tell from these were no
 * dearer: equal choices of the nodes that they have pairs with, equal usage at
 * the times that they use. */
static bool is_seen(Tree *tree, int32_t v, int64_t price)
{
    const StageModel *model = tree->model;
    int64_t key[2 * STAGE_NODES_MAX], n = 0;
    key[n++] = v;
    for (int32_t u = 0; u <= v; u++) {
        bool is_near = false;
        for (int32_t w = v + 1; w < model->n; w++)
            is_near |= model->pair[u][w] != NULL;
        if (is_near)
            key[n++] = tree->choice[u];
    }
    for (int32_t t = 0; t < model->n; t++)
        if (tree->most[(v + 1) * model->n + t] > 0)
            key[n++] = tree->usage[t];
    Str text = {(const char *)key, n * (int64_t)sizeof *key};
    int64_t *known = map_find(&tree->seen, text);
    if (known) {
        bool dearer = *known <= price;
        *known = min_i64(*known, price);
        return dearer;
    }
    if (tree->seen.entries.count < SEEN_MAX)
        map_insert(tree->arena, &tree->seen, str_copy(tree->arena, text), price,
                   NULL);
    return false;
}

static int64_t price_choice(const Tree *tree, int32_t v)
{
    const StageModel *model = tree->model;
    int64_t price = model->price[v][tree->choice[v]];
    for (int32_t u = 0; u < v; u++)
        if (model->pair[u][v])
            price += model->pair[u][v][tree->choice[u] * choices_at(tree, v) +
                                       tree->choice[v]];
    return min_i64(NEVER, price);
}

static void descend(Tree *tree, int32_t v, int64_t price)
{
    if (v == tree->model->n) {
        tree->best = price;
        return;
    }
    for (int32_t c = 0; c < choices_at(tree, v) && tree->patience >= 0; c++) {
        tree->choice[v] = c;
        int64_t with = price + price_choice(tree, v);
        ++*tree->visits;
        --tree->patience;
        if (is_too_dear(tree, v, with))
            continue;
        if (use(tree, v, 1) && !(tree->has_toll && is_seen(tree, v, with)))
            descend(tree, v + 1, with);
        tree->choice[v] = c;
        use(tree, v, -1);
    }
}

int64_t enumerate_stage(const StageModel *model, int64_t limit, int64_t most,
                        Arena scratch, int64_t *visits)
{
    model = reordered(model, &scratch);
    Tree tree = {
        .model = model,
        .rest = mini_buckets_new(&scratch, model, model->price),
        .choice = arena_new(&scratch, int32_t, model->n),
        .usage = arena_new(&scratch, int64_t, model->n),
        .limit = limit,
        .best = min_i64(most, NEVER - 1) + 1,
        .visits = visits,
        .patience = PATIENCE,
        .arena = &scratch,
    };
    bound_usage(&tree, &scratch);
    int64_t nothing_better = tree.best;
    if (tree.rest.constant[0] < tree.best)
        descend(&tree, 0, 0);
    if (tree.patience < 0) {
        set_toll(&tree, &scratch);
        tree.patience = INT64_MAX;
        descend(&tree, 0, 0);
    }
    return tree.best < nothing_better ? tree.best : NEVER;
}
