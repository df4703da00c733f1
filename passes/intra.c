/* Intra: a stage's choice network, solved. */
#include "passes/intra.h"

#include <stddef.h>

StageSolution intra_solve(Arena *arena, Arena scratch, StrategyTable *table,
                          const StageShape *shape, int64_t work_limit)
{
    StageSolution solution = {.network =
                                  stage_network_new(arena, table, shape)};
    const ChoiceProblem *problem = &solution.network.problem;
    if (choice_check(problem) != NULL) {
        solution.too_large = true;
        return solution;
    }
    ChoiceOptions options = {.work_limit = work_limit};
    ChoiceSolution solved = choice_solve(arena, scratch, problem, &options);
    solution.status = solved.status;
    solution.price = solved.cost;
    solution.lower_bound = solved.lower_bound;
    solution.peak_bytes = solved.peak_usage;
    solution.least_peak_bytes = solved.least_peak;
    solution.choice = solved.choice;
    if (problem->n_nodes > 0)
        solution.peak_node = solution.network
                                 .nodes[solved.peak_time < problem->n_nodes
                                            ? solved.peak_time
                                            : problem->n_nodes - 1]
                                 .id;
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
