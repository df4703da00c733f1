/* Certify: reduce, bound, remove, split, and write it all down. */
#include "solver/certify.h"

#include "solver/ascent.h"
#include "solver/marginal.h"
#include "solver/proof.h"
#include "solver/reduce.h"
#include "support/checked.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

enum {
    ROOT_PASSES = 600,  /* of the whole, a round */
    SETTLE_PASSES = 20, /* the last, under the best prices */
    PASSES_MOST = 30,   /* in a part */
    PASSES_LEAST = 4,
    FIRST_WORK = 100000000, /* of a claim's first trial */
};

typedef struct Prover {
    double scale;
    double most;   /* a bound above this is enough */
    double target; /* what prices move towards */
    const ChoiceOptions *options;
    int64_t work, work_limit; /* 0: none */
    bool gave_up;
} Prover;

static bool give_up(Prover *p)
{
    const ChoiceOptions *o = p->options;
    p->gave_up = p->gave_up ||
                 (p->work_limit > 0 && p->work >= p->work_limit) ||
                 (o->stopped && o->stopped(o->context));
    return p->gave_up;
}

/* Costs below `claim` are whole: a bound above claim - 1 proves it. */
static void set_claim(Prover *p, int64_t claim)
{
    if (p->scale >= 1)
        p->most = (double)(claim - 1) * p->scale;
    else
        p->most = (double)((claim - 1) >> -ilogb(p->scale));
    p->target = p->most + p->scale;
}

/* Rounds messages to multiples of the largest power of two that moves the
 * bound by less than `slack`: fewer digits to write. */
static void round_messages(Dual *dual, double slack)
{
    double grain = 1;
    while (grain * 8 * dual->n_edges < slack)
        grain *= 2;
    for (int32_t k = 0; k < dual->n_edges; k++) {
        const DualEdge *e = &dual->edges[k];
        for (int32_t i = 0; i < dual->net->nodes[e->a].n_choices; i++)
            e->message_a[i] = grain * floor(e->message_a[i] / grain + 0.5);
        for (int32_t i = 0; i < dual->net->nodes[e->b].n_choices; i++)
            e->message_b[i] = grain * floor(e->message_b[i] / grain + 0.5);
    }
}

/* Makes messages and prices the network's own. */
static void write_bound(Prover *p, Dual *dual, Network *net)
{
    double slack = dual->constant > p->most ? dual->constant - p->most
                                            : (p->most - dual->constant) * 1e-3;
    round_messages(dual, slack);
    for (int32_t k = 0; k < dual->n_edges; k++) {
        const DualEdge *e = &dual->edges[k];
        proof_messages(net, e->a, e->message_a, e->b, e->message_b);
    }
    dual_bake(dual, net);
    proof_prices(net);
}

/* Passes and price moves until the bound suffices or stands still. */
static void raise_bound(Prover *p, Network *net, int passes, Arena scratch)
{
    Dual dual = dual_new(&scratch, net);
    Ascent ascent = ascent_new(&scratch, net->n_rows);
    double before = -NEVER;
    ascent_start(&ascent, 1, passes);
    for (int pass = 0; pass < passes; pass++) {
        ascent_pass(&ascent, &dual, pass % 2 == 0);
        double gap = p->most - dual.constant;
        if (gap < 0 ||
            (pass >= PASSES_LEAST && dual.constant - before < 0.01 * gap))
            break;
        before = dual.constant;
        if (pass + 1 < passes)
            ascent_move(&ascent, &dual, larger(p->target, dual.constant + 1),
                        false, scratch);
    }
    p->work += dual.work;
    write_bound(p, &dual, net);
}

/* Many passes, the last of them under the best prices. */
static void raise_root_bound(Prover *p, Network *net, bool priced,
                             Arena scratch)
{
    Dual dual = dual_new(&scratch, net);
    Ascent ascent = ascent_new(&scratch, net->n_rows);
    double before = -NEVER;
    ascent_start(&ascent, priced ? 0.1 : 1, ROOT_PASSES);
    for (int pass = 0; pass < ROOT_PASSES; pass++) {
        ascent_pass(&ascent, &dual, pass % 2 == 0);
        if (dual.constant > p->most)
            break;
        bool settle = pass + SETTLE_PASSES >= ROOT_PASSES;
        bool stale = pass % 100 == 99 &&
                     ascent.highest - before < 0.001 * (p->most - before);
        if (pass % 100 == 99)
            before = ascent.highest;
        if (!settle && (stale || give_up(p)))
            pass = ROOT_PASSES - SETTLE_PASSES;
        ascent_move(&ascent, &dual, p->target, settle, scratch);
    }
    p->work += dual.work;
    write_bound(p, &dual, net);
}

