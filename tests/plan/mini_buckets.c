/* Mini-buckets: see the header. */
#include "mini_buckets.h"

#include "support/checked.h"

#include <assert.h>

enum { TABLE_MAX = 300000 };

typedef struct Elimination {
    const StageModel *model;
    Arena *arena;
    Buckets *by_last; /* by node: functions whose last node it is */
    int32_t *choice;
    MiniBuckets *result;
} Elimination;

static int32_t choices_at(const StageModel *model, int32_t v)
{
    return model->choices[v]->n;
}

static int64_t value_of(const StageModel *model, const Bucket *bucket,
                        const int32_t *choice)
{
    int64_t at = 0;
    for (int32_t i = 0; i < bucket->n; i++)
        at = at * choices_at(model, bucket->node[i]) + choice[bucket->node[i]];
    return bucket->table[at];
}

/* Puts u into its place; false when there is none left. */
static bool add_node(Bucket *scope, int32_t u)
{
    int32_t at = scope->n;
    for (int32_t i = 0; i < scope->n; i++)
        if (scope->node[i] == u)
            return true;
    if (scope->n == BUCKET_NODES_MAX)
        return false;
    for (; at > 0 && scope->node[at - 1] > u; at--)
        scope->node[at] = scope->node[at - 1];
    scope->node[at] = u;
    scope->n++;
    return true;
}

/* Choices of all nodes that the scope names. */
static int64_t size_of(const StageModel *model, const Bucket *scope)
{
    int64_t size = 1;
    for (int32_t i = 0; i < scope->n; i++)
        size *= choices_at(model, scope->node[i]);
    return size;
}

/* Makes `scope` name the function's nodes but `v`; false when they would be
 * too many. */
static bool join(const Elimination *e, Bucket *scope, const Bucket *bucket,
                 int32_t v)
{
    Bucket joined = *scope;
    for (int32_t i = 0; i < bucket->n; i++)
        if (bucket->node[i] != v && !add_node(&joined, bucket->node[i]))
            return false;
    int64_t steps = size_of(e->model, &joined) * choices_at(e->model, v);
    if (steps > TABLE_MAX && joined.n > scope->n && scope->n > 0)
        return false;
    *scope = joined;
    return true;
}

/* The least over v's choices of the sum, for each choice of the scope's. */
static const int64_t *minimise(Elimination *e, const Bucket *scope,
                               const Bucket *const *taken, int32_t n_taken,
                               int32_t v)
{
    const StageModel *model = e->model;
    int64_t n = size_of(model, scope);
    int64_t *table = arena_new(e->arena, int64_t, n);
    int32_t *choice = e->choice;
    for (int64_t i = 0; i < n; i++) {
        int64_t least = NEVER, rest = i;
        for (int32_t k = scope->n - 1; k >= 0; k--) {
            int32_t n_choices = choices_at(model, scope->node[k]);
            choice[scope->node[k]] = (int32_t)(rest % n_choices);
            rest /= n_choices;
        }
        for (choice[v] = 0; choice[v] < choices_at(model, v); choice[v]++) {
            int64_t sum = 0;
            for (int32_t k = 0; k < n_taken; k++)
                sum += value_of(model, taken[k], choice);
            least = min_i64(least, sum);
        }
        table[i] = least;
    }
    return table;
}

/* Minimises v out of all functions that name it. */
static void eliminate(Elimination *e, int32_t v)
{
    Buckets *of = &e->by_last[v];
    int64_t n = of->list.count, left = n;
    const Bucket **taken = arena_new(e->arena, const Bucket *, n);
    bool *is_done = arena_new(e->arena, bool, n);
    while (left > 0) {
        Bucket scope = {0};
        int32_t n_taken = 0;
        for (int64_t i = 0; i < n; i++) {
            if (is_done[i] || !join(e, &scope, &of->list.data[i], v))
                continue;
            is_done[i] = true;
            taken[n_taken++] = &of->list.data[i];
        }
        assert(n_taken > 0);
        left -= n_taken;
        scope.table = minimise(e, &scope, taken, n_taken, v);
        int32_t last = scope.n > 0 ? scope.node[scope.n - 1] : -1;
        for (int32_t u = 0; last < 0 && u <= v; u++)
            e->result->constant[u] =
                min_i64(NEVER, e->result->constant[u] + scope.table[0]);
        for (int32_t u = last; last >= 0 && u < v; u++)
            *vector_push(e->arena, &e->result->rest[u].list) = scope;
        if (last >= 0)
            *vector_push(e->arena, &e->by_last[last].list) = scope;
    }
}

MiniBuckets mini_buckets_new(Arena *arena, const StageModel *model,
                             int64_t *const *own)
{
    MiniBuckets result = {
        .model = model,
        .rest = arena_new(arena, Buckets, model->n),
        .constant = arena_new(arena, int64_t, model->n + 1),
    };
    Elimination e = {
        .model = model,
        .arena = arena,
        .by_last = arena_new(arena, Buckets, model->n),
        .choice = arena_new(arena, int32_t, model->n),
        .result = &result,
    };
    for (int32_t v = 0; v < model->n; v++) {
        *vector_push(arena, &e.by_last[v].list) = (Bucket){1, {v}, own[v]};
        for (int32_t u = 0; u < v; u++)
            if (model->pair[u][v])
                *vector_push(arena, &e.by_last[v].list) =
                    (Bucket){2, {u, v}, model->pair[u][v]};
    }
    for (int32_t v = model->n - 1; v >= 0; v--)
        eliminate(&e, v);
    return result;
}

int64_t mini_buckets_rest(const MiniBuckets *buckets, int32_t v,
                          const int32_t *choice)
{
    int64_t rest = buckets->constant[v + 1];
    for (int64_t i = 0; i < buckets->rest[v].list.count; i++)
        rest +=
            value_of(buckets->model, &buckets->rest[v].list.data[i], choice);
    return min_i64(NEVER, rest);
}
