/* IOPDDL, written: a problem as the contest's JSON.
 *
 * The format gives a node one interval.  For each further one a node is added
 * with the same choices, tied to the first by an edge that forbids all pairs
 * but the equal ones: the reductions merge them again. */
#include "solver/iopddl.h"
#include "support/checked.h"
#include "support/text.h"
#include "support/vector.h"

#include <stddef.h>

typedef struct Twin {
    int32_t node, interval;
} Twin;

typedef struct Writer {
    const ChoiceProblem *problem;
    VECTOR(Twin) twins;
    Text text;
} Writer;

/* Begins the next entry of a list. */
static void separate(Writer *w, bool *is_first)
{
    if (!*is_first)
        text_append(&w->text, STR(","));
    *is_first = false;
}

/* NULL: zeros. */
static void write_numbers(Writer *w, const int64_t *numbers, int64_t n)
{
    text_append(&w->text, STR("["));
    for (int64_t i = 0; i < n; i++)
        text_format(&w->text, i ? ",%lld" : "%lld",
                    numbers ? (long long)min_i64(numbers[i], CHOICE_FORBIDDEN)
                            : 0);
    text_append(&w->text, STR("]"));
}

/* The interval that stands for the node in the file; NULL: none. */
static const ChoiceInterval *first_interval(const ChoiceNode *node)
{
    return node->n_intervals ? &node->intervals[0] : NULL;
}

static const ChoiceInterval *twin_interval(const Writer *w, const Twin *twin)
{
    return &w->problem->nodes[twin->node].intervals[twin->interval];
}

static void write_interval(Writer *w, const ChoiceInterval *interval)
{
    text_format(&w->text, "[%lld,%lld]",
                interval ? (long long)interval->begin : 0,
                interval ? (long long)interval->end : 0);
}

static void write_nodes(Writer *w)
{
    const ChoiceProblem *p = w->problem;
    bool is_first = true;
    text_append(&w->text, STR("\"nodes\":{\"intervals\":["));
    for (int32_t v = 0; v < p->n_nodes; v++) {
        separate(w, &is_first);
        write_interval(w, first_interval(&p->nodes[v]));
    }
    for (int64_t i = 0; i < w->twins.count; i++) {
        separate(w, &is_first);
        write_interval(w, twin_interval(w, &w->twins.data[i]));
    }
    text_append(&w->text, STR("],\n\"costs\":["));
    is_first = true;
    for (int32_t v = 0; v < p->n_nodes; v++) {
        separate(w, &is_first);
        write_numbers(w, p->nodes[v].cost, p->nodes[v].n_choices);
    }
    for (int64_t i = 0; i < w->twins.count; i++) {
        separate(w, &is_first);
        write_numbers(w, NULL, p->nodes[w->twins.data[i].node].n_choices);
    }
    text_append(&w->text, STR("],\n\"usages\":["));
    is_first = true;
    for (int32_t v = 0; v < p->n_nodes; v++) {
        const ChoiceInterval *interval = first_interval(&p->nodes[v]);
        separate(w, &is_first);
        write_numbers(w, interval ? interval->usage : NULL,
                      p->nodes[v].n_choices);
    }
    for (int64_t i = 0; i < w->twins.count; i++) {
        separate(w, &is_first);
        write_numbers(w, twin_interval(w, &w->twins.data[i])->usage,
                      p->nodes[w->twins.data[i].node].n_choices);
    }
    text_append(&w->text, STR("]}"));
}

/* Equal choices cost nothing, others are forbidden. */
static void write_tie(Writer *w, int64_t n)
{
    text_append(&w->text, STR("["));
    for (int64_t i = 0; i < n * n; i++)
        text_format(&w->text, i ? ",%lld" : "%lld",
                    i % (n + 1) ? (long long)CHOICE_FORBIDDEN : 0);
    text_append(&w->text, STR("]"));
}

static void write_edges(Writer *w)
{
    const ChoiceProblem *p = w->problem;
    bool is_first = true;
    text_append(&w->text, STR("\"edges\":{\"nodes\":["));
    for (int32_t e = 0; e < p->n_edges; e++) {
        separate(w, &is_first);
        text_format(&w->text, "[%d,%d]", p->edges[e].a, p->edges[e].b);
    }
    for (int32_t i = 0; i < w->twins.count; i++) {
        separate(w, &is_first);
        text_format(&w->text, "[%d,%d]", w->twins.data[i].node, p->n_nodes + i);
    }
    text_append(&w->text, STR("],\n\"costs\":["));
    is_first = true;
    for (int32_t e = 0; e < p->n_edges; e++) {
        const ChoiceEdge *edge = &p->edges[e];
        separate(w, &is_first);
        write_numbers(w, edge->cost,
                      (int64_t)p->nodes[edge->a].n_choices *
                          p->nodes[edge->b].n_choices);
    }
    for (int64_t i = 0; i < w->twins.count; i++) {
        separate(w, &is_first);
        write_tie(w, p->nodes[w->twins.data[i].node].n_choices);
    }
    text_append(&w->text, STR("]}"));
}

Str iopddl_print(Arena *arena, Str name, const ChoiceProblem *problem)
{
    Writer w = {.problem = problem, .text = text_new(arena)};
    for (int32_t v = 0; v < problem->n_nodes; v++)
        for (int32_t i = 1; i < problem->nodes[v].n_intervals; i++)
            *vector_push(arena, &w.twins) = (Twin){v, i};
    text_format(&w.text, "{\"problem\":{\"name\":\"%.*s\",\n", STR_ARG(name));
    write_nodes(&w);
    text_append(&w.text, STR(",\n"));
    write_edges(&w);
    if (problem->usage_limit < CHOICE_MAGNITUDE_MAX)
        text_format(&w.text, ",\n\"usage_limit\":%lld",
                    (long long)problem->usage_limit);
    text_append(&w.text, STR("}}\n"));
    return text_str(&w.text);
}
