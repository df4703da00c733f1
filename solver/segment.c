/* Segment clustering by two dynamic programs.
 *
 * f(k, j) = the best cut of the first j items into k runs.  First with
 * (max, min) to find the smallest possible maximum B of received bytes; then
 * with (+, min) over the runs that receive at most B, on the pairs (bytes,
 * sum of squared work): both are additive, so their lexicographic minimum has
 * optimal substructure, which (max, sum) together has not.  With k and the
 * total fixed, the sum of squares orders cuts as the variance does.
 */
#include "solver/segment.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define NEVER INT64_MAX

/* Uses of each item, as value ids: row `i` is value[first[i] ... first[i+1]). */
typedef struct UsesByItem {
    int32_t *first;
    int32_t *value;
} UsesByItem;

static UsesByItem uses_by_item(Arena *arena, const SegmentProblem *p)
{
    UsesByItem uses = {arena_new(arena, int32_t, p->n_items + 2),
                       arena_new(arena, int32_t, p->n_uses)};
    for (int32_t u = 0; u < p->n_uses; u++)
        uses.first[p->uses[u].consumer + 2]++;
    for (int32_t i = 0; i < p->n_items; i++)
        uses.first[i + 2] += uses.first[i + 1];
    for (int32_t u = 0; u < p->n_uses; u++)
        uses.value[uses.first[p->uses[u].consumer + 1]++] = p->uses[u].value;
    return uses;
}

/* received[j] = bytes that the run [first, j) gets from before it. `seen` is
 * scratch of [n_values], whose entries differ from `first`. */
static void received_bytes(const SegmentProblem *p, const UsesByItem *uses,
                           int32_t first, int32_t *seen, int64_t *received)
{
    received[first] = 0;
    for (int32_t i = first; i < p->n_items; i++) {
        received[i + 1] = received[i];
        for (int32_t u = uses->first[i]; u < uses->first[i + 1]; u++) {
            int32_t value = uses->value[u];
            if (p->values[value].producer >= first || seen[value] == first)
                continue;
            seen[value] = first;
            received[i + 1] += p->values[value].bytes;
        }
    }
}

/* The smallest possible maximum of work over runs: the least ceiling under
 * which the greedy cut needs at most n_segments runs. */
static int64_t least_ceiling(const SegmentProblem *p)
{
    int64_t low = 0, high = 0;
    for (int32_t i = 0; i < p->n_items; i++) {
        low = p->work[i] > low ? p->work[i] : low;
        high += p->work[i];
    }
    while (low < high) {
        int64_t ceiling = low + (high - low) / 2, run = 0;
        int32_t runs = 1;
        for (int32_t i = 0; i < p->n_items; i++) {
            if (run + p->work[i] > ceiling) {
                run = 0;
                runs++;
            }
            run += p->work[i];
        }
        if (runs <= p->n_segments)
            high = ceiling;
        else
            low = ceiling + 1;
    }
    return low;
}

typedef struct Cost {
    int64_t bytes;  /* NEVER: no cut */
    double squares; /* of work over the average */
} Cost;

static bool cost_less(Cost a, Cost b)
{
    return a.bytes != b.bytes ? a.bytes < b.bytes : a.squares < b.squares;
}

typedef struct Table {
    const SegmentProblem *p;
    UsesByItem uses;
    double average, ceiling; /* work of a run */
    int64_t most_bytes;      /* a run may receive; NEVER while unknown */
    Cost *best;              /* [n_segments + 1][n_items + 1] */
    int32_t *from;           /* same shape: start of the last run */
} Table;

/* Extends all cuts of the first `first` items by the run [first, end). */
static void extend(Table *t, int32_t first, int32_t end, double work,
                   int64_t received)
{
    int32_t columns = t->p->n_items + 1;
    double squares = (work / t->average) * (work / t->average);
    for (int32_t k = 0; k < t->p->n_segments; k++) {
        Cost before = t->best[(int64_t)k * columns + first];
        Cost *after = &t->best[(int64_t)(k + 1) * columns + end];
        if (before.bytes == NEVER)
            continue;
        Cost cost = {before.bytes + received, before.squares + squares};
        if (t->most_bytes == NEVER)
            cost = (Cost){before.bytes > received ? before.bytes : received, 0};
        if (cost_less(cost, *after)) {
            *after = cost;
            t->from[(int64_t)(k + 1) * columns + end] = first;
        }
    }
}

static Cost run_table(Table *t, Arena scratch)
{
    const SegmentProblem *p = t->p;
    int64_t cells = (int64_t)(p->n_segments + 1) * (p->n_items + 1);
    for (int64_t c = 0; c < cells; c++)
        t->best[c] = (Cost){NEVER, 0};
    t->best[0] = (Cost){0, 0};
    int32_t *seen = arena_new(&scratch, int32_t, p->n_values);
    memset(seen, 0xff, sizeof(int32_t) * (size_t)p->n_values);
    int64_t *received = arena_new(&scratch, int64_t, p->n_items + 1);
    for (int32_t first = 0; first < p->n_items; first++) {
        received_bytes(p, &t->uses, first, seen, received);
        int64_t work = 0;
        for (int32_t end = first + 1; end <= p->n_items; end++) {
            work += p->work[end - 1];
            if ((double)work > t->ceiling || received[end] > t->most_bytes)
                break;
            extend(t, first, end, (double)work, received[end]);
        }
    }
    return t->best[cells - 1];
}

SegmentCut segment_solve(Arena *arena, Arena scratch, const SegmentProblem *p,
                         double *least_tolerance)
{
    assert(p->n_segments >= 1 && p->n_segments <= p->n_items);
    int64_t total = 0;
    for (int32_t i = 0; i < p->n_items; i++)
        total += p->work[i];
    int64_t cells = (int64_t)(p->n_segments + 1) * (p->n_items + 1);
    double average = total > 0 ? (double)total / p->n_segments : 1;
    Table t = {.p = p,
               .uses = uses_by_item(&scratch, p),
               .average = average,
               .ceiling = (1 + p->tolerance) * average,
               .most_bytes = NEVER,
               .best = arena_new(&scratch, Cost, cells),
               .from = arena_new(&scratch, int32_t, cells)};

    Cost bottleneck = run_table(&t, scratch);
    if (bottleneck.bytes == NEVER) {
        double least = (double)least_ceiling(p);
        double delta = least / average - 1;
        while ((1 + delta) * average < least)
            delta = nextafter(delta, HUGE_VAL);
        if (least_tolerance)
            *least_tolerance = delta;
        return (SegmentCut){.feasible = false};
    }
    t.most_bytes = bottleneck.bytes;
    Cost cost = run_table(&t, scratch);

    SegmentCut cut = {.feasible = true,
                      .end = arena_new(arena, int32_t, p->n_segments),
                      .most_bytes = bottleneck.bytes,
                      .sum_bytes = cost.bytes};
    int32_t end = p->n_items;
    for (int32_t k = p->n_segments; k >= 1; k--) {
        cut.end[k - 1] = end;
        end = t.from[(int64_t)k * (p->n_items + 1) + end];
    }
    return cut;
}
