/* Mutants: a program with one thing taken out no longer trains like the
 * interpreter, so the tests that compare them can fail.
 *
 *     test_mutants [--verbose]
 *
 * Mutated, one at a time, in the training step:
 *   collective   an instruction that leaves every device with its own part
 *   1/N          a kernel's constant 1/n (a mean's) made 1/(2n)
 *   microbatch   a sum over microbatches that keeps only the last one
 */
#include "tests/parity/virtual_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STEPS = 2 };
static const double TOLERANCE = 1e-5;

typedef enum Mutation {
    MUTATION_COLLECTIVE,
    MUTATION_MEAN,
    MUTATION_MICROBATCH,
    MUTATION_COUNT
} Mutation;

static const char *const NAMES[MUTATION_COUNT] = {"collective", "1/N",
                                                  "microbatch"};

typedef struct Score {
    int64_t killed, survived;
} Score;

/* What a mutant survives without being wrong: its value is mathematically
 * zero, or it only touches a metric. */
static bool is_equivalent(Str name)
{
    static const char *const PARTS[] = {".k.bias", ".key.bias", "accuracy"};
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++)
        if (memmem(name.data, (size_t)name.length, PARTS[i], strlen(PARTS[i])))
            return true;
    return false;
}

static void judge(const Case *c, const Layout *layout, Mutation mutation,
                  Str name, bool verbose, Score *scores, Arena arena)
{
    if (is_equivalent(name))
        return;
    Errors e = layout_train(c, layout, STEPS, &arena);
    bool survives = !e.fault && e.loss <= TOLERANCE && e.tensor <= TOLERANCE;
    scores[mutation].survived += survives;
    scores[mutation].killed += !survives;
    if (survives || verbose)
        printf("%s: %s \"%.*s\" %s (loss %.1e, variables %.1e)\n", c->name,
               NAMES[mutation], STR_ARG(name),
               survives ? "SURVIVES" : "is found", e.loss, e.tensor);
}

static bool trains(SegmentKind segment)
{
    return segment >= SEGMENT_BEGIN && segment <= SEGMENT_UPDATE;
}

static void mutate_collective(const Case *c, const Layout *layout,
                              ProgramStage *stage, Instruction *in,
                              bool verbose, Score *scores, Arena arena)
{
    Instruction kept = *in;
    Str name = stage->buffers.data[in->buffers[1]].name;
    if (in->collective == OP_REDUCE_SCATTER)
        in->collective_attr.operator= REDUCE_MIN; /* one member's part */
    else if (in->collective == OP_PERMUTE)
        return;
    else
        in->collective_attr.axes = 0; /* a group of one */
    judge(c, layout, MUTATION_COLLECTIVE, name, verbose, scores, arena);
    *in = kept;
}

/* The constant of a mean: 1/n for a whole n. */
static bool is_mean(const Node *node)
{
    double value = node->attr.constant.value;
    if (node->op != OP_CONSTANT || node->type.dtype != DTYPE_F32 ||
        !(value > 0) || value >= 1)
        return false;
    return memmem(node->path.data, (size_t)node->path.length, "loss", 4) &&
           fabs(1 / value - round(1 / value)) < 1e-6;
}

static void mutate_kernel(const Case *c, const Layout *layout, KernelBody *body,
                          bool verbose, Score *scores, Arena arena)
{
    Str name = graph_node(body->graph, body->root)->path;
    if (body->accumulates) {
        body->accumulates = false;
        judge(c, layout, MUTATION_MICROBATCH, name, verbose, scores, arena);
        body->accumulates = true;
    }
    for (int64_t i = 0; i < body->nodes.count; i++) {
        Node *node = graph_node(body->graph, body->nodes.data[i]);
        if (!is_mean(node))
            continue;
        node->attr.constant.value /= 2;
        judge(c, layout, MUTATION_MEAN, name, verbose, scores, arena);
        node->attr.constant.value *= 2;
    }
}

static void mutate_stage(const Case *c, Layout *layout, int64_t s, bool verbose,
                         Score *scores, Arena arena)
{
    ProgramStage *stage = &layout->program.stages.data[s];
    StageBodies *bodies = &layout->code.stages.data[s];
    for (int k = 0; k < SEGMENT_COUNT; k++) {
        Segment *segment = &stage->segments[k];
        for (int64_t i = 0;
             trains((SegmentKind)k) && i < segment->instructions.count; i++) {
            Instruction *in = &segment->instructions.data[i];
            if (in->kind == INSTRUCTION_COLLECTIVE)
                mutate_collective(c, layout, stage, in, verbose, scores, arena);
            if (in->kind == INSTRUCTION_RUN)
                mutate_kernel(c, layout, &bodies->kernels.data[in->kernel],
                              verbose, scores, arena);
        }
    }
}

int main(int argc, char **argv)
{
    static const UniformShape SHAPES[] = {
        {.data = 2, .tensor = 2, .pipeline = 1, .microbatches = 2},
        {.data = 2, .tensor = 1, .pipeline = 2, .microbatches = 2},
    };
    bool verbose = argc > 1 && strcmp(argv[1], "--verbose") == 0;
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, (int64_t)1 << 34, NULL);
    Arena scratch = arena_split(&arena);
    Score scores[MUTATION_COUNT] = {{0, 0}};
    int32_t n_cases;
    const Case *cases = parity_cases(&n_cases);
    for (int32_t i = 0; i < n_cases; i++) {
        if (strcmp(cases[i].name, "mlp/sgd") != 0 &&
            strcmp(cases[i].name, "digits/sgd") != 0)
            continue;
        for (size_t l = 0; l < sizeof SHAPES / sizeof *SHAPES; l++) {
            Arena perm = arena;
            Layout layout;
            bool has_layers;
            const char *fault = layout_build(&cases[i], &SHAPES[l], &perm,
                                             scratch, &layout, &has_layers);
            if (fault) {
                printf("%s: %s\n", cases[i].name, fault);
                return 1;
            }
            for (int64_t s = 0; s < layout.program.stages.count; s++)
                mutate_stage(&cases[i], &layout, s, verbose, scores, perm);
        }
    }
    bool good = true;
    for (int m = 0; m < MUTATION_COUNT; m++) {
        printf("%-10s %lld mutants found, %lld survive\n", NAMES[m],
               (long long)scores[m].killed, (long long)scores[m].survived);
        good = good && scores[m].survived == 0 && scores[m].killed > 0;
    }
    return !good;
}
