/* Dual: passes, prices, decoding. */
#include "solver/dual.h"

#include <math.h>
#include <string.h>

void network_usage(const Network *net, const int32_t *x, double *usage)
{
    memset(usage, 0, sizeof(double) * (size_t)(net->n_rows + 1));
    for (int32_t v = 0; v < net->n_nodes; v++)
        for (int64_t k = 0; k < net->nodes[v].intervals.count; k++) {
            const UsageInterval *i = &net->nodes[v].intervals.data[k];
            usage[i->begin] += i->usage[x[v]];
            usage[i->end] -= i->usage[x[v]];
        }
    for (int32_t r = 1; r < net->n_rows; r++)
        usage[r] += usage[r - 1];
}

bool network_fits(const Network *net, const double *room, const int32_t *x,
                  double *usage)
{
    network_usage(net, x, usage);
    for (int32_t r = 0; r < net->n_rows; r++)
        if (usage[r] > room[r])
            return false;
    return true;
}

double network_cost(const Network *net, const int32_t *x)
{
    double cost = net->constant;
    for (int32_t v = 0; v < net->n_nodes; v++)
        cost += net->nodes[v].cost[x[v]];
    for (int64_t k = 0; k < net->edges.count; k++) {
        const NetworkEdge *e = &net->edges.data[k];
        if (e->cost)
            cost += e->cost[(int64_t)x[e->a] * net->nodes[e->b].n_choices +
                            x[e->b]];
    }
    return cost;
}

/* The edge tables, both ways round, the lower node first. */
static void copy_edges(Dual *dual, Arena *arena, const Network *net)
{
    dual->edges = arena_new(arena, DualEdge, net->edges.count);
    for (int64_t k = 0; k < net->edges.count; k++) {
        const NetworkEdge *e = &net->edges.data[k];
        if (!e->cost)
            continue;
        int32_t a = e->a < e->b ? e->a : e->b, b = e->a < e->b ? e->b : e->a;
        int32_t n_a = net->nodes[a].n_choices;
        int32_t n_b = net->nodes[b].n_choices;
        double *turned = arena_new(arena, double, (int64_t)n_a *n_b);
        int32_t n_first = net->nodes[e->a].n_choices;
        int32_t n_second = net->nodes[e->b].n_choices;
        for (int32_t i = 0; i < n_first; i++)
            for (int32_t j = 0; j < n_second; j++)
                turned[(int64_t)j * n_first + i] =
                    e->cost[(int64_t)i * n_second + j];
        const double *straight = e->a == a ? e->cost : turned;
        const double *across = e->a == a ? turned : e->cost;
        dual->edges[dual->n_edges++] =
            (DualEdge){a,
                       b,
                       (int32_t)k,
                       straight,
                       across,
                       arena_new(arena, double, n_a),
                       arena_new(arena, double, n_b)};
    }
}

static void index_edges(Dual *dual, Arena *arena, int32_t n)
{
    dual->edge_first = arena_new(arena, int32_t, n + 2);
    dual->edge_middle = arena_new(arena, int32_t, n + 1);
    dual->edge = arena_new(arena, int32_t, 2 * (int64_t)dual->n_edges);
    int32_t *next = dual->edge_first;
    for (int32_t k = 0; k < dual->n_edges; k++) {
        next[dual->edges[k].a + 1]++;
        next[dual->edges[k].b + 1]++;
        dual->edge_middle[dual->edges[k].b]++;
    }
    for (int32_t v = 0; v < n; v++)
        next[v + 1] += next[v];
    int32_t *low = arena_new(arena, int32_t, n + 1);
    int32_t *high = arena_new(arena, int32_t, n + 1);
    for (int32_t v = 0; v < n; v++) {
        low[v] = next[v];
        high[v] = next[v] + dual->edge_middle[v];
        dual->edge_middle[v] = high[v];
    }
    for (int32_t k = 0; k < dual->n_edges; k++) {
        dual->edge[high[dual->edges[k].a]++] = k;
        dual->edge[low[dual->edges[k].b]++] = k;
    }
}

