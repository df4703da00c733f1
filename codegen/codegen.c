/* Codegen: every distinct kernel of a program to object files. */
#include "codegen/codegen.h"

#include "codegen/kernel.h"
#include "codegen/module.h"
#include "support/checked.h"
#include "support/map.h"

#include <assert.h>

/* LLVM's time is linear in kernels, its memory is a module's. */
enum { MODULE_KERNELS_MAX = 64 };

/* -- what to emit ---------------------------------------------------------- */

static void variant_add(Arena *arena, KernelCode *code, InPlace in_place)
{
    int64_t i = 0;
    for (; i < code->variants.count; i++)
        if (code->variants.data[i] == in_place)
            return;
    *vector_push(arena, &code->variants) = in_place;
    /* more operands in place first: their test is the stricter */
    for (; i > 0 && __builtin_popcount(code->variants.data[i - 1]) <
                        __builtin_popcount(in_place);
         i--) {
        code->variants.data[i] = code->variants.data[i - 1];
        code->variants.data[i - 1] = in_place;
    }
}

/* Which operands of a RUN share their bytes with its result. */
static InPlace in_place_of(const ProgramStage *stage, const Instruction *run,
                           int64_t n_operands)
{
    InPlace in_place = 0;
    const Buffer *buffers = stage->buffers.data;
    const Buffer *result = &buffers[run->buffers[n_operands]];
    for (int64_t i = 0; i < n_operands; i++)
        if (buffers[run->buffers[i]].offset == result->offset)
            in_place |= (InPlace)1 << i;
    return in_place;
}

static void add_segment(Arena *arena, const ProgramStage *stage,
                        const Segment *segment, KernelCode *table)
{
    for (int64_t i = 0; i < segment->instructions.count; i++) {
        const Instruction *run = &segment->instructions.data[i];
        if (run->kind != INSTRUCTION_RUN)
            continue;
        const Kernel *kernel = &stage->kernels.data[run->kernel];
        if (kernel->kind != KERNEL_CODE)
            continue;
        KernelCode *code = &table[kernel->code];
        variant_add(arena, code,
                    in_place_of(stage, run, code->body->operands.count));
    }
}

/* The table of distinct kernels, by code number. */
static KernelCode *code_table(Arena *arena, const ProgramCode *code,
                              const Program *program)
{
    KernelCode *table = arena_new(arena, KernelCode, code->n_code);
    for (int64_t s = 0; s < code->stages.count; s++) {
        const StageBodies *bodies = &code->stages.data[s];
        const ProgramStage *stage = &program->stages.data[s];
        for (int64_t k = 0; k < bodies->kernels.count; k++) {
            const Kernel *kernel = &stage->kernels.data[k];
            if (kernel->kind != KERNEL_CODE || table[kernel->code].body)
                continue;
            table[kernel->code].body = &bodies->kernels.data[k];
            table[kernel->code].mesh = &bodies->mesh;
        }
    }
    for (int64_t s = 0; s < code->stages.count; s++)
        for (int k = 0; k < SEGMENT_COUNT; k++)
            add_segment(arena, &program->stages.data[s],
                        &program->stages.data[s].segments[k], table);
    Map keys = {0};
    for (int32_t i = 0; i < code->n_code; i++) {
        if (table[i].variants.count == 0)
            variant_add(arena, &table[i], 0);
        table[i].shared = (int32_t)*map_insert(
            arena, &keys, kernel_key(arena, &table[i]), i, NULL);
    }
    return table;
}

/* -- one module after another ---------------------------------------------- */

static Status write_listing(Arena scratch, const Module *module,
                            const CodegenOptions *options, int32_t number,
                            const char *suffix)
{
    if (!options->listings)
        return status_ok();
    Str path = str_format(&scratch, "%.*s/kernels-%d%s",
                          STR_ARG(options->directory), number, suffix);
    return module_write_text(module, path.data);
}

static Status emit_module(Arena scratch, Module *module,
                          const KernelCode *table, int32_t first, int32_t end,
                          const CodegenOptions *options, const char *object)
{
    int32_t number = first / MODULE_KERNELS_MAX;
    for (int32_t i = first; i < end; i++) {
        assert(table[i].body);
        kernel_emit(scratch, &module->build, &table[i],
                    str_format(&scratch, "dnnc_code_%d", i).data);
    }
    TRY(write_listing(scratch, module, options, number, ".ll"));
    module_optimize(module);
    TRY(write_listing(scratch, module, options, number, ".opt.ll"));
    return module_write_object(module, object);
}

Status codegen_objects(Arena *arena, Arena scratch, const ProgramCode *code,
                       const Program *program, const CodegenOptions *options,
                       CodeObjects *out)
{
    *out = (CodeObjects){.n_code = code->n_code};
    TRY(cpu_target(program->target, &out->target));
    KernelCode *table = code_table(&scratch, code, program);
    for (int32_t first = 0; first < code->n_code; first += MODULE_KERNELS_MAX) {
        int32_t end = first + MODULE_KERNELS_MAX;
        end = end < code->n_code ? end : code->n_code;
        Str object =
            str_format(arena, "%.*s/kernels-%d.o", STR_ARG(options->directory),
                       first / MODULE_KERNELS_MAX);
        Module module;
        Status status = module_init(&module, &out->target, "kernels");
        if (!status_failed(&status))
            status = emit_module(scratch, &module, table, first, end, options,
                                 object.data);
        module_deinit(&module);
        TRY(status);
        *vector_push(arena, &out->paths) = object;
    }
    return status_ok();
}
