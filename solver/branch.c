/* Branch and bound by recursion.
 *
 * One call owns one subproblem: it reduces it; stops if nothing is left or if
 * the bound reaches the cutoff; removes every choice whose marginal reaches
 * it; repeats while that makes it smaller; then splits on one node: its best
 * choice against all others.  A child starts from the parent's messages and
 * prices, baked into its costs.  Memory is a stack: scratch by value.
 */
#include "solver/branch.h"

#include "solver/dual.h"
#include "solver/mip.h"
#include "solver/reduce.h"

#include <math.h>
#include <string.h>

enum {
    PASSES_MOST = 30,
    PASSES_LEAST = 4,
    MIP_ENTRIES_MOST = 20000,
};

static bool give_up(Branching *b, double bound)
{
    if (!b->exhausted)
        b->exhausted = (b->work_limit > 0 && b->work >= b->work_limit) ||
                       (b->stopped && b->stopped(b->context));
    if (b->exhausted)
        b->open_bound = smaller(b->open_bound, bound);
    return b->exhausted;
}

/* No solution below the cutoff can cost at least this. */
static bool beyond(const Branching *b, double bound)
{
    return bound > b->cutoff - b->unit;
}

/* Is the decoded assignment feasible and below the cutoff? */
static bool accept(Branching *b, const Dual *dual, const double *usage,
                   int32_t *best)
{
    const Network *net = dual->net;
    for (int32_t r = 0; r < net->n_rows; r++)
        if (usage[r] > dual->room[r])
            return false;
    double cost = network_cost(net, dual->decoded);
    if (!(cost < b->cutoff))
        return false;
    b->cutoff = cost;
    for (int32_t v = 0; v < net->n_nodes; v++)
        best[v] = net->nodes[v].label[dual->decoded[v]];
    return true;
}

/* How far prices reach: with a cutoff, Polyak's whole step. Nothing less
 * closes the contest's A: over its core, with its optimum as cutoff, 117 calls
 * against more than 10^6 with 0.3 of the step, fading by a tenth a pass. */
static double choose_move(const Branching *b, const Dual *dual, int pass)
{
    if (b->cutoff < NEVER)
        return b->cutoff - dual->constant;
    return (fabs(dual->constant) * 0.03 + b->unit) * pow(0.9, pass);
}

/* Passes and price moves until the bound stands still or closes. */
static bool bound(Branching *b, Dual *dual, int32_t *best, Arena scratch)
{
    double *usage = arena_new(&scratch, double, dual->net->n_rows + 1);
    bool found = false;
    double before = -NEVER;
    for (int pass = 0; pass < PASSES_MOST; pass++) {
        dual_pass(dual, pass % 2 == 0);
        network_usage(dual->net, dual->decoded, usage);
        double squares = dual_violation(dual, usage);
        found |= accept(b, dual, usage, best);
        if (beyond(b, dual->constant))
            break;
        double gap = b->cutoff - dual->constant;
        if (pass >= PASSES_LEAST && dual->constant - before < 0.02 * gap)
            break;
        before = dual->constant;
        if (squares > 0 && pass + 1 < PASSES_MOST)
            dual_move_prices(dual, usage, choose_move(b, dual, pass) / squares,
                             scratch);
    }
    b->work += dual->work;
    return found;
}

static bool remove_beyond(const Branching *b, Network *net, const Dual *dual,
                          Arena scratch)
{
    bool any = false;
    for (int32_t v = 0; v < net->n_nodes; v++) {
        Arena inner = scratch;
        int32_t n = net->nodes[v].n_choices;
        bool *keep = arena_new(&inner, bool, n);
        bool all = true;
        for (int32_t i = 0; i < n; i++) {
            keep[i] = !beyond(b, dual->marginal[dual->choice_first[v] + i]);
            all &= keep[i];
        }
        if (all)
            continue;
        any = true;
        network_keep(net, v, keep);
        if (net->contradiction)
            break;
    }
    return any;
}

/* The node to split and its choice to try first: where most hangs on the
 * decision (edges and intervals), and where it costs most to err, each
 * choice's loss counted up to the gap. */
static int32_t choose_split(const Dual *dual, double gap, int32_t *choice)
{
    const Network *net = dual->net;
    int32_t chosen = 0;
    double best_score = -1;
    for (int32_t v = 0; v < net->n_nodes; v++) {
        const double *m = dual->marginal + dual->choice_first[v];
        int32_t n = net->nodes[v].n_choices, least = 0;
        double loss = 0;
        for (int32_t i = 1; i < n; i++)
            if (m[i] < m[least])
                least = i;
        for (int32_t i = 0; i < n; i++)
            loss += smaller(m[i] - m[least], gap);
        double weight =
            net->nodes[v].degree + 2 * (double)net->nodes[v].intervals.count;
        double score = loss / n * weight;
        if (score > best_score) {
            best_score = score;
            chosen = v;
            *choice = least;
        }
    }
    return chosen;
}

