/* Reductions of the time line.
 *
 * Rows that cannot bind.  A row whose room is at least the sum of the most
 * that every node may use there is always kept: it goes.  A row also goes when
 * every interval that covers it covers its neighbour, whose room is no larger:
 * keeping the neighbour keeps it (usages are >= 0).  What is left are the
 * local peaks of liveness.  Repeated along the line with a stack, each row is
 * compared with what is left on its left.
 *
 * Choices that exceed a row.  Others use at least 0 (their least is taken
 * off), so a choice that alone uses more than the room of a row it covers is in
 * no feasible solution.  If room is negative, nothing is.
 */
#include "solver/proof.h"
#include "solver/reduce.h"

#include <math.h>
#include <string.h>

typedef struct Rows {
    double *room;    /* of each row */
    double *most;    /* that all nodes together may use */
    int32_t *starts; /* intervals that begin at it */
    int32_t *ends;   /* intervals that end right before it */
} Rows;

static double interval_most(const UsageInterval *interval, int32_t n)
{
    double most = 0;
    for (int32_t i = 0; i < n; i++)
        most = larger(most, interval->usage[i]);
    return most;
}

static Rows count_rows(const Network *net, Arena *arena)
{
    int32_t n = net->n_rows + 1;
    Rows rows = {network_room(net, arena), arena_new(arena, double, n),
                 arena_new(arena, int32_t, n), arena_new(arena, int32_t, n)};
    for (int32_t v = 0; v < net->n_nodes; v++) {
        const NetworkNode *node = &net->nodes[v];
        if (node->n_choices == 0)
            continue;
        for (int64_t k = 0; k < node->intervals.count; k++) {
            const UsageInterval *i = &node->intervals.data[k];
            double most = interval_most(i, node->n_choices);
            rows.most[i->begin] += most;
            rows.most[i->end] -= most;
            rows.starts[i->begin]++;
            rows.ends[i->end]++;
        }
    }
    for (int32_t r = 1; r < n; r++)
        rows.most[r] += rows.most[r - 1];
    return rows;
}

/* Which rows stay: map[r] = how many rows before r stay; returns how many. */
static int32_t choose_rows(const Network *net, const Rows *rows, bool *stays,
                           Arena scratch)
{
    /* Between the last kept row and r: how many intervals began and ended. */
    int32_t *kept = arena_new(&scratch, int32_t, net->n_rows + 1);
    int32_t *began = arena_new(&scratch, int32_t, net->n_rows + 1);
    int32_t *ended = arena_new(&scratch, int32_t, net->n_rows + 1);
    int32_t n = 0, since_began = 0, since_ended = 0;
    for (int32_t r = 0; r < net->n_rows; r++) {
        since_began += rows->starts[r];
        since_ended += rows->ends[r];
        if (rows->room[r] >= rows->most[r])
            continue;
        bool covered = n > 0 && since_began == 0 &&
                       rows->room[kept[n - 1]] <= rows->room[r];
        if (covered)
            continue;
        while (n > 0 && since_ended == 0 &&
               rows->room[kept[n - 1]] >= rows->room[r]) {
            n--;
            since_began += began[n];
            since_ended += ended[n];
        }
        kept[n] = r;
        began[n] = since_began;
        ended[n] = since_ended;
        n++;
        since_began = since_ended = 0;
    }
    for (int32_t k = 0; k < n; k++)
        stays[kept[k]] = true;
    return n;
}

