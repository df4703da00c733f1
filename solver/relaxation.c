/* Relaxation: the program, its rows on demand, exact bounds. */
#include "solver/relaxation.h"

#include <assert.h>
#include <glpk.h>
#include <string.h>

enum {
    ITERATIONS = 100,   /* between two questions whether to stop */
    ROWS_A_TIME = 8,    /* of usage, that join at once */
    WORK_OF_COLUMN = 4, /* of an iteration, measured in table entries */
};

/* Usages are in parts of a row's room; less over it is taken for rounding. */
#define VIOLATION 1e-7
/* Messages are integers up to this; prices are multiples of this, and their
 * sum is below that: what is added up is exact. */
#define MESSAGE_MOST   0x1p46
#define PRICE_QUANTUM  0x1p-20
#define PRICE_SUM_MOST 0x1p32
#define SUM_MOST       0x1p52
/* A ray has no length; this one makes its entries integers worth having. */
#define RAY_LENGTH 0x1p30

static void add_choices(Relaxation *r)
{
    const Network *net = r->net;
    glp_add_cols(r->lp, r->n_choices);
    for (int32_t v = 0; v < net->n_nodes; v++) {
        int row = glp_add_rows(r->lp, 1);
        int32_t n = net->nodes[v].n_choices;
        glp_set_row_bnds(r->lp, row, GLP_FX, 1, 1);
        for (int32_t i = 0; i < n; i++) {
            int column = r->first[v] + i + 1;
            glp_set_col_bnds(r->lp, column, GLP_DB, 0, 1);
            glp_set_obj_coef(r->lp, column, r->scale * net->nodes[v].cost[i]);
            r->index[i + 1] = column;
            r->entry[i + 1] = 1;
        }
        glp_set_mat_row(r->lp, row, n, r->index, r->entry);
    }
}

/* Rows sum_j e[i][j] - s[i] = 0 for the choices of one end. */
static int add_marginals(Relaxation *r, int32_t v)
{
    int32_t n = r->net->nodes[v].n_choices;
    int row = glp_add_rows(r->lp, n);
    for (int32_t i = 0; i < n; i++) {
        int column[] = {0, r->first[v] + i + 1};
        double entry[] = {0, -1};
        glp_set_row_bnds(r->lp, row + i, GLP_FX, 0, 0);
        glp_set_mat_row(r->lp, row + i, 1, column, entry);
    }
    return row;
}

static void add_pairs(Relaxation *r, int64_t edge)
{
    const NetworkEdge *e = &r->net->edges.data[edge];
    int row_a = add_marginals(r, e->a), row_b = add_marginals(r, e->b);
    int32_t n_a = r->net->nodes[e->a].n_choices;
    int32_t n_b = r->net->nodes[e->b].n_choices;
    r->edge_row[edge] = row_a;
    for (int32_t i = 0; i < n_a; i++)
        for (int32_t j = 0; j < n_b; j++) {
            double cost = e->cost[(int64_t)i * n_b + j];
            if (cost == NEVER)
                continue;
            int column = glp_add_cols(r->lp, 1);
            int row[] = {0, row_a + i, row_b + j};
            double entry[] = {0, 1, 1};
            glp_set_col_bnds(r->lp, column, GLP_LO, 0, 0);
            glp_set_obj_coef(r->lp, column, r->scale * cost);
            glp_set_mat_col(r->lp, column, 2, row, entry);
        }
}

static int64_t edge_entries(const Network *net, const NetworkEdge *e)
{
    return e->cost ? (int64_t)net->nodes[e->a].n_choices *
                         net->nodes[e->b].n_choices
                   : 0;
}