/* Child 0 takes the choice, child 1 all others; what an incumbent of the
 * first rules out is removed from the second. */
static bool split(Branching *b, const Network *net, const Dual *dual,
                  int32_t *best, Arena networks, Arena scratch)
{
    double gap = b->cutoff - dual->constant;
    int32_t choice = 0, node = choose_split(dual, gap, &choice);
    int32_t label = net->nodes[node].label[choice];
    bool found = false;
    for (int child = 0; child < 2; child++) {
        if (beyond(b, dual->constant) || give_up(b, dual->constant))
            break;
        Arena inner = networks;
        int32_t *name;
        Network part = network_extract(&inner, net, &name);
        remove_beyond(b, &part, dual, scratch);
        if (part.contradiction)
            continue;
        const NetworkNode *n = &part.nodes[node];
        bool *keep = arena_new(&inner, bool, n->n_choices);
        for (int32_t i = 0; i < n->n_choices; i++)
            keep[i] = (n->label[i] == label) == (child == 0);
        network_keep(&part, node, keep);
        found |= branch(b, &part, best, inner, scratch);
    }
    return found;
}

static int64_t count_choices(const Network *net)
{
    int64_t n = 0;
    for (int32_t v = 0; v < net->n_nodes; v++)
        n += net->nodes[v].n_choices;
    return n;
}

/* Is a simplex iteration cheap enough? */
static bool suits_mip(const Network *net)
{
    int64_t entries = 0;
    for (int64_t k = 0; k < net->edges.count; k++) {
        const NetworkEdge *e = &net->edges.data[k];
        if (e->cost)
            entries += (int64_t)net->nodes[e->a].n_choices *
                       net->nodes[e->b].n_choices;
    }
    return entries <= MIP_ENTRIES_MOST;
}

static bool branch_by_mip(Branching *b, const Network *net, double floor,
                          int32_t *choice, Arena scratch)
{
    if (!suits_mip(net)) {
        b->exhausted = true;
        b->open_bound = smaller(b->open_bound, floor);
        return false;
    }
    Mip m = {.cutoff = b->cutoff,
             .unit = b->unit,
             .work_limit = b->work_limit > 0 ? b->work_limit - b->work : 0,
             .stopped = b->stopped,
             .context = b->context};
    bool found = mip(&m, net, choice, scratch);
    b->work += m.work;
    b->cutoff = m.cutoff;
    for (int32_t v = 0; found && v < net->n_nodes; v++)
        choice[v] = net->nodes[v].label[choice[v]];
    if (m.exhausted) {
        b->exhausted = true;
        b->open_bound = smaller(b->open_bound, larger(floor, m.open_bound));
    }
    return found;
}

/* One subproblem whose nodes all live, with choice[] of its own numbering. */
static bool branch_core(Branching *b, Network *net, int32_t *choice,
                        Arena networks, Arena scratch)
{
    net->arena = &networks;
    Dual dual = dual_new(&networks, net);
    bool found = bound(b, &dual, choice, scratch);
    if (beyond(b, dual.constant) || give_up(b, dual.constant))
        return found;
    dual_bake(&dual, net);
    Arena inner = networks;
    int32_t *name;
    Network part = network_extract(&inner, net, &name);
    remove_beyond(b, &part, &dual, scratch);
    int64_t before = count_choices(net);
    if (part.contradiction || count_choices(&part) < before - before / 5)
        return branch(b, &part, choice, inner, scratch) || found;
    if (b->programs)
        return branch_by_mip(b, &part, dual.constant, choice, inner) || found;
    return split(b, net, &dual, choice, networks, scratch) || found;
}

bool branch(Branching *b, Network *net, int32_t *choice, Arena networks,
            Arena scratch)
{
    net->arena = &networks;
    reduce(net, scratch);
    b->work += net->work;
    net->work = 0;
    if (net->contradiction)
        return false;
    int32_t *name;
    Network core = network_extract(&networks, net, &name);
    b->work += core.work;
    if (core.n_nodes == 0) {
        if (beyond(b, net->constant))
            return false;
        b->cutoff = net->constant;
        network_recover(net, choice);
        return true;
    }
    int32_t *core_choice = arena_new(&networks, int32_t, core.n_nodes);
    if (!branch_core(b, &core, core_choice, networks, scratch))
        return false;
    for (int32_t i = 0; i < core.n_nodes; i++)
        choice[name[i]] = core_choice[i];
    network_recover(net, choice);
    return true;
}
