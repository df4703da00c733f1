/* Enumerate a stage: every choice of every node, depth first.
 *
 * A branch is left when the rest cannot fit at its least at some time, or
 * cannot cost less than the best so far.  Where that takes long, it starts
 * again with another reason to leave a branch: what fits pays, at any price L
 * for a byte at a time t, at most L x limit for its bytes (Everett 1963), so
 * price + L x usage at t is below the best so far + L x limit. */
#include "enumerate.h"
#include "mini_buckets.h"
#include "support/checked.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

enum {
    PATIENCE = 20000, /* choices looked at before the bytes get prices */
    TOLLS_MAX = 3,
};

/* A price for the bytes at one time. */
typedef struct Toll {
    MiniBuckets rest;
    int64_t *toll[STAGE_NODES_MAX]; /* [choice]: price x usage */
    int64_t allowed;                /* price x limit */
    int64_t root;                   /* every choice of all costs this */
} Toll;

typedef struct Tree {
    const StageModel *model;
    MiniBuckets rest;
    int64_t *least; /* [node][time]: usage of this and all later nodes */
    int32_t *choice;
    int64_t *usage; /* by time, of the choices made */
    int64_t limit, best;
    int32_t n_tolls;
    Toll toll[TOLLS_MAX];
    int64_t *visits;
    int64_t patience; /* < 0: used up */
} Tree;

static int32_t choices_at(const Tree *tree, int32_t v)
{
    return tree->model->choices[v]->n;
}

static int64_t *find_least(const StageModel *model, Arena *arena)
{
    int32_t n = model->n;
    int64_t *least = arena_new(arena, int64_t, (n + 1) * n);
    for (int32_t v = n - 1; v >= 0; v--)
        for (int32_t t = 0; t < n; t++) {
            int64_t own = INT64_MAX;
            for (int32_t c = 0; c < model->choices[v]->n; c++)
                own = min_i64(own, model->usage[v][c * n + t]);
            least[v * n + t] = least[(v + 1) * n + t] + own;
        }
    return least;
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

static Toll toll_at(const StageModel *model, int32_t t, double price,
                    int64_t limit, Arena *arena)
{
    Toll toll = {.allowed = (int64_t)ceil(price * (double)limit)};
    int64_t *own[STAGE_NODES_MAX];
    for (int32_t v = 0; v < model->n; v++) {
        int32_t n = model->choices[v]->n;
        toll.toll[v] = arena_new(arena, int64_t, n);
        own[v] = arena_new(arena, int64_t, n);
        for (int32_t c = 0; c < n; c++) {
            double usage = (double)model->usage[v][c * model->n + t];
            toll.toll[v][c] = (int64_t)floor(price * usage);
            own[v][c] = min_i64(NEVER, model->price[v][c] + toll.toll[v][c]);
        }
    }
    toll.rest = mini_buckets_new(arena, model, own);
    toll.root = toll.rest.constant[0] - toll.allowed;
    return toll;
}

/* The best few prices at different times. */
static void set_tolls(Tree *tree, Arena *arena)
{
    const StageModel *model = tree->model;
    tree->n_tolls = 0;
    for (int32_t t = 0; t < model->n; t++) {
        Toll best = {.root = -1};
        for (double price = 1.0 / 64; price < 1e11; price *= 8) {
            Toll toll = toll_at(model, t, price, tree->limit, arena);
            if (toll.root > best.root)
                best = toll;
        }
        int32_t at = tree->n_tolls;
        while (at > 0 && tree->toll[at - 1].root < best.root)
            at--;
        if (at == TOLLS_MAX || best.root <= tree->rest.constant[0])
            continue;
        tree->n_tolls = (int32_t)min_i64(TOLLS_MAX, tree->n_tolls + 1);
        for (int32_t i = tree->n_tolls - 1; i > at; i--)
            tree->toll[i] = tree->toll[i - 1];
        tree->toll[at] = best;
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
    for (int32_t i = 0; i < tree->n_tolls; i++) {
        const Toll *toll = &tree->toll[i];
        int64_t paid = mini_buckets_rest(&toll->rest, v, tree->choice);
        for (int32_t u = 0; u <= v; u++)
            paid += toll->toll[u][tree->choice[u]];
        if (price + paid >= tree->best + toll->allowed)
            return true;
    }
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
        if (use(tree, v, 1))
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
        .least = find_least(model, &scratch),
        .choice = arena_new(&scratch, int32_t, model->n),
        .usage = arena_new(&scratch, int64_t, model->n),
        .limit = limit,
        .best = min_i64(most, NEVER - 1) + 1,
        .visits = visits,
        .patience = PATIENCE,
    };
    int64_t nothing_better = tree.best;
    if (tree.rest.constant[0] < tree.best)
        descend(&tree, 0, 0);
    if (tree.patience < 0) {
        set_tolls(&tree, &scratch);
        tree.patience = INT64_MAX;
        descend(&tree, 0, 0);
    }
    return tree.best < nothing_better ? tree.best : NEVER;
}
