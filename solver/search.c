/* Search: epochs of dual ascent, removal, local search, branching. */
#include "solver/search.h"

#include "solver/branch.h"
#include "solver/dual.h"
#include "solver/improve.h"
#include "solver/repair.h"

#include <string.h>

enum {
    FIRST_PASSES = 600,
    LATER_PASSES = 300,
    STALE_ROUNDS = 400,   /* without a gain: time for another epoch */
    SMALL_CHOICES = 4000, /* a core that branching may close */
};

typedef struct Search {
    Network *core;
    double unit;
    const ChoiceOptions *options;
    int32_t *best;    /* [n_nodes] choice indices */
    double best_cost; /* NEVER: `best` is infeasible */
    double best_over; /* over-use of `best` while infeasible */
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
    double bound = larger(s->bound, -(double)CHOICE_MAGNITUDE_MAX * s->unit);
    s->options->improved(s->options->context, (int64_t)(s->best_cost / s->unit),
                         (int64_t)ceil(bound / s->unit));
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
    if (!(cost < s->best_cost))
        return;
    memcpy(s->best, dual->decoded, sizeof(int32_t) * (size_t)s->core->n_nodes);
    s->best_over = over;
    if (over <= 0) {
        s->best_cost = cost;
        tell(s);
    }
}

/* Polyak steps towards the best cost, or a quarter above the bound. */
static void ascend(Search *s, Dual *dual, int passes, Arena scratch)
{
    double *usage = arena_new(&scratch, double, s->core->n_rows + 1);
    double eager = 1, fade = pow(0.01, 1.0 / passes);
    for (int pass = 0; pass < passes && !out_of_work(s); pass++) {
        int64_t before = dual->work;
        dual_pass(dual, pass % 2 == 0);
        double squares = dual_violation(dual, usage);
        s->work += dual->work - before + s->core->n_rows;
        s->bound = larger(s->bound, dual->constant);
        consider(s, dual, usage);
        if (s->bound > s->best_cost - s->unit)
            tell(s);
        double target =
            smaller(s->best_cost,
                    dual->constant + 0.25 * fabs(dual->constant) + s->unit);
        if (squares > 0 && pass + 1 < passes)
            dual_move_prices(dual, eager * (target - dual->constant) / squares,
                             scratch);
        eager *= fade;
    }
}

/* Removes what cannot be part of a cheaper assignment, but not the best. */
static void remove_beyond_best(Search *s, const Dual *dual, Arena scratch)
{
    Network *core = s->core;
    for (int32_t v = 0; v < core->n_nodes; v++) {
        Arena inner = scratch;
        int32_t n = core->nodes[v].n_choices, before = 0;
        bool *keep = arena_new(&inner, bool, n);
        for (int32_t i = 0; i < n; i++) {
            double marginal = dual->marginal[dual->choice_first[v] + i];
            keep[i] = i == s->best[v] || !(marginal > s->best_cost - s->unit);
            before += keep[i] && i < s->best[v];
        }
        network_keep(core, v, keep);
        s->best[v] = before;
    }
    core->edge_queue.count = core->node_queue.count = 0;
}

static void raise_bound(Search *s, int passes, Arena scratch)
{
    Dual dual = dual_new(&scratch, s->core);
    ascend(s, &dual, passes, scratch);
    dual_bake(&dual, s->core);
    if (s->best_cost < NEVER)
        remove_beyond_best(s, &dual, scratch);
}

/* Frees regions until many rounds in a row gain nothing. */
static void lower_cost(Search *s, Arena networks, Arena scratch)
{
    Assignment a = {.net = s->core,
                    .room = network_room(s->core, &networks),
                    .x = s->best,
                    .usage = arena_new(&networks, double, s->core->n_rows + 1)};
    assignment_refresh(&a);
    Improver m =
        improver_new(&networks, &a, s->unit, s->options->seed + s->draws++);
    m.stopped = s->options->stopped;
    m.context = s->options->context;
    int stale = 0;
    while (stale < STALE_ROUNDS && !out_of_work(s)) {
        int64_t before = m.work;
        bool cheaper = improver_round(&m, networks, scratch);
        s->work += m.work - before;
        stale = cheaper ? 0 : stale + 1;
        if (cheaper) {
            s->best_cost = a.cost;
            tell(s);
        }
    }
}

