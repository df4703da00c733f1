/* Marginals: nodes, then edges. */
#include "solver/marginal.h"

/* Prices before row r; returns what the prices pay for the rooms. */
static double sum_prices(const Network *net, double *before, Arena scratch)
{
    const double *room = network_room(net, &scratch);
    double refund = 0;
    for (int32_t r = 0; r < net->n_rows; r++) {
        double product = net->price[r] * room[r];
        before[r + 1] = before[r] + net->price[r];
        refund += ceil(product + fabs(product) * 0x1p-50);
    }
    return refund;
}

/* cost + price * usage, less its least, which is returned. */
static double level_node(const NetworkNode *n, const double *before,
                         double *marginal)
{
    double least = NEVER;
    for (int32_t i = 0; i < n->n_choices; i++)
        marginal[i] = n->cost[i];
    for (int64_t k = 0; k < n->intervals.count; k++) {
        const UsageInterval *u = &n->intervals.data[k];
        double price = before[u->end] - before[u->begin];
        for (int32_t i = 0; price > 0 && i < n->n_choices; i++) {
            double product = price * u->usage[i];
            marginal[i] += floor(product - product * 0x1p-50);
        }
    }
    for (int32_t i = 0; i < n->n_choices; i++)
        least = smaller(least, marginal[i]);
    for (int32_t i = 0; i < n->n_choices; i++)
        marginal[i] -= least;
    return least;
}

/* Adds what each row and column has above the table's least: returned. */
static double add_table(const NetworkEdge *e, int32_t n_a, int32_t n_b,
                        double *marginal_a, double *marginal_b, double *column)
{
    double least = NEVER;
    for (int32_t j = 0; j < n_b; j++)
        column[j] = NEVER;
    for (int64_t i = 0; i < (int64_t)n_a * n_b; i++)
        least = smaller(least, e->cost[i]);
    for (int32_t i = 0; i < n_a; i++) {
        const double *row = e->cost + (int64_t)i * n_b;
        double least_of_row = NEVER;
        for (int32_t j = 0; j < n_b; j++) {
            least_of_row = smaller(least_of_row, row[j]);
            column[j] = smaller(column[j], row[j]);
        }
        marginal_a[i] += least_of_row - least;
    }
    for (int32_t j = 0; j < n_b; j++)
        marginal_b[j] += column[j] - least;
    return least;
}

double network_marginals(const Network *net, double *marginal, Arena scratch)
{
    int64_t *first = arena_new(&scratch, int64_t, net->n_nodes + 1);
    double *before = arena_new(&scratch, double, net->n_rows + 1);
    double bound = net->constant - sum_prices(net, before, scratch);
    int32_t widest = 0;
    for (int32_t v = 0; v < net->n_nodes; v++) {
        int32_t n = net->nodes[v].n_choices;
        bound += level_node(&net->nodes[v], before, marginal + first[v]);
        first[v + 1] = first[v] + n;
        widest = n > widest ? n : widest;
    }
    double *column = arena_new(&scratch, double, widest);
    for (int64_t k = 0; k < net->edges.count; k++) {
        const NetworkEdge *e = &net->edges.data[k];
        if (e->cost)
            bound += add_table(
                e, net->nodes[e->a].n_choices, net->nodes[e->b].n_choices,
                marginal + first[e->a], marginal + first[e->b], column);
    }
    for (int64_t i = 0; i < first[net->n_nodes]; i++)
        marginal[i] += bound;
    return bound;
}
