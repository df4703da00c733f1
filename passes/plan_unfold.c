/* Plan unfold: see the header; ir/plan_fold.c is its inverse. */
#include "passes/plan_unfold.h"

#include "ir/json_place.h"

#include <stddef.h>

/* One graph's half of one entry of plan->strategies. */
typedef struct Unfolder {
    Arena *perm;
    const Graph *graph;
    const NodeStorage *storage;
    int32_t source;
    Diagnostics *diagnostics;
    Plan *plan;
    int64_t entry;
    bool eval;
    const PlanChoices *stated;
    Map by_path;      /* into stated: patterns and nodes alike */
    bool *is_used;    /* by stated choice */
    bool *is_refused; /* diagnosed: a pattern is refused once */
    bool good;
} Unfolder;

static Span entry_span(const Diagnostics *diagnostics, int32_t source,
                       int64_t entry, const char *key, const char *choice)
{
    JsonPath strategies = {NULL, "strategies", 0};
    JsonPath item = {&strategies, NULL, entry};
    JsonPath member = {&item, key, 0};
    JsonPath path = {&member, choice, 0};
    return json_span(diagnostics, source, choice ? &path : &member);
}

static Span choice_span(const Unfolder *u, const PlanChoice *stated)
{
    return entry_span(u->diagnostics, u->source, u->entry,
                      u->eval ? "eval" : "train", stated->path.data);
}

/* -- one node -------------------------------------------------------------- */

static bool is_of_stage(const Node *node, const PlanStage *stage)
{
    return node->op == OP_INPUT || (node->layer >= stage->first_layer &&
                                    node->layer < stage->end_layer);
}

static bool is_legal(const Unfolder *u, NodeId id, const Rule *rule,
                     const LogicalMesh *mesh, const Strategy *strategy,
                     Arena scratch)
{
    const Node *node = graph_node(u->graph, id);
    Strategy whole = *strategy;
    whole.assign[AXIS_MICROBATCH] = u->storage[id.index].time;
    Sharding result;
    Sharding *operands = arena_new(&scratch, Sharding, node->n_operands + 1);
    return rule_shardings(u->graph, id, rule, mesh, &whole, operands, &result);
}

static void choose(Unfolder *u, PlanStage *stage, NodeId id, int64_t index,
                   Arena scratch)
{
    const PlanChoice *stated = &u->stated->data[index];
    const Node *node = graph_node(u->graph, id);
    Rule rule = rule_of(u->graph, id);
    PlanChoice choice = {.path = node->path, .text = stated->text};
    u->is_used[index] = true;
    if (strategy_parse(choice.text, &stage->mesh, &rule, &choice.strategy) &&
        is_legal(u, id, &rule, &stage->mesh, &choice.strategy, scratch)) {
        *vector_push(u->perm, u->eval ? &stage->eval : &stage->train) = choice;
        return;
    }
    if (!u->is_refused[index])
        diagnose(u->diagnostics, choice_span(u, stated), plan_strategy,
                 STR_ARG(choice.text), STR_ARG(node->path),
                 op_info(node->op)->text);
    u->is_refused[index] = true;
    u->good = false;
}

/* -- one entry ------------------------------------------------------------- */

static bool names(const PlanChoice *stated, Str path, Arena scratch)
{
    return str_equal(stated->path, path) ||
           str_equal(stated->path, plan_pattern(&scratch, path));
}

static void refuse_unused(Unfolder *u, const PlanChoice *stated, Arena scratch)
{
    bool is_known = false;
    for (int32_t i = 1; i < u->graph->nodes.count && !is_known; i++)
        is_known =
            names(stated, graph_node(u->graph, (NodeId){i})->path, scratch);
    Span span = choice_span(u, stated);
    if (is_known)
        diagnose(u->diagnostics, span, plan_node_elsewhere,
                 STR_ARG(stated->path));
    else
        diagnose(u->diagnostics, span, plan_node_unknown, STR_ARG(stated->path),
                 STR_ARG(u->graph->name));
    u->good = false;
}

