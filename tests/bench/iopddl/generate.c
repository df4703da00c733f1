/* generate: writes a problem in the contest's format.
 *
 *     generate --nodes N [--reuse R] [--seed S] [--limit PERMILLE]
 *     generate [--shuffle] [--noise] [--level] [--link] [--factor K] [--seed S]
 *              [--limit PERMILLE] PROBLEM...
 *
 * The first makes a synthetic training step, the second puts problems side by
 * side and changes them.  The usage limit becomes PERMILLE thousandths (1100)
 * of the highest usage when every node uses the least it can.
 */
#include "generate.h"

#include "solver/iopddl.h"
#include "support/philox.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int32_t draft_node(Draft *draft, int32_t n_choices, const int64_t *cost,
                   const int64_t *usage, int64_t begin, int64_t end)
{
    ChoiceInterval *interval = arena_new(draft->arena, ChoiceInterval, 1);
    *interval = (ChoiceInterval){begin, end, usage};
    *vector_push(draft->arena, &draft->nodes) =
        (ChoiceNode){n_choices, 1, cost, interval};
    return (int32_t)draft->nodes.count - 1;
}

void draft_extend(Draft *draft, int32_t node, int64_t end)
{
    ChoiceNode *n = &draft->nodes.data[node];
    ChoiceInterval *interval = arena_new(draft->arena, ChoiceInterval, 1);
    *interval = *n->intervals;
    interval->end = end > interval->end ? end : interval->end;
    n->intervals = interval;
}

void draft_edge(Draft *draft, int32_t a, int32_t b, const int64_t *cost)
{
    *vector_push(draft->arena, &draft->edges) = (ChoiceEdge){a, b, cost};
}

int64_t draft_draw(uint64_t seed, uint64_t *counter, int64_t n)
{
    uint64_t n_before = (*counter)++;
    PhiloxWords drawn =
        philox(seed, (uint32_t)n_before, (uint32_t)(n_before >> 32), 0, 0);
    uint64_t wide = (uint64_t)drawn.word[0] << 32 | drawn.word[1];
    return (int64_t)(wide % (uint64_t)n);
}

int64_t *draft_least_usage(const Draft *draft, Arena *arena, int64_t *n_times)
{
    *n_times = 1;
    for (int64_t v = 0; v < draft->nodes.count; v++) {
        int64_t end = draft->nodes.data[v].intervals->end;
        *n_times = end > *n_times ? end : *n_times;
    }
    int64_t *usage = arena_new(arena, int64_t, *n_times + 1);
    for (int64_t v = 0; v < draft->nodes.count; v++) {
        const ChoiceNode *n = &draft->nodes.data[v];
        int64_t least = INT64_MAX;
        for (int32_t i = 0; i < n->n_choices; i++)
            if (n->intervals->usage[i] < least)
                least = n->intervals->usage[i];
        usage[n->intervals->begin] += least;
        usage[n->intervals->end] -= least;
    }
    for (int64_t t = 1; t < *n_times; t++)
        usage[t] += usage[t - 1];
    return usage;
}

static void write_list(const char *before, const int64_t *item, int64_t n)
{
    printf("%s[", before);
    for (int64_t i = 0; i < n; i++)
        printf("%s%" PRId64, i ? "," : "",
               item[i] >= CHOICE_FORBIDDEN ? CONTEST_FORBIDDEN : item[i]);
    printf("]");
}

static void write_nodes(const Draft *draft)
{
    const ChoiceNode *nodes = draft->nodes.data;
    int64_t n = draft->nodes.count;
    printf("\"nodes\": {\"intervals\": [");
    for (int64_t v = 0; v < n; v++)
        printf("%s[%" PRId64 ",%" PRId64 "]", v ? "," : "",
               nodes[v].intervals->begin, nodes[v].intervals->end);
    printf("], \"costs\": [");
    for (int64_t v = 0; v < n; v++)
        write_list(v ? "," : "", nodes[v].cost, nodes[v].n_choices);
    printf("], \"usages\": [");
    for (int64_t v = 0; v < n; v++)
        write_list(v ? "," : "", nodes[v].intervals->usage, nodes[v].n_choices);
    printf("]}");
}

