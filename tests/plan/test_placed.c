/* The memory that is planned is the memory that is placed, but for buffers of
 * resharding and for what placement leaves between buffers. */
#include "passes/program_build.h"
#include "planned.h"
#include "tests/arena.h"

#include <stdio.h>

typedef struct Case {
    const char *model, *mesh, *shape; /* NULL: the plan found */
    const char *settings[8];
} Case;

#define GPT2_SMALL \
    {"layers=2", "d=128", "heads=4", "vocab=256", "context=64", "batch=32"}

static const Case CASES[] = {
    {"mlp.dnn", "clusters/local4.mesh", NULL, {0}},
    {"mlp.dnn", "clusters/local4.mesh", "data=2,pipeline=2,microbatch=4", {0}},
    {"digits.dnn", "clusters/local4.mesh", NULL, {0}},
    {"digits.dnn",
     "clusters/local4.mesh",
     "data=2,pipeline=2,microbatch=4",
     {0}},
    {"lenet5.dnn", "clusters/local4.mesh", NULL, {0}},
    {"lenet5.dnn",
     "clusters/local4.mesh",
     "data=2,pipeline=2,microbatch=4",
     {0}},
    {"gpt2.dnn", "clusters/local4.mesh", NULL, GPT2_SMALL},
    {"gpt2.dnn", "clusters/local4.mesh", "data=1", GPT2_SMALL},
    {"gpt2.dnn", "clusters/local4.mesh", "data=4,microbatch=2", GPT2_SMALL},
    {"gpt2.dnn", "clusters/local4.mesh", "tensor=4", GPT2_SMALL},
    {"gpt2.dnn", "clusters/local4.mesh", "data=2,tensor=2,microbatch=4",
     GPT2_SMALL},
    {"gpt2.dnn", "clusters/local4.mesh", "pipeline=4,microbatch=8", GPT2_SMALL},
};

static bool plan_case(const Case *c, Planned *p)
{
    UniformShape shape;
    if (!c->shape)
        return planned(&arena, scratch, c->model, c->mesh, c->settings, p);
    *p = (Planned){0};
    return planned_read(&arena, scratch, c->model, c->mesh, c->settings, p) &&
           uniform_parse(str_from(c->shape), &p->diagnostics, &shape) &&
           plan_uniform(&arena, scratch, &p->model.graphs, &p->mesh, &shape,
                        &(PlanOptions){0}, &p->diagnostics, &p->plan);
}

static void compare(const Case *c)
{
    Planned p;
    Program program;
    ProgramCode code;
    ProgramExcess excess;
    if (!plan_case(c, &p))
        fail_msg("%s", diagnostics_print(&p.diagnostics, &arena).data);
    Str fault = program_build(&p.model.graphs, &p.plan, &p.mesh, &arena,
                              &program, &code, &excess);
    assert_int_equal(fault.length, 0);
    for (int64_t s = 0; s < p.plan.stages.count; s++) {
        double peak = (double)p.plan.stages.data[s].memory.peak;
        double placed = (double)program.stages.data[s].arena_bytes;
        printf("%s %s stage %d: planned %.0f, placed %.0f bytes: %.3f\n",
               c->model, c->shape ? c->shape : "found", (int)s, peak, placed,
               peak / placed);
        assert_true(peak / placed > 0.9);
        assert_true(peak / placed < 1.2);
    }
}

static void planned_memory_is_placed_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        Arena start = arena;
        compare(&CASES[i]);
        arena = start;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planned_memory_is_placed_memory),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