/* The sum of all prices stays below this, so that sums over any rows are
 * exact. */
#define PRICE_SUM_MOST 0x1p32

static double round_price(double price, int32_t n_rows)
{
    double most = PRICE_SUM_MOST / (n_rows + 1);
    return floor(smaller(price, most) / NETWORK_PRICE_QUANTUM) *
           NETWORK_PRICE_QUANTUM;
}

/* A product and its rounding error, rounded down or up to an integer. */
static double product_down(double x, double y)
{
    return floor(x * y - fabs(x * y) * 0x1p-50);
}

static double product_up(double x, double y)
{
    return ceil(x * y + fabs(x * y) * 0x1p-50);
}

/* Takes the least potential into the bound. */
static void extract_least(Dual *dual, int32_t v)
{
    double *p = dual->potential + dual->choice_first[v];
    int32_t n = dual->net->nodes[v].n_choices;
    double least = p[0];
    for (int32_t i = 1; i < n; i++)
        least = p[i] < least ? p[i] : least;
    for (int32_t i = 0; i < n; i++)
        p[i] -= least;
    dual->constant += least;
}

/* Valid while no potential or residual is negative. */
static void note_marginals(Dual *dual, int32_t v)
{
    const double *p = dual->potential + dual->choice_first[v];
    double *m = dual->marginal + dual->choice_first[v];
    for (int32_t i = 0; i < dual->net->nodes[v].n_choices; i++)
        m[i] = larger(m[i], dual->constant + p[i]);
}

/* Adds sum over rows of (change of price) * usage to the potentials, rounded
 * down, and takes change * room, rounded up, off the constant. */
static void apply_price_change(Dual *dual, double *change)
{
    const Network *net = dual->net;
    double refund = 0;
    for (int32_t r = 0; r < net->n_rows; r++) {
        refund += product_up(change[r], dual->room[r]);
        change[r] += r > 0 ? change[r - 1] : 0;
    }
    dual->work += 4 * net->n_rows;
    dual->constant -= refund;
    for (int32_t v = 0; v < net->n_nodes; v++)
        for (int64_t k = 0; k < net->nodes[v].intervals.count; k++) {
            const UsageInterval *i = &net->nodes[v].intervals.data[k];
            double price =
                change[i->end - 1] - (i->begin > 0 ? change[i->begin - 1] : 0);
            double *p = dual->potential + dual->choice_first[v];
            dual->work += net->nodes[v].n_choices;
            for (int32_t c = 0; price != 0 && c < net->nodes[v].n_choices; c++)
                p[c] += product_down(price, i->usage[c]);
        }
    for (int32_t v = 0; v < net->n_nodes; v++)
        extract_least(dual, v);
}

/* Moves each table's least cost to its lower node: residuals are then >= 0. */
static void level_tables(Dual *dual)
{
    for (int32_t k = 0; k < dual->n_edges; k++) {
        const DualEdge *e = &dual->edges[k];
        int32_t n_a = dual->net->nodes[e->a].n_choices;
        int64_t n = (int64_t)n_a * dual->net->nodes[e->b].n_choices;
        double least = NEVER;
        for (int64_t i = 0; i < n; i++)
            least = e->cost[i] < least ? e->cost[i] : least;
        for (int32_t i = 0; i < n_a; i++) {
            e->message_a[i] += least;
            dual->potential[dual->choice_first[e->a] + i] += least;
        }
    }
}

