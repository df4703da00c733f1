/* Plan fill: see the header. */
#include "passes/plan_fill.h"

#include "passes/intra.h"
#include "passes/layer.h"
#include "passes/stage_class.h"
#include "support/checked.h"

#include <assert.h>
#include <string.h>

typedef struct Filler {
    Arena *perm;
    const GraphSet *set;
    const SearchSpace *space;
    StageTables tables;
    const NodeStorage *eval_storage;
    const int32_t *eval_layer_kind;
    Sharding *variables; /* by variable: as the train graph keeps it */
    const AxisRoles *train_roles, *eval_roles; /* NULL: not uniform */
    Plan *plan;
} Filler;

/* -- strategies ------------------------------------------------------------ */

static void add_choices(Filler *f, const Graph *graph,
                        const StageSolution *solution, const PlanStage *stage,
                        PlanChoices *out)
{
    for (int32_t v = 0; v < solution->network.problem.n_nodes; v++) {
        const StageNode *node = &solution->network.nodes[v];
        Rule rule = rule_of(graph, node->id);
        PlanChoice choice = {
            .path = graph_node(graph, node->id)->path,
            .strategy = node->options->strategies[solution->choice[v]],
        };
        choice.text =
            strategy_print(f->perm, &stage->mesh, &rule, &choice.strategy);
        choice.strategy.assign[AXIS_MICROBATCH] = ASSIGN_NONE;
        *vector_push(f->perm, out) = choice;
    }
}

static void keep_variables(Filler *f, const StageSolution *solution)
{
    const Graph *graph = f->set->train;
    for (int32_t v = 0; v < solution->network.problem.n_nodes; v++) {
        const StageNode *node = &solution->network.nodes[v];
        const Node *of = graph_node(graph, node->id);
        if (of->op == OP_VARIABLE)
            f->variables[of->attr.variable.variable] =
                node->options->results[solution->choice[v]];
    }
}

/* -- stages ---------------------------------------------------------------- */

static double tick_seconds(const SearchSpace *space)
{
    return 1e-9 * (double)space->tick_nanoseconds;
}

static bool is_solved(const StageSolution *solution)
{
    return !solution->too_large && (solution->status == CHOICE_OPTIMAL ||
                                    solution->status == CHOICE_FEASIBLE);
}

enum { PRICE_TOO_LARGE = -1 };

/* One stage of the train graph; its price, STAGE_IMPOSSIBLE when it does not
 * fit. */
static int64_t fill_train(Filler *f, const PlannedStage *planned,
                          PlanStage *stage, Arena scratch)
{
    StrategyTable *table =
        stage_table(&f->tables, planned->place.option, planned->shape);
    StageShape shape = stage_shape_at(f->space, &planned->place);
    shape.roles = f->train_roles;
    Arena arena = arena_split(&scratch);
    IntraOptions options = stage_tables_options(&f->tables);
    StageSolution solution =
        planned->choice
            ? intra_evaluate(&arena, scratch, table, &shape, planned->choice)
            : intra_solve(&arena, scratch, table, &shape, &options);
    if (solution.too_large)
        return PRICE_TOO_LARGE;
    if (!is_solved(&solution))
        return STAGE_IMPOSSIBLE;
    intra_alias_copies(&solution, f->set->train, scratch);
    double m = (double)table->mesh.axis[AXIS_MICROBATCH].size;
    StagePrice price = intra_price(&solution, table);
    stage->first_layer = planned->place.first_layer;
    stage->end_layer = planned->place.end_layer;
    stage->submesh = planned->submesh;
    stage->mesh = table->mesh;
    stage->microbatch_seconds =
        (double)price.microbatch / m * tick_seconds(f->space);
    stage->step_seconds = (double)price.step * tick_seconds(f->space);
    stage->memory = intra_memory(&solution, scratch);
    add_choices(f, f->set->train, &solution, stage, &stage->train);
    keep_variables(f, &solution);
    return solution.price;
}

/* Evaluation keeps the variables as training left them; there is less of
 * everything else, so memory is given what training leaves. */