/* Objective coefficients are thousandths of the largest. */
static double choose_scale(const Network *net)
{
    double most = 1;
    for (int32_t v = 0; v < net->n_nodes; v++)
        for (int32_t i = 0; i < net->nodes[v].n_choices; i++)
            most = larger(most, fabs(net->nodes[v].cost[i]));
    for (int64_t k = 0; k < net->edges.count; k++) {
        const NetworkEdge *e = &net->edges.data[k];
        for (int64_t i = 0; i < edge_entries(net, e); i++)
            if (e->cost[i] < NEVER)
                most = larger(most, fabs(e->cost[i]));
    }
    return 1000 / most;
}

void relaxation_init(Relaxation *r, Arena *arena, const Network *net)
{
    *r = (Relaxation){.net = net,
                      .arena = arena,
                      .room = network_room(net, arena),
                      .first = arena_new(arena, int32_t, net->n_nodes + 1),
                      .edge_row = arena_new(arena, int32_t, net->edges.count),
                      .price = arena_new(arena, double, net->n_rows + 1),
                      .usage = arena_new(arena, double, net->n_rows + 1)};
    for (int32_t v = 0; v < net->n_nodes; v++)
        r->first[v + 1] = r->first[v] + net->nodes[v].n_choices;
    r->n_choices = r->first[net->n_nodes];
    r->allowed = arena_new(arena, bool, r->n_choices);
    memset(r->allowed, true, (size_t)r->n_choices);
    r->value = arena_new(arena, double, r->n_choices);
    r->potential = arena_new(arena, double, r->n_choices);
    r->index = arena_new(arena, int, r->n_choices + 1);
    r->entry = arena_new(arena, double, r->n_choices + 1);
    r->scale = choose_scale(net);
    glp_term_out(GLP_OFF);
    r->lp = glp_create_prob();
    add_choices(r);
    for (int64_t k = 0; k < net->edges.count; k++)
        if (net->edges.data[k].cost)
            add_pairs(r, k);
    r->n_columns = glp_get_num_cols(r->lp);
    /* One multiplier a row; rows of usage have their own place. */
    r->message = arena_new(arena, double, glp_get_num_rows(r->lp) + 1);
    glp_adv_basis(r->lp, 0);
}

void relaxation_release(Relaxation *r)
{
    r->lp = NULL;
    glp_free_env();
}

void relaxation_allow(Relaxation *r, int32_t node, int32_t choice, bool allow)
{
    int32_t at = r->first[node] + choice;
    r->allowed[at] = allow;
    glp_set_col_bnds(r->lp, at + 1, allow ? GLP_DB : GLP_FX, 0, allow);
}

/* Usage of the fractional choices on every row. */
static void add_up_usage(Relaxation *r)
{
    const Network *net = r->net;
    memset(r->usage, 0, sizeof(double) * (size_t)(net->n_rows + 1));
    for (int32_t v = 0; v < net->n_nodes; v++) {
        const NetworkNode *n = &net->nodes[v];
        const double *value = r->value + r->first[v];
        for (int64_t k = 0; k < n->intervals.count; k++) {
            const UsageInterval *u = &n->intervals.data[k];
            double usage = 0;
            for (int32_t i = 0; i < n->n_choices; i++)
                usage += u->usage[i] * value[i];
            r->usage[u->begin] += usage;
            r->usage[u->end] -= usage;
            r->work += n->n_choices;
        }
    }
    for (int32_t t = 1; t < net->n_rows; t++)
        r->usage[t] += r->usage[t - 1];
    r->work += 2 * net->n_rows;
}

static void add_usage_row(Relaxation *r, int32_t t)
{
    const Network *net = r->net;
    double room = larger(r->room[t], 1);
    int length = 0;
    for (int32_t v = 0; v < net->n_nodes; v++) {
        const NetworkNode *n = &net->nodes[v];
        for (int32_t i = 0; i < n->n_choices; i++) {
            double usage = 0;
            for (int64_t k = 0; k < n->intervals.count; k++) {
                const UsageInterval *u = &n->intervals.data[k];
                if (u->begin <= t && t < u->end)
                    usage += u->usage[i];
            }
            if (usage == 0)
                continue;
            r->index[++length] = r->first[v] + i + 1;
            r->entry[length] = usage / room;
        }
    }
    int row = glp_add_rows(r->lp, 1);
    glp_set_row_bnds(r->lp, row, GLP_UP, 0, r->room[t] / room);
    glp_set_mat_row(r->lp, row, length, r->index, r->entry);
    *vector_push(r->arena, &r->usage_rows) = (UsageRow){t, row};
}