static void write_problem(const Draft *draft, int64_t limit)
{
    printf("{\"problem\": {\"name\": \"generated\", ");
    write_nodes(draft);
    printf(", \"edges\": {\"nodes\": [");
    for (int64_t k = 0; k < draft->edges.count; k++)
        printf("%s[%" PRId32 ",%" PRId32 "]", k ? "," : "",
               draft->edges.data[k].a, draft->edges.data[k].b);
    printf("], \"costs\": [");
    for (int64_t k = 0; k < draft->edges.count; k++) {
        const ChoiceEdge *e = &draft->edges.data[k];
        write_list(k ? "," : "", e->cost,
                   (int64_t)draft->nodes.data[e->a].n_choices *
                       draft->nodes.data[e->b].n_choices);
    }
    printf("]}, \"usage_limit\": %" PRId64 "}}\n", limit);
}

typedef struct GenerateArguments {
    Variation how;
    int64_t n_nodes, reuse, permille;
} GenerateArguments;

static const struct option OPTIONS[] = {
    {"nodes", required_argument, NULL, 'n'},
    {"reuse", required_argument, NULL, 'r'},
    {"seed", required_argument, NULL, 's'},
    {"limit", required_argument, NULL, 'l'},
    {"factor", required_argument, NULL, 'f'},
    {"shuffle", no_argument, NULL, 'S'},
    {"noise", no_argument, NULL, 'N'},
    {"link", no_argument, NULL, 'K'},
    {"level", no_argument, NULL, 'L'},
    {NULL, 0, NULL, 0},
};

static bool parse(GenerateArguments *a, int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        int64_t value = optarg ? strtoll(optarg, NULL, 10) : 0;
        switch (option) {
        case 'n': a->n_nodes = value; break;
        case 'r': a->reuse = value; break;
        case 's': a->how.seed = (uint64_t)value; break;
        case 'l': a->permille = value; break;
        case 'f': a->how.factor = value; break;
        case 'S': a->how.shuffle = true; break;
        case 'N': a->how.noise = true; break;
        case 'K': a->how.link = true; break;
        case 'L': a->how.level = true; break;
        default: return false;
        }
    }
    return (a->n_nodes > 0) != (optind < argc) && a->reuse > 0;
}

static bool append_files(Draft *draft, const Variation *how, char **paths,
                         Arena scratch)
{
    for (; *paths; paths++) {
        IopddlProblem problem;
        Status status =
            iopddl_read_file(draft->arena, scratch, *paths, &problem);
        if (status_failed(&status)) {
            fprintf(stderr, "generate: %s\n", status.message);
            return false;
        }
        draft_append(draft, &problem.problem, how);
    }
    return true;
}

int main(int argc, char **argv)
{
    GenerateArguments a = {.how.factor = 1, .reuse = 4, .permille = 1100};
    if (!parse(&a, argc, argv)) {
        fprintf(stderr, "usage: see the head of generate.c\n");
        return 2;
    }
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, INT64_C(1) << 36, NULL);
    Arena scratch = arena_split(&arena);
    Draft draft = {.arena = &arena};
    if (a.n_nodes > 0)
        draft_step(&draft, a.how.seed, a.n_nodes, a.reuse);
    else if (!append_files(&draft, &a.how, argv + optind, scratch))
        return 1;
    if (a.how.level)
        draft_level(&draft);
    if (a.how.shuffle)
        draft = draft_shuffle(&arena, &draft, a.how.seed);
    int64_t n_times, most = 0;
    const int64_t *usage = draft_least_usage(&draft, &scratch, &n_times);
    for (int64_t t = 0; t < n_times; t++)
        most = usage[t] > most ? usage[t] : most;
    write_problem(&draft,
                  most / 1000 * a.permille + most % 1000 * a.permille / 1000);
    arena_release(&memory);
    return 0;
}
