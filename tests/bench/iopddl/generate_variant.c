/* Variants: copies of given problems with their structure kept. */
#include "generate.h"

static int64_t change_cost(int64_t cost, const Variation *how,
                           uint64_t *counter)
{
    if (cost >= CHOICE_FORBIDDEN)
        return cost;
    if (how->noise && cost > 0)
        cost += cost / 100 * (draft_draw(how->seed, counter, 46) - 20);
    return cost * how->factor;
}

static int64_t *copy_costs(Draft *draft, const int64_t *cost, int64_t n,
                           const Variation *how, uint64_t *counter)
{
    int64_t *copy = arena_new(draft->arena, int64_t, n);
    for (int64_t i = 0; i < n; i++)
        copy[i] = change_cost(cost[i], how, counter);
    return copy;
}

/* 0 for the same choice, the larger node's mean cost for another. */
static void link_nodes(Draft *draft, int32_t a, int32_t b)
{
    const ChoiceNode *p = &draft->nodes.data[a], *q = &draft->nodes.data[b];
    int64_t mean = 0;
    for (int32_t i = 0; i < p->n_choices; i++)
        if (p->cost[i] < CHOICE_FORBIDDEN)
            mean += p->cost[i] / p->n_choices;
    int64_t *table =
        arena_new(draft->arena, int64_t, (int64_t)p->n_choices * q->n_choices);
    for (int32_t i = 0; i < p->n_choices; i++)
        for (int32_t j = 0; j < q->n_choices; j++)
            table[(int64_t)i * q->n_choices + j] = i == j ? 0 : mean;
    draft_edge(draft, a, b, table);
}

void draft_append(Draft *draft, const ChoiceProblem *problem,
                  const Variation *how)
{
    uint64_t counter = (uint64_t)draft->nodes.count << 20;
    int32_t first = (int32_t)draft->nodes.count;
    for (int32_t v = 0; v < problem->n_nodes; v++) {
        const ChoiceNode *n = &problem->nodes[v];
        int64_t *none = arena_new(draft->arena, int64_t, n->n_choices);
        ChoiceInterval interval =
            n->n_intervals > 0 ? n->intervals[0] : (ChoiceInterval){0, 0, none};
        draft_node(draft, n->n_choices,
                   copy_costs(draft, n->cost, n->n_choices, how, &counter),
                   interval.usage, interval.begin, interval.end);
    }
    for (int32_t k = 0; k < problem->n_edges; k++) {
        const ChoiceEdge *e = &problem->edges[k];
        int64_t n = (int64_t)problem->nodes[e->a].n_choices *
                    problem->nodes[e->b].n_choices;
        draft_edge(draft, first + e->a, first + e->b,
                   copy_costs(draft, e->cost, n, how, &counter));
    }
    for (int32_t v = 0; how->link && first > 0 && v < problem->n_nodes; v++)
        if (draft_draw(how->seed, &counter, 100) == 0)
            link_nodes(draft, first + v,
                       (int32_t)draft_draw(how->seed, &counter, first));
}

void draft_level(Draft *draft)
{
    int64_t n_times, most = 0;
    int64_t *usage = draft_least_usage(draft, draft->arena, &n_times);
    int64_t *nothing = arena_new(draft->arena, int64_t, 1);
    for (int64_t t = 0; t < n_times; t++)
        most = usage[t] > most ? usage[t] : most;
    for (int64_t t = 0; t < n_times; t++) {
        int64_t missing = most / 100 * 98 - usage[t];
        if (missing <= 0)
            continue;
        int64_t *filling = arena_new(draft->arena, int64_t, 1);
        filling[0] = missing;
        draft_node(draft, 1, nothing, filling, t, t + 1);
    }
}

static int32_t *permutation(Arena *arena, int64_t n, uint64_t seed,
                            uint64_t *counter)
{
    int32_t *order = arena_new(arena, int32_t, n);
    for (int64_t i = 0; i < n; i++) {
        int64_t k = draft_draw(seed, counter, i + 1);
        order[i] = order[k];
        order[k] = (int32_t)i;
    }
    return order;
}

/* out[i] = in[order[i]] */
static int64_t *reorder(Arena *arena, const int64_t *in, const int32_t *order,
                        int32_t n)
{
    int64_t *out = arena_new(arena, int64_t, n);
    for (int32_t i = 0; i < n; i++)
        out[i] = in[order[i]];
    return out;
}

Draft draft_shuffle(Arena *arena, const Draft *draft, uint64_t seed)
{
    uint64_t counter = UINT64_C(1) << 60;
    int64_t n = draft->nodes.count;
    Draft out = {.arena = arena};
    int32_t *order = permutation(arena, n, seed, &counter);
    int32_t *number = arena_new(arena, int32_t, n);
    int32_t **choices = arena_new(arena, int32_t *, n);
    for (int64_t k = 0; k < n; k++) {
        const ChoiceNode *v = &draft->nodes.data[order[k]];
        const ChoiceInterval *i = v->intervals;
        int32_t *own = permutation(arena, v->n_choices, seed, &counter);
        choices[order[k]] = own;
        number[order[k]] = draft_node(
            &out, v->n_choices, reorder(arena, v->cost, own, v->n_choices),
            reorder(arena, i->usage, own, v->n_choices), i->begin, i->end);
    }
    order = permutation(arena, draft->edges.count, seed, &counter);
    for (int64_t k = 0; k < draft->edges.count; k++) {
        const ChoiceEdge *e = &draft->edges.data[order[k]];
        int32_t n_a = draft->nodes.data[e->a].n_choices;
        int32_t n_b = draft->nodes.data[e->b].n_choices;
        int64_t *table = arena_new(arena, int64_t, (int64_t)n_a *n_b);
        for (int32_t i = 0; i < n_a; i++)
            for (int32_t j = 0; j < n_b; j++)
                table[(int64_t)i * n_b + j] =
                    e->cost[(int64_t)choices[e->a][i] * n_b + choices[e->b][j]];
        draft_edge(&out, number[e->a], number[e->b], table);
    }
    return out;
}
