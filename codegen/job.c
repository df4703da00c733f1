/* Job: objects, the program's bytes and the runtime library become one
 * executable. */
#include "codegen/codegen.h"
#include "codegen/module.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- the data object ------------------------------------------------------- */

static void add_constant(const Build *b, const char *name, LLVMValueRef value)
{
    LLVMValueRef global = LLVMAddGlobal(b->module, LLVMTypeOf(value), name);
    LLVMSetInitializer(global, value);
    LLVMSetGlobalConstant(global, 1);
    LLVMSetAlignment(global, 16);
}

static void add_text(const Build *b, const char *name, const char *text)
{
    add_constant(b, name,
                 LLVMConstStringInContext2(b->context, text, strlen(text), 0));
}

static void add_count(const Build *b, const char *name, int64_t value)
{
    add_constant(b, name, build_i64(b, value));
}

static void add_code_table(Arena scratch, const Build *b, int32_t n)
{
    LLVMTypeRef types[] = {b->pointer, b->pointer};
    LLVMTypeRef type = LLVMFunctionType(b->nothing, types, 2, 0);
    LLVMValueRef *functions = arena_new(&scratch, LLVMValueRef, n);
    for (int32_t i = 0; i < n; i++)
        functions[i] = LLVMAddFunction(
            b->module, str_format(&scratch, "dnnc_code_%d", i).data, type);
    add_constant(b, "dnnc_code",
                 LLVMConstArray2(b->pointer, functions, (uint64_t)n));
    add_count(b, "dnnc_code_count", n);
}

static Status write_data(Arena scratch, const Program *program,
                         const CodeObjects *objects, const char *path)
{
    Module module;
    Status status = module_init(&module, &objects->target, "job");
    if (!status_failed(&status)) {
        const Build *b = &module.build;
        Str bytes = program_encode(&scratch, program);
        add_constant(b, "dnnc_program",
                     LLVMConstStringInContext2(b->context, bytes.data,
                                               (size_t)bytes.length, 1));
        add_count(b, "dnnc_program_bytes", bytes.length);
        add_code_table(scratch, b, objects->n_code);
        add_text(b, "dnnc_target", objects->target.level);
        add_text(b, "dnnc_target_features", objects->target.features);
        status = module_write_object(&module, path);
    }
    module_deinit(&module);
    return status;
}

/* -- where the runtime library is ------------------------------------------ */

/* DNNC_LIBRARY_FROM_BIN: the way from an installed executable's folder to the
 * library's. */
Status job_library_find(Arena *arena, Str *out)
{
    static const char *const places[] = {DNNC_LIBRARY_FROM_BIN, "../runtime"};
    char executable[4096];
    ssize_t n = readlink("/proc/self/exe", executable, sizeof(executable) - 1);
    if (n < 0)
        return status_error(STATUS_ENVIRONMENT, "/proc/self/exe: %s",
                            strerror(errno));
    executable[n] = 0;
    *strrchr(executable, '/') = 0;
    for (int i = 0; i < 2; i++) {
        *out =
            str_format(arena, "%s/%s/libdnnc_runtime.a", executable, places[i]);
        if (access(out->data, R_OK) == 0)
            return status_ok();
    }
    return status_error(STATUS_ENVIRONMENT,
                        "libdnnc_runtime.a, which jobs are linked with, is "
                        "neither in %s/%s nor in %s/%s",
                        executable, places[0], executable, places[1]);
}

/* -- linking --------------------------------------------------------------- */

/* An argument list that ends in NULL. */
typedef struct Arguments {
    Arena *arena;
    VECTOR(char *) list;
} Arguments;

static void argument(Arguments *arguments, const char *prefix, Str text)
{
    Str whole = str_format(arguments->arena, "%s%.*s", prefix, STR_ARG(text));
    char *copy = arena_new(arguments->arena, char, whole.length + 1);
    memcpy(copy, whole.data, (size_t)whole.length);
    *vector_push(arguments->arena, &arguments->list) = copy;
}

static Arguments link_arguments(Arena *arena, const CodeObjects *objects,
                                const JobLink *link, Str data, Str output)
{
    Arguments arguments = {.arena = arena};
#ifdef DNNC_JOB_SANITIZED
    argument(&arguments, DNNC_JOB_SANITIZED, STR(""));
    argument(&arguments, "-fsanitize=address,undefined", STR(""));
#else
    argument(&arguments, "cc", STR(""));
#endif
    argument(&arguments, "-o", output);
    argument(&arguments, "", data);
    for (int64_t i = 0; i < objects->paths.count; i++)
        argument(&arguments, "", objects->paths.data[i]);
    argument(&arguments, "", link->library);
    argument(&arguments, "-ldl", STR(""));
    argument(&arguments, "-lm", STR(""));
    (void)vector_push(arena, &arguments.list);
    return arguments;
}

/* Runs the linker; what it says goes to stderr. */
static Status run_linker(char **arguments)
{
    pid_t child;
    int code;
    int error =
        posix_spawnp(&child, arguments[0], NULL, NULL, arguments, environ);
    if (error != 0)
        return status_error(STATUS_ENVIRONMENT,
                            "cannot start '%s' to link the job: %s",
                            arguments[0], strerror(error));
    while (waitpid(child, &code, 0) < 0) {
        if (errno != EINTR)
            return status_error(STATUS_ENVIRONMENT, "waiting for '%s': %s",
                                arguments[0], strerror(errno));
    }
    if (!WIFEXITED(code) || WEXITSTATUS(code) != 0)
        return status_error(STATUS_ENVIRONMENT, "'%s' could not link the job",
                            arguments[0]);
    return status_ok();
}

Status job_link(Arena scratch, const Program *program,
                const CodeObjects *objects, const JobLink *link, Str path)
{
    Str data = str_format(&scratch, "%.*s/job.o", STR_ARG(link->directory));
    Str output =
        str_format(&scratch, "%.*s.linking-%ld", STR_ARG(path), (long)getpid());
    TRY(write_data(scratch, program, objects, data.data));
    Arguments arguments = link_arguments(&scratch, objects, link, data, output);
    Status status = run_linker(arguments.list.data);
    Str target = str_copy(&scratch, path);
    if (!status_failed(&status) && rename(output.data, target.data) != 0)
        status = status_error(STATUS_ENVIRONMENT, "cannot write '%s': %s",
                              target.data, strerror(errno));
    if (status_failed(&status))
        unlink(output.data);
    return status;
}
