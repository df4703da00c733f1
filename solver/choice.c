/* Choice networks: what is a problem, and what an assignment costs. */
#include "solver/choice.h"

#include "support/checked.h"

#include <stdlib.h>

/* Adds the largest magnitude of a table to *sum, forbidden entries aside;
 * false when the sum is beyond `limit`. */
static bool add_largest(const int64_t *table, int64_t n, int64_t limit,
                        int64_t *sum)
{
    int64_t most = 0;
    for (int64_t i = 0; i < n; i++) {
        if (table[i] >= CHOICE_FORBIDDEN)
            continue;
        if (table[i] < -limit)
            return false;
        most = max_i64(most, table[i] < 0 ? -table[i] : table[i]);
    }
    *sum += most;
    return *sum <= limit;
}

static const char *check_node(const ChoiceNode *n, int64_t *costs,
                              int64_t *usages)
{
    if (n->n_choices < 1)
        return "a node without choices";
    if (!add_largest(n->cost, n->n_choices, CHOICE_COST_MAX, costs))
        return "costs whose sum exceeds 4 * 10^18";
    for (int32_t k = 0; k < n->n_intervals; k++) {
        const int64_t *usage = n->intervals[k].usage;
        for (int32_t i = 0; i < n->n_choices; i++) {
            if (usage[i] < 0)
                return "a negative usage";
            if (usage[i] > CHOICE_MAGNITUDE_MAX) /* no usage is "forbidden" */
                return "usages whose sum exceeds 10^15";
        }
        if (!add_largest(usage, n->n_choices, CHOICE_MAGNITUDE_MAX, usages))
            return "usages whose sum exceeds 10^15";
    }
    return NULL;
}

const char *choice_check(const ChoiceProblem *p)
{
    int64_t costs = 0, usages = 0;
    for (int32_t v = 0; v < p->n_nodes; v++) {
        const char *wrong = check_node(&p->nodes[v], &costs, &usages);
        if (wrong)
            return wrong;
    }
    for (int32_t e = 0; e < p->n_edges; e++) {
        const ChoiceEdge *edge = &p->edges[e];
        if (edge->a < 0 || edge->a >= p->n_nodes || edge->b < 0 ||
            edge->b >= p->n_nodes)
            return "an edge to no node";
        if (!add_largest(edge->cost,
                         (int64_t)p->nodes[edge->a].n_choices *
                             p->nodes[edge->b].n_choices,
                         CHOICE_COST_MAX, &costs))
            return "costs whose sum exceeds 4 * 10^18";
    }
    return NULL;
}

typedef struct UsageEvent {
    int64_t time, change;
} UsageEvent;

static int compare_events(const void *a, const void *b)
{
    const UsageEvent *x = a, *y = b;
    return (x->time > y->time) - (x->time < y->time);
}

static void evaluate_usage(const ChoiceProblem *p, const int32_t *choice,
                           ChoiceEvaluation *e, Arena scratch)
{
    int64_t n = 0, usage = 0;
    for (int32_t v = 0; v < p->n_nodes; v++)
        n += 2 * p->nodes[v].n_intervals;
    UsageEvent *events = arena_new(&scratch, UsageEvent, n);
    n = 0;
    for (int32_t v = 0; v < p->n_nodes; v++)
        for (int32_t k = 0; k < p->nodes[v].n_intervals; k++) {
            const ChoiceInterval *i = &p->nodes[v].intervals[k];
            if (i->begin >= i->end)
                continue;
            events[n++] = (UsageEvent){i->begin, i->usage[choice[v]]};
            events[n++] = (UsageEvent){i->end, -i->usage[choice[v]]};
        }
    qsort(events, (size_t)n, sizeof *events, compare_events);
    for (int64_t i = 0; i < n; i++) {
        usage += events[i].change;
        bool last = i + 1 == n || events[i + 1].time != events[i].time;
        if (last && usage > e->peak_usage) {
            e->peak_usage = usage;
            e->peak_time = events[i].time;
        }
    }
}

static void add_cost(ChoiceEvaluation *e, int64_t cost)
{
    if (cost >= CHOICE_FORBIDDEN)
        e->forbidden++;
    else
        e->cost += cost;
}

ChoiceEvaluation choice_evaluate(const ChoiceProblem *p, const int32_t *choice,
                                 Arena scratch)
{
    ChoiceEvaluation e = {0};
    for (int32_t v = 0; v < p->n_nodes; v++)
        add_cost(&e, p->nodes[v].cost[choice[v]]);
    for (int32_t k = 0; k < p->n_edges; k++) {
        const ChoiceEdge *edge = &p->edges[k];
        add_cost(
            &e,
            edge->cost[(int64_t)choice[edge->a] * p->nodes[edge->b].n_choices +
                       choice[edge->b]]);
    }
    evaluate_usage(p, choice, &e, scratch);
    return e;
}
