/* Plan: every decision about how a model runs on a cluster.
 *
 * A plan is a text file (JSON, docs/plan.md) that a person reads, edits and
 * compiles; it embeds the texts it was made from.  It names nodes by path.
 */
#ifndef DNNC_IR_PLAN_H
#define DNNC_IR_PLAN_H

#include "ir/graph.h"
#include "ir/mesh.h"
#include "ir/rule.h"
#include "support/status.h"

enum { PLAN_VERSION = 1 };

typedef struct PlanSetting {
    Str name, value; /* --set name=value */
} PlanSetting;

typedef struct PlanChoice {
    Str path;          /* of a node of the train (eval) graph */
    Strategy strategy; /* device axes of the stage; axis 0 follows */
    Str text;          /* the strategy as strategy_print writes it; all that a
                          parsed plan has before it is checked */
} PlanChoice;
typedef VECTOR(PlanChoice) PlanChoices;

/* Bytes of one device of a stage at its peak, by what they hold. */
typedef struct PlanMemory {
    int64_t parameters, optimizer, gradients, saved, transient;
    int64_t peak; /* of the model's liveness, <= the sum of the classes */
} PlanMemory;

typedef struct PlanStage {
    int32_t first_layer, end_layer; /* [first, end) */
    Submesh submesh;
    LogicalMesh mesh;          /* axis 0: the plan's microbatches */
    PlanChoices train, eval;   /* of every node that has a choice */
    double microbatch_seconds; /* forward + backward of one microbatch */
    double step_seconds;       /* once a step */
    PlanMemory memory;
} PlanStage;

/* The choices of some stages as the file states them, each once: a path is a
 * node's, or a pattern, in which "*" stands for any number ("block.*.up.dot").
 * What is said of a node itself beats what is said of its pattern. */
typedef struct PlanStrategies {
    VECTOR(int32_t) stages;  /* with equal meshes */
    PlanChoices train, eval; /* path and text alone */
} PlanStrategies;

typedef struct PlanLayer {
    Str name;          /* of its first binding: "block.3" */
    VECTOR(Str) paths; /* forward nodes, by path */
} PlanLayer;

typedef struct Plan {
    Str model_name, model_path, model_text;
    Str mesh_path, mesh_text;
    VECTOR(PlanSetting) settings;
    uint64_t model_hash, mesh_hash; /* of text and settings; of mesh text */
    int64_t n_microbatches;
    VECTOR(PlanLayer) layers;
    VECTOR(PlanStage) stages;
    VECTOR(PlanStrategies) strategies; /* each stage's in one of them */
    VECTOR(int64_t) idle_ranks;
    /* The objective that was searched, and its proven bound (docs/planner.md):
     * sum over stages of c + (microbatches - 1) * max c, where
     * c = microbatch_seconds + step_seconds / microbatches. */
    double planned_seconds, lower_bound_seconds;
} Plan;

/* The path with "*" for each part that is a number; `path` itself where none
 * is. */
Str plan_pattern(Arena *arena, Str path);
/* Makes plan->strategies of the stages' choices: stages with equal meshes
 * share an entry, nodes of one pattern share what most of them do, and the
 * others follow by path. */
void plan_fold(Arena *perm, Arena scratch, Plan *plan);

/* JSON text of a folded plan; deterministic; ends in a newline. */
Str plan_print(Arena *arena, const Plan *plan);
/* Parses what plan_print writes or a person edited.  Syntax, versions, types
 * and ranges are diagnosed with their place in the text (source `source` of
 * `diagnostics`); strategies are kept folded and as text, and logical meshes
 * without links, until passes/plan_check.c has the graph and the cluster.
 * False after an error. */
bool plan_parse(Arena *arena, int32_t source, Diagnostics *diagnostics,
                Plan *out);

#endif