static bool has_usage_row(const Relaxation *r, int32_t t)
{
    for (int64_t k = 0; k < r->usage_rows.count; k++)
        if (r->usage_rows.data[k].row == t)
            return true;
    return false;
}

/* Adds rows that the values violate: the worst of each run of them. */
static bool add_violated(Relaxation *r)
{
    int32_t n_rows = r->net->n_rows;
    bool any = false;
    add_up_usage(r);
    for (int count = 0; count < ROWS_A_TIME; count++) {
        int32_t worst = -1;
        double most = VIOLATION;
        for (int32_t t = 0; t < n_rows; t++) {
            double over = (r->usage[t] - r->room[t]) / larger(r->room[t], 1);
            if (over > most) {
                most = over;
                worst = t;
            }
        }
        if (worst < 0)
            break;
        if (!has_usage_row(r, worst)) {
            add_usage_row(r, worst);
            any = true;
        }
        int32_t begin = worst, end = worst;
        while (begin > 0 && r->usage[begin - 1] > r->room[begin - 1])
            begin--;
        while (end < n_rows && r->usage[end] > r->room[end])
            end++;
        memset(r->usage + begin, 0, sizeof(double) * (size_t)(end - begin));
    }
    return any;
}

/* A price on a row of usage, from its multiplier. */
static double to_price(const Relaxation *r, double multiplier, double scale)
{
    double most = PRICE_SUM_MOST / (r->net->n_rows + 1);
    double price = smaller(larger(-multiplier * scale, 0), most);
    return floor(price / PRICE_QUANTUM) * PRICE_QUANTUM;
}

static double to_message(double multiplier, double scale)
{
    double message = rint(multiplier * scale);
    return larger(-MESSAGE_MOST, smaller(message, MESSAGE_MOST));
}

/* Potentials: own costs (or 0) plus prices times usages, rounded down. */
static void start_potentials(Relaxation *r, bool costs)
{
    const Network *net = r->net;
    double *sum = r->usage; /* scratch here: prices of rows before */
    memset(sum, 0, sizeof(double) * (size_t)(net->n_rows + 1));
    for (int32_t t = 0; t < net->n_rows; t++)
        sum[t + 1] = sum[t] + r->price[t];
    for (int32_t v = 0; v < net->n_nodes; v++) {
        const NetworkNode *n = &net->nodes[v];
        double *p = r->potential + r->first[v];
        for (int32_t i = 0; i < n->n_choices; i++)
            p[i] = costs ? n->cost[i] : 0;
        for (int64_t k = 0; k < n->intervals.count; k++) {
            const UsageInterval *u = &n->intervals.data[k];
            double price = sum[u->end] - sum[u->begin];
            for (int32_t i = 0; price > 0 && i < n->n_choices; i++)
                p[i] += floor(price * u->usage[i] * (1 - 0x1p-50));
            r->work += n->n_choices;
        }
    }
}