Dual dual_new(Arena *arena, const Network *net)
{
    int32_t n = net->n_nodes;
    Dual dual = {.net = net,
                 .choice_first = arena_new(arena, int64_t, n + 1),
                 .constant = net->constant,
                 .room = network_room(net, arena),
                 .price = arena_new(arena, double, net->n_rows + 1),
                 .decoded = arena_new(arena, int32_t, n)};
    copy_edges(&dual, arena, net);
    index_edges(&dual, arena, n);
    for (int32_t v = 0; v < n; v++)
        dual.choice_first[v + 1] =
            dual.choice_first[v] + net->nodes[v].n_choices;
    int32_t widest = 0;
    for (int32_t v = 0; v < n; v++)
        widest =
            net->nodes[v].n_choices > widest ? net->nodes[v].n_choices : widest;
    dual.score = arena_new(arena, double, widest);
    dual.potential = arena_new(arena, double, dual.choice_first[n]);
    dual.marginal = arena_new(arena, double, dual.choice_first[n]);
    for (int32_t v = 0; v < n; v++)
        memcpy(dual.potential + dual.choice_first[v], net->nodes[v].cost,
               sizeof(double) * (size_t)net->nodes[v].n_choices);
    for (int64_t i = 0; i < dual.choice_first[n]; i++)
        dual.marginal[i] = -NEVER;
    level_tables(&dual);
    double *change = arena_new(arena, double, net->n_rows + 1);
    memcpy(dual.price, net->price, sizeof(double) * (size_t)net->n_rows);
    memcpy(change, net->price, sizeof(double) * (size_t)net->n_rows);
    apply_price_change(&dual, change);
    return dual;
}

/* The two loops that all time goes to, once for each width of vectors that
 * x86-64 processors have. Each result is exact, so the clones agree. */
#if defined(__x86_64__) && defined(__GNUC__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

/* Moves the least residual of each column of the edge to its end: after this
 * message[j] = min_i (cost(i, j) - message_from(i)). */
WIDE static void pull(const double *table, int32_t n_from, int32_t n_to,
                      const double *message_from, double *message_to,
                      double *potential)
{
    double least[64];
    for (int32_t base = 0; base < n_to; base += 64) {
        int32_t n = n_to - base < 64 ? n_to - base : 64;
        for (int32_t j = 0; j < n; j++)
            least[j] = NEVER;
        for (int32_t i = 0; i < n_from; i++) {
            const double *row = table + (int64_t)i * n_to + base;
            double from = message_from[i];
            for (int32_t j = 0; j < n; j++) {
                double cost = row[j] - from;
                least[j] = cost < least[j] ? cost : least[j];
            }
        }
        for (int32_t j = 0; j < n; j++) {
            potential[base + j] += least[j] - message_to[base + j];
            message_to[base + j] = least[j];
        }
    }
}

static void pull_edge(Dual *dual, const DualEdge *e, int32_t v)
{
    double *potential = dual->potential + dual->choice_first[v];
    int32_t n_a = dual->net->nodes[e->a].n_choices;
    int32_t n_b = dual->net->nodes[e->b].n_choices;
    if (v == e->b)
        pull(e->cost, n_a, n_b, e->message_a, e->message_b, potential);
    else
        pull(e->across, n_b, n_a, e->message_b, e->message_a, potential);
    dual->work += (int64_t)n_a * n_b;
}

/* Adds the residual of the edge, given the neighbour's decoded choice. */
static void condition(const Dual *dual, const DualEdge *e, int32_t v,
                      double *score)
{
    int32_t n = dual->net->nodes[v].n_choices;
    int32_t u = v == e->a ? e->b : e->a;
    int32_t x = dual->decoded[u];
    const double *row = (v == e->b ? e->cost : e->across) + (int64_t)x * n;
    const double *own = v == e->b ? e->message_b : e->message_a;
    for (int32_t i = 0; i < n; i++)
        score[i] += row[i] - own[i];
}

static void decode(Dual *dual, int32_t v, int32_t begin, int32_t end)
{
    double *score = dual->score;
    int32_t n = dual->net->nodes[v].n_choices;
    const double *potential = dual->potential + dual->choice_first[v];
    memcpy(score, potential, sizeof(double) * (size_t)n);
    for (int32_t k = begin; k < end; k++)
        condition(dual, &dual->edges[dual->edge[k]], v, score);
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (score[i] < score[best])
            best = i;
    dual->decoded[v] = best;
}

