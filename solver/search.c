/* Search: epochs of dual ascent, removal, local search, branching.
 *
 * Two assignments are kept: the best, and the best that the passes of this
 * epoch decoded.  The second may lie in another valley, so it gets a turn of
 * local search of its own before it is given up.
 *
 * The first epoch is short: it finds some assignment, whose cost is the target
 * by which the second's steps are measured.  Only then is local search worth
 * more than passes.
 *
 * Narrowing: the choices whose marginal is near the bound make up most of any
 * good assignment.  Branching over those alone (and the best) is fast and
 * moves many nodes at once.  How near is learned: nearer when branching ran
 * out of work, farther when it finished.  When nothing is left out, finishing
 * is a proof.
 */
#include "solver/search.h"

#include "solver/ascent.h"
#include "solver/branch.h"
#include "solver/dual.h"
#include "solver/improve.h"
#include "solver/reduce.h"
#include "solver/repair.h"

#include <string.h>

enum {
    FIRST_PASSES = 250, /* at least: enough for a first assignment */
    PASSES = 500,       /* at least, in later epochs */
    PASSES_MOST = 3000,
    ASCENT_WORK = 400000000, /* more passes where they are cheap */
    PASSES_SETTLE = 20,      /* the last, under the best prices */
    STALE_ROUNDS = 150,      /* without a gain: time for something else */
    FIRST_WORK = 100000000,
    SMALL_ENTRIES = 200000, /* of a core that may close before local search */
};

typedef struct Search {
    Network *core;
    double scale; /* of costs; */
    double unit;  /* all costs are multiples of this */
    const ChoiceOptions *options;
    int32_t *best;    /* [n_nodes] choice indices */
    double best_cost; /* NEVER: `best` is infeasible */
    double best_over; /* over-use of `best` while infeasible */
    int32_t *fresh;   /* the cheapest feasible of this epoch's passes */
    double fresh_cost;
    double near; /* part of the gap that narrowing keeps */
    int32_t epoch;
    Ascent ascent;
    double bound;
    bool proved, stopped;
    int64_t work;
    uint64_t draws;
} Search;

static bool out_of_work(Search *s)
{
    const ChoiceOptions *o = s->options;
    s->stopped = s->stopped ||
                 (o->work_limit > 0 && s->work >= o->work_limit) ||
                 (o->stopped && o->stopped(o->context));
    return s->stopped || s->proved;
}

static void tell(Search *s)
{
    if (s->bound > s->best_cost - s->unit) {
        s->proved = true;
        s->bound = smaller(s->bound, s->best_cost);
    }
    if (!s->options->improved || s->best_cost == NEVER)
        return;
    double bound = larger(s->bound, -(double)CHOICE_COST_MAX * s->scale);
    s->options->improved(s->options->context,
                         (int64_t)(s->best_cost / s->scale),
                         (int64_t)ceil(bound / s->scale));
}

/* Keeps a decoded assignment that is better than the best. */
static void consider(Search *s, const Dual *dual, const double *usage)
{
    double over = -NEVER;
    for (int32_t r = 0; r < s->core->n_rows; r++)
        over = larger(over, usage[r] - dual->room[r]);
    if (over > 0 && (s->best_cost < NEVER || over >= s->best_over))
        return;
    double cost = network_cost(s->core, dual->decoded);
    if (over <= 0 && cost < s->fresh_cost) {
        s->fresh_cost = cost;
        memcpy(s->fresh, dual->decoded,
               sizeof(int32_t) * (size_t)s->core->n_nodes);
    }
    if (!(cost < s->best_cost))
        return;
    memcpy(s->best, dual->decoded, sizeof(int32_t) * (size_t)s->core->n_nodes);
    s->best_over = over;
    if (over <= 0) {
        s->best_cost = cost;
        tell(s);
    }
}

/* Raises the bound, towards the best cost or a quarter above the bound, and
 * considers all that is decoded on the way. */
static void ascend(Search *s, Dual *dual, int passes, Arena scratch)
{
    for (int pass = 0; pass < passes && !out_of_work(s); pass++) {
        int64_t before = dual->work;
        ascent_pass(&s->ascent, dual, pass % 2 == 0);
        s->work += dual->work - before;
        s->bound = larger(s->bound, dual->constant);
        consider(s, dual, s->ascent.usage);
        if (s->bound > s->best_cost - s->unit)
            tell(s);
        double target =
            smaller(s->best_cost,
                    dual->constant + 0.25 * fabs(dual->constant) + s->unit);
        ascent_move(&s->ascent, dual, target,
                    pass + 1 + PASSES_SETTLE >= passes, scratch);
    }
}

/* x in the numbering of before choices went: old[v] are the labels of then. */
static void renumber(const Network *net, const int32_t *const *old, int32_t *x)
{
    for (int32_t v = 0; v < net->n_nodes; v++) {
        int32_t label = old[v][x[v]], i = 0;
        while (net->nodes[v].label[i] != label)
            i++;
        x[v] = i;
    }
}

