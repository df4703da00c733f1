/* Module: an LLVM module on its way to an object file. */
#include "codegen/module.h"

#include <assert.h>
#include <llvm-c/Analysis.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdio.h>

Status module_init(Module *module, const CpuTarget *target, const char *name)
{
    *module = (Module){.target = target};
    TRY(target_machine(target, &module->machine));
    LLVMContextRef context = LLVMContextCreate();
    LLVMModuleRef llvm = LLVMModuleCreateWithNameInContext(name, context);
    module->build =
        build_new(context, llvm, LLVMCreateBuilderInContext(context));
    char *triple = LLVMGetTargetMachineTriple(module->machine);
    LLVMSetTarget(llvm, triple);
    LLVMDisposeMessage(triple);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(module->machine);
    LLVMSetModuleDataLayout(llvm, layout);
    LLVMDisposeTargetData(layout);
    return status_ok();
}

void module_deinit(Module *module)
{
    if (!module->build.context)
        return;
    LLVMDisposeBuilder(module->build.builder);
    LLVMDisposeModule(module->build.module);
    LLVMContextDispose(module->build.context);
    LLVMDisposeTargetMachine(module->machine);
}

/* LLVM prefers 256-bit vectors on processors whose clock once suffered from
 * wider ones; fused kernels gain from 512. */
static void describe_function(const Module *module, LLVMValueRef function)
{
    char width[16];
    snprintf(width, sizeof(width), "%d", module->target->vector_bits);
    LLVMAddTargetDependentFunctionAttr(function, "target-cpu",
                                       module->target->level);
    LLVMAddTargetDependentFunctionAttr(function, "prefer-vector-width", width);
}

void module_optimize(Module *module)
{
    LLVMModuleRef llvm = module->build.module;
    for (LLVMValueRef f = LLVMGetFirstFunction(llvm); f;
         f = LLVMGetNextFunction(f))
        if (!LLVMIsDeclaration(f))
            describe_function(module, f);
    LLVMVerifyModule(llvm, LLVMAbortProcessAction, NULL);
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMPassBuilderOptionsSetLoopVectorization(options, 1);
    LLVMPassBuilderOptionsSetLoopInterleaving(options, 1);
    LLVMPassBuilderOptionsSetLoopUnrolling(options, 1);
    LLVMPassBuilderOptionsSetSLPVectorization(options, 1);
    LLVMErrorRef error =
        LLVMRunPasses(llvm, "default<O2>", module->machine, options);
    assert(error == LLVMErrorSuccess);
    LLVMConsumeError(error);
    LLVMDisposePassBuilderOptions(options);
}

static Status llvm_status(char *message)
{
    Status status = status_error(STATUS_ENVIRONMENT, "LLVM: %s", message);
    LLVMDisposeMessage(message);
    return status;
}

Status module_write_text(const Module *module, const char *path)
{
    char *message = NULL;
    if (LLVMPrintModuleToFile(module->build.module, path, &message))
        return llvm_status(message);
    return status_ok();
}

Status module_write_object(const Module *module, const char *path)
{
    char *message = NULL;
    if (LLVMTargetMachineEmitToFile(module->machine, module->build.module, path,
                                    LLVMObjectFile, &message))
        return llvm_status(message);
    return status_ok();
}