/* The least residual over the pairs of allowed choices; moves the messages. */
static double settle_edge(Relaxation *r, int64_t edge, bool costs)
{
    const NetworkEdge *e = &r->net->edges.data[edge];
    int32_t n_a = r->net->nodes[e->a].n_choices;
    int32_t n_b = r->net->nodes[e->b].n_choices;
    const double *to_a = r->message + r->edge_row[edge], *to_b = to_a + n_a;
    const bool *allow_a = r->allowed + r->first[e->a];
    const bool *allow_b = r->allowed + r->first[e->b];
    double least = NEVER;
    for (int32_t i = 0; i < n_a; i++) {
        r->potential[r->first[e->a] + i] += to_a[i];
        const double *cost = e->cost + (int64_t)i * n_b;
        for (int32_t j = 0; allow_a[i] && j < n_b; j++) {
            if (!allow_b[j] || cost[j] == NEVER)
                continue;
            least = smaller(least, (costs ? cost[j] : 0) - to_a[i] - to_b[j]);
        }
    }
    for (int32_t j = 0; j < n_b; j++)
        r->potential[r->first[e->b] + j] += to_b[j];
    r->work += (int64_t)n_a * n_b;
    return least;
}

/* The bound that messages and prices give; -NEVER when the numbers are too
 * wide to add exactly. Leaves potential[] >= 0 where allowed. */
static double evaluate(Relaxation *r, bool costs)
{
    const Network *net = r->net;
    double bound = costs ? net->constant : 0, magnitude = fabs(bound);
    start_potentials(r, costs);
    for (int32_t t = 0; t < net->n_rows; t++) {
        if (r->price[t] == 0)
            continue;
        double refund = ceil(r->price[t] * r->room[t] +
                             fabs(r->price[t] * r->room[t]) * 0x1p-50);
        bound -= refund;
        magnitude += fabs(refund);
    }
    for (int64_t k = 0; k < net->edges.count; k++) {
        if (!net->edges.data[k].cost)
            continue;
        double least = settle_edge(r, k, costs);
        bound += least;
        magnitude += fabs(least);
    }
    for (int32_t v = 0; v < net->n_nodes; v++) {
        double *p = r->potential + r->first[v], least = NEVER;
        for (int32_t i = 0; i < net->nodes[v].n_choices; i++)
            if (r->allowed[r->first[v] + i])
                least = smaller(least, p[i]);
        for (int32_t i = 0; least < NEVER && i < net->nodes[v].n_choices; i++)
            p[i] -= least;
        bound += least;
        magnitude += fabs(least);
    }
    if (bound == NEVER)
        return NEVER; /* no pair or no choice is left somewhere */
    return magnitude < SUM_MOST ? bound : -NEVER;
}

static double bound_by_duals(Relaxation *r)
{
    int n = glp_get_num_rows(r->lp);
    memset(r->price, 0, sizeof(double) * (size_t)r->net->n_rows);
    for (int64_t k = 0; k < r->usage_rows.count; k++) {
        const UsageRow *u = &r->usage_rows.data[k];
        r->price[u->row] +=
            to_price(r, glp_get_row_dual(r->lp, u->lp_row),
                     1 / (r->scale * larger(r->room[u->row], 1)));
    }
    for (int row = 1; row <= n - (int)r->usage_rows.count; row++)
        r->message[row] =
            to_message(glp_get_row_dual(r->lp, row), 1 / r->scale);
    return evaluate(r, true);
}

/* GLPK says that nothing fits: do the multipliers of its ray prove it? */
static bool proves_empty(Relaxation *r)
{
    int ray = glp_get_unbnd_ray(r->lp), n = glp_get_num_rows(r->lp);
    if (ray == 0 || (!glp_bf_exists(r->lp) && glp_factorize(r->lp) != 0))
        return false;
    int at = ray <= n ? glp_get_row_bind(r->lp, ray)
                      : glp_get_col_bind(r->lp, ray - n);
    if (at == 0)
        return false;
    Arena scratch = *r->arena;
    double *multiplier = arena_new(&scratch, double, n + 1), most = 0;
    multiplier[at] = 1;
    glp_btran(r->lp, multiplier);
    for (int row = 1; row <= n; row++)
        most = larger(most, fabs(multiplier[row]));
    for (int sign = -1; sign <= 1; sign += 2) {
        double length = sign * RAY_LENGTH / larger(most, 1e-9);
        memset(r->price, 0, sizeof(double) * (size_t)r->net->n_rows);
        for (int64_t k = 0; k < r->usage_rows.count; k++) {
            const UsageRow *u = &r->usage_rows.data[k];
            r->price[u->row] += to_price(r, multiplier[u->lp_row],
                                         length / larger(r->room[u->row], 1));
        }
        for (int row = 1; row <= n - (int)r->usage_rows.count; row++)
            r->message[row] = to_message(multiplier[row], length);
        if (evaluate(r, false) > 0)
            return true;
    }
    return false;
}

