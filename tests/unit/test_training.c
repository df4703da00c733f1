/* The learning rate that jobs report is the one that the graph computes. */
#include "ir/interpret.h"
#include "ir/training.h"
#include "passes/learning_rate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The schedule's value in a graph, by the oracle. */
static double in_graph(const Schedule *schedule, int64_t step, Arena arena)
{
    Graph *graph = graph_new(&arena, STR("schedule"));
    NodeId rate =
        learning_rate_append(graph, schedule, (NodeOrigin){.layer = LAYER_NONE});
    Tensor *values = arena_new(&arena, Tensor, graph->nodes.count);
    Environment environment = {.context = {.step = step}};
    graph_interpret(graph, &environment, &arena, values);
    return (double)tensor_f32(values[rate.index])[0];
}

static void reported_rates_are_the_graphs(void **state)
{
    (void)state;
    const Schedule schedules[] = {
        {.kind = SCHEDULE_CONSTANT, .peak = 0.3},
        {.kind = SCHEDULE_WARMUP, .peak = 0.2, .warmup = 7},
        {.kind = SCHEDULE_WARMUP, .peak = 0.2},
        {.kind = SCHEDULE_WARMUP_COSINE,
         .peak = 6e-4,
         .final = 6e-5,
         .warmup = 10,
         .total = 50},
        {.kind = SCHEDULE_WARMUP_COSINE, .peak = 6e-4, .total = 30},
        {.kind = SCHEDULE_WARMUP_LINEAR,
         .peak = 1e-2,
         .final = 1e-3,
         .warmup = 3,
         .total = 40},
        {.kind = SCHEDULE_WARMUP_LINEAR,
         .peak = 1,
         .final = 0.5,
         .warmup = 4,
         .total = 4},
        {.kind = SCHEDULE_STEPS, .peak = 0.1, .factor = 0.5, .every = 13},
    };
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, 1 << 26, NULL);
    assert_non_null(arena.next);
    for (size_t i = 0; i < sizeof(schedules) / sizeof(schedules[0]); i++)
        for (int64_t step = 0; step < 60; step++) {
            double expected = in_graph(&schedules[i], step, arena);
            double reported = schedule_at(&schedules[i], step);
            assert_true(fabs(reported - expected) <= 2e-6 * schedules[i].peak);
        }
    arena_release(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reported_rates_are_the_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
