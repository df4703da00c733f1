/* Mip: depth first, the most fractional choice first. */
#include "solver/mip.h"

#include "solver/dual.h"
#include "solver/relaxation.h"

#include <glpk.h>
#include <setjmp.h>
#include <string.h>

enum {
    MEMORY_MB = 8192,
    PROBE_ITERATIONS = 60,
};

/* Values this near to 0 or 1 are whole. */
#define WHOLE 1e-6

/* What forbidding and what imposing a choice raised bounds by, per unit of
 * what its value had to change, on average. */
typedef struct Gain {
    double mean;
    int32_t count;
} Gain;

typedef struct Tree {
    Mip *mip;
    Relaxation r;
    int32_t *x, *rounded; /* [n_nodes] */
    Gain *gain[2];        /* [n_choices] of forbidding, of imposing */
    bool found;
    jmp_buf broken;
} Tree;

static bool beyond(const Mip *m, double bound)
{
    return bound > m->cutoff - m->unit;
}

static bool give_up(Mip *m, double bound)
{
    if (!m->exhausted)
        m->exhausted = (m->work_limit > 0 && m->work >= m->work_limit) ||
                       (m->stopped && m->stopped(m->context));
    if (m->exhausted)
        m->open_bound = smaller(m->open_bound, bound);
    return m->exhausted;
}

/* Each node's likeliest choice, in exact numbers. */
static void accept(Tree *t)
{
    const Network *net = t->r.net;
    for (int32_t v = 0; v < net->n_nodes; v++) {
        const double *value = t->r.value + t->r.first[v];
        int32_t best = 0;
        for (int32_t i = 1; i < net->nodes[v].n_choices; i++)
            if (value[i] > value[best])
                best = i;
        t->rounded[v] = best;
    }
    double cost = network_cost(net, t->rounded);
    if (!(cost < t->mip->cutoff) ||
        !network_fits(net, t->r.room, t->rounded, t->r.usage))
        return;
    t->mip->cutoff = cost;
    t->found = true;
    memcpy(t->x, t->rounded, sizeof(int32_t) * (size_t)net->n_nodes);
}

/* A choice whose node is split, and its value there. */
typedef struct Split {
    int32_t node, choice;
    double value;
} Split;

/* Choices forbidden on the way down, to be allowed again on the way up. */
typedef VECTOR(Split) Trail;

static void forbid(Tree *t, Arena *arena, Trail *trail, int32_t node,
                   int32_t choice)
{
    if (!t->r.allowed[t->r.first[node] + choice])
        return;
    relaxation_allow(&t->r, node, choice, false);
    *vector_push(arena, trail) = (Split){node, choice, 0};
}

static void undo(Tree *t, Trail *trail)
{
    for (int64_t k = 0; k < trail->count; k++)
        relaxation_allow(&t->r, trail->data[k].node, trail->data[k].choice,
                         true);
    trail->count = 0;
}

/* Forbids what no solution below the cutoff takes. */
static void forbid_beyond(Tree *t, Arena *arena, Trail *trail)
{
    const Network *net = t->r.net;
    for (int32_t v = 0; v < net->n_nodes; v++)
        for (int32_t i = 0; i < net->nodes[v].n_choices; i++)
            if (beyond(t->mip, t->r.bound + t->r.potential[t->r.first[v] + i]))
                forbid(t, arena, trail, v, i);
}

/* Forbids the choice, or all others of its node. */
static void decide(Tree *t, Arena *arena, Trail *trail, Split split,
                   bool impose)
{
    int32_t n = t->r.net->nodes[split.node].n_choices;
    for (int32_t i = 0; i < n; i++)
        if ((i != split.choice) == impose)
            forbid(t, arena, trail, split.node, i);
}

/* Learns from a bound that rose by `rise` (up to the gap) after a decision. */
static void learn(Tree *t, Split split, bool impose, double rise)
{
    Gain *g = &t->gain[impose][t->r.first[split.node] + split.choice];
    double change = impose ? 1 - split.value : split.value;
    g->count++;
    g->mean += (larger(rise, 0) / change - g->mean) / g->count;
}

static double expected(const Tree *t, Split split, bool impose, double gap)
{
    const Gain *g = &t->gain[impose][t->r.first[split.node] + split.choice];
    double change = impose ? 1 - split.value : split.value;
    return smaller(g->mean * change, gap);
}

/* Tries a decision for some iterations. True when it is beyond the cutoff:
 * then the opposite is decided. */
static bool probe(Tree *t, Split split, bool impose, double bound,
                  const Basis *basis, Arena *arena, Trail *trail)
{
    Mip *m = t->mip;
    Trail side = {0};
    decide(t, arena, &side, split, impose);
    double after = relaxation_probe(&t->r, m->cutoff, PROBE_ITERATIONS);
    undo(t, &side);
    relaxation_set_basis(&t->r, basis);
    bool refuted = beyond(m, after);
    learn(t, split, impose, smaller(after, m->cutoff) - bound);
    if (refuted)
        decide(t, arena, trail, split, !impose);
    return refuted;
}