/* Where most hangs on the decision (edges and intervals), and where it costs
 * most to err, each choice's loss counted up to the gap. */
static int32_t choose_split(const Prover *p, const Network *net,
                            const double *marginal, double bound,
                            int32_t *choice)
{
    int32_t chosen = 0;
    double best = -1;
    for (int32_t v = 0; v < net->n_nodes; v++) {
        const NetworkNode *n = &net->nodes[v];
        int32_t least = 0;
        double loss = 0;
        for (int32_t i = 0; i < n->n_choices; i++) {
            loss += smaller(marginal[i] - bound, p->most - bound);
            least = marginal[i] < marginal[least] ? i : least;
        }
        double weight = n->degree + 2 * (double)n->intervals.count;
        double score = loss / n->n_choices * weight;
        if (score > best) {
            best = score;
            chosen = v;
            *choice = least;
        }
        marginal += n->n_choices;
    }
    return chosen;
}

static bool close_network(Prover *p, Network *net, Arena networks,
                          Arena scratch);

/* Two parts: x = choice, x != choice. */
static bool split(Prover *p, const Network *net, int32_t node, int32_t choice,
                  Arena networks, Arena scratch)
{
    proof_split(net, node, choice);
    for (int side = 0; side < 2; side++) {
        Arena inner = networks;
        int32_t *name;
        Network part = network_extract(&inner, net, &name);
        bool *keep = arena_new(&inner, bool, part.nodes[node].n_choices);
        for (int32_t i = 0; i < part.nodes[node].n_choices; i++)
            keep[i] = (i == choice) == (side == 0);
        network_keep(&part, node, keep);
        if (!close_network(p, &part, inner, scratch))
            return false;
    }
    return true;
}

static bool remove_choices(Network *net, const bool *keep)
{
    bool any = false;
    for (int32_t v = 0; v < net->n_nodes && !net->contradiction; v++) {
        int32_t n = net->nodes[v].n_choices;
        network_keep(net, v, keep);
        any |= net->nodes[v].n_choices < n;
        keep += n;
    }
    return any;
}

static int64_t count_choices(const Network *net)
{
    int64_t n = 0;
    for (int32_t v = 0; v < net->n_nodes; v++)
        n += net->nodes[v].n_choices;
    return n;
}

static bool close_written(const Network *net)
{
    proof_closed(net);
    return true;
}

/* A network whose messages and prices are its own. */
static bool close_bounded(Prover *p, Network *net, Arena networks,
                          Arena scratch)
{
    int64_t n = count_choices(net);
    double *marginal = arena_new(&networks, double, n);
    bool *keep = arena_new(&networks, bool, n);
    double bound = network_marginals(net, marginal, scratch);
    if (bound <= p->most && (net->n_nodes == 0 || give_up(p)))
        return false;
    for (int64_t i = 0; bound <= p->most && i < n; i++)
        keep[i] = marginal[i] <= p->most;
    if (bound > p->most)
        memset(keep, 1, (size_t)n);
    proof_bound(net, keep);
    if (bound > p->most)
        return close_written(net);
    int32_t choice = 0;
    int32_t node = choose_split(p, net, marginal, bound, &choice);
    int32_t label = net->nodes[node].label[choice];
    net->arena = &networks;
    remove_choices(net, keep);
    if (net->contradiction)
        return close_written(net);
    if (count_choices(net) < n - n / 5) {
        Arena inner = networks;
        int32_t *name;
        Network part = network_extract(&inner, net, &name);
        return close_network(p, &part, inner, scratch);
    }
    for (choice = 0; net->nodes[node].label[choice] != label;)
        choice++;
    return split(p, net, node, choice, networks, scratch);
}

