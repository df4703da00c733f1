/* Partitioned == whole: random models under random legal plans, executed on
 * the virtual cluster and compared with the interpreter's training.
 *
 *     test_partition [--draws N] [--seed S] [--program]
 *
 * Compared are the first values of all variables (exactly), the losses,
 * metrics and variables of a few steps, and an evaluation whose last batch is
 * short.  At the end comes the table of what was covered; with 1200 draws or
 * more, a cell below its least count fails.
 */
#include "tests/numeric/random_graph.h"
#include "tests/property/case.h"
#include "tests/property/coverage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool draw_case(Case *c, Arena scratch)
{
    Random random = {c->seed, 0};
    static const int64_t BATCHES[] = {4, 6, 8, 12, 15, 15};
    c->batch = BATCHES[random_between(&random, 0, 5)];
    RandomModelOptions options = {
        .n_steps = (int32_t)random_between(&random, 1, 14),
        .batch = c->batch,
        .dropout = random_chance(&random, 30),
        .images = random_chance(&random, 75),
        .states = random_chance(&random, 40),
    };
    RandomModel model = random_model(&random, &options, c->arena);
    c->set = model.set;
    c->inputs = model.inputs;
    /* Steps so small that no draw runs away to where rounding is amplified. */
    bool clips = random_chance(&random, 50);
    Training training = {
        .optimizer =
            random_chance(&random, 70) ? OPTIMIZER_SGD : OPTIMIZER_ADAMW,
        .momentum = random_chance(&random, 50) ? 0.9 : 0,
        .beta1 = 0.9,
        .beta2 = 0.99,
        .epsilon = 0.1,
        .decay = 0.01,
        .learning_rate = {SCHEDULE_CONSTANT, .peak = clips ? 0.05 : 0.005},
        .clip_norm = clips ? 0.5 : 0,
        .batch = c->batch,
    };
    bool refused;
    if (case_build(c, &random, &training,
                   (int32_t)random_between(&random, 1, 8), &refused, scratch))
        return true;
    if (refused)
        c->failure = STR("the passes refuse the model");
    return false;
}

/* One draw; prints what is wrong. */
static bool test_case(uint64_t seed, bool print, Coverage *coverage,
                      int64_t *ties, Arena arena)
{
    Arena scratch = arena_split(&arena);
    Case c = {.seed = seed, .arena = &arena};
    bool good = draw_case(&c, scratch);
    if (good && print) {
        Str text = program_print(&arena, &c.program);
        fwrite(text.data, 1, (size_t)text.length, stdout);
    }
    if (good)
        good = case_run(&c, true, scratch);
    if (good)
        coverage_add(coverage, &c.set, &c.plan, &c.program, scratch);
    else
        printf("seed %llu: %.*s\n", (unsigned long long)seed,
               STR_ARG(c.failure));
    *ties += c.ties;
    fflush(stdout);
    return good;
}

int main(int argc, char **argv)
{
    enum { DRAWS = 1200, DRAWS_TO_COVER = 1200 };
    int64_t draws = DRAWS, failures = 0, ties = 0;
    uint64_t first = 1;
    bool print = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--draws") == 0 && i + 1 < argc)
            draws = atoll(argv[++i]);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            first = (uint64_t)atoll(argv[++i]);
        else if (strcmp(argv[i], "--program") == 0)
            print = true;
    }
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, (int64_t)1 << 34, NULL);
    Coverage coverage = {0};
    for (int64_t i = 0; i < draws; i++)
        failures +=
            !test_case(first + (uint64_t)i, print, &coverage, &ties, arena);
    int32_t low = coverage_print(&coverage);
    printf("%lld draws, %lld failures, %lld ties, %d cells below %d\n",
           (long long)draws, (long long)failures, (long long)ties, low,
           CELL_EXECUTIONS_MIN);
    return failures != 0 || ties > draws / 100 ||
           (draws >= DRAWS_TO_COVER && low != 0);
}
