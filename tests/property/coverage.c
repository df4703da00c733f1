/* Coverage: counting cells, and the table. */
#include "tests/property/coverage.h"

#include "support/map.h"
#include "tests/property/random_plan.h"

#include <stdio.h>

/* -- counting -------------------------------------------------------------- */

static void count_splits(Coverage *c, const LogicalMesh *mesh,
                         const Shape *shape, const Sharding *s)
{
    for (int32_t d = 0; d < shape->rank; d++) {
        uint8_t mask = s->axes[d] & (uint8_t)~AXIS_MASK_TIME;
        int64_t parts = mesh_axes_size(mesh, s->axes[d]);
        bool two = (mask & (mask - 1)) != 0;
        bool uneven = shape->extent[d] % parts != 0;
        c->two_axis_splits += two;
        c->uneven_splits += uneven;
        c->uneven_two_axis_splits += two && uneven;
    }
}

/* What each kind of factor of the node does under the strategy. */
static void count_factors(Coverage *c, const Node *node, const Rule *rule,
                          const LogicalMesh *mesh, const Strategy *strategy)
{
    bool split[FACTOR_KINDS] = {false}, partial = false, any = false;
    for (int32_t axis = 1; axis < mesh->n_axes; axis++) {
        uint8_t assign = strategy->assign[axis];
        if (mesh->axis[axis].size == 1 || assign == ASSIGN_NONE)
            continue;
        any = true;
        if (assign >= ASSIGN_LINEAR)
            partial = true;
        else
            split[rule->factor[assign - ASSIGN_FACTOR].kind] = true;
    }
    bool has[FACTOR_KINDS] = {false};
    for (int32_t f = 0; f < rule->n_factors; f++)
        has[rule->factor[f].kind] = true;
    for (int kind = 0; kind < FACTOR_KINDS; kind++) {
        FactorCells *cells = &c->op[node->op][kind];
        cells->replicated += has[kind] && !any;
        cells->split += has[kind] && split[kind];
        cells->uneven +=
            has[kind] && cuts_unevenly(rule, mesh, strategy, (FactorKind)kind);
        cells->partial += has[kind] && !split[kind] && partial;
    }
}

/* A maximum of which each microbatch gives a part. */
static bool is_maximum_over_time(const Node *node, const Rule *rule,
                                 const Strategy *strategy)
{
    uint8_t assign = strategy->assign[AXIS_MICROBATCH];
    return node->op == OP_REDUCE_MAX && assign >= ASSIGN_FACTOR &&
           rule->factor[assign - ASSIGN_FACTOR].kind == FACTOR_SUM;
}

static void count_states(Coverage *c, const Graph *train, int64_t microbatches)
{
    for (int64_t i = 0; i < train->outputs.count && microbatches > 1; i++) {
        const Output *output = &train->outputs.data[i];
        c->states +=
            output->kind == OUTPUT_UPDATE &&
            train->variables.data[output->variable].kind == VARIABLE_STATE;
    }
}

static void count_graph(Coverage *c, const Graph *graph,
                        const PlanChoice *choices, int64_t n_choices,
                        const LogicalMesh *mesh, Arena scratch)
{
    for (int64_t i = 0; i < n_choices; i++) {
        int64_t *index = map_find(&graph->paths, choices[i].path);
        NodeId id = {(int32_t)*index};
        const Node *node = graph_node(graph, id);
        Rule rule = rule_of(graph, id);
        Sharding result;
        Arena inner = scratch;
        Sharding *operands = arena_new(&inner, Sharding, node->n_operands + 1);
        rule_shardings(graph, id, &rule, mesh, &choices[i].strategy, operands,
                       &result);
        count_factors(c, node, &rule, mesh, &choices[i].strategy);
        c->maxima += is_maximum_over_time(node, &rule, &choices[i].strategy);
        count_splits(c, mesh, &node->type.shape, &result);
    }
}