static bool close_network(Prover *p, Network *net, Arena networks,
                          Arena scratch)
{
    net->arena = &networks;
    reduce(net, scratch);
    p->work += net->work;
    if (net->contradiction)
        return close_written(net);
    int32_t *name;
    Network core = network_extract(&networks, net, &name);
    p->work += core.work;
    core.arena = &networks;
    if (core.n_nodes > 0)
        raise_bound(p, &core, PASSES_MOST, scratch);
    return close_bounded(p, &core, networks, scratch);
}

/* One claim: the proof so far, and what follows from it. */
static bool try_claim(Prover *p, const Network *core, int64_t claim,
                      int64_t work_limit, Text *proof, Arena networks,
                      Arena scratch)
{
    int32_t *name;
    Network copy = network_extract(&networks, core, &name);
    copy.proof = proof;
    p->work_limit = p->work + work_limit;
    p->gave_up = false;
    set_claim(p, claim);
    return close_bounded(p, &copy, networks, scratch);
}

static int64_t ceil_to_claim(double bound, double scale)
{
    return (int64_t)ceil(larger(bound / scale, -(double)CHOICE_COST_MAX));
}

/* Trials of claims between what is proved and `goal`: all of it, then half of
 * it, and so on; a claim that is proved is where the next ones start. */
static void raise_claim(Prover *p, const Network *core, int64_t goal,
                        Certificate *c, Arena *arena, Arena networks,
                        Arena scratch)
{
    const ChoiceOptions *o = p->options;
    int64_t work_limit = FIRST_WORK;
    double step = 1;
    while (c->claim < goal && !(o->stopped && o->stopped(o->context)) &&
           !(o->work_limit > 0 && p->work >= o->work_limit)) {
        int64_t claim =
            c->claim + max_i64(1, (int64_t)((double)(goal - c->claim) * step));
        Arena trial = *arena;
        Text proof = text_new(&trial);
        text_append(&proof, text_str(core->proof));
        if (try_claim(p, core, claim, work_limit, &proof, networks, scratch)) {
            *arena = trial;
            c->claim = claim;
            c->text = text_str(&proof);
        } else if (step > 0.02) {
            step /= 2;
        } else {
            step = 1;
            work_limit *= 8;
        }
    }
}

static void copy_prices(Network *net, const ChoiceSolution *s, double scale)
{
    int32_t k = 0;
    for (int32_t r = 0; r < net->n_rows && k < s->n_prices; r++)
        if (net->time[r] == s->prices[k].time)
            net->price[r] =
                floor(s->prices[k++].price * scale / NETWORK_PRICE_QUANTUM) *
                NETWORK_PRICE_QUANTUM;
}

/* Removes the choices that the bound rules out; false when it ends here: the
 * bound suffices, or has gained too little since `before` to go on. */
static bool remove_from_root(Prover *p, Network *core, double *before,
                             Arena scratch)
{
    int64_t n = count_choices(core);
    double *marginal = arena_new(&scratch, double, n);
    bool *keep = arena_new(&scratch, bool, n);
    double bound = network_marginals(core, marginal, scratch);
    if (bound > p->most || bound - *before < 0.005 * (p->most - bound) ||
        give_up(p))
        return false;
    *before = bound;
    for (int64_t i = 0; i < n; i++)
        keep[i] = marginal[i] <= p->most;
    proof_bound(core, keep);
    remove_choices(core, keep);
    return true;
}

/* Reduces the whole, raises its bound, removes, while that gains: what is left
 * in *core. True when nothing is: the goal is proved. */
static bool shrink_root(Prover *p, Network *net, Network *core,
                        const ChoiceSolution *s, Arena *networks, Arena scratch)
{
    double before = -NEVER;
    for (bool more = true; more;) {
        int32_t *name;
        net->arena = networks;
        reduce(net, scratch);
        p->work += net->work;
        if (net->contradiction)
            return true;
        *core = network_extract(networks, net, &name);
        core->arena = networks;
        if (core->n_nodes == 0)
            return false;
        if (before == -NEVER)
            copy_prices(core, s, p->scale);
        raise_root_bound(p, core, s->n_prices > 0 || before > -NEVER, scratch);
        more = remove_from_root(p, core, &before, scratch);
        if (core->contradiction)
            return true;
        *net = *core;
    }
    return false;
}

