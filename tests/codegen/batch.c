/* Batch: kernels compiled together into one shared object and loaded. */
#include "batch.h"

#include <assert.h>
#include <dlfcn.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void batch_init(Batch *batch, Arena *arena)
{
    *batch = (Batch){.arena = arena, .program.target = STR("native")};
    strcpy(batch->directory, "/tmp/dnnc-test-XXXXXX");
    char *made = mkdtemp(batch->directory);
    assert(made);
}

static void remove_file(const Batch *batch, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", batch->directory, name);
    unlink(path);
}

void batch_deinit(Batch *batch)
{
    if (batch->library)
        dlclose(batch->library);
    remove_file(batch, "kernels.so");
    remove_file(batch, "job.o");
    for (int i = 0; i * 64 <= batch->code.n_code; i++) {
        char name[64];
        snprintf(name, sizeof(name), "kernels-%d.o", i);
        remove_file(batch, name);
        snprintf(name, sizeof(name), "kernels-%d.ll", i);
        remove_file(batch, name);
        snprintf(name, sizeof(name), "kernels-%d.opt.ll", i);
        remove_file(batch, name);
    }
    rmdir(batch->directory);
}

static bool is_operand(const Node *node)
{
    return node->op == OP_INPUT || node->op == OP_VARIABLE;
}

static void mark(const Graph *graph, NodeId id, bool *used)
{
    if (used[id.index])
        return;
    used[id.index] = true;
    const Node *node = graph_node(graph, id);
    for (int32_t i = 0; i < node->n_operands; i++)
        mark(graph, node->operands[i], used);
}

int32_t batch_add(Batch *batch, const Graph *graph, NodeId root,
                  const LogicalMesh *mesh)
{
    Arena *arena = batch->arena;
    KernelBody body = {.graph = graph, .root = root};
    body.accumulates = graph_node(graph, root)->op == OP_ACCUMULATE;
    bool *used = arena_new(arena, bool, graph->nodes.count);
    mark(graph, root, used);
    for (int32_t i = 1; i < graph->nodes.count; i++) {
        if (!used[i])
            continue;
        if (is_operand(&graph->nodes.data[i]))
            *vector_push(arena, &body.operands) = (NodeId){i};
        else
            *vector_push(arena, &body.nodes) = (NodeId){i};
    }
    int32_t code = batch->code.n_code++;
    StageBodies *bodies = vector_push(arena, &batch->code.stages);
    bodies->mesh = *mesh;
    *vector_push(arena, &bodies->kernels) = body;
    ProgramStage *stage = vector_push(arena, &batch->program.stages);
    *vector_push(arena, &stage->kernels) =
        (Kernel){.kind = KERNEL_CODE, .code = code};
    return code;
}

const KernelBody *batch_body(const Batch *batch, int32_t code)
{
    return &batch->code.stages.data[code].kernels.data[0];
}

void batch_run_in_place(Batch *batch, int32_t code, int32_t operand)
{
    Arena *arena = batch->arena;
    ProgramStage *stage = &batch->program.stages.data[code];
    int32_t n = (int32_t)batch_body(batch, code)->operands.count + 1;
    Instruction run = {.kind = INSTRUCTION_RUN,
                       .n_buffers = n,
                       .buffers = arena_new(arena, int32_t, n),
                       .kernel = 0};
    for (int32_t i = 0; i < n; i++) {
        run.buffers[i] = (int32_t)stage->buffers.count;
        vector_push(arena, &stage->buffers)->offset = 64 * run.buffers[i];
    }
    if (operand >= 0)
        run.buffers[n - 1] = run.buffers[operand];
    *vector_push(arena, &stage->segments[SEGMENT_UPDATE].instructions) = run;
}

static Status link_shared(Batch *batch, const CodeObjects *objects)
{
    Arena *arena = batch->arena;
    Str output = str_format(arena, "%s/kernels.so", batch->directory);
    int64_t n = objects->paths.count;
    char **arguments = arena_new(arena, char *, n + 6);
    int k = 0;
    const char *first[] = {"cc", "-shared", "-o", output.data};
    for (int i = 0; i < 4; i++)
        arguments[k++] = strdup(first[i]);
    for (int64_t i = 0; i < n; i++)
        arguments[k++] = strdup(objects->paths.data[i].data);
    arguments[k++] = strdup("-lm");
    pid_t child;
    int status = -1;
    if (posix_spawnp(&child, "cc", NULL, NULL, arguments, environ) == 0)
        waitpid(child, &status, 0);
    for (int i = 0; i < k; i++)
        free(arguments[i]);
    if (status != 0)
        return status_error(STATUS_ENVIRONMENT, "cc failed");
    batch->library = dlopen(output.data, RTLD_NOW | RTLD_LOCAL);
    if (!batch->library)
        return status_error(STATUS_ENVIRONMENT, "%s", dlerror());
    return status_ok();
}

Status batch_compile(Batch *batch, Arena scratch)
{
    CodegenOptions options = {.directory = str_from(batch->directory),
                              .listings = getenv("DNNC_LISTINGS") != NULL};
    CodeObjects objects;
    TRY(codegen_objects(batch->arena, scratch, &batch->code, &batch->program,
                        &options, &objects));
    return link_shared(batch, &objects);
}

Status batch_compile_program(Batch *batch, const Program *program,
                             const ProgramCode *code, Arena scratch)
{
    batch->program = *program;
    batch->program.target = STR("native");
    batch->code = *code;
    return batch_compile(batch, scratch);
}

KernelFunction *batch_function(const Batch *batch, int32_t code)
{
    char name[64];
    snprintf(name, sizeof(name), "dnnc_code_%d", code);
    KernelFunction *function;
    *(void **)&function = dlsym(batch->library, name);
    assert(function);
    return function;
}

void batch_run(const Batch *batch, int32_t code, const Environment *environment,
               Tensor result)
{
    const KernelBody *body = batch_body(batch, code);
    char *buffers[64];
    int64_t n = body->operands.count;
    assert(n < 64);
    for (int64_t i = 0; i < n; i++) {
        const Node *node = graph_node(body->graph, body->operands.data[i]);
        buffers[i] =
            node->op == OP_INPUT
                ? environment->inputs[node->attr.input.input].data
                : environment->variables[node->attr.variable.variable].data;
    }
    buffers[n] = result.data;
    batch_function(batch, code)(buffers, &environment->context);
}
