/* Time to generate the code of a whole program, and rates of its kernels:
 *
 *     bench_programs MODEL.dnn [NAME=VALUE]...
 *
 * builds the model for one device.  Not a test: it judges nothing. */
#include "batch.h"
#include "subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct Timing {
    const Kernel *kernel;
    const KernelBody *body;
    double seconds;
    int64_t bytes;
} Timing;

static char *filled(Type type, Arena *arena)
{
    char *bytes = arena_alloc(arena, type_bytes(&type), 1, 64);
    for (int64_t i = 0; type.dtype == DTYPE_F32 && i < shape_count(&type.shape);
         i++)
        ((float *)(void *)bytes)[i] = 0.5f;
    return bytes;
}

static Timing time_kernel(const Kernel *kernel, const KernelBody *body,
                          KernelFunction *function, Arena scratch)
{
    Timing timing = {kernel, body, 1e30, 0};
    char *buffers[INSTRUCTION_BUFFERS_MAX];
    int64_t n = body->operands.count;
    for (int64_t i = 0; i <= n; i++) {
        NodeId id = i < n ? body->operands.data[i] : body->root;
        const Type *type = &graph_node(body->graph, id)->type;
        buffers[i] = filled(*type, &scratch);
        timing.bytes += type_bytes(type);
    }
    KernelContext context = {.sample_count = 1};
    for (int round = 0; round < 3; round++) {
        double start = now();
        function(buffers, &context);
        double seconds = now() - start;
        timing.seconds = seconds < timing.seconds ? seconds : timing.seconds;
    }
    return timing;
}

static int slower(const void *a, const void *b)
{
    const Timing *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

static void print_timings(const Built *built, const Batch *batch, Arena arena)
{
    const ProgramStage *stage = &built->program.stages.data[0];
    const StageBodies *bodies = &built->code.stages.data[0];
    int64_t n = 0;
    Timing *timings = arena_new(&arena, Timing, stage->kernels.count);
    double total = 0;
    for (int64_t i = 0; i < stage->kernels.count; i++) {
        const Kernel *kernel = &stage->kernels.data[i];
        if (kernel->kind != KERNEL_CODE)
            continue;
        timings[n] = time_kernel(kernel, &bodies->kernels.data[i],
                                 batch_function(batch, kernel->code), arena);
        total += timings[n++].seconds;
    }
    qsort(timings, (size_t)n, sizeof(timings[0]), slower);
    printf("all emitted kernels, run once: %.3f ms\n", 1e3 * total);
    for (int64_t i = 0; i < n && i < 40; i++)
        printf("%9.1f us %6.1f GB/s  code %3d  %.*s\n",
               1e6 * timings[i].seconds,
               1e-9 * (double)timings[i].bytes / timings[i].seconds,
               timings[i].kernel->code, STR_ARG(timings[i].kernel->name));
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc - 2 >= SETTINGS_MAX)
        return 2;
    Subject subject = {.path = argv[1]};
    for (int i = 2; i < argc; i++)
        subject.settings[i - 2] = argv[i];
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, (int64_t)1 << 37, NULL);
    Arena scratch = arena_split(&arena);
    Built built;
    RandomPlanOptions alone = {
        .n_stages = 1, .n_microbatches = 1, .devices = 1, .replicated = true};
    Str fault = subject_build(&subject, &alone, 1, &arena, scratch, &built);
    if (fault.length) {
        fprintf(stderr, "%.*s\n", STR_ARG(fault));
        return 1;
    }
    Batch batch;
    batch_init(&batch, &arena);
    double start = now();
    Status status =
        batch_compile_program(&batch, &built.program, &built.code, scratch);
    if (status_failed(&status)) {
        fprintf(stderr, "%s\n", status.message);
        return (int)status.code;
    }
    printf("%d distinct kernels of %lld: code in %.2f s\n", built.code.n_code,
           (long long)built.program.stages.data[0].kernels.count,
           now() - start);
    print_timings(&built, &batch, arena);
    batch_deinit(&batch);
    arena_release(&memory);
    return 0;
}
