/* Intra: a stage's choice network, solved. */
#include "passes/intra.h"

#include "passes/stage_tie.h"

#include <stddef.h>
#include <string.h>

/* Networks of at most so many nodes are solved as they are. */
enum { DIRECT_NODES_MAX = 1500 };

static void set_peak(StageSolution *solution, int64_t bytes, int64_t time)
{
    int64_t n = solution->network.problem.n_nodes;
    solution->peak_bytes = bytes;
    if (n > 0)
        solution->peak_node =
            solution->network.nodes[time < n ? time : n - 1].id;
}

static ChoiceSolution solve(Arena *arena, Arena scratch,
                            const ChoiceProblem *problem,
                            const IntraOptions *options, bool skip_least_peak)
{
    ChoiceOptions choice = {.work_limit = options->work_limit,
                            .skip_least_peak = skip_least_peak};
    if (options->observer.posed)
        options->observer.posed(options->observer.context, problem);
    return choice_solve(arena, scratch, problem, &choice);
}

static void solve_direct(StageSolution *solution, Arena *arena, Arena scratch,
                         const IntraOptions *options)
{
    ChoiceSolution solved = solve(arena, scratch, &solution->network.problem,
                                  options, options->skip_least_peak);
    solution->status = solved.status;
    solution->price = solved.cost;
    solution->n_solved += solution->network.problem.n_nodes;
    solution->lower_bound = solved.lower_bound;
    solution->least_peak_bytes = solved.least_peak;
    solution->choice = solved.choice;
    set_peak(solution, solved.peak_usage, solved.peak_time);
}

static void set_choice(StageSolution *solution, int32_t *choice, Arena scratch)
{
    ChoiceEvaluation e =
        choice_evaluate(&solution->network.problem, choice, scratch);
    solution->status = CHOICE_FEASIBLE;
    solution->price = e.cost;
    solution->choice = choice;
    set_peak(solution, e.peak_usage, e.peak_time);
}

/* False when equal layers find nothing by choosing alike. */
static bool solve_tied(StageSolution *solution, const TiedNetwork *tied,
                       Arena *arena, Arena scratch, const IntraOptions *options)
{
    int64_t n = solution->network.problem.n_nodes;
    int32_t *choice = arena_new(arena, int32_t, n);
    Arena inner = scratch, solving = arena_split(&inner);
    ChoiceSolution solved =
        solve(&solving, inner, &tied->problem, options, true);
    solution->n_solved += tied->problem.n_nodes;
    solution->status = CHOICE_UNKNOWN;
    if (solved.status != CHOICE_OPTIMAL && solved.status != CHOICE_FEASIBLE)
        return false;
    for (int64_t v = 0; v < n; v++)
        choice[v] = solved.choice[tied->of[v]];
    set_choice(solution, choice, scratch);
    return true;
}

StageSolution intra_solve(Arena *arena, Arena scratch, StrategyTable *table,
                          const StageShape *shape, const IntraOptions *options)
{
    StageSolution solution = {.network =
                                  stage_network_new(arena, table, shape)};
    const ChoiceProblem *problem = &solution.network.problem;
    TiedNetwork tied;
    if (choice_check(problem) != NULL) {
        solution.too_large = true;
        return solution;
    }
    if (problem->n_nodes > DIRECT_NODES_MAX &&
        stage_tie(arena, &solution.network, table->graph, options->layer_kind,
                  shape, &tied) &&
        solve_tied(&solution, &tied, arena, scratch, options))
        return solution;
    solve_direct(&solution, arena, scratch, options);
    return solution;
}

StageSolution intra_evaluate(Arena *arena, Arena scratch, StrategyTable *table,
                             const StageShape *shape, const int32_t *choice)
{
    StageSolution solution = {.network =
                                  stage_network_new(arena, table, shape)};
    int64_t n = solution.network.problem.n_nodes;
    int32_t *own = arena_new(arena, int32_t, n);
    memcpy(own, choice, (size_t)n * sizeof *own);
    set_choice(&solution, own, scratch);
    return solution;
}

void intra_alias_copies(StageSolution *solution, const Graph *graph,
                        Arena scratch)
{
    const StageNode *nodes = solution->network.nodes;
    int32_t *number = arena_new(&scratch, int32_t, graph->nodes.count);
    for (int32_t v = 0; v < solution->network.problem.n_nodes; v++)
        number[nodes[v].id.index] = v + 1;
    for (int32_t v = 0; v < solution->network.problem.n_nodes; v++) {
        const NodeOptions *options = nodes[v].options;
        const Node *node = graph_node(graph, nodes[v].id);
        if (node->op != OP_COPY || !number[node->operands[0].index] ||
            solution->choice[v] >= options->first_alias)
            continue;
        int32_t u = number[node->operands[0].index] - 1;
        if (sharding_equal(&nodes[u].options->results[solution->choice[u]],
                           &options->operands[solution->choice[v]]))
            solution->choice[v] += options->first_alias;
    }
}

StagePrice intra_price(const StageSolution *solution,
                       const StrategyTable *table)
{
    StagePrice total = {0};
    const ChoiceProblem *problem = &solution->network.problem;
    const StageNode *nodes = solution->network.nodes;
    for (int32_t v = 0; v < problem->n_nodes; v++) {
        int64_t price = problem->nodes[v].cost[solution->choice[v]];
        int64_t own = nodes[v].options->price[solution->choice[v]];
        bool often = storage_repeats(&table->storage[nodes[v].id.index]);
        *(often ? &total.microbatch : &total.step) += price;
        total.compute += own;
        total.communication += price - own;
    }
    for (int32_t e = 0; e < problem->n_edges; e++) {
        const ChoiceEdge *edge = &problem->edges[e];
        int64_t price = edge->cost[(int64_t)solution->choice[edge->a] *
                                       problem->nodes[edge->b].n_choices +
                                   solution->choice[edge->b]];
        bool often = solution->network.edge_repeats[e];
        *(often ? &total.microbatch : &total.step) += price;
        total.communication += price;
    }
    return total;
}

static int64_t *class_field(PlanMemory *memory, MemoryClass class)
{
    switch (class) {
    case MEMORY_PARAMETER: return &memory->parameters;
    case MEMORY_OPTIMIZER: return &memory->optimizer;
    case MEMORY_GRADIENT: return &memory->gradients;
    case MEMORY_SAVED: return &memory->saved;
    default: return &memory->transient;
    }
}

PlanMemory intra_memory(const StageSolution *solution, Arena scratch)
{
    const ChoiceProblem *problem = &solution->network.problem;
    ChoiceEvaluation peak = choice_evaluate(problem, solution->choice, scratch);
    PlanMemory memory = {.peak = peak.peak_usage};
    for (int32_t v = 0; v < problem->n_nodes; v++) {
        const ChoiceNode *node = &problem->nodes[v];
        int64_t *field =
            class_field(&memory, solution->network.nodes[v].memory);
        for (int32_t i = 0; i < node->n_intervals; i++)
            if (node->intervals[i].begin <= peak.peak_time &&
                peak.peak_time < node->intervals[i].end)
                *field += node->intervals[i].usage[solution->choice[v]];
    }
    return memory;
}