/* part[i] = floor(p[i] * share) for 0 <= p < 2^51, and p[i] -= count * part[i].
 * Adding and subtracting 2^52 rounds to a whole number. */
WIDE static void cut_share(double *p, double *part, int32_t n, double share,
                           double count)
{
    for (int32_t i = 0; i < n; i++) {
        double exact = p[i] * share;
        double whole = (exact + 0x1p52) - 0x1p52;
        part[i] = whole > exact ? whole - 1 : whole;
        p[i] -= count * part[i];
    }
}

static void push(Dual *dual, int32_t v, int32_t begin, int32_t end,
                 double share)
{
    int32_t n = dual->net->nodes[v].n_choices;
    double *part = dual->score;
    cut_share(dual->potential + dual->choice_first[v], part, n, share,
              end - begin);
    for (int32_t k = begin; k < end; k++) {
        const DualEdge *e = &dual->edges[dual->edge[k]];
        double *message = v == e->a ? e->message_a : e->message_b;
        for (int32_t i = 0; i < n; i++)
            message[i] -= part[i];
    }
}

void dual_pass(Dual *dual, bool increasing)
{
    int32_t n = dual->net->n_nodes;
    for (int32_t step = 0; step < n; step++) {
        int32_t v = increasing ? step : n - 1 - step;
        int32_t first = dual->edge_first[v], middle = dual->edge_middle[v];
        int32_t last = dual->edge_first[v + 1];
        int32_t behind = increasing ? first : middle;
        int32_t behind_end = increasing ? middle : last;
        int32_t ahead = increasing ? middle : first;
        int32_t ahead_end = increasing ? last : middle;
        for (int32_t k = behind; k < behind_end; k++)
            pull_edge(dual, &dual->edges[dual->edge[k]], v);
        extract_least(dual, v);
        note_marginals(dual, v);
        decode(dual, v, behind, behind_end);
        int32_t most = ahead_end - ahead > behind_end - behind
                           ? ahead_end - ahead
                           : behind_end - behind;
        if (most > 0)
            push(dual, v, ahead, ahead_end, 1.0 / most);
    }
}

double dual_violation(const Dual *dual, const double *usage)
{
    double squares = 0;
    for (int32_t r = 0; r < dual->net->n_rows; r++) {
        double over = usage[r] - dual->room[r];
        if (over > 0 || dual->price[r] > 0)
            squares += over * over;
    }
    return squares;
}

void dual_move_prices(Dual *dual, const double *usage, double step,
                      Arena scratch)
{
    int32_t n = dual->net->n_rows;
    double *price = arena_new(&scratch, double, n + 1);
    for (int32_t r = 0; r < n; r++)
        price[r] = round_price(
            larger(0, dual->price[r] + step * (usage[r] - dual->room[r])), n);
    dual_set_prices(dual, price, scratch);
}

void dual_set_prices(Dual *dual, const double *price, Arena scratch)
{
    int32_t n = dual->net->n_rows;
    double *change = arena_new(&scratch, double, n + 1);
    for (int32_t r = 0; r < n; r++) {
        change[r] = price[r] - dual->price[r];
        dual->price[r] = price[r];
    }
    apply_price_change(dual, change);
}

void dual_bake(const Dual *dual, Network *net)
{
    for (int32_t k = 0; k < dual->n_edges; k++) {
        const DualEdge *e = &dual->edges[k];
        NetworkNode *a = &net->nodes[e->a], *b = &net->nodes[e->b];
        EdgeView view = edge_view(net, e->net_edge, e->a);
        for (int32_t i = 0; i < a->n_choices; i++)
            for (int32_t j = 0; j < b->n_choices; j++)
                view.cost[i * view.own + j * view.other] -=
                    e->message_a[i] + e->message_b[j];
        for (int32_t i = 0; i < a->n_choices; i++)
            a->cost[i] += e->message_a[i];
        for (int32_t j = 0; j < b->n_choices; j++)
            b->cost[j] += e->message_b[j];
    }
    memcpy(net->price, dual->price, sizeof(double) * (size_t)net->n_rows);
}
