/* Layouts: the shipped models under Megatron-style plans, as programs on the
 * virtual cluster, against the interpreter on one device.
 *
 *     test_layouts [--steps N] [CASE]
 *
 * Prints the worst relative error of losses and of variables (L2 per tensor)
 * for every case and layout.
 */
#include "tests/parity/virtual_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double SGD_TOLERANCE = 1e-5, ADAM_TOLERANCE = 1e-4;

static const UniformShape LAYOUTS[] = {
    {.data = 1, .tensor = 1, .pipeline = 1, .microbatches = 1},
    {.data = 1, .tensor = 1, .pipeline = 1, .microbatches = 4},
    {.data = 2, .tensor = 1, .pipeline = 1, .microbatches = 2},
    {.data = 1, .tensor = 2, .pipeline = 1, .microbatches = 4},
    {.data = 1, .tensor = 4, .pipeline = 1, .microbatches = 1},
    {.data = 4, .tensor = 2, .pipeline = 1, .microbatches = 1},
    {.data = 1, .tensor = 1, .pipeline = 2, .microbatches = 4},
    {.data = 1, .tensor = 1, .pipeline = 4, .microbatches = 4},
    {.data = 2, .tensor = 1, .pipeline = 2, .microbatches = 2},
    {.data = 1, .tensor = 2, .pipeline = 2, .microbatches = 4},
};
enum { N_LAYOUTS = sizeof LAYOUTS / sizeof LAYOUTS[0] };

int main(int argc, char **argv)
{
    int64_t steps = 2;
    const char *only = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--steps") == 0 && i + 1 < argc)
            steps = atoll(argv[++i]);
        else
            only = argv[i];
    }
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, (int64_t)1 << 34, NULL);
    Arena scratch = arena_split(&arena);
    int32_t n_cases, failures = 0;
    const Case *cases = parity_cases(&n_cases);
    for (int32_t i = 0; i < n_cases; i++) {
        bool adam = cases[i].training.optimizer != OPTIMIZER_SGD;
        double tolerance = adam ? ADAM_TOLERANCE : SGD_TOLERANCE;
        for (int32_t l = 0; l < N_LAYOUTS; l++) {
            const UniformShape *s = &LAYOUTS[l];
            if (only && strcmp(only, cases[i].name) != 0)
                continue;
            Arena perm = arena;
            Layout layout;
            bool has_layers;
            Errors e = {.fault = layout_build(&cases[i], s, &perm, scratch,
                                              &layout, &has_layers)};
            if (!has_layers)
                continue;
            if (!e.fault)
                e = layout_train(&cases[i], &layout, steps, &perm);
            bool good = !e.fault && e.loss <= 1e-5 && e.tensor <= tolerance;
            printf("%-14s data=%lld tensor=%lld pipeline=%lld microbatch=%lld "
                   "loss %.1e, variables %.1e, arena %lld%s%s\n",
                   cases[i].name, (long long)s->data, (long long)s->tensor,
                   (long long)s->pipeline, (long long)s->microbatches, e.loss,
                   e.tensor,
                   e.fault
                       ? 0LL
                       : (long long)layout.program.stages.data[0].arena_bytes,
                   good ? "" : " FAILED ",
                   e.fault ? e.fault
                   : good  ? ""
                           : e.worst.data);
            fflush(stdout);
            failures += !good;
        }
    }
    return failures != 0;
}