/* A proof of `goal` or of what can be proved of it, from the network that is
 * all of the problem. Every step at the root removes only what costs at least
 * `goal`, so it holds for any lesser claim. */
static void prove(Prover *p, Network *net, const ChoiceSolution *s,
                  int64_t goal, Certificate *c, Arena *arena, Arena networks,
                  Arena scratch)
{
    Text proof = text_new(arena);
    Network core;
    net->proof = &proof;
    set_claim(p, goal);
    if (shrink_root(p, net, &core, s, &networks, scratch)) {
        proof_closed(net);
        c->claim = goal;
        c->text = text_str(&proof);
        return;
    }
    double *marginal = arena_new(&networks, double, count_choices(&core));
    double bound = network_marginals(&core, marginal, scratch);
    c->claim = min_i64(goal, ceil_to_claim(bound, p->scale));
    Arena trial = *arena;
    Text all = text_new(&trial);
    text_append(&all, text_str(&proof));
    if (try_claim(p, &core, c->claim, INT64_MAX / 2, &all, networks, scratch)) {
        *arena = trial;
        c->text = text_str(&all);
    }
    raise_claim(p, &core, goal, c, arena, networks, scratch);
}

static Str add_header(Arena *arena, const ChoiceProblem *problem,
                      const ChoiceSolution *s, const Certificate *c,
                      double scale)
{
    Text text = text_new(arena);
    text_format(&text, "%s %" PRId64 "\n", c->infeasible ? "limit" : "cost",
                c->claim);
    text_format(&text, "scale %d %d\n", ilogb(scale),
                -ilogb(NETWORK_PRICE_QUANTUM));
    if (!c->infeasible) {
        text_format(&text, "solution");
        for (int32_t v = 0; v < problem->n_nodes; v++)
            text_format(&text, " %" PRId32, s->choice[v]);
        text_format(&text, "\n");
    }
    text_append(&text, c->text);
    return text_str(&text);
}

/* No assignment keeps `limit`. */
static Certificate certify_limit(Arena *arena, Arena scratch,
                                 const ChoiceProblem *problem, int64_t limit,
                                 const ChoiceOptions *options)
{
    ChoiceProblem q = *problem;
    ChoiceSolution none = {0};
    Certificate c = {.infeasible = true, .claim = 0};
    Prover p = {.scale = 0x1p24, .options = options};
    double scale;
    q.usage_limit = limit;
    Arena networks = arena_split(&scratch);
    Network net = network_from_problem(&networks, scratch, &q, &scale);
    network_forget_costs(&net);
    prove(&p, &net, &none, 1, &c, arena, networks, scratch);
    bool proved = c.claim == 1;
    c.claim = limit;
    c.text = proved ? add_header(arena, problem, NULL, &c, p.scale) : STR("");
    return c;
}

static Certificate certify_cost(Arena *arena, Arena scratch,
                                const ChoiceProblem *problem,
                                const ChoiceSolution *s,
                                const ChoiceOptions *options)
{
    Certificate c = {.claim = -CHOICE_COST_MAX};
    Prover p = {.options = options};
    Arena networks = arena_split(&scratch);
    Network net = network_from_problem(&networks, scratch, problem, &p.scale);
    /* What rounding costs down has lost cannot be proved. */
    int64_t goal = p.scale >= 1 ? s->cost : s->lower_bound;
    prove(&p, &net, s, goal, &c, arena, networks, scratch);
    if (c.text.length > 0)
        c.text = add_header(arena, problem, s, &c, p.scale);
    return c;
}

Certificate certify(Arena *arena, Arena scratch, const ChoiceProblem *problem,
                    const ChoiceSolution *s, const ChoiceOptions *options)
{
    switch (s->status) {
    case CHOICE_INFEASIBLE: {
        Certificate c =
            certify_limit(arena, scratch, problem, s->least_peak - 1, options);
        if (c.text.length > 0)
            return c;
        return certify_limit(arena, scratch, problem, problem->usage_limit,
                             options);
    }
    case CHOICE_FORBIDDEN_ALL:
        return certify_limit(arena, scratch, problem, CHOICE_MAGNITUDE_MAX,
                             options);
    default: return certify_cost(arena, scratch, problem, s, options);
    }
}