void coverage_add(Coverage *c, const GraphSet *set, const Plan *plan,
                  const Program *program, Arena scratch)
{
    for (int64_t s = 0; s < plan->stages.count; s++) {
        const PlanStage *stage = &plan->stages.data[s];
        if (mesh_devices(&stage->mesh) > 1) {
            count_graph(c, set->train, stage->train.data, stage->train.count,
                        &stage->mesh, scratch);
            count_graph(c, set->eval, stage->eval.data, stage->eval.count,
                        &stage->mesh, scratch);
        }
        const ProgramStage *built = &program->stages.data[s];
        for (int k = 0; k < SEGMENT_COUNT; k++)
            for (int64_t i = 0; i < built->segments[k].instructions.count; i++)
                if (built->segments[k].instructions.data[i].kind ==
                    INSTRUCTION_COLLECTIVE)
                    c->collective
                        [built->segments[k].instructions.data[i].collective]++;
    }
    count_states(c, set->train, plan->n_microbatches);
    c->transfers += program->transfers.count;
    for (int64_t w = 0; w < program->world_sums.count; w++)
        for (int64_t t = 0; t < program->world_sums.data[w].terms.count; t++)
            c->world_sum_parts +=
                program->world_sums.data[w].terms.data[t].partial != 0;
    c->stages[plan->stages.count]++;
    c->microbatches[plan->n_microbatches]++;
}

/* -- the table ------------------------------------------------------------- */

static const char *const KIND_NAMES[FACTOR_KINDS] = {"parallel", "sum",
                                                     "indexed", "whole"};

/* Prints a count; 1 when it is too small. */
static int32_t cell(const char *name, int64_t count)
{
    bool low = count < CELL_EXECUTIONS_MIN;
    printf(" %s %lld%s", name, (long long)count, low ? " (!)" : "");
    return low;
}

static int32_t line(const char *name, int64_t count)
{
    printf("%-26s", name);
    int32_t low = cell("", count);
    printf("\n");
    return low;
}

static bool is_linear(Op op)
{
    return op_info(op)->linear[0] != 0;
}

static int32_t print_op(const Coverage *c, Op op)
{
    int32_t low = 0;
    for (int kind = 0; kind < FACTOR_KINDS; kind++) {
        const FactorCells *cells = &c->op[op][kind];
        if (cells->replicated + cells->split + cells->partial == 0)
            continue;
        printf("%-22s %-9s", op_info(op)->text, KIND_NAMES[kind]);
        low += cell("replicated", cells->replicated);
        if (kind != FACTOR_WHOLE) {
            low += cell("split", cells->split);
            low += cell("uneven", cells->uneven);
        }
        if (is_linear(op))
            low += cell("partial", cells->partial);
        printf("\n");
    }
    return low;
}

int32_t coverage_print(const Coverage *c)
{
    int32_t low = 0;
    for (int op = 1; op < OP_COUNT; op++)
        low += print_op(c, (Op)op);
    for (int op = 1; op < OP_COUNT; op++)
        if (op_has((Op)op, TRAIT_COLLECTIVE))
            low += line(op_info((Op)op)->text, c->collective[op]);
    low += line("splits over two axes", c->two_axis_splits);
    low += line("uneven splits", c->uneven_splits);
    low += line("uneven over two axes", c->uneven_two_axis_splits);
    low += line("states, microbatches > 1", c->states);
    low += line("maxima over microbatches", c->maxima);
    low += line("transfers", c->transfers);
    low += line("partial world sum terms", c->world_sum_parts);
    for (int s = 1; s <= COVERED_STAGES_MAX; s++) {
        printf("%d ", s);
        low += line("stages", c->stages[s]);
    }
    int64_t several = 0;
    for (int m = 2; m <= COVERED_MICROBATCHES_MAX; m++)
        several += c->microbatches[m];
    low += line("one microbatch", c->microbatches[1]);
    low += line("several microbatches", several);
    return low;
}
