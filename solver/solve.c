/* choice_solve: from the problem to the network, and back. */
#include "solver/choice.h"
#include "solver/reduce.h"
#include "solver/search.h"
#include "support/checked.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* -CHOICE_COST_MAX where nothing is known. */
static int64_t ceil_to_int(double x)
{
    return (int64_t)ceil(larger(x, -(double)CHOICE_COST_MAX));
}

static void describe(const ChoiceProblem *p, ChoiceSolution *s, Arena scratch)
{
    ChoiceEvaluation e = choice_evaluate(p, s->choice, scratch);
    s->cost = e.cost;
    s->peak_usage = e.peak_usage;
    s->peak_time = e.peak_time;
}

static void copy_prices(Arena *arena, const Network *core, double scale,
                        ChoiceSolution *s)
{
    s->prices = arena_new(arena, ChoicePrice, core->n_rows);
    for (int32_t r = 0; r < core->n_rows; r++)
        if (core->price[r] > 0)
            s->prices[s->n_prices++] =
                (ChoicePrice){core->time[r], core->price[r] / scale};
}

/* Reduces, searches what is left, and puts the solution back together. The
 * prices go to `s`, which may be NULL. */
static SearchResult solve_network(Network *net, double scale,
                                  const ChoiceOptions *options, int32_t *choice,
                                  Arena *arena, ChoiceSolution *s,
                                  Arena networks, Arena scratch)
{
    net->arena = &networks;
    reduce(net, scratch);
    SearchResult result = {.work = net->work, .proved = true};
    if (net->contradiction)
        return result;
    int32_t *name;
    Network core = network_extract(&networks, net, &name);
    if (core.n_nodes == 0) {
        network_recover(net, choice);
        return (SearchResult){true, true, net->constant, net->constant,
                              net->work};
    }
    int32_t *label = arena_new(&networks, int32_t, core.n_nodes);
    result = search(&core, scale, options, label, networks, scratch);
    result.work += net->work;
    if (s)
        copy_prices(arena, &core, scale, s);
    for (int32_t v = 0; v < core.n_nodes; v++)
        choice[name[v]] = label[v];
    network_recover(net, choice);
    return result;
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
    network_forget_costs(&net);
    SearchResult result =
        solve_network(&net, 1, options, choice, NULL, NULL, networks, scratch);
    *work += result.work;
    *proved = result.proved;
    return result.found;
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
    SearchResult result = solve_network(&net, scale, options, s.choice, arena,
                                        &s, networks, scratch);
    s.work = result.work;
    if (result.found) {
        describe(p, &s, scratch);
        assert(scale < 1 || (double)s.cost * scale == result.cost);
        assert(s.peak_usage <= p->usage_limit);
        double bound = result.proved ? result.cost : result.bound;
        s.lower_bound = min_i64(s.cost, ceil_to_int(bound / scale));
        bool optimal = result.proved && s.lower_bound == s.cost;
        s.status = optimal ? CHOICE_OPTIMAL : CHOICE_FEASIBLE;
        return s;
    }
    s.status = result.proved ? CHOICE_INFEASIBLE : CHOICE_UNKNOWN;
    if (result.proved && !options->skip_least_peak)
        find_least_peak(p, options, &s, scratch);
    else
        describe(p, &s, scratch);
    return s;
}
