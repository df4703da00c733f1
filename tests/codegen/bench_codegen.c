/* Rates of generated kernels, one thread: `bench_codegen` prints elements and
 * bytes a second for the kernels that training spends its time in, beside the
 * machine's copy rate.  Not a test: it judges nothing. */
#include "batch.h"
#include "ir/compose.h"
#include "random_body.h"
#include "training_kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The best of several timings of enough runs. */
static double seconds_of(const Batch *batch, int32_t code, const Tensor *inputs,
                         Tensor result)
{
    Environment environment = {.inputs = inputs};
    double best = 1e30;
    for (int round = 0; round < 5; round++) {
        int64_t runs = 0;
        double start = now(), end;
        do {
            batch_run(batch, code, &environment, result);
            runs++;
            end = now();
        } while (end - start < 0.02);
        if ((end - start) / (double)runs < best)
            best = (end - start) / (double)runs;
    }
    return best;
}

static void report(const Batch *batch, int32_t code, Arena scratch)
{
    const Graph *graph = batch_body(batch, code)->graph;
    NodeId root = batch_body(batch, code)->root;
    Tensor *inputs = random_inputs(&scratch, graph, 1);
    Tensor result = tensor_new(&scratch, graph_node(graph, root)->type);
    int64_t bytes = type_bytes(&result.type);
    int64_t most = shape_count(&result.type.shape);
    for (int64_t i = 0; i < graph->inputs.count; i++) {
        bytes += type_bytes(&inputs[i].type);
        int64_t n = shape_count(&inputs[i].type.shape);
        most = n > most ? n : most;
    }
    double seconds = seconds_of(batch, code, inputs, result);
    printf("%-20s %9.1f us %7.2f Gelem/s %7.1f GB/s\n",
           TRAINING_KERNELS[code].name, 1e6 * seconds,
           1e-9 * (double)most / seconds, 1e-9 * (double)bytes / seconds);
}

int main(void)
{
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, (int64_t)1 << 34, NULL);
    Arena scratch = arena_split(&arena);
    Batch batch;
    const LogicalMesh mesh = {1, {{.size = 1}}};
    batch_init(&batch, &arena);
    for (int32_t i = 0; i < N_TRAINING_KERNELS; i++) {
        Graph *graph = graph_new(&arena, STR("bench"));
        batch_add(&batch, graph, TRAINING_KERNELS[i].make(graph, 1024), &mesh);
    }
    double start = now();
    Status status = batch_compile(&batch, scratch);
    if (status_failed(&status)) {
        fprintf(stderr, "%s\n", status.message);
        return 1;
    }
    printf("compiled %d kernels in %.2f s\n", N_TRAINING_KERNELS,
           now() - start);
    for (int32_t i = 0; i < N_TRAINING_KERNELS; i++)
        report(&batch, i, scratch);
    batch_deinit(&batch);
    arena_release(&memory);
    return 0;
}
