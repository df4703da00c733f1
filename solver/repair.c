/* Repair: weights on the rows that are over, raised until none is.
 *
 * The local search runs on cost + sum_r weight_r * usage_r, in which a row that
 * is over may not get worse.  After every few rounds the rows that are still
 * over gain weight, together worth a fixed part of the cost for what they are
 * over; so what helps is found first where it is cheap.
 */
#include "solver/repair.h"

#include "solver/dual.h"
#include "solver/improve.h"

#include <string.h>

enum { ROUNDS_A_RAISE = 40, RAISES_MOST = 200 };

static void raise_weights(const Assignment *a, double worth, double *weight)
{
    double squares = 0;
    for (int32_t r = 0; r < a->net->n_rows; r++) {
        double over = larger(0, a->usage[r] - a->room[r]);
        squares += over * over;
    }
    for (int32_t r = 0; r < a->net->n_rows; r++)
        weight[r] += worth / squares * larger(0, a->usage[r] - a->room[r]);
}

/* Node costs of `net` + weights, into those of `penalised`. */
static void set_penalties(const Network *net, const double *weight,
                          Network *penalised, Arena scratch)
{
    double *sum = arena_new(&scratch, double, net->n_rows + 1);
    for (int32_t r = 0; r < net->n_rows; r++)
        sum[r + 1] = sum[r] + weight[r];
    for (int32_t v = 0; v < net->n_nodes; v++) {
        const NetworkNode *n = &net->nodes[v];
        double *cost = penalised->nodes[v].cost;
        memcpy(cost, n->cost, sizeof(double) * (size_t)n->n_choices);
        for (int64_t k = 0; k < n->intervals.count; k++) {
            const UsageInterval *u = &n->intervals.data[k];
            double price = sum[u->end] - sum[u->begin];
            for (int32_t i = 0; price > 0 && i < n->n_choices; i++)
                cost[i] += floor(price * u->usage[i]);
        }
    }
}

int64_t repair(Assignment *a, double unit, double scale_cost,
               const ChoiceOptions *options, uint64_t seed, Arena networks,
               Arena scratch)
{
    int32_t *name;
    Network penalised = network_extract(&networks, a->net, &name);
    double *weight = arena_new(&networks, double, a->net->n_rows + 1);
    Assignment p = {&penalised, a->room, a->x, a->usage, 0};
    double worth = 0.02 * fabs(scale_cost) + unit;
    int64_t work = 0;
    for (int raise = 0; raise < RAISES_MOST; raise++) {
        if (assignment_over_use(&p) <= 0)
            break;
        raise_weights(&p, worth, weight);
        worth *= 1.1;
        set_penalties(a->net, weight, &penalised, scratch);
        assignment_refresh(&p);
        Arena inner = networks;
        Improver m = improver_new(&inner, &p, 1, seed + (uint64_t)raise);
        m.stopped = options->stopped;
        m.context = options->context;
        for (int round = 0; round < ROUNDS_A_RAISE; round++) {
            improver_round(&m, inner, scratch);
            if (assignment_over_use(&p) <= 0 ||
                (options->stopped && options->stopped(options->context)))
                break;
        }
        work += m.work;
        if ((options->stopped && options->stopped(options->context)) ||
            (options->work_limit > 0 && work > options->work_limit))
            break;
    }
    assignment_refresh(a);
    return work;
}
