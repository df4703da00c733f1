/* Linking a job: an executable that starts, and what a failure leaves. */
#include "batch.h"
#include "support/file.h"

#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static ArenaMemory memory;
static Arena arena, scratch;
static Batch batch;
static CodeObjects objects;

/* One stage on one device that does nothing. */
static void describe_program(const LogicalMesh *mesh)
{
    Program *program = &batch.program;
    program->model_name = STR("test");
    program->batch = program->n_microbatches = program->n_ranks = 1;
    ProgramStage *stage = &program->stages.data[0];
    stage->mesh = *mesh;
    stage->submesh.n_hosts = stage->submesh.devices_per_host = 1;
    stage->ranks = arena_new(&arena, int64_t, 1);
    stage->memory_bytes = 1 << 20;
}

static int set_up(void **state)
{
    (void)state;
    arena = arena_reserve(&memory, (int64_t)1 << 32, NULL);
    scratch = arena_split(&arena);
    const LogicalMesh mesh = {1, {{.size = 1}}};
    batch_init(&batch, &arena);
    Graph *graph = graph_new(&arena, STR("kernel"));
    NodeOrigin origin = {.layer = LAYER_NONE};
    NodeId x;
    graph_add_input(graph, STR("x"), (Type){DTYPE_F32, {1, {64}}}, origin, &x);
    batch_add(&batch, graph, graph_unary(graph, OP_EXP, x, origin), &mesh);
    describe_program(&mesh);
    CodegenOptions options = {.directory = str_from(batch.directory)};
    Status status = codegen_objects(&arena, scratch, &batch.code,
                                    &batch.program, &options, &objects);
    return status_failed(&status) ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    batch_deinit(&batch);
    arena_release(&memory);
    return 0;
}

static Str in_directory(const char *name)
{
    return str_format(&arena, "%s/%s", batch.directory, name);
}

static int run(const char *path, char *argument)
{
    char *name = strdup(path);
    char *arguments[] = {name, argument, NULL};
    pid_t child;
    int code = -1;
    if (posix_spawn(&child, path, NULL, NULL, arguments, environ) == 0)
        waitpid(child, &code, 0);
    free(name);
    return code;
}

static void a_job_starts(void **state)
{
    (void)state;
    JobLink link = {.directory = str_from(batch.directory),
                    .library = STR(DNNC_TEST_LIBRARY)};
    Str path = in_directory("job");
    Status status = job_link(scratch, &batch.program, &objects, &link, path);
    assert_string_equal(status.message, "");
    char info[] = "--info";
    int code = run(path.data, info);
    assert_true(WIFEXITED(code));
    assert_int_equal(WEXITSTATUS(code), 0);
    unlink(path.data);
}

/* The linker fails: the error is the environment's, the old job stays and
 * nothing else is left. */
static void a_failure_leaves_what_was(void **state)
{
    (void)state;
    JobLink link = {.directory = str_from(batch.directory),
                    .library = in_directory("absent.a")};
    Str path = in_directory("job");
    Status status = file_write(path.data, STR("old"), false);
    assert_false(status_failed(&status));
    status = job_link(scratch, &batch.program, &objects, &link, path);
    assert_int_equal(status.code, STATUS_ENVIRONMENT);
    Str text;
    status = file_read(&arena, path.data, &text);
    assert_true(str_equal_c(text, "old"));
    Str left = str_format(&arena, "%s.linking-%ld", path.data, (long)getpid());
    assert_int_not_equal(access(left.data, F_OK), 0);
    unlink(path.data);
}

static void an_unknown_target_is_the_users(void **state)
{
    (void)state;
    CpuTarget target;
    Status status = cpu_target(STR("pentium"), &target);
    assert_int_equal(status.code, STATUS_INPUT);
    assert_non_null(strstr(status.message, "x86-64-v3"));
    status = cpu_target(STR("native"), &target);
    assert_false(status_failed(&status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_starts),
        cmocka_unit_test(a_failure_leaves_what_was),
        cmocka_unit_test(an_unknown_target_is_the_users),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