/* Moves all intervals to the rows that stay; true when some vanish. */
static bool renumber(Network *net, const bool *stays, const double *room,
                     int32_t n_kept, Arena scratch)
{
    int32_t *map = arena_new(&scratch, int32_t, net->n_rows + 1);
    for (int32_t r = 0; r < net->n_rows; r++)
        map[r + 1] = map[r] + stays[r];
    double *limit = arena_new(net->arena, double, n_kept + 1);
    double *price = arena_new(net->arena, double, n_kept + 1);
    int64_t *time = arena_new(net->arena, int64_t, n_kept + 1);
    for (int32_t r = 0; r < net->n_rows; r++)
        if (stays[r]) {
            limit[map[r]] = room[r];
            price[map[r]] = net->price[r];
            time[map[r]] = net->time[r];
        }
    net->n_rows = n_kept;
    net->limit = limit;
    net->price = price;
    net->time = time;
    net->usage_step = arena_new(net->arena, double, n_kept + 1);
    bool vanished = false;
    for (int32_t v = 0; v < net->n_nodes; v++) {
        NetworkNode *node = &net->nodes[v];
        if (node->n_choices == 0 || node->intervals.count == 0)
            continue;
        UsageInterval *old = node->intervals.data;
        int64_t count = node->intervals.count;
        node->intervals.data = NULL;
        node->intervals.count = node->intervals.capacity = 0;
        for (int64_t k = 0; k < count; k++)
            network_add_usage(net, v, map[old[k].begin], map[old[k].end],
                              old[k].usage);
        network_merge_usage(net, v);
        if (node->intervals.count < count) {
            vanished = true;
            network_queue_node(net, v);
        }
    }
    return vanished;
}

/* least[k][r] = least room in rows r ... r + 2^k - 1. */
typedef struct LeastRoom {
    double *level[32];
    int32_t n_rows;
} LeastRoom;

static LeastRoom least_room_new(const double *room, int32_t n, Arena *arena)
{
    LeastRoom least = {.n_rows = n};
    for (int k = 0; n > 0 && (1 << k) <= n; k++) {
        least.level[k] = arena_new(arena, double, n);
        for (int32_t r = 0; r + (1 << k) <= n; r++)
            least.level[k][r] =
                k == 0 ? room[r]
                       : smaller(least.level[k - 1][r],
                                 least.level[k - 1][r + (1 << (k - 1))]);
    }
    return least;
}

static double least_room(const LeastRoom *least, int32_t begin, int32_t end)
{
    int k = 31 - __builtin_clz((unsigned)(end - begin));
    return smaller(least->level[k][begin], least->level[k][end - (1 << k)]);
}

static int32_t tightest_row(const double *room, const UsageInterval *i)
{
    int32_t tightest = i->begin;
    for (int32_t r = i->begin + 1; r < i->end; r++)
        if (room[r] < room[tightest])
            tightest = r;
    return tightest;
}

static bool remove_exceeding(Network *net, Arena scratch)
{
    double *room = network_room(net, &scratch);
    for (int32_t r = 0; r < net->n_rows; r++)
        if (room[r] < 0) {
            proof_overfull(net, r);
            net->contradiction = true;
            return true;
        }
    LeastRoom least = least_room_new(room, net->n_rows, &scratch);
    bool removed = false;
    for (int32_t v = 0; v < net->n_nodes; v++) {
        NetworkNode *node = &net->nodes[v];
        Arena inner = scratch;
        bool *keep = arena_new(&inner, bool, node->n_choices);
        memset(keep, 1, (size_t)node->n_choices);
        bool any = false;
        for (int64_t k = 0; node->n_choices > 0 && k < node->intervals.count;
             k++) {
            const UsageInterval *i = &node->intervals.data[k];
            double most = least_room(&least, i->begin, i->end);
            net->work += node->n_choices;
            for (int32_t c = 0; c < node->n_choices; c++)
                if (i->usage[c] > most) {
                    if (keep[c] && net->proof)
                        proof_exceeding(net, v, c, tightest_row(room, i));
                    keep[c] = false;
                    any = true;
                }
        }
        if (!any)
            continue;
        network_keep(net, v, keep);
        if (net->contradiction)
            return true;
        removed = true;
    }
    return removed;
}

bool reduce_rows(Network *net, Arena scratch)
{
    Rows rows = count_rows(net, &scratch);
    net->work += 16 * net->n_rows + net->n_nodes;
    bool *stays = arena_new(&scratch, bool, net->n_rows + 1);
    for (int32_t r = 0; r < net->n_rows; r++)
        if (rows.room[r] < 0) {
            proof_overfull(net, r);
            net->contradiction = true;
            return true;
        }
    int32_t n_kept = choose_rows(net, &rows, stays, scratch);
    bool vanished = false;
    if (n_kept < net->n_rows) {
        proof_rows(net, stays);
        vanished = renumber(net, stays, rows.room, n_kept, scratch);
    }
    return remove_exceeding(net, scratch) || vanished;
}