/* Where a decision either way raises the bound most: by the product of what
 * was learnt. Choices not met before are tried first. */
static bool choose_split(Tree *t, double bound, const Basis *basis,
                         Arena *arena, Trail *trail, Split *best)
{
    const Network *net = t->r.net;
    double gap = t->mip->cutoff - bound, highest = -1;
    if (gap == NEVER)
        gap = 0x1p52;
    for (int32_t v = 0; v < net->n_nodes; v++)
        for (int32_t i = 0; i < net->nodes[v].n_choices; i++) {
            int32_t at = t->r.first[v] + i;
            double value = t->r.value[at];
            if (!t->r.allowed[at] || value < WHOLE || value > 1 - WHOLE)
                continue;
            Split s = {v, i, value};
            bool refuted = false;
            for (int impose = 0; impose < 2 && !refuted; impose++)
                if (t->gain[impose][at].count == 0)
                    refuted = probe(t, s, impose, bound, basis, arena, trail);
            if (refuted)
                return false; /* better solved again */
            double score = (expected(t, s, false, gap) + t->mip->unit) *
                           (expected(t, s, true, gap) + t->mip->unit);
            if (score > highest) {
                highest = score;
                *best = s;
            }
        }
    return true;
}

/* Where all values are whole or unknown: the node with the most left. */
static bool choose_any(const Tree *t, Split *best)
{
    const Network *net = t->r.net;
    int32_t most = 1;
    for (int32_t v = 0; v < net->n_nodes; v++) {
        int32_t left = 0, last = 0;
        for (int32_t i = 0; i < net->nodes[v].n_choices; i++)
            if (t->r.allowed[t->r.first[v] + i]) {
                left++;
                last = i;
            }
        if (left > most) {
            most = left;
            *best = (Split){v, last, 0.5};
        }
    }
    return most > 1;
}

static void explore(Tree *t, double bound, Arena scratch);

/* Solves until no choice can be forbidden by trying; false: nothing is left
 * to split. */
static bool settle(Tree *t, double *bound, Basis *basis, Arena *arena,
                   Trail *trail, Split *split)
{
    Mip *m = t->mip;
    for (;;) {
        bool done = relaxation_solve(&t->r, m->cutoff, m->work_limit,
                                     m->stopped, m->context);
        m->n_programs++;
        *bound = larger(*bound, t->r.bound);
        if (t->r.solved)
            accept(t);
        bool known = t->r.bound > -NEVER, solved = t->r.solved;
        if (!beyond(m, *bound) && known)
            forbid_beyond(t, arena, trail);
        m->work = t->r.work;
        if (beyond(m, *bound) || !done || give_up(m, *bound)) {
            if (!done)
                give_up(m, *bound);
            return false;
        }
        *basis = relaxation_basis(&t->r, arena);
        if (!solved)
            return choose_any(t, split);
        *split = (Split){.node = -1};
        bool stands = choose_split(t, *bound, basis, arena, trail, split);
        m->work = t->r.work;
        if (stands)
            return split->node >= 0 || choose_any(t, split);
    }
}

static void explore(Tree *t, double bound, Arena scratch)
{
    Trail trail = {0};
    Split split = {0};
    Basis basis;
    if (!beyond(t->mip, bound) && !give_up(t->mip, bound) &&
        settle(t, &bound, &basis, &scratch, &trail, &split)) {
        for (int impose = 1; impose >= 0; impose--) {
            Trail side = {0};
            decide(t, &scratch, &side, split, impose);
            explore(t, bound, scratch);
            undo(t, &side);
            relaxation_set_basis(&t->r, &basis);
        }
    }
    undo(t, &trail);
}

/* GLPK ends the process after an internal error unless this jumps away. */
static void broken(void *context)
{
    Tree *t = context;
    longjmp(t->broken, 1);
}

bool mip(Mip *m, const Network *net, int32_t *x, Arena scratch)
{
    Arena arena = arena_split(&scratch);
    Tree *t = arena_new(&arena, Tree, 1); /* memory, whatever longjmp does */
    *t = (Tree){.mip = m, .x = x};
    t->rounded = arena_new(&arena, int32_t, net->n_nodes);
    m->open_bound = NEVER;
    glp_mem_limit(MEMORY_MB);
    glp_error_hook(broken, t);
    if (setjmp(t->broken) == 0) {
        relaxation_init(&t->r, &arena, net);
        for (int side = 0; side < 2; side++)
            t->gain[side] = arena_new(&arena, Gain, t->r.n_choices);
        explore(t, net->constant - 0x1p52, scratch);
    } else {
        m->exhausted = true;
        m->open_bound = -NEVER;
    }
    relaxation_release(&t->r);
    return t->found;
}