/* Keeps the choices with a marginal of at most `most` and those of the two
 * assignments; then those that still have a partner over every edge. */
static void keep_near(Network *net, const Dual *dual, double most,
                      int32_t *best, int32_t *fresh, Arena scratch)
{
    const int32_t **old = arena_new(&scratch, const int32_t *, net->n_nodes);
    for (int32_t v = 0; v < net->n_nodes; v++) {
        Arena inner = scratch;
        int32_t n = net->nodes[v].n_choices;
        old[v] = net->nodes[v].label;
        bool *keep = arena_new(&inner, bool, n);
        for (int32_t i = 0; i < n; i++) {
            double marginal = dual->marginal[dual->choice_first[v] + i];
            keep[i] = i == best[v] || i == fresh[v] || !(marginal > most);
        }
        network_keep(net, v, keep);
    }
    reduce_arcs(net, scratch);
    renumber(net, old, best);
    renumber(net, old, fresh);
}

static void adopt_fresh(Search *s)
{
    if (!(s->fresh_cost < s->best_cost))
        return;
    memcpy(s->best, s->fresh, sizeof(int32_t) * (size_t)s->core->n_nodes);
    s->best_cost = s->fresh_cost;
    tell(s);
}

/* Frees regions of x until many rounds in a row gain nothing, or for `most`
 * work. */
static void lower_cost(Search *s, int32_t *x, double *cost, int64_t most,
                       Arena networks, Arena scratch)
{
    Assignment a = {.net = s->core,
                    .room = network_room(s->core, &networks),
                    .x = x,
                    .usage = arena_new(&networks, double, s->core->n_rows + 1)};
    assignment_refresh(&a);
    Improver m =
        improver_new(&networks, &a, s->unit, s->options->seed + s->draws++);
    m.stopped = s->options->stopped;
    m.context = s->options->context;
    int stale = 0;
    while (stale < STALE_ROUNDS && m.work < most && !out_of_work(s)) {
        int64_t before = m.work;
        bool cheaper = improver_round(&m, networks, scratch);
        s->work += m.work - before;
        stale = cheaper ? 0 : stale + 1;
        *cost = a.cost;
        if (cheaper && x == s->best)
            tell(s);
        else if (cheaper)
            adopt_fresh(s);
    }
}

/* Branches over `net`, a part of the core with its labels, from the best. */
static bool branch_part(Search *s, Network *net, int64_t work, bool programs,
                        double *open, Arena networks, Arena scratch)
{
    const ChoiceOptions *o = s->options;
    if (o->work_limit > 0 && o->work_limit - s->work < work)
        work = o->work_limit > s->work ? o->work_limit - s->work : 1;
    Branching b = {.cutoff = s->best_cost,
                   .unit = s->unit,
                   .programs = programs,
                   .work_limit = work,
                   .stopped = o->stopped,
                   .context = o->context,
                   .open_bound = NEVER};
    int32_t *label = arena_new(&networks, int32_t, s->core->n_nodes);
    bool found = branch(&b, net, label, networks, scratch);
    s->work += b.work;
    for (int32_t v = 0; found && v < s->core->n_nodes; v++)
        for (int32_t i = 0; i < s->core->nodes[v].n_choices; i++)
            if (s->core->nodes[v].label[i] == label[v])
                s->best[v] = i;
    if (found) {
        s->best_cost = b.cutoff;
        tell(s);
    }
    *open = smaller(b.exhausted ? b.open_bound : NEVER, s->best_cost);
    return !b.exhausted;
}

static void close_core(Search *s, int64_t work, Arena networks, Arena scratch)
{
    int32_t *name;
    double open;
    Network copy = network_extract(&networks, s->core, &name);
    bool finished =
        branch_part(s, &copy, work, false, &open, networks, scratch);
    s->bound = larger(s->bound, open);
    s->proved |= finished;
    tell(s);
}

static int64_t count_entries(const Network *core)
{
    int64_t n = 0;
    for (int64_t k = 0; k < core->edges.count; k++) {
        const NetworkEdge *e = &core->edges.data[k];
        if (e->cost)
            n += (int64_t)core->nodes[e->a].n_choices *
                 core->nodes[e->b].n_choices;
    }
    return n;
}

static bool is_small(const Network *core)
{
    return count_entries(core) <= SMALL_ENTRIES;
}

/* Searches the choices within a part of the gap; true when it finished. */
static bool narrow_by(Search *s, const Dual *dual, int64_t work, bool programs,
                      Arena networks, Arena scratch)
{
    int32_t n = s->core->n_nodes, *name;
    double gap = s->best_cost - dual->constant, open;
    int32_t *best = arena_new(&scratch, int32_t, n);
    int32_t *fresh = arena_new(&scratch, int32_t, n);
    memcpy(best, s->best, sizeof(int32_t) * (size_t)n);
    memcpy(fresh, s->fresh, sizeof(int32_t) * (size_t)n);
    Network part = network_extract(&networks, s->core, &name);
    keep_near(&part, dual, dual->constant + s->near * gap, best, fresh,
              scratch);
    bool finished =
        branch_part(s, &part, work, programs, &open, networks, scratch);
    if (s->near >= 1) {
        s->bound = larger(s->bound, open);
        s->proved |= finished;
        tell(s);
    }
    return finished;
}

