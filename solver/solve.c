/* choice_solve: from the problem to the network, and back. */
#include "solver/branch.h"
#include "solver/choice.h"

#include <math.h>
#include <string.h>

static Branching branching_new(const ChoiceOptions *options, double cutoff,
                               double unit)
{
    return (Branching){.cutoff = cutoff,
                       .unit = unit,
                       .work_limit = options->work_limit,
                       .stopped = options->stopped,
                       .context = options->context,
                       .open_bound = NEVER};
}

static void describe(const ChoiceProblem *p, ChoiceSolution *s, Arena scratch)
{
    ChoiceEvaluation e = choice_evaluate(p, s->choice, scratch);
    s->cost = e.cost;
    s->peak_usage = e.peak_usage;
    s->peak_time = e.peak_time;
}

/* Makes all costs 0 but the forbidden ones. */
static void forget_costs(Network *net)
{
    net->constant = 0;
    for (int32_t v = 0; v < net->n_nodes; v++)
        for (int32_t i = 0; i < net->nodes[v].n_choices; i++)
            net->nodes[v].cost[i] = 0;
    for (int64_t k = 0; k < net->edges.count; k++) {
        NetworkEdge *e = &net->edges.data[k];
        int64_t n =
            (int64_t)net->nodes[e->a].n_choices * net->nodes[e->b].n_choices;
        for (int64_t i = 0; e->cost && i < n; i++)
            e->cost[i] = e->cost[i] < NEVER ? 0 : NEVER;
    }
}

/* The same problem with no costs but the forbidden ones, under `limit`: finds
 * any assignment. */
static bool find_any(const ChoiceProblem *p, const ChoiceOptions *options,
                     int64_t limit, int32_t *choice, bool *proved,
                     int64_t *work, Arena scratch)
{
    ChoiceProblem q = *p;
    q.usage_limit = limit;
    double scale;
    Arena networks = arena_split(&scratch);
    Network net = network_from_problem(&networks, scratch, &q, &scale);
    forget_costs(&net);
    Branching b = branching_new(options, 1, 1);
    bool found = branch(&b, &net, choice, networks, scratch);
    *work += b.work;
    *proved = !b.exhausted;
    return found;
}

/* No assignment respects the limit: which peak is the least? Bisection. */
static void find_least_peak(const ChoiceProblem *p,
                            const ChoiceOptions *options, ChoiceSolution *s,
                            Arena scratch)
{
    int32_t *choice = arena_new(&scratch, int32_t, p->n_nodes);
    bool proved;
    if (!find_any(p, options, CHOICE_MAGNITUDE_MAX, choice, &proved, &s->work,
                  scratch)) {
        s->status = proved ? CHOICE_FORBIDDEN_ALL : CHOICE_UNKNOWN;
        s->choice = NULL;
        return;
    }
    memcpy(s->choice, choice, sizeof(int32_t) * (size_t)p->n_nodes);
    describe(p, s, scratch);
    int64_t low = p->usage_limit + 1, high = s->peak_usage;
    s->least_peak = low;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (find_any(p, options, middle, choice, &proved, &s->work, scratch)) {
            memcpy(s->choice, choice, sizeof(int32_t) * (size_t)p->n_nodes);
            describe(p, s, scratch);
            high = s->peak_usage;
        } else {
            low = middle + 1;
            if (proved)
                s->least_peak = low;
        }
    }
}

ChoiceSolution choice_solve(Arena *arena, Arena scratch, const ChoiceProblem *p,
                            const ChoiceOptions *options)
{
    ChoiceSolution s = {.choice = arena_new(arena, int32_t, p->n_nodes)};
    double scale;
    Arena networks = arena_split(&scratch);
    Network net = network_from_problem(&networks, scratch, p, &scale);
    Branching b = branching_new(options, NEVER, scale);
    bool found = branch(&b, &net, s.choice, networks, scratch);
    s.work = b.work;
    if (found) {
        describe(p, &s, scratch);
        s.status = b.exhausted ? CHOICE_FEASIBLE : CHOICE_OPTIMAL;
        s.lower_bound =
            b.exhausted ? (int64_t)ceil(b.open_bound / scale) : s.cost;
        return s;
    }
    s.status = b.exhausted ? CHOICE_UNKNOWN : CHOICE_INFEASIBLE;
    find_least_peak(p, options, &s, scratch);
    return s;
}
