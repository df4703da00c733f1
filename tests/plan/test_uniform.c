/* No plan of a uniform shape is better than the one that is found.
 *
 *     test_uniform [SAMPLES [SEED]]     (default 6 of each model and cluster;
 *                                        0: all)
 *
 * Shapes are data x tensor x pipeline x microbatches in powers of two, as one
 * would try them with --uniform. */
#include "planned.h"
#include "support/philox.h"
#include "tests/arena.h"

#include <stdio.h>
#include <stdlib.h>

static int n_samples = 6;
static uint32_t seed = 7;

typedef struct Tally {
    int tried, fit;
    double nearest; /* least of uniform / found */
} Tally;

/* False when there is no plan of the shape: it does not fit, or is none. */
static bool try_shape(const Planned *found, const UniformShape *shape,
                      Tally *tally)
{
    Arena here = arena;
    Diagnostics ignored = diagnostics_new(&here);
    Plan plan = {0};
    tally->tried++;
    if (!plan_uniform(&here, scratch, &found->model.graphs, &found->mesh, shape,
                      &(PlanOptions){0}, &ignored, &plan))
        return false;
    tally->fit++;
    double ratio = plan.planned_seconds / found->plan.planned_seconds;
    tally->nearest = ratio < tally->nearest ? ratio : tally->nearest;
    if (ratio < 1 - 1e-12)
        fail_msg("%s: data=%lld,tensor=%lld,pipeline=%lld,microbatch=%lld "
                 "takes %.9g s, the plan found %.9g s",
                 found->mesh.name.data, (long long)shape->data,
                 (long long)shape->tensor, (long long)shape->pipeline,
                 (long long)shape->microbatches, plan.planned_seconds,
                 found->plan.planned_seconds);
    return true;
}

typedef struct ShapeList {
    VECTOR(UniformShape) list;
} ShapeList;

static ShapeList all_shapes(int64_t devices, int64_t batch)
{
    ShapeList shapes = {0};
    for (int64_t d = 1; d <= devices; d *= 2)
        for (int64_t t = 1; d * t <= devices; t *= 2)
            for (int64_t p = 1; d * t * p <= devices; p *= 2)
                for (int64_t m = 1; m <= batch; m *= 2)
                    *vector_push(&arena, &shapes.list) =
                        (UniformShape){d, t, p, m};
    return shapes;
}

static void compare(const char *model, const char *mesh,
                    const char *const *settings, int64_t batch)
{
    Arena start = arena;
    Planned found;
    if (!planned(&arena, scratch, model, mesh, settings, &found))
        fail_msg("%s", diagnostics_print(&found.diagnostics, &arena).data);
    ShapeList shapes = all_shapes(cluster_devices(&found.mesh), batch);
    Tally tally = {.nearest = 1e9};
    for (int64_t i = 0; i < shapes.list.count; i++) {
        uint32_t draw = philox(seed, (uint32_t)i, 0, 0, 0).word[0];
        bool is_taken = n_samples == 0 || draw % (uint32_t)shapes.list.count <
                                              (uint32_t)n_samples;
        if (is_taken)
            try_shape(&found, &shapes.list.data[i], &tally);
    }
    printf("%s on %s: %d of %d shapes tried fit, the best takes %.4f of the "
           "plan found\n",
           model, mesh, tally.fit, tally.tried, tally.nearest);
    arena = start;
}

static void no_uniform_plan_is_better(void **state)
{
    (void)state;
    static const char *const MESHES[] = {
        "clusters/local4.mesh", "clusters/slow2x2.mesh", "clusters/tight4.mesh",
        "clusters/p3_16xlarge_x8.mesh", "clusters/a100x64.mesh"};
    static const char *const SMALL[] = {"batch=64", NULL};
    static const char *const GPT2[] = {"layers=2",  "d=64",       "heads=4",
                                       "vocab=251", "context=32", "batch=16",
                                       NULL};
    for (size_t i = 0; i < sizeof MESHES / sizeof *MESHES; i++) {
        compare("mlp.dnn", MESHES[i], SMALL, 64);
        compare("digits.dnn", MESHES[i], SMALL, 64);
        compare("lenet5.dnn", MESHES[i], SMALL, 64);
        compare("gpt2.dnn", MESHES[i], GPT2, 16);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        n_samples = atoi(argv[1]);
    if (argc > 2)
        seed = (uint32_t)atoi(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_uniform_plan_is_better),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
