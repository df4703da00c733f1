/* Golden tests (golden.h) of what follows a plan: local graphs, kernels,
 * instructions.  A file is
 *
 *     # the idea
 *     plan stages=1 devices=2 microbatches=2
 *     choose logits.dot x=y
 *     <a model>
 *     ----
 *     <every stage's local train graph, its kernels, and the program>
 *
 * Stages have even shares of the layers and one device axis, x; nodes that no
 * line chooses for are replicated.  So no planner has a part in this. */
#include "frontend/frontend.h"
#include "ir/graph_text.h"
#include "passes/fuse.h"
#include "passes/layer.h"
#include "passes/partition.h"
#include "passes/pass.h"
#include "passes/program_build.h"
#include "tests/golden/golden.h"
#include "tests/oracle/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number after `word` in `text`. */
static int64_t number_after(Str text, const char *word)
{
    const char *at = strstr(text.data, word);
    return at ? atoll(at + strlen(word)) : 1;
}

/* What a `choose` line says about the node, else replicated. */
static Strategy chosen(Str given, const Graph *graph, NodeId id,
                       const LogicalMesh *mesh, Arena *arena)
{
    Rule rule = rule_of(graph, id);
    Strategy strategy = {{0}};
    Str line = str_format(arena, "\nchoose %.*s ",
                          STR_ARG(graph_node(graph, id)->path));
    const char *at = strstr(given.data, line.data);
    if (at) {
        at += line.length;
        Str text = {at, (int64_t)strcspn(at, "\n")};
        if (!strategy_parse(text, mesh, &rule, &strategy))
            printf("no strategy: %.*s\n", STR_ARG(text));
    }
    return strategy;
}

static Plan plan_of(Str given, const GraphSet *set, Mesh *mesh, Arena *arena)
{
    Plan plan = {.model_name = set->train->name};
    int32_t stages = (int32_t)number_after(given, "stages=");
    int64_t devices = number_after(given, "devices=");
    int32_t layers = layer_count(set->train);
    plan.n_microbatches = number_after(given, "microbatches=");
    *mesh = host_of(stages * devices, arena);
    for (int32_t s = 0; s < stages; s++) {
        PlanStage *stage = vector_push(arena, &plan.stages);
        stage->first_layer = s * layers / stages;
        stage->end_layer = (s + 1) * layers / stages;
        stage->submesh = (Submesh){
            .device = s * devices, .n_hosts = 1, .devices_per_host = devices};
        stage->mesh = mesh_logical(mesh, &stage->submesh, plan.n_microbatches,
                                   1, &devices);
        for (int32_t i = 1; i < set->train->nodes.count; i++)
            *vector_push(arena, &stage->train) =
                (PlanChoice){.path = graph_node(set->train, (NodeId){i})->path,
                             .strategy = chosen(given, set->train, (NodeId){i},
                                                &stage->mesh, arena)};
    }
    return plan;
}

static void describe(const GraphSet *set, const Plan *plan, const Mesh *mesh,
                     Text *text, Arena *arena)
{
    Program tables = {0}, program;
    ProgramCode code;
    ProgramExcess excess;
    StagePartition *stages = partition(set, plan, arena, &tables);
    for (int64_t s = 0; s < plan->stages.count; s++) {
        const LocalGraph *local = &stages[s].train;
        text_format(text, "== local graph of stage %lld\n", (long long)s);
        text_append(text, graph_print(arena, local->graph));
        text_format(text, "== kernels of stage %lld\n", (long long)s);
        Fusion fusion = fuse(local, arena);
        text_append(text, fusion_print(local, &fusion, arena));
    }
    Str fault = program_build(set, plan, mesh, arena, &program, &code, &excess);
    text_append(text, STR("== program\n"));
    text_append(text, fault);
    text_append(text, program_print(arena, &program));
}

static Str answer(Str name, Str given, Arena *arena, Arena scratch)
{
    (void)name;
    Diagnostics d = diagnostics_new(arena);
    Text text = text_new(arena);
    const char *begin = strstr(given.data, "\nmodel ");
    if (!begin)
        return STR("no model\n");
    Str model_text = str_copy(
        arena, (Str){begin + 1, given.data + given.length - begin - 1});
    int32_t source = diagnostics_add_source(&d, STR("model"), model_text);
    Model model;
    if (!frontend_model(arena, source, NULL, 0, &d, &model))
        return diagnostics_print(&d, arena);
    PassOptions passes = {.training = &model.training,
                          .n_layers = (int32_t)number_after(given, "stages="),
                          .diagnostics = &d};
    if (!pass_run_all(&model.graphs, &passes, arena, scratch))
        return diagnostics_print(&d, arena);
    Mesh mesh;
    Plan plan = plan_of(given, &model.graphs, &mesh, arena);
    describe(&model.graphs, &plan, &mesh, &text, arena);
    return text_str(&text);
}

int main(int argc, char **argv)
{
    return golden_main(argc, argv, answer);
}