/* Branch and bound on the core, with a share of the work that is left. */
static void close_gap(Search *s, int64_t work, Arena networks, Arena scratch)
{
    const ChoiceOptions *o = s->options;
    Branching b = {.cutoff = s->best_cost,
                   .unit = s->unit,
                   .work_limit = work,
                   .stopped = o->stopped,
                   .context = o->context,
                   .open_bound = NEVER};
    int32_t n = s->core->n_nodes, *name;
    int32_t *label = arena_new(&networks, int32_t, n);
    Network copy = network_extract(&networks, s->core, &name);
    for (int32_t v = 0; v < n; v++)
        memcpy(label + v, &s->core->nodes[v].label[s->best[v]], sizeof *label);
    bool found = branch(&b, &copy, label, networks, scratch);
    s->work += b.work;
    for (int32_t v = 0; found && v < n; v++)
        for (int32_t i = 0; i < s->core->nodes[v].n_choices; i++)
            if (s->core->nodes[v].label[i] == label[v])
                s->best[v] = i;
    if (found)
        s->best_cost = b.cutoff;
    if (!b.exhausted) {
        s->proved = true;
        s->bound = larger(s->bound, smaller(b.cutoff, s->best_cost));
    } else {
        s->bound = larger(s->bound, smaller(b.open_bound, s->best_cost));
    }
    if (found || s->proved)
        tell(s);
}

static int64_t count_choices(const Network *net)
{
    int64_t n = 0;
    for (int32_t v = 0; v < net->n_nodes; v++)
        n += net->nodes[v].n_choices;
    return n;
}

static void run_epochs(Search *s, Arena networks, Arena scratch)
{
    int64_t branch_work = 50000000;
    close_gap(s, branch_work, networks, scratch);
    for (int epoch = 0; !out_of_work(s); epoch++) {
        raise_bound(s, epoch == 0 ? FIRST_PASSES : LATER_PASSES, scratch);
        if (s->best_cost == NEVER && !out_of_work(s)) {
            Assignment a = {
                .net = s->core,
                .room = network_room(s->core, &scratch),
                .x = s->best,
                .usage = arena_new(&scratch, double, s->core->n_rows + 1)};
            assignment_refresh(&a);
            s->work += repair(&a, s->unit, s->bound, s->options, s->draws++,
                              networks, scratch);
            if (assignment_over_use(&a) <= 0) {
                s->best_cost = a.cost;
                tell(s);
            }
        }
        if (s->best_cost < NEVER)
            lower_cost(s, networks, scratch);
        if (count_choices(s->core) <= SMALL_CHOICES && !out_of_work(s)) {
            branch_work *= 4;
            close_gap(s, branch_work, networks, scratch);
        }
    }
}

SearchResult search(Network *core, double unit, const ChoiceOptions *options,
                    int32_t *label, Arena networks, Arena scratch)
{
    Arena own = arena_split(&networks);
    core->arena = &own;
    Search s = {.core = core,
                .unit = unit,
                .options = options,
                .best = arena_new(&own, int32_t, core->n_nodes),
                .best_cost = NEVER,
                .best_over = NEVER,
                .bound = -NEVER};
    run_epochs(&s, networks, scratch);
    for (int32_t v = 0; v < core->n_nodes; v++)
        label[v] = core->nodes[v].label[s.best[v]];
    return (SearchResult){s.best_cost < NEVER, s.proved, s.best_cost, s.bound,
                          s.work};
}