static bool fill_eval(Filler *f, const PlannedStage *planned, PlanStage *stage,
                      Arena scratch)
{
    Arena arena = arena_split(&scratch);
    StrategyTable *trained =
        stage_table(&f->tables, planned->place.option, planned->shape);
    StrategyTable *table = strategy_table_new(
        &arena, f->set->eval, f->eval_storage, &trained->mesh, &trained->device,
        f->space->tick_nanoseconds);
    StageShape shape = stage_shape_at(f->space, &planned->place);
    shape.variables = f->variables;
    shape.roles = f->eval_roles;
    shape.in_flight = 1;
    shape.memory_bytes =
        max_i64(0, shape.memory_bytes - stage->memory.optimizer);
    Arena solving = arena_split(&scratch);
    IntraOptions options = {.layer_kind = f->eval_layer_kind,
                            .work_limit = f->space->work_limit};
    StageSolution solution =
        intra_solve(&solving, scratch, table, &shape, &options);
    if (solution.too_large || solution.choice == NULL)
        return false;
    add_choices(f, f->set->eval, &solution, stage, &stage->eval);
    return true;
}

/* -- the whole ------------------------------------------------------------- */

static void add_idle_ranks(Filler *f)
{
    int64_t n = cluster_devices(f->space->mesh);
    bool *is_used = arena_new(f->perm, bool, n);
    for (int64_t s = 0; s < f->plan->stages.count; s++) {
        const Submesh *submesh = &f->plan->stages.data[s].submesh;
        for (int64_t i = 0; i < submesh_devices(submesh); i++)
            is_used[submesh_rank(f->space->mesh, submesh, i)] = true;
    }
    for (int64_t rank = 0; rank < n; rank++)
        if (!is_used[rank])
            *vector_push(f->perm, &f->plan->idle_ranks) = rank;
}

static const AxisRoles *roles_of(const UniformAxes *axes, const Graph *graph,
                                 Arena *arena)
{
    if (!axes)
        return NULL;
    AxisRoles *roles = arena_new(arena, AxisRoles, 1);
    *roles = axis_roles(graph, axes->data, axes->tensor, axes->n_sample_parts,
                        arena);
    return roles;
}

FillStatus plan_fill(Arena *perm, Arena scratch, const GraphSet *set,
                     const SearchSpace *space, int64_t n_microbatches,
                     const PlannedStage *stages, int32_t n_stages,
                     const UniformAxes *axes, Diagnostics *diagnostics,
                     Plan *plan)
{
    Arena known = arena_split(&scratch);
    Filler f = {
        .perm = perm,
        .set = set,
        .space = space,
        .eval_storage =
            storage_of(set->eval, n_microbatches, &known, diagnostics),
        .variables = arena_new(perm, Sharding, set->train->variables.count),
        .train_roles = roles_of(axes, set->train, &known),
        .eval_roles = roles_of(axes, set->eval, &known),
        .plan = plan,
    };
    if (!stage_tables_init(&f.tables, &known, scratch, space, n_microbatches,
                           NULL) ||
        !f.eval_storage)
        return FILL_WRONG;
    f.eval_layer_kind = layer_kinds(set->eval, f.eval_storage, space->n_layers,
                                    &known, scratch);
    int64_t sum = 0, slowest = 0;
    plan->n_microbatches = n_microbatches;
    for (int32_t s = 0; s < n_stages; s++) {
        PlanStage *stage = vector_push(perm, &plan->stages);
        int64_t price = fill_train(&f, &stages[s], stage, scratch);
        if (price == PRICE_TOO_LARGE)
            return FILL_TOO_LARGE;
        if (price == STAGE_IMPOSSIBLE) {
            plan_diagnose_memory(scratch, space, n_microbatches, stages,
                                 n_stages, diagnostics);
            return FILL_WRONG;
        }
        sum += price;
        slowest = max_i64(slowest, price);
    }
    for (int32_t s = 0; s < n_stages; s++) {
        bool legal = fill_eval(&f, &stages[s], &plan->stages.data[s], scratch);
        assert(legal && "evaluation has a choice wherever training has");
        (void)legal;
    }
    int64_t cost = sum + (n_microbatches - 1) * slowest;
    plan->planned_seconds =
        (double)cost / (double)n_microbatches * tick_seconds(space);
    plan_fold(perm, scratch, plan);
    layer_describe(set->train, perm, plan);
    add_idle_ranks(&f);
    return FILL_DONE;
}