static void read_values(Relaxation *r)
{
    for (int32_t i = 0; i < r->n_choices; i++)
        r->value[i] = glp_get_col_prim(r->lp, i + 1);
}

static int simplex(Relaxation *r, double cutoff, int iterations)
{
    glp_smcp how;
    glp_init_smcp(&how);
    how.msg_lev = GLP_MSG_OFF;
    how.meth = GLP_DUALP;
    how.it_lim = iterations;
    if (cutoff < NEVER)
        how.obj_ul = r->scale * (cutoff - r->net->constant);
    int status = glp_simplex(r->lp, &how);
    int now = glp_get_it_cnt(r->lp);
    r->work += (int64_t)(now - r->iterations) * r->n_columns * WORK_OF_COLUMN;
    r->iterations = now;
    return status;
}

bool relaxation_solve(Relaxation *r, double cutoff, int64_t work_limit,
                      bool (*stopped)(void *context), void *context)
{
    r->solved = false;
    r->bound = -NEVER;
    for (;;) {
        int status = simplex(r, cutoff, ITERATIONS);
        if ((work_limit > 0 && r->work >= work_limit) ||
            (stopped && stopped(context)))
            return false;
        if (status == GLP_EITLIM)
            continue;
        if (status == GLP_EOBJUL) {
            r->bound = bound_by_duals(r);
            if (r->bound >= cutoff)
                return true;
            cutoff = NEVER; /* rounding: go on to the optimum */
            continue;
        }
        if (status != 0)
            return true;
        if (glp_get_status(r->lp) != GLP_OPT) {
            r->bound = proves_empty(r) ? NEVER : -NEVER;
            return true;
        }
        read_values(r);
        if (!add_violated(r))
            break;
    }
    r->solved = true;
    r->bound = bound_by_duals(r);
    return true;
}

double relaxation_probe(Relaxation *r, double cutoff, int iterations)
{
    int status = simplex(r, cutoff, iterations);
    if (status == 0 && glp_get_status(r->lp) != GLP_OPT)
        return proves_empty(r) ? NEVER : -NEVER;
    if (status == 0 || status == GLP_EITLIM || status == GLP_EOBJUL)
        return bound_by_duals(r);
    return -NEVER;
}

Basis relaxation_basis(const Relaxation *r, Arena *arena)
{
    Basis b = {.n_rows = glp_get_num_rows(r->lp)};
    b.of_row = arena_new(arena, unsigned char, b.n_rows + 1);
    b.of_column = arena_new(arena, unsigned char, r->n_columns + 1);
    for (int i = 1; i <= b.n_rows; i++)
        b.of_row[i] = (unsigned char)glp_get_row_stat(r->lp, i);
    for (int j = 1; j <= r->n_columns; j++)
        b.of_column[j] = (unsigned char)glp_get_col_stat(r->lp, j);
    return b;
}

void relaxation_set_basis(Relaxation *r, const Basis *basis)
{
    int n = glp_get_num_rows(r->lp);
    for (int i = 1; i <= n; i++)
        glp_set_row_stat(r->lp, i,
                         i <= basis->n_rows ? basis->of_row[i] : GLP_BS);
    for (int j = 1; j <= r->n_columns; j++)
        glp_set_col_stat(r->lp, j, basis->of_column[j]);
}
