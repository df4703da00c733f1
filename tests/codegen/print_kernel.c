/* print_kernel FILE [optimized]: the LLVM IR of the kernel that computes the
 * first output of a graph in textual IR, for x86-64-v3; for goldens. */
#include "batch.h"
#include "ir/graph_text.h"
#include "support/file.h"

#include <stdio.h>
#include <string.h>

static const LogicalMesh MESH = {1, {{.size = 4}}};

static Graph *read_graph(Arena *arena, const char *path)
{
    Str text;
    Status status = file_read(arena, path, &text);
    if (status_failed(&status)) {
        fprintf(stderr, "%s\n", status.message);
        return NULL;
    }
    Diagnostics diagnostics = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&diagnostics, str_from(path), text);
    Graph *graph = graph_parse(arena, source, &diagnostics);
    if (!graph)
        fprintf(stderr, "%s", diagnostics_print(&diagnostics, arena).data);
    return graph;
}

static Status print_listing(Batch *batch, Arena scratch, bool optimized)
{
    CodegenOptions options = {.directory = str_from(batch->directory),
                              .listings = true};
    CodeObjects objects;
    TRY(codegen_objects(batch->arena, scratch, &batch->code, &batch->program,
                        &options, &objects));
    Str path = str_format(&scratch, "%s/kernels-0%s", batch->directory,
                          optimized ? ".opt.ll" : ".ll");
    Str text;
    TRY(file_read(&scratch, path.data, &text));
    fwrite(text.data, 1, (size_t)text.length, stdout);
    return status_ok();
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, (int64_t)1 << 32, NULL);
    Arena scratch = arena_split(&arena);
    Graph *graph = read_graph(&arena, argv[1]);
    if (!graph)
        return 1;
    Batch batch;
    batch_init(&batch, &arena);
    batch.program.target = STR("x86-64-v3");
    batch_add(&batch, graph, graph->outputs.data[0].node, &MESH);
    Status status = print_listing(
        &batch, scratch, argc > 2 && strcmp(argv[2], "optimized") == 0);
    batch_deinit(&batch);
    arena_release(&memory);
    if (status_failed(&status))
        fprintf(stderr, "%s\n", status.message);
    return (int)status.code;
}