static bool unfold_entry(Unfolder *u, Arena scratch)
{
    const PlanStrategies *entry = &u->plan->strategies.data[u->entry];
    u->stated = u->eval ? &entry->eval : &entry->train;
    u->is_used = arena_new(&scratch, bool, u->stated->count);
    u->is_refused = arena_new(&scratch, bool, u->stated->count);
    for (int64_t i = 0; i < u->stated->count; i++)
        map_insert(&scratch, &u->by_path, u->stated->data[i].path, i, NULL);
    for (int32_t i = 1; i < u->graph->nodes.count; i++) {
        Arena inner = scratch;
        const Node *node = graph_node(u->graph, (NodeId){i});
        const int64_t *own = map_find(&u->by_path, node->path);
        const int64_t *pattern =
            map_find(&u->by_path, plan_pattern(&inner, node->path));
        const int64_t *found = own ? own : pattern;
        for (int64_t s = 0; found && s < entry->stages.count; s++) {
            PlanStage *stage = &u->plan->stages.data[entry->stages.data[s]];
            if (!is_of_stage(node, stage))
                continue;
            if (pattern)
                u->is_used[*pattern] = true;
            choose(u, stage, (NodeId){i}, *found, inner);
        }
    }
    for (int64_t i = 0; i < u->stated->count; i++)
        if (!u->is_used[i])
            refuse_unused(u, &u->stated->data[i], scratch);
    return u->good;
}

/* -- stages ---------------------------------------------------------------- */

static bool check_meshes(const Plan *plan, int64_t entry, int32_t source,
                         Diagnostics *diagnostics)
{
    const PlanStrategies *e = &plan->strategies.data[entry];
    for (int64_t i = 1; i < e->stages.count; i++) {
        int32_t a = e->stages.data[0], b = e->stages.data[i];
        if (mesh_same_axes(&plan->stages.data[a].mesh, &plan->stages.data[b].mesh))
            continue;
        diagnose(diagnostics,
                 entry_span(diagnostics, source, entry, "stages", NULL),
                 plan_stage_meshes, (long long)a, (long long)b);
        return false;
    }
    return true;
}

static bool check_stages(const Plan *plan, int32_t source,
                         Diagnostics *diagnostics, Arena scratch)
{
    int32_t *n_entries = arena_new(&scratch, int32_t, plan->stages.count);
    int64_t *last = arena_new(&scratch, int64_t, plan->stages.count);
    bool good = true;
    for (int64_t e = 0; e < plan->strategies.count; e++) {
        const PlanStrategies *entry = &plan->strategies.data[e];
        for (int64_t i = 0; i < entry->stages.count; i++) {
            n_entries[entry->stages.data[i]]++;
            last[entry->stages.data[i]] = e;
        }
        good = check_meshes(plan, e, source, diagnostics) && good;
    }
    for (int64_t s = 0; s < plan->stages.count; s++) {
        if (n_entries[s] == 1)
            continue;
        diagnose(diagnostics,
                 entry_span(diagnostics, source, last[s], "stages", NULL),
                 plan_stage_strategies, (long long)s, n_entries[s]);
        good = false;
    }
    return good;
}

bool plan_unfold(Arena *perm, Arena scratch, const GraphSet *set,
                 const NodeStorage *train, const NodeStorage *eval,
                 int32_t source, Diagnostics *diagnostics, Plan *plan)
{
    if (!check_stages(plan, source, diagnostics, scratch))
        return false;
    bool good = true;
    for (int64_t e = 0; e < plan->strategies.count; e++) {
        for (int half = 0; half < 2; half++) {
            bool is_eval = half == 1;
            Unfolder u = {
                .perm = perm,
                .graph = is_eval ? set->eval : set->train,
                .storage = is_eval ? eval : train,
                .source = source,
                .diagnostics = diagnostics,
                .plan = plan,
                .entry = e,
                .eval = is_eval,
                .good = true,
            };
            good = unfold_entry(&u, scratch) && good;
        }
    }
    return good;
}
