/* Whatever the front end takes is compiled, or diagnosed: random texts under
 * random plans, executed, and compared with the oracle where their values are
 * smooth and finite.
 *
 *     test_texts [--draws N] [--seed S] [--print]
 */
#include "tests/numeric/random_op.h"
#include "tests/property/case.h"
#include "tests/property/random_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Inputs: reals in (-2, 2), and whole numbers that are labels. */
static Tensor *draw_inputs(Random *random, const Graph *graph, Arena *arena)
{
    Tensor *inputs = arena_new(arena, Tensor, graph->inputs.count);
    for (int64_t i = 0; i < graph->inputs.count; i++) {
        inputs[i] = random_tensor(random, graph->inputs.data[i].type, arena);
        if (inputs[i].type.dtype != DTYPE_I32)
            continue;
        for (int64_t k = 0; k < shape_count(&inputs[i].type.shape); k++)
            tensor_i32(inputs[i])[k] = (int32_t)random_between(random, 0, 3);
    }
    return inputs;
}

/* Whether two steps by the oracle stay finite and small. */
static bool is_tame(const Case *c, Arena arena, Arena scratch)
{
    Trainer trainer;
    trainer_init(&trainer, &c->set, c->seed, &arena, scratch);
    for (int step = 0; step < 2; step++) {
        const Graph *graph = c->set.train;
        Arena here = scratch;
        Tensor *values = trainer_values(&trainer, graph, c->inputs, &here);
        for (int32_t i = 1; i < graph->nodes.count; i++)
            for (int64_t k = 0; values[i].type.dtype == DTYPE_F32 &&
                                k < shape_count(&values[i].type.shape);
                 k++)
                if (graph->nodes.data[i].op != OP_CONSTANT &&
                    !(fabsf(tensor_f32(values[i])[k]) < 1e4f))
                    return false;
        trainer_step(&trainer, c->inputs, scratch);
    }
    return true;
}

typedef struct Tally {
    int64_t failures, refused, executed, compared;
} Tally;

static void test_text(uint64_t seed, bool print, Tally *tally, Arena arena)
{
    Arena scratch = arena_split(&arena);
    Random random = {seed, 0};
    int64_t batch = (int64_t[]){1, 2, 4, 6}[random_between(&random, 0, 3)];
    RandomText text = random_text(
        &random, (int32_t)random_between(&random, 1, 12), batch, &arena);
    Case c = {.seed = seed,
              .set = text.model.graphs,
              .inputs = draw_inputs(&random, text.model.graphs.train, &arena),
              .batch = batch,
              .searched = random_chance(&random, 10),
              .arena = &arena};
    if (print) {
        printf("-- %llu\n%.*s", (unsigned long long)seed, STR_ARG(text.text));
        fflush(stdout);
    }
    bool refused, good = case_build(&c, &random, &text.model.training,
                                    (int32_t)random_between(&random, 1, 6),
                                    &refused, scratch);
    tally->refused += refused;
    if (good && text.continuous && is_tame(&c, arena, scratch)) {
        good = case_run(&c, false, scratch);
        tally->compared++;
    } else if (good) {
        good = case_execute(&c, scratch);
        tally->executed++;
    }
    if (good || refused)
        return;
    printf("seed %llu: %.*s\n%.*s\n", (unsigned long long)seed,
           STR_ARG(c.failure), STR_ARG(text.text));
    tally->failures++;
}

int main(int argc, char **argv)
{
    int64_t draws = 500;
    uint64_t first = 1;
    bool print = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--draws") == 0 && i + 1 < argc)
            draws = atoll(argv[++i]);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            first = (uint64_t)atoll(argv[++i]);
        else if (strcmp(argv[i], "--print") == 0)
            print = true;
    }
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, (int64_t)1 << 34, NULL);
    Tally tally = {0};
    for (int64_t i = 0; i < draws; i++)
        test_text(first + (uint64_t)i, print, &tally, arena);
    printf("%lld texts: %lld refused by passes, %lld compared, %lld executed, "
           "%lld failures\n",
           (long long)draws, (long long)tally.refused,
           (long long)tally.compared, (long long)tally.executed,
           (long long)tally.failures);
    return tally.failures != 0 || tally.compared < draws / 4;
}
