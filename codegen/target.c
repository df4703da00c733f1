/* Target: the processor a job is compiled for. */
#include "codegen/target.h"

#include <llvm-c/Core.h>
#include <llvm-c/Target.h>
#include <stddef.h>

#define FEATURES_V2 "+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt"
#define FEATURES_V3 FEATURES_V2 ",+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+movbe"
#define FEATURES_V4 \
    FEATURES_V3 ",+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl"

/* Highest first. */
static const CpuTarget TARGETS[] = {
    {"x86-64-v4", FEATURES_V4, 512},
    {"x86-64-v3", FEATURES_V3, 256},
    {"x86-64-v2", FEATURES_V2, 128},
};
enum { N_TARGETS = sizeof(TARGETS) / sizeof(TARGETS[0]) };

static bool host_has(int32_t target)
{
    __builtin_cpu_init();
    switch (target) {
    case 0: return __builtin_cpu_supports("x86-64-v4");
    case 1: return __builtin_cpu_supports("x86-64-v3");
    default: return __builtin_cpu_supports("x86-64-v2");
    }
}

Status cpu_target(Str name, CpuTarget *out)
{
    bool native = str_equal_c(name, "native");
    for (int32_t i = 0; i < N_TARGETS; i++) {
        if (native ? host_has(i) : str_equal_c(name, TARGETS[i].level)) {
            *out = TARGETS[i];
            return status_ok();
        }
    }
    if (native)
        return status_error(STATUS_ENVIRONMENT,
                            "this processor is below x86-64-v2");
    return status_error(STATUS_INPUT,
                        "no code is generated for target '%.*s': known are "
                        "native, x86-64-v2, x86-64-v3 and x86-64-v4",
                        STR_ARG(name));
}

Status target_machine(const CpuTarget *target, LLVMTargetMachineRef *out)
{
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    const char *triple = "x86_64-pc-linux-gnu";
    char *message = NULL;
    LLVMTargetRef llvm;
    if (LLVMGetTargetFromTriple(triple, &llvm, &message)) {
        Status status = status_error(STATUS_ENVIRONMENT, "LLVM: %s", message);
        LLVMDisposeMessage(message);
        return status;
    }
    *out = LLVMCreateTargetMachine(llvm, triple, target->level, "",
                                   LLVMCodeGenLevelAggressive, LLVMRelocPIC,
                                   LLVMCodeModelDefault);
    return status_ok();
}