/* -- what does not fit ----------------------------------------------------- */

static Str layer_name(const Plan *plan, int32_t layer)
{
    return layer == LAYER_NONE ? STR("none") : plan->layers.data[layer].name;
}

/* What fills the memory while `node` runs, and so what would help.  What an
 * update computes beside the state is shaped like it. */
static void note_memory(const Node *node, const PlanMemory *memory,
                        int64_t n_microbatches, Arena *arena,
                        Diagnostics *diagnostics, Diagnostic *diagnostic)
{
    int64_t state = memory->parameters + memory->optimizer + memory->gradients;
    int64_t samples = memory->saved;
    *(node->region == REGION_UPDATE ? &state : &samples) += memory->transient;
    Str parameters = text_bytes(arena, memory->parameters);
    Str optimizer = text_bytes(arena, memory->optimizer);
    Str gradients = text_bytes(arena, memory->gradients);
    Str saved = text_bytes(arena, memory->saved);
    Str transient = text_bytes(arena, memory->transient);
    const char *help =
        state >= samples
            ? "more devices would share the state, a smaller model has less"
        : n_microbatches > 1 ? "a smaller batch or model would help"
                             : "more microbatches or a smaller batch would "
                               "help";
    diagnostic_note(diagnostics, diagnostic, node->span,
                    "held there: parameters %.*s, optimizer %.*s, gradients "
                    "%.*s, saved for the backward pass %.*s, other values "
                    "%.*s: %s",
                    STR_ARG(parameters), STR_ARG(optimizer), STR_ARG(gradients),
                    STR_ARG(saved), STR_ARG(transient), help);
}

static void diagnose_stage(const SearchSpace *space, int64_t n_microbatches,
                           int32_t n_stages, const PlannedStage *stage,
                           const StageSolution *solution, int64_t limit,
                           const Plan *names, Arena *arena,
                           Diagnostics *diagnostics)
{
    const Node *node = graph_node(space->graph, solution->peak_node);
    Str device = submesh_device_type(space->mesh, &stage->submesh)->name;
    Str missing = text_bytes(arena, solution->least_peak_bytes - limit);
    Str limit_text = text_bytes(arena, limit);
    Diagnostic *diagnostic =
        diagnose(diagnostics, node->span, plan_memory, STR_ARG(missing),
                 (long long)(solution->least_peak_bytes - limit),
                 STR_ARG(limit_text), STR_ARG(device),
                 (long long)submesh_rank(space->mesh, &stage->submesh, 0),
                 STR_ARG(layer_name(names, node->layer)), STR_ARG(node->path),
                 (int)n_stages, (long long)n_microbatches);
    PlanMemory memory = intra_memory(solution, *arena);
    note_memory(node, &memory, n_microbatches, arena, diagnostics, diagnostic);
}

void plan_diagnose_memory(Arena scratch, const SearchSpace *space,
                          int64_t n_microbatches, const PlannedStage *stages,
                          int32_t n_stages, Diagnostics *diagnostics)
{
    Arena known = arena_split(&scratch);
    StageTables tables;
    stage_tables_init(&tables, &known, scratch, space, n_microbatches, NULL);
    Plan names = {0};
    layer_describe(space->graph, &known, &names);
    StageSolution worst = {0};
    int64_t most = INT64_MIN;
    int32_t at = 0;
    for (int32_t s = 0; s < n_stages; s++) {
        Arena inner = arena_split(&scratch);
        StageShape shape = stage_shape_at(space, &stages[s].place);
        IntraOptions options = stage_tables_options(&tables);
        StageSolution solution = intra_solve(
            &known, inner,
            stage_table(&tables, stages[s].place.option, stages[s].shape),
            &shape, &options);
        int64_t missing = solution.least_peak_bytes - shape.memory_bytes;
        if (missing <= most)
            continue;
        most = missing;
        worst = solution;
        at = s;
    }
    diagnose_stage(space, n_microbatches, n_stages, &stages[at], &worst,
                   stage_shape_at(space, &stages[at].place).memory_bytes,
                   &names, &known, diagnostics);
}