/* Branching first, for most parts close by messages alone; then, from the
 * root again, linear programs, which close what messages and prices moved
 * one by one do not. */
static bool narrow_once(Search *s, const Dual *dual, Arena networks,
                        Arena scratch)
{
    int64_t work = FIRST_WORK + s->work / 4;
    bool finished = narrow_by(s, dual, work, false, networks, scratch);
    if (!finished && is_small(s->core) && !out_of_work(s))
        finished = narrow_by(s, dual, 2 * work, true, networks, scratch);
    s->near = finished ? smaller(1, s->near * 2) : s->near * 0.6;
    return finished;
}

/* Goes on to more choices while that is cheap. */
static void narrow(Search *s, const Dual *dual, Arena networks, Arena scratch)
{
    for (;;) {
        int64_t before = s->work;
        bool finished = narrow_once(s, dual, networks, scratch);
        if (!finished || out_of_work(s) || 2 * (s->work - before) > s->work)
            break;
    }
}

static void find_first(Search *s, Arena networks, Arena scratch)
{
    Assignment a = {.net = s->core,
                    .room = network_room(s->core, &networks),
                    .x = s->best,
                    .usage = arena_new(&networks, double, s->core->n_rows + 1)};
    assignment_refresh(&a);
    s->work += repair(&a, s->unit, s->bound, s->options, s->draws++, networks,
                      scratch);
    if (assignment_over_use(&a) > 0)
        return;
    s->best_cost = a.cost;
    tell(s);
}

static int choose_passes(const Network *core, bool first)
{
    int64_t pass_work = 12 * core->n_rows + 1 + count_entries(core);
    int64_t affordable = ASCENT_WORK / pass_work;
    int64_t least = first ? FIRST_PASSES : PASSES;
    return (int)(affordable < least         ? least
                 : affordable > PASSES_MOST ? PASSES_MOST
                                            : affordable);
}

/* One epoch; the dual lives in `scratch` until narrowing is done. */
static void run_epoch(Search *s, Arena networks, Arena scratch)
{
    Dual dual = dual_new(&scratch, s->core);
    s->fresh_cost = NEVER;
    int passes = choose_passes(s->core, s->epoch == 0);
    double eager = s->epoch == 0 ? 1 : s->epoch == 1 ? 0.3 : 0.1;
    ascent_start(&s->ascent, eager, passes);
    ascend(s, &dual, passes, scratch);
    s->epoch++;
    dual_bake(&dual, s->core);
    if (s->best_cost == NEVER && !out_of_work(s))
        find_first(s, networks, scratch);
    if (s->best_cost == NEVER && !out_of_work(s))
        close_core(s, s->work, networks, scratch); /* is there any? */
    if (s->best_cost == NEVER || out_of_work(s))
        return;
    if (is_small(s->core))
        narrow(s, &dual, networks, scratch);
    if (out_of_work(s))
        return;
    if (s->epoch == 1) {
        lower_cost(s, s->best, &s->best_cost, s->work / 2, networks, scratch);
        return; /* good prices first: they make good assignments fast */
    }
    if (s->fresh_cost == NEVER || s->fresh_cost == s->best_cost) {
        lower_cost(s, s->best, &s->best_cost, s->work / 3, networks, scratch);
        memcpy(s->fresh, s->best, sizeof(int32_t) * (size_t)s->core->n_nodes);
    } else {
        lower_cost(s, s->fresh, &s->fresh_cost, s->work / 3, networks, scratch);
        adopt_fresh(s);
    }
    narrow(s, &dual, networks, scratch);
    keep_near(s->core, &dual, s->best_cost - s->unit, s->best, s->fresh,
              scratch);
    lower_cost(s, s->best, &s->best_cost, INT64_MAX, networks, scratch);
}

SearchResult search(Network *core, double scale, const ChoiceOptions *options,
                    int32_t *label, Arena networks, Arena scratch)
{
    Arena own = arena_split(&networks);
    core->arena = &own;
    Search s = {.core = core,
                .scale = scale,
                .unit = larger(1, scale),
                .options = options,
                .best = arena_new(&own, int32_t, core->n_nodes),
                .fresh = arena_new(&own, int32_t, core->n_nodes),
                .best_cost = NEVER,
                .best_over = NEVER,
                .near = 0.05,
                .ascent = ascent_new(&own, core->n_rows),
                .bound = -NEVER};
    close_core(&s, FIRST_WORK, networks, scratch);
    while (!out_of_work(&s))
        run_epoch(&s, networks, scratch);
    for (int32_t v = 0; v < core->n_nodes; v++)
        label[v] = core->nodes[v].label[s.best[v]];
    return (SearchResult){s.best_cost < NEVER, s.proved, s.best_cost, s.bound,
                          s.work};
}
